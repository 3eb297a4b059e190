"""schemathesis: requests made from the service's OpenAPI document; the answers have to follow it."""

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from photo_parts.tables import PartSkipped
from service_parts.service_process import Verdict, run_service

CONFIG = Path(__file__).parents[2] / "tests" / "server" / "schemathesis.toml"
LIMITS = ["--model", "photo-fast", "--threads", "1", "--max-bytes", "2M", "--max-pixels", "1M", "--job-expiry", "60"]
LAST_LINES = 20


def measure(examples: int) -> list[Verdict]:
    """Send a number of examples to each operation, and return whether all answers follow the document.

    Raises:
        PartSkipped: if schemathesis is not installed.
    """
    if importlib.util.find_spec("schemathesis") is None:
        raise PartSkipped("schemathesis is not installed: pip install schemathesis")
    with (
        tempfile.TemporaryDirectory(prefix="pellucid-conform-") as folder,
        run_service(Path(folder) / "spool", *LIMITS) as service,
    ):
        program = "from schemathesis.cli import schemathesis; schemathesis()"
        command = [sys.executable, "-c", program, "--no-color", "--config-file", str(CONFIG), "run"]
        command += ["--max-examples", str(examples), "--continue-on-failure", "--seed", "0"]
        command += [f"{service.address}/openapi.json"]
        process = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        is_alive = service.process.poll() is None
    lines = process.stdout.strip().splitlines()
    found = " ".join(" ".join(lines[-LAST_LINES:]).split()) if process.returncode else _generated(process.stdout)
    return [
        Verdict(
            "schemathesis", found if is_alive else f"the service ended; {found}", "no failures", _ok(process, is_alive)
        )
    ]


def _ok(process: subprocess.CompletedProcess[str], is_alive: bool) -> bool:
    return is_alive and process.returncode == 0


def _generated(text: str) -> str:
    """Return the number of cases that the tool reports."""
    tested = re.search(r"Tested: (\d+)", text)
    cases = re.search(r"(\d+) generated", text)
    return f"no failures in {cases[1] if cases else 'all'} cases for {tested[1] if tested else 'all'} operations"
