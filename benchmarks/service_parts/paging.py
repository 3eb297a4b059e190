"""The page in Chromium: its tests, its weight, and when something is to be seen first."""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from photo_parts.tables import LeftOut
from service_parts.serving import Verdict, served

ROOT = Path(__file__).parents[2]
MOST_BYTES = 100_000
PAINT = "performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0]"


def measure(loads: int) -> list[Verdict]:
    """Run the page's tests and load it so many times, each with an empty cache.

    Raises:
        LeftOut: if there is no browser.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        raise LeftOut("there is no chromium: apt install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise LeftOut("playwright is not installed: pip install playwright") from None
    weights, paints = [], []
    with (
        tempfile.TemporaryDirectory(prefix="pellucid-page-") as folder,
        served(Path(folder) / "spool", "--threads", "1") as service,
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
            "page weight, all that a load fetches", f"{max(weights):,} bytes", "under 100 kB", weights[0] < MOST_BYTES
        ),
        Verdict(
            "first contentful paint",
            f"{statistics.median(paints):.0f} ms ({min(paints):.0f} to {max(paints):.0f}, {loads} loads)",
            "printed",
            bool(paints),
        ),
    ]


def _tested() -> Verdict:
    """Run the page's tests, the slow ones too."""
    tests = ROOT / "tests" / "server" / "page"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "slow or not slow", "--timeout", "600", str(tests)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    last = (told.stdout.strip().splitlines() or ["nothing was said"])[-1]
    is_run = re.search(r"\d+ passed", last) is not None and "skipped" not in last
    return Verdict("the page's tests in Chromium", last.strip("= "), "all pass", told.returncode == 0 and is_run)
