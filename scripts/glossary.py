"""The tables of docs/glossary.md: words that are not used, what replaces them, and where they may stay."""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from word_tokens import Token

KINDS = ("names", "whole names", "constants", "text")
COLUMNS = ["Not used", "Use instead", "Checked in", "Where", "Allowed"]
WORD = re.compile(r"(?<!\w)[A-Za-z]+(?!\w)")
NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
ALLOWANCE = re.compile(r'^(?:"(?P<phrase>[^"]+)"(?: in (?P<phrase_glob>\S+))?|(?P<glob>\S+))$')


@dataclass(frozen=True)
class Allowance:
    """Where a word may stay: within a phrase, in the files that match a pattern, or both.

    Attributes:
        phrase: the word may stay within this longer text; if it is the word itself, as a whole string of the code.
        glob: a pattern of paths, or None for all files.
    """

    phrase: str | None
    glob: str | None


@dataclass(frozen=True)
class Rule:
    """A row of the table.

    Attributes:
        words: those not used; names may have several parts (`a_b`), texts several words (`a b`).
        replacement: what to use instead.
        kinds: some of KINDS.
        where: patterns of the paths that are checked; none for all.
        allowances: where a word may stay.
    """

    words: tuple[str, ...]
    replacement: str
    kinds: frozenset[str]
    where: tuple[str, ...] = ()
    allowances: tuple[Allowance, ...] = ()

    def applies_to(self, path: str) -> bool:
        """Return whether a file is checked by the rule at all."""
        patterns = [allowance.glob for allowance in self.allowances if allowance.glob and allowance.phrase is None]
        return (not self.where or matches_any(path, self.where)) and not matches_any(path, patterns)


def matches_any(path: str, patterns: Iterable[str]) -> bool:
    """Return whether a path matches a pattern, where `*` stands for any text, slashes too."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def read_rules(text: str) -> list[Rule]:
    """Return the rows of all tables of the glossary whose columns are COLUMNS.

    Raises:
        ValueError: for a row that cannot be read, naming it.
    """
    rules, is_inside = [], False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if cells == COLUMNS:
            is_inside = True
        elif not cells:
            is_inside = False
        elif is_inside and not set(line) <= set("|-: "):
            rules.append(_read_row(line, cells))
    return rules


def read_skipped(text: str) -> list[str]:
    """Return the patterns of the files that are not read: the line of the glossary that begins with "Not checked:"."""
    line = next((line for line in text.splitlines() if line.startswith("Not checked:")), "")
    return re.findall(r"`([^`]+)`", line)


def split_name(name: str) -> list[str]:
    """Return the parts of a name in snake, kebab or camel case, in lower case."""
    return [part.lower() for part in NAME_PART.findall(name)]


def _read_row(line: str, cells: Sequence[str]) -> Rule:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"the glossary's row has {len(cells)} cells, not {len(COLUMNS)}: {line}")
    words, replacement, kinds, where, allowed = cells
    found = [kind.strip() for kind in kinds.split(",")]
    if unknown := set(found) - set(KINDS):
        raise ValueError(f"the glossary's row is checked in {', '.join(unknown)}, none of {', '.join(KINDS)}: {line}")
    quoted = re.findall(r"`([^`]+)`", words)
    if not quoted:
        raise ValueError(f"the glossary's row names no word in `backticks`: {line}")
    allowances = tuple(_read_allowance(entry, line) for entry in re.findall(r"`([^`]+)`", allowed))
    return Rule(tuple(quoted), replacement, frozenset(found), tuple(re.findall(r"`([^`]+)`", where)), allowances)


def _read_allowance(entry: str, line: str) -> Allowance:
    match = ALLOWANCE.match(entry)
    if match is None:
        raise ValueError(f'the glossary\'s row allows {entry}, neither a pattern of paths nor a "phrase": {line}')
    return Allowance(match["phrase"], match["phrase_glob"] or match["glob"])


class Matcher:
    """Finds the words of some rules in the tokens of one file."""

    def __init__(self, rules: Sequence[Rule], path: str) -> None:
        """Sort the rules by the first part of their words."""
        self._path = path
        self._names: dict[str, list[tuple[list[str], Rule]]] = {}
        self._constants: dict[str, list[tuple[list[str], Rule]]] = {}
        self._whole_names: dict[str, Rule] = {}
        self._texts: dict[str, list[tuple[str, Rule]]] = {}
        for rule in rules:
            for word in rule.words:
                self._add(word, rule)

    def _add(self, word: str, rule: Rule) -> None:
        parts = split_name(word)
        for kind, index in (("names", self._names), ("constants", self._constants)):
            if kind in rule.kinds:
                index.setdefault(parts[0], []).append((parts, rule))
        if "whole names" in rule.kinds:
            self._whole_names[word] = rule
        if "text" in rule.kinds:
            self._texts.setdefault(word.split()[0].lower(), []).append((word, rule))

    def matches(self, token: Token) -> Iterator[tuple[str, Rule]]:
        """Yield the words of a token that are not to be used, each with its rule."""
        found = self._in_name(token.text) if token.kind == "name" else self._in_text(token)
        for word, rule in found:
            if not (token.is_string and self._is_allowed_string(token.text, rule)):
                yield word, rule

    def _in_name(self, name: str) -> Iterator[tuple[str, Rule]]:
        bare = name.lstrip("_#").rstrip("_")
        if rule := self._whole_names.get(bare):
            yield bare, rule
        parts = split_name(bare)
        indices = [self._names, self._constants] if bare.isupper() and len(bare) > 1 else [self._names]
        for position, part in enumerate(parts):
            for index in indices:
                for wanted, rule in index.get(part, ()):
                    if parts[position : position + len(wanted)] == wanted:
                        word = "_".join(wanted)
                        yield word if parts == wanted else f"{word} in {bare}", rule

    def _in_text(self, token: Token) -> Iterator[tuple[str, Rule]]:
        text = token.text
        for match in WORD.finditer(text):
            for word, rule in self._texts.get(match[0].lower(), ()):
                if " " in word:
                    pattern = r"\s+(?:#\s+)?".join(map(re.escape, word.split()))
                    whole = re.compile(rf"{pattern}(?![A-Za-z])").match(text, match.start())
                else:
                    whole = match if token.kind == "text" else None
                if whole and not self._is_within_phrase(text, whole, rule):
                    yield word if " " in word else match[0], rule

    def _is_allowed_string(self, text: str, rule: Rule) -> bool:
        return any(allowance.phrase == text for allowance in self._allowances(rule))

    def _is_within_phrase(self, text: str, match: re.Match[str], rule: Rule) -> bool:
        for allowance in self._allowances(rule):
            phrase = allowance.phrase or ""
            if len(phrase) <= len(match[0]):
                continue
            start = max(0, match.start() - len(phrase))
            around = re.sub(r"\s", " ", text[start : match.end() + len(phrase)]).lower()
            at = around.find(phrase.lower())
            while at >= 0:
                if start + at <= match.start() and match.end() <= start + at + len(phrase):
                    return True
                at = around.find(phrase.lower(), at + 1)
        return False

    def _allowances(self, rule: Rule) -> Iterator[Allowance]:
        for allowance in rule.allowances:
            if allowance.phrase and (allowance.glob is None or fnmatch.fnmatchcase(self._path, allowance.glob)):
                yield allowance
