"""Check that the tests notice small faults: each is put into a copy of the package, and its tests have to fail.

    .venv/bin/python scripts/mutants.py              # all of scripts/mutants.toml
    .venv/bin/python scripts/mutants.py muon resume  # those with one of these words in their name
    .venv/bin/python scripts/mutants.py --match      # only whether their texts are still in the source; runs no tests

The exit status is 1 if a mutant survives, if its text is no longer in the source exactly once, or if its tests do not
run or fail without it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE = Path(__file__).with_suffix(".toml")
COPIED = ("src", "tests", "pyproject.toml")
PASSED, FAILED = 0, 1  # pytest's exit status; any other says that the tests did not run


@dataclass(frozen=True)
class Mutant:
    """A fault: `old`, which `file` holds once, becomes `new`, and one of `tests` (arguments of pytest) has to fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def mismatch(self, tree: Path) -> str | None:
        """Return why the mutant cannot be put into a tree, or None."""
        path = tree / self.file
        if not path.is_file():
            return f"{self.file} is absent"
        count = path.read_text(encoding="utf-8").count(self.old)
        return None if count == 1 else f"its old text is in {self.file} {count} times, not once"

    def is_killed(self, tree: Path) -> bool:
        """Put the mutant into a tree, run its tests, and take it out again.

        Raises:
            RuntimeError: if the tests do not run.
        """
        path = tree / self.file
        source = path.read_text(encoding="utf-8")
        path.write_text(source.replace(self.old, self.new), encoding="utf-8")
        try:
            status, output = run_tests(tree, self.tests)
        finally:
            path.write_text(source, encoding="utf-8")
        if status not in (PASSED, FAILED):
            raise RuntimeError(output)
        return status == FAILED


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests of a tree on its own package up to the first failure; return pytest's exit status and output."""
    # Python takes cached bytecode for current if the source's size and second of change are the same.
    variables = {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=tree, env=os.environ | variables, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def copy_tree(folder: Path) -> None:
    """Copy into a folder what the tests take."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)


def verdict(mutant: Mutant, tree: Path) -> str:
    """Return "killed", or the reason why it is not."""
    try:
        return "killed" if mutant.is_killed(tree) else f"SURVIVED {' '.join(mutant.tests)}"
    except RuntimeError as error:
        return f"TESTS DO NOT RUN\n{error}"


def main() -> int:
    """Run what the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="take the mutants with one of these in their name")
    parser.add_argument("--match", action="store_true", help="only check that their texts are still in the source")
    options = parser.parse_args()
    tables = tomllib.loads(TABLE.read_text(encoding="utf-8"))["mutant"]
    mutants = [Mutant(**table | {"tests": tuple(table["tests"])}) for table in tables]
    mutants = [each for each in mutants if not options.words or any(word in each.name for word in options.words)]
    if not mutants:
        parser.error(f"no mutant in {TABLE.name} has one of these words in its name")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        stale = {each.name: reason for each in mutants if (reason := each.mismatch(tree))}
        found = {name: f"DOES NOT MATCH: {reason}" for name, reason in stale.items()}
        fitting = [each for each in mutants if each.name not in stale]
        if fitting and not options.match:
            status, output = run_tests(tree, sorted({test for each in fitting for test in each.tests}))
            if status != PASSED:
                print(f"the tests do not pass without any mutant:\n{output}")
                return 1
        for name, result in found.items():
            print(f"{name}: {result}")
        for each in [] if options.match else fitting:
            found[each.name] = verdict(each, tree)
            print(f"{each.name}: {found[each.name]}", flush=True)
    bad = sum(result != "killed" for result in found.values())
    print(f"{len(mutants)} mutants, {bad} of them to be seen to")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
