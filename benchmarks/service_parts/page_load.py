"""The page in Chromium: its tests, its size, and the time to the first content."""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from photo_parts.tables import PartSkipped
from service_parts.service_process import Verdict, run_service

ROOT = Path(__file__).parents[2]
MAX_BYTES = 100_000
PAINT = "performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0]"


def measure(loads: int) -> list[Verdict]:
    """Run the page's tests and load it a number of times, each with an empty cache.

    Raises:
        PartSkipped: if there is no browser.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        raise PartSkipped("there is no chromium: apt install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise PartSkipped("playwright is not installed: pip install playwright") from None
    weights, paints = [], []
    with (
        tempfile.TemporaryDirectory(prefix="pellucid-page-") as folder,
        run_service(Path(folder) / "spool", "--threads", "1") as service,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(loads):
            page = browser.new_page()
            bodies: list[int] = []
            page.on(
                "requestfinished", lambda request, bodies=bodies: bodies.append(request.sizes()["responseBodySize"])
            )
            page.goto(service.address, wait_until="networkidle")
            paints.append(page.wait_for_function(PAINT).json_value())
            weights.append(sum(bodies))
            page.close()
        browser.close()
    return [
        _tested(),
        Verdict(
            "page size, all that a load fetches", f"{max(weights):,} bytes", "under 100 kB", weights[0] < MAX_BYTES
        ),
        Verdict(
            "first contentful paint",
            f"{statistics.median(paints):.0f} ms ({min(paints):.0f} to {max(paints):.0f}, {loads} loads)",
            "printed",
            bool(paints),
        ),
    ]


def _tested() -> Verdict:
    """Run the page's tests, including slow ones."""
    tests = ROOT / "tests" / "server" / "page"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "slow or not slow", "--timeout", "600", str(tests)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    last = (process.stdout.strip().splitlines() or ["no output"])[-1]
    is_run = re.search(r"\d+ passed", last) is not None and "skipped" not in last
    return Verdict("the page's tests in Chromium", last.strip("= "), "all pass", process.returncode == 0 and is_run)
