"""schemathesis: requests made from the service's own OpenAPI document, and whether the answers keep to it."""

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from photo_parts.tables import LeftOut
from service_parts.serving import Verdict, served

CONFIG = Path(__file__).parents[2] / "tests" / "server" / "schemathesis.toml"
LIMITS = ["--model", "photo-fast", "--threads", "1", "--max-bytes", "2M", "--max-pixels", "1M", "--job-expiry", "60"]
LAST_LINES = 20


def measure(examples: int) -> list[Verdict]:
    """Ask each operation for so many examples, and return whether all answers are as the document says.

    Raises:
        LeftOut: if schemathesis is not installed.
    """
    if importlib.util.find_spec("schemathesis") is None:
        raise LeftOut("schemathesis is not installed: pip install schemathesis")
    with (
        tempfile.TemporaryDirectory(prefix="pellucid-conform-") as folder,
        served(Path(folder) / "spool", *LIMITS) as service,
    ):
        program = "from schemathesis.cli import schemathesis; schemathesis()"
        command = [sys.executable, "-c", program, "--no-color", "--config-file", str(CONFIG), "run"]
        command += ["--max-examples", str(examples), "--continue-on-failure", "--seed", "0"]
        command += [f"{service.address}/openapi.json"]
        told = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        lives = service.process.poll() is None
    lines = told.stdout.strip().splitlines()
    found = " ".join(" ".join(lines[-LAST_LINES:]).split()) if told.returncode else _generated(told.stdout)
    return [Verdict("schemathesis", found if lives else f"the service ended; {found}", "no failures", _ok(told, lives))]


def _ok(told: subprocess.CompletedProcess[str], lives: bool) -> bool:
    return lives and told.returncode == 0


def _generated(text: str) -> str:
    """Return how much was tried, as the tool says it."""
    tested = re.search(r"Tested: (\d+)", text)
    cases = re.search(r"(\d+) generated", text)
    return f"no failures in {cases[1] if cases else 'all'} cases for {tested[1] if tested else 'all'} operations"
