"""Check the names and the prose of the project against the words of docs/glossary.md that are not to be used.

    scripts/check_words.py [--summary] [PATH ...]

Prints a line for each word, `file:line: word (name or text) → the word to use`, and exits with 1 if there is one.
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import glossary
import word_tokens

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
FOLDERS = ("src", "tests", "benchmarks", "scripts", "fuzz", "examples", "docs", "README.md", "CONTRIBUTING.md")


@dataclass(frozen=True)
class Hit:
    """A word that is not to be used.

    Attributes:
        path: the file, relative to the root of the project.
        line: from 1.
        word: the word, and the name that it is a part of: "WORD in NAME".
        kind: "name" or "text".
        replacement: what the glossary gives instead.
    """

    path: str
    line: int
    word: str
    kind: str
    replacement: str

    def __str__(self) -> str:
        """Return the line that is printed."""
        return f"{self.path}:{self.line}: {self.word} ({self.kind}) → {self.replacement}"


def check_text(path: str, text: str, rules: Sequence[glossary.Rule]) -> list[Hit]:
    """Return the words of a file that are not to be used, in the order of their lines.

    Args:
        path: relative to the root of the project; its suffix says how the text is read, its parts are names too.
        text: the whole file.
        rules: from `glossary.read_rules`.
    """
    matcher = glossary.Matcher([rule for rule in rules if rule.applies_to(path)], path)
    tokens = [*word_tokens.path_tokens(path), *word_tokens.tokens_of(path, text)]
    hits = [
        Hit(path, token.line, word, "name" if token.kind == "name" else "text", rule.replacement)
        for token in tokens
        for word, rule in matcher.matches(token)
    ]
    return sorted(dict.fromkeys(hits), key=lambda hit: (hit.line, hit.word))


def check_files(root: Path, paths: Iterable[str], rules: Sequence[glossary.Rule]) -> Iterator[Hit]:
    """Yield the words of files that are not to be used; files of other kinds are passed over."""
    for path in paths:
        file = root / path
        if file.is_file() and word_tokens.is_readable(path, file):
            try:
                yield from check_text(path, file.read_text(encoding="utf-8"), rules)
            except SyntaxError as error:
                raise SystemExit(f"{path} is not valid Python: {error}") from error


def project_files(root: Path, folders: Sequence[str] = FOLDERS) -> list[str]:
    """Return the files of the project that git knows or would add, sorted."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    return sorted(set(listed))


def project_hits(root: Path = ROOT, folders: Sequence[str] = FOLDERS) -> Iterator[Hit]:
    """Yield the words of the whole project, or of some folders and files, that are not to be used."""
    text = GLOSSARY.read_text(encoding="utf-8")
    skipped = glossary.read_skipped(text)
    paths = [path for path in project_files(root, folders) if not glossary.matches_any(path, skipped)]
    return check_files(root, paths, glossary.read_rules(text))


def summary(hits: Iterable[Hit]) -> str:
    """Return how often each word was found in each folder, a line each, most frequent first."""
    folders: dict[str, Counter[str]] = {}
    for hit in hits:
        folders.setdefault(str(Path(hit.path).parent), Counter())[hit.word.partition(" in ")[0].lower()] += 1
    lines = []
    for folder, words in sorted(folders.items()):
        counts = ", ".join(f"{word} {count}" for word, count in words.most_common())
        lines.append(f"{folder}: {words.total()}: {counts}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the project, or the paths given, and return the exit status."""
    parser = argparse.ArgumentParser(description="Check names and prose against docs/glossary.md.")
    parser.add_argument("paths", nargs="*", help="folders and files, relative to the project; default: all of it")
    parser.add_argument("--summary", action="store_true", help="print counts per folder and word only")
    options = parser.parse_args(arguments)
    hits = list(project_hits(folders=options.paths or FOLDERS))
    if options.summary:
        print(summary(hits))
    else:
        print("\n".join(map(str, hits)))
    if hits:
        print(f"{len(hits)} words that docs/glossary.md does not use", file=sys.stderr)
    return 1 if hits else 0


if __name__ == "__main__":
    sys.exit(main())
