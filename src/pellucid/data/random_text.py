"""Random text: words of several languages, invented words like them, sentences, numbers and formulas."""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_suffix(".toml")
ZIPF_OFFSET = 8  # the probability of a word is proportional to 1 / (its position in the list + this)
NOT_LATIN = ("greek", "russian")
INVENTED_PROBABILITY = 0.12  # of a word that no language has
MAX_WORD_LENGTH = 14


@dataclass(frozen=True)
class TextGenerator:
    """Generates text in one language; all randomness comes from `rng`."""

    rng: np.random.Generator
    language: str = "english"

    def happens(self, probability: float) -> bool:
        """Return True with a probability."""
        return self.rng.random() < probability

    def word(self) -> str:
        """Return a word of the language, common ones more often, or an invented one with similar letters."""
        words, weights = _weighted(self.language)
        if self.happens(INVENTED_PROBABILITY):
            return self._invented()
        return words[int(np.searchsorted(weights, self.rng.random()))]

    def words(self, count: int) -> str:
        """Return `count` words."""
        return " ".join(self.word() for _ in range(count))

    def title(self) -> str:
        """Return a heading of one to six words, some with a number."""
        text = self.words(int(self.rng.integers(1, 7)))
        text = text.upper() if self.happens(0.15) else text[0].upper() + text[1:]
        number = ".".join(str(part) for part in self.rng.integers(1, 12, self.rng.integers(1, 4)))
        return f"{number} {text}" if self.happens(0.3) else text

    def sentence(self) -> str:
        """Return a sentence with punctuation; some have numbers, brackets, quotes or capitals in them."""
        parts = []
        for _ in range(int(self.rng.integers(4, 20))):
            kind = self.rng.random()
            word = self.word()
            if kind < 0.03:
                word = self.number()
            elif kind < 0.06:
                word = f"({word})" if self.happens(0.6) else f'"{word}"'
            elif kind < 0.10:
                word = word[0].upper() + word[1:]
            elif kind < 0.18:
                word += "," if self.happens(0.85) else self._pick((";", ":", " -"))
            parts.append(word)
        text = " ".join(parts).rstrip(",;:- ")
        return text[0].upper() + text[1:] + self._pick((".", ".", ".", ".", ".", "?", "!"))

    def paragraph(self, sentences: int) -> str:
        """Return a paragraph of a number of sentences."""
        return " ".join(self.sentence() for _ in range(sentences))

    def number(self) -> str:
        """Return a count, a year, an amount, a percentage, a date or a price."""
        whole = int(10 ** self.rng.uniform(0, 5))
        day, month = self.rng.integers(1, 29), self.rng.integers(1, 13)
        cents, year = self.rng.integers(0, 100), self.rng.integers(1900, 2030)
        amount = f"{whole}.{cents:02d}"
        return self._pick(
            (f"{whole}", f"{year}", amount, f"{whole:,}", f"{cents} %", f"{day:02d}/{month:02d}/{year}", f"${amount}")
        )

    def formula(self) -> str:
        """Return one line that looks like mathematics."""
        tables = _tables()
        terms = []
        for _ in range(int(self.rng.integers(2, 6))):
            term = self._pick(tables["symbols"])
            if self.happens(0.3):
                term += self._pick(tables["indices"])
            if self.happens(0.25):
                term = f"{self._pick(('f', 'g', 'sin', 'log', 'exp'))}({term})"
            terms.append(term)
        joined = terms[0]
        for term in terms[1:]:
            joined += f" {self._pick(tables['signs'])} {term}"
        return f"{joined}   ({self.rng.integers(1, 40)})" if self.happens(0.4) else joined

    def _pick(self, choices: tuple[str, ...] | str) -> str:
        return choices[int(self.rng.integers(len(choices)))]

    def _invented(self) -> str:
        """Return a word from a Markov chain of letters: each follows the two before it as in words of the language."""
        followers = _followers(self.language)
        text = ""
        while len(text) < MAX_WORD_LENGTH:
            letter = self._pick(followers[f"  {text}"[-2:]])
            if letter == " ":
                break
            text += letter
        return text


@functools.cache
def languages() -> tuple[str, ...]:
    """Return the names of the languages."""
    return tuple(_tables()["words"])


@functools.cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@functools.cache
def _weighted(language: str) -> tuple[list[str], np.ndarray]:
    """Return the words of a language and their cumulative probabilities."""
    words = _tables()["words"][language].split()
    weights = 1 / (np.arange(len(words)) + ZIPF_OFFSET)
    return words, np.cumsum(weights / weights.sum())[:-1]


@functools.cache
def _followers(language: str) -> dict[str, str]:
    """Map each pair of letters, or of blanks before a word, to the letters after it; a blank ends a word."""
    followers: dict[str, str] = {}
    for word in _tables()["words"][language].split():
        spaced = f"  {word.lower()} "
        for index in range(len(word) + 1):
            pair = spaced[index : index + 2]
            followers[pair] = followers.get(pair, "") + spaced[index + 2]
    return followers
