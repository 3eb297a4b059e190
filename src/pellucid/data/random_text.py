"""Text out of nothing: words of several languages, invented ones that look alike, sentences, numbers and formulas."""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_suffix(".toml")
FLATTEST = 8  # a word is drawn with a probability in proportion to 1 / (its place in the list + this)
NOT_LATIN = ("greek", "russian")
INVENTED = 0.12  # the share of words that no language has
LONGEST = 14


@dataclass(frozen=True)
class Writer:
    """Writes text of one language; all chance comes from `random`."""

    random: np.random.Generator
    language: str = "english"

    def chance(self, share: float) -> bool:
        """Return True with the probability `share`."""
        return self.random.random() < share

    def word(self) -> str:
        """Return a word, common ones often, or now and then one made of the language's letters in their usual order."""
        words, weights = _weighted(self.language)
        if self.chance(INVENTED):
            return self._invented()
        return words[int(np.searchsorted(weights, self.random.random()))]

    def words(self, count: int) -> str:
        """Return so many words."""
        return " ".join(self.word() for _ in range(count))

    def title(self) -> str:
        """Return a heading of one to six words, some with a number."""
        text = self.words(int(self.random.integers(1, 7)))
        text = text.upper() if self.chance(0.15) else text[0].upper() + text[1:]
        number = ".".join(str(part) for part in self.random.integers(1, 12, self.random.integers(1, 4)))
        return f"{number} {text}" if self.chance(0.3) else text

    def sentence(self) -> str:
        """Return a sentence with its punctuation; some have numbers, brackets, quotes or capitals in them."""
        parts = []
        for _ in range(int(self.random.integers(4, 20))):
            kind = self.random.random()
            word = self.word()
            if kind < 0.03:
                word = self.number()
            elif kind < 0.06:
                word = f"({word})" if self.chance(0.6) else f'"{word}"'
            elif kind < 0.10:
                word = word[0].upper() + word[1:]
            elif kind < 0.18:
                word += "," if self.chance(0.85) else self._picked((";", ":", " -"))
            parts.append(word)
        text = " ".join(parts).rstrip(",;:- ")
        return text[0].upper() + text[1:] + self._picked((".", ".", ".", ".", ".", "?", "!"))

    def paragraph(self, sentences: int) -> str:
        """Return so many sentences."""
        return " ".join(self.sentence() for _ in range(sentences))

    def number(self) -> str:
        """Return a count, a year, an amount, a share, a date or a range."""
        whole = int(10 ** self.random.uniform(0, 5))
        day, month = self.random.integers(1, 29), self.random.integers(1, 13)
        cents, year = self.random.integers(0, 100), self.random.integers(1900, 2030)
        amount = f"{whole}.{cents:02d}"
        return self._picked(
            (f"{whole}", f"{year}", amount, f"{whole:,}", f"{cents} %", f"{day:02d}/{month:02d}/{year}", f"${amount}")
        )

    def formula(self) -> str:
        """Return one line that looks like mathematics."""
        tables = _tables()
        terms = []
        for _ in range(int(self.random.integers(2, 6))):
            term = self._picked(tables["symbols"])
            if self.chance(0.3):
                term += self._picked(tables["indices"])
            if self.chance(0.25):
                term = f"{self._picked(('f', 'g', 'sin', 'log', 'exp'))}({term})"
            terms.append(term)
        joined = terms[0]
        for term in terms[1:]:
            joined += f" {self._picked(tables['signs'])} {term}"
        return f"{joined}   ({self.random.integers(1, 40)})" if self.chance(0.4) else joined

    def _picked(self, choices: tuple[str, ...] | str) -> str:
        return choices[int(self.random.integers(len(choices)))]

    def _invented(self) -> str:
        """Return a word by a chain of letters: each follows the two before it as in the language's own words."""
        followers = _followers(self.language)
        text = ""
        while len(text) < LONGEST:
            letter = self._picked(followers[f"  {text}"[-2:]])
            if letter == " ":
                break
            text += letter
        return text


@functools.cache
def languages() -> tuple[str, ...]:
    """Return the names of the languages that there are words of."""
    return tuple(_tables()["words"])


@functools.cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@functools.cache
def _weighted(language: str) -> tuple[list[str], np.ndarray]:
    """Return the words of a language and their cumulative probabilities."""
    words = _tables()["words"][language].split()
    weights = 1 / (np.arange(len(words)) + FLATTEST)
    return words, np.cumsum(weights / weights.sum())[:-1]


@functools.cache
def _followers(language: str) -> dict[str, str]:
    """Map each pair of letters, blanks before a word's start included, to the letters after it; a blank ends a word."""
    found: dict[str, str] = {}
    for word in _tables()["words"][language].split():
        spaced = f"  {word.lower()} "
        for place in range(len(word) + 1):
            pair = spaced[place : place + 2]
            found[pair] = found.get(pair, "") + spaced[place + 2]
    return found
