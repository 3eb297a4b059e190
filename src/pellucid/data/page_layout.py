"""Pages set from random text: headings, columns, lists, tables, formulas, small print, rules, boxes and pictures."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pellucid.data.dead_leaves import dead_leaves
from pellucid.data.fonts import Family, families
from pellucid.data.random_text import NOT_LATIN, Writer, languages

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]
Token = tuple[str, "FreeTypeFont"]

BLACK = (0, 0, 0)
SMALLEST, LARGEST = 11, 40  # of the body's type, in pixels
STEEPEST = 3.0  # degrees
# Gray ink is rare, since ink that looks gray in a scan is mostly black that has faded.
GRAYEST_INK = 40
PICTURE = 96
MONOSPACED = ("Mono", "mono", "Courier")


@dataclass(frozen=True)
class Style:
    """How a page looks.

    Attributes:
        body: the family of the text.
        titles: the family of headings.
        size: of the body's type, in pixels.
        leading: the distance of lines, relative to that.
        columns: how many.
        justified: whether lines are as wide as their column.
        language: of the text.
        emphasis: the share of words in bold or italics.
        slanted: whether all the body is in italics.
        heavy: whether all the body is in bold.
        ink: the colour of the text.
        accent: the colour of headings, rules and boxes.
    """

    body: Family
    titles: Family
    size: int
    leading: float = 1.35
    columns: int = 1
    justified: bool = True
    language: str = "english"
    emphasis: float = 0.0
    slanted: bool = False
    heavy: bool = False
    ink: Colour = BLACK
    accent: Colour = BLACK


def drawn_style(random: np.random.Generator, coloured: bool) -> Style:
    """Return a style of its own; without `coloured`, ink is black or nearly so, and accents are gray."""
    language = "english" if random.random() < 0.5 else str(random.choice(languages()))
    known = [family for family in families() if family.is_wide or language not in NOT_LATIN] or families()
    body, titles = (known[int(random.integers(len(known)))] for _ in range(2))
    dark = int(random.integers(0, GRAYEST_INK)) if random.random() < 0.1 else 0
    ink, accent = (dark, dark, dark), (dark, dark, dark)
    if coloured:
        hue = random.integers(0, 200, 3)
        accent = (int(hue[0]), int(hue[1]), int(hue[2]))
        if random.random() < 0.5:
            share = random.uniform(0.2, 0.8)
            ink = (round(accent[0] * share), round(accent[1] * share), round(accent[2] * share))
    return Style(
        body,
        body if random.random() < 0.5 else titles,
        round(math.exp(random.uniform(math.log(SMALLEST), math.log(LARGEST)))),
        float(random.uniform(1.05, 1.9)),
        int(random.choice((1, 1, 2, 3))),
        bool(random.random() < 0.6),
        language,
        float(random.choice((0, 0, 0.03, 0.1))),
        bool(random.random() < 0.25),
        bool(random.random() < 0.12),
        ink,
        accent,
    )


def plain_style(random: np.random.Generator, size: int) -> Style:
    """Return a style for long texts in English that reads well: one column, upright, black, not monospaced."""
    known = [family for family in families() if not any(part in family.name for part in MONOSPACED)] or families()
    family = known[int(random.integers(len(known)))]
    return Style(family, family, size, float(random.uniform(1.2, 1.6)), justified=bool(random.random() < 0.5))


class Typesetter:
    """Fills one page; what was set is in `lines`, in the order in which it is read.

    Lengths are multiples of the type size, so that a page of twice the size and twice the type looks the same.
    """

    def __init__(self, random: np.random.Generator, width: int, height: int, style: Style) -> None:
        """Begin a white page of a size in pixels."""
        from PIL import Image, ImageDraw

        self.random = random
        self.style = style
        self.lines: list[str] = []
        self.page = Image.new("RGB", (width, height), "white")
        self._draw = ImageDraw.Draw(self.page)
        self._writer = Writer(random, style.language)

    @cached_property
    def _upright(self) -> "FreeTypeFont":
        return self.style.body.font(self.style.size, self.style.heavy, self.style.slanted)

    def fill(self, plain: bool = False) -> None:
        """Fill the page with blocks in columns; with `plain`, with headings and paragraphs alone."""
        width, height, size = *self.page.size, self.style.size
        margin = size * self.random.uniform(0.5, 3)
        gap = size * self.random.uniform(1, 2.5)
        y = margin
        if plain or self.random.random() < 0.4:
            y = self.heading(margin, y, width - 2 * margin, height - margin, 1.8)
        columns = min(self.style.columns, max(1, int(width / (size * 10))))
        column = (width - 2 * margin - gap * (columns - 1)) / columns
        blocks: list[tuple[Callable[..., float], float]] = [(self.paragraph, 1.0)]
        if not plain:
            blocks = [(self.paragraph, 0.5), (self.heading, 0.12), (self.bullets, 0.1), (self.table, 0.1)]
            blocks += [(self.formula, 0.06), (self.small_print, 0.05), (self.rule, 0.03)]
            blocks += [(self.banner, 0.02), (self.picture, 0.02)]
        shares = np.cumsum([share for _, share in blocks])
        for number in range(columns):
            x, top = margin + number * (column + gap), y
            while top < height - margin - size:
                block, _ = blocks[int(np.searchsorted(shares, self.random.random() * shares[-1]))]
                top = block(x, top, column, height - margin) + size * self.random.uniform(0.2, 1.2)

    def paragraph(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a paragraph below `y` and above `bottom`, and return where it ends, as all blocks do."""
        text = self._writer.paragraph(int(self.random.integers(1, 7)))
        indent = self.style.size * 1.5 if self.random.random() < 0.5 else 0.0
        return self._flow(self._tokens(text), x, y, width, bottom, indent)

    def heading(self, x: float, y: float, width: float, bottom: float, scale: float = 0.0) -> float:
        """Set a heading, larger or bold."""
        size = round(self.style.size * (scale or self.random.uniform(1.0, 2.0)))
        font = self.style.titles.font(size, bold=self.random.random() < 0.7, italic=self.random.random() < 0.15)
        tokens = [(word, font) for word in self._writer.title().split()]
        return self._flow(tokens, x, y, width, bottom, ink=self.style.accent, justified=False)

    def bullets(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a list, with numbers or with one of several marks."""
        marks = ("-", "•", "*", "\u2013", "")
        mark = marks[int(self.random.integers(len(marks)))]
        for number in range(1, int(self.random.integers(3, 8))):
            hang = self.style.size * 1.6
            if y + self._step(self._upright) > bottom:
                break
            label = mark or f"{number}."
            self._draw.text((x, y), label, self.style.ink, self._upright)
            set_before = len(self.lines)
            y = self._flow(self._tokens(self._writer.sentence()), x + hang, y, width - hang, bottom)
            if len(self.lines) > set_before:
                self.lines[set_before] = f"{label} {self.lines[set_before]}"
        return y

    def table(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a table with or without rules, its head shaded or not."""
        size, rows, columns = self.style.size, int(self.random.integers(3, 9)), int(self.random.integers(2, 5))
        cell, row = width / columns, size * self.random.uniform(1.4, 2.2)
        line = max(1, round(size * self.random.uniform(0.04, 0.12)))
        ruled, boxed = self.random.random(2) < 0.5
        rows = min(rows, int((bottom - y) / row))
        if rows and self.random.random() < 0.25:
            self._draw.rectangle((x, y, x + width, y + row), fill=self._shade())
        for number in range(rows):
            top = y + number * row
            texts = [self._writer.word() if place == 0 else self._writer.number() for place in range(columns)]
            for place, text in enumerate(texts):
                self._draw.text(
                    (x + place * cell + size * 0.3, top + (row - size) / 2), text, self.style.ink, self._upright
                )
            self.lines.append(" ".join(texts))
            if ruled:
                self._draw.line((x, top, x + width, top), self.style.accent, line)
        end = y + rows * row
        if boxed and rows:
            for place in range(columns + 1):
                self._draw.line((x + place * cell, y, x + place * cell, end), self.style.accent, line)
            self._draw.line((x, end, x + width, end), self.style.accent, line)
        return end if rows else bottom

    def formula(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a line that looks like a formula, in the middle."""
        font = self.style.body.font(self.style.size, italic=True)
        text = self._writer.formula()
        return self._flow([(text, font)], x + max(0, width - font.getlength(text)) / 2, y, width, bottom)

    def small_print(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a paragraph in smaller type."""
        font = self.style.body.font(max(8, round(self.style.size * 0.7)))
        tokens = [(word, font) for word in self._writer.paragraph(2).split()]
        return self._flow(tokens, x, y, width, bottom)

    def rule(self, x: float, y: float, width: float, bottom: float) -> float:
        """Draw a line across, or a dotted one."""
        thick = max(1, round(self.style.size * self.random.uniform(0.03, 0.2)))
        if self.random.random() < 0.3:
            for start in np.arange(x, x + width, 3 * thick):
                self._draw.rectangle((start, y, start + (thick - 1), y + (thick - 1)), fill=self.style.accent)
        else:
            self._draw.line((x, y, x + width, y), self.style.accent, thick)
        return y + thick

    def banner(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a line in a box: dark on a shade, or white on the accent."""
        tall = self.style.size * 2.0
        if y + tall > bottom:
            return bottom
        inverse = self.random.random() < 0.5
        self._draw.rectangle((x, y, x + width, y + tall), fill=self.style.accent if inverse else self._shade())
        font = self.style.titles.font(self.style.size, bold=True)
        words = self._fitting(self._writer.title().split(), font, width - self.style.size)
        ink = (255, 255, 255) if inverse else self.style.ink
        self._draw.text((x + self.style.size / 2, y + self.style.size * 0.4), words, ink, font)
        self.lines.append(words)
        return y + tall

    def picture(self, x: float, y: float, width: float, bottom: float) -> float:
        """Draw a picture: a page keeps those, too."""
        from PIL import Image

        tall = min(width * self.random.uniform(0.3, 0.8), bottom - y)
        size = (max(1, round(width)), max(1, round(tall)))
        pixels = dead_leaves(self.random, PICTURE).transpose(1, 2, 0)
        image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
        is_gray = len(set(self.style.accent)) == 1
        self.page.paste(image.convert("L") if is_gray else image, (round(x), round(y)))
        return y + tall

    def _shade(self) -> Colour:
        """Return a light tone of the accent."""
        share = self.random.uniform(0.1, 0.35)
        red, green, blue = (round(255 - share * (255 - part)) for part in self.style.accent)
        return red, green, blue

    def _tokens(self, text: str) -> list[Token]:
        """Return the words with their fonts; some stand out."""
        style, words = self.style, text.split()
        if not style.emphasis:
            return [(word, self._upright) for word in words]
        loud = self.random.random(len(words)) < style.emphasis
        other = style.body.font(style.size, bold=not style.heavy, italic=bool(self.random.random() < 0.3))
        return [(word, other if is_loud else self._upright) for word, is_loud in zip(words, loud, strict=True)]

    def _flow(
        self,
        tokens: list[Token],
        x: float,
        y: float,
        width: float,
        bottom: float,
        indent: float = 0.0,
        ink: Colour | None = None,
        justified: bool | None = None,
    ) -> float:
        """Set words in lines as long as there is room, and return where the last line ends."""
        space = tokens[0][1].getlength(" ")
        wide = self.style.justified if justified is None else justified
        lines = list(_broken(tokens, width, indent, space))
        for number, (line, used) in enumerate(lines):
            step = self._step(line[0][1])
            if y + step > bottom:
                return bottom
            place = x + (indent if number == 0 else 0)
            slack = width - (place - x) - used if wide and number < len(lines) - 1 else 0
            gap = space + (slack / (len(line) - 1) if len(line) > 1 and slack > 0 else 0)
            for word, font in line:
                self._draw.text((place, y), word, ink or self.style.ink, font)
                place += font.getlength(word) + gap
            self.lines.append(" ".join(word for word, _ in line))
            y += step
        return y

    def _step(self, font: "FreeTypeFont") -> float:
        return font.size * self.style.leading

    def _fitting(self, words: list[str], font: "FreeTypeFont", width: float) -> str:
        while len(words) > 1 and font.getlength(" ".join(words)) > width:
            words = words[:-1]
        return " ".join(words)


def _broken(tokens: list[Token], width: float, indent: float, space: float) -> Iterator[tuple[list[Token], float]]:
    """Yield lines of words and their widths; a word that is wider than the column has a line of its own."""
    line: list[Token] = []
    used = indent
    for word, font in tokens:
        length = font.getlength(word)
        if line and used + space + length > width:
            yield line, used - (indent if indent else 0)
            line, used, indent = [], 0.0, 0.0
        used += length + (space if line else 0)
        line.append((word, font))
    if line:
        yield line, used - indent
