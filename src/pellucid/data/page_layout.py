"""Layout of pages of random text: headings, columns, lists, tables, formulas, small print, boxes and pictures."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pellucid.data.dead_leaves import dead_leaves
from pellucid.data.fonts import Family, families
from pellucid.data.random_text import NOT_LATIN, TextGenerator, languages

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Color = tuple[int, int, int]
Token = tuple[str, "FreeTypeFont"]

BLACK = (0, 0, 0)
MIN_FONT_SIZE, MAX_FONT_SIZE = 11, 40  # of the body text, in pixels
MAX_SKEW = 3.0  # degrees
# Gray ink is rare: ink that looks gray in a scan is mostly black that has faded.
MAX_INK_GRAY = 40
PICTURE_SIDE = 96
MONOSPACED = ("Mono", "mono", "Courier")


@dataclass(frozen=True)
class Style:
    """How a page looks.

    Attributes:
        body: the font family of the text.
        titles: the font family of headings.
        size: of the body text, in pixels.
        leading: the distance of lines, relative to `size`.
        columns: how many.
        justified: whether lines are as wide as their column.
        language: of the text.
        emphasis: the fraction of words in bold or italics.
        slanted: whether all the body text is in italics.
        heavy: whether all the body text is in bold.
        ink: the color of the text.
        accent: the color of headings, rules and boxes.
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
    ink: Color = BLACK
    accent: Color = BLACK


def random_style(rng: np.random.Generator, color: bool) -> Style:
    """Return a random style; without `color`, ink is black or nearly so, and accents are gray."""
    language = "english" if rng.random() < 0.5 else str(rng.choice(languages()))
    known = [family for family in families() if family.is_wide or language not in NOT_LATIN] or families()
    body, titles = (known[int(rng.integers(len(known)))] for _ in range(2))
    dark = int(rng.integers(0, MAX_INK_GRAY)) if rng.random() < 0.1 else 0
    ink, accent = (dark, dark, dark), (dark, dark, dark)
    if color:
        hue = rng.integers(0, 200, 3)
        accent = (int(hue[0]), int(hue[1]), int(hue[2]))
        if rng.random() < 0.5:
            brightness = rng.uniform(0.2, 0.8)
            ink = (round(accent[0] * brightness), round(accent[1] * brightness), round(accent[2] * brightness))
    return Style(
        body,
        body if rng.random() < 0.5 else titles,
        round(math.exp(rng.uniform(math.log(MIN_FONT_SIZE), math.log(MAX_FONT_SIZE)))),
        float(rng.uniform(1.05, 1.9)),
        int(rng.choice((1, 1, 2, 3))),
        bool(rng.random() < 0.6),
        language,
        float(rng.choice((0, 0, 0.03, 0.1))),
        bool(rng.random() < 0.25),
        bool(rng.random() < 0.12),
        ink,
        accent,
    )


def plain_style(rng: np.random.Generator, size: int) -> Style:
    """Return a legible style for long English texts: one column, upright, black, not monospaced."""
    known = [family for family in families() if not any(part in family.name for part in MONOSPACED)] or families()
    family = known[int(rng.integers(len(known)))]
    return Style(family, family, size, float(rng.uniform(1.2, 1.6)), justified=bool(rng.random() < 0.5))


class Typesetter:
    """Fills one page; its text is in `lines`, in reading order.

    Lengths are multiples of the font size, so that a page of twice the size with twice the font size looks the same.
    """

    def __init__(self, rng: np.random.Generator, width: int, height: int, style: Style) -> None:
        """Start a white page of a size in pixels."""
        from PIL import Image, ImageDraw

        self.rng = rng
        self.style = style
        self.lines: list[str] = []
        self.page = Image.new("RGB", (width, height), "white")
        self._draw = ImageDraw.Draw(self.page)
        self._text = TextGenerator(rng, style.language)

    @cached_property
    def _upright(self) -> "FreeTypeFont":
        return self.style.body.font(self.style.size, self.style.heavy, self.style.slanted)

    def fill(self, plain: bool = False) -> None:
        """Fill the page with blocks in columns; with `plain`, with a heading and paragraphs alone."""
        width, height, size = *self.page.size, self.style.size
        margin = size * self.rng.uniform(0.5, 3)
        gap = size * self.rng.uniform(1, 2.5)
        y = margin
        if plain or self.rng.random() < 0.4:
            y = self.heading(margin, y, width - 2 * margin, height - margin, 1.8)
        columns = min(self.style.columns, max(1, int(width / (size * 10))))
        column = (width - 2 * margin - gap * (columns - 1)) / columns
        blocks: list[tuple[Callable[..., float], float]] = [(self.paragraph, 1.0)]
        if not plain:
            blocks = [(self.paragraph, 0.5), (self.heading, 0.12), (self.bullets, 0.1), (self.table, 0.1)]
            blocks += [(self.formula, 0.06), (self.small_print, 0.05), (self.rule, 0.03)]
            blocks += [(self.banner, 0.02), (self.picture, 0.02)]
        weights = np.cumsum([weight for _, weight in blocks])
        for number in range(columns):
            x, top = margin + number * (column + gap), y
            while top < height - margin - size:
                block, _ = blocks[int(np.searchsorted(weights, self.rng.random() * weights[-1]))]
                top = block(x, top, column, height - margin) + size * self.rng.uniform(0.2, 1.2)

    def paragraph(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a paragraph between `y` and `bottom`, and return the y at which it ends, as all blocks do."""
        text = self._text.paragraph(int(self.rng.integers(1, 7)))
        indent = self.style.size * 1.5 if self.rng.random() < 0.5 else 0.0
        return self._flow(self._tokens(text), x, y, width, bottom, indent)

    def heading(self, x: float, y: float, width: float, bottom: float, scale: float = 0.0) -> float:
        """Set a heading, larger or bold."""
        size = round(self.style.size * (scale or self.rng.uniform(1.0, 2.0)))
        font = self.style.titles.font(size, bold=self.rng.random() < 0.7, italic=self.rng.random() < 0.15)
        tokens = [(word, font) for word in self._text.title().split()]
        return self._flow(tokens, x, y, width, bottom, ink=self.style.accent, justified=False)

    def bullets(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a list, with numbers or with one of several bullets."""
        bullets = ("-", "•", "*", "\u2013", "")
        bullet = bullets[int(self.rng.integers(len(bullets)))]
        for number in range(1, int(self.rng.integers(3, 8))):
            hang = self.style.size * 1.6
            if y + self._step(self._upright) > bottom:
                break
            label = bullet or f"{number}."
            self._draw.text((x, y), label, self.style.ink, self._upright)
            first_line = len(self.lines)
            y = self._flow(self._tokens(self._text.sentence()), x + hang, y, width - hang, bottom)
            if len(self.lines) > first_line:
                self.lines[first_line] = f"{label} {self.lines[first_line]}"
        return y

    def table(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a table with or without rules, its head shaded or not."""
        size, rows, columns = self.style.size, int(self.rng.integers(3, 9)), int(self.rng.integers(2, 5))
        cell, row = width / columns, size * self.rng.uniform(1.4, 2.2)
        line = max(1, round(size * self.rng.uniform(0.04, 0.12)))
        ruled, boxed = self.rng.random(2) < 0.5
        rows = min(rows, int((bottom - y) / row))
        if rows and self.rng.random() < 0.25:
            self._draw.rectangle((x, y, x + width, y + row), fill=self._shade())
        for number in range(rows):
            top = y + number * row
            texts = [self._text.word() if column == 0 else self._text.number() for column in range(columns)]
            for column, text in enumerate(texts):
                self._draw.text(
                    (x + column * cell + size * 0.3, top + (row - size) / 2), text, self.style.ink, self._upright
                )
            self.lines.append(" ".join(texts))
            if ruled:
                self._draw.line((x, top, x + width, top), self.style.accent, line)
        end = y + rows * row
        if boxed and rows:
            for column in range(columns + 1):
                self._draw.line((x + column * cell, y, x + column * cell, end), self.style.accent, line)
            self._draw.line((x, end, x + width, end), self.style.accent, line)
        return end if rows else bottom

    def formula(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a centered line that looks like a formula."""
        font = self.style.body.font(self.style.size, italic=True)
        text = self._text.formula()
        return self._flow([(text, font)], x + max(0, width - font.getlength(text)) / 2, y, width, bottom)

    def small_print(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a paragraph in a smaller font."""
        font = self.style.body.font(max(8, round(self.style.size * 0.7)))
        tokens = [(word, font) for word in self._text.paragraph(2).split()]
        return self._flow(tokens, x, y, width, bottom)

    def rule(self, x: float, y: float, width: float, bottom: float) -> float:
        """Draw a horizontal rule, some dotted."""
        thickness = max(1, round(self.style.size * self.rng.uniform(0.03, 0.2)))
        if self.rng.random() < 0.3:
            for start in np.arange(x, x + width, 3 * thickness):
                self._draw.rectangle((start, y, start + (thickness - 1), y + (thickness - 1)), fill=self.style.accent)
        else:
            self._draw.line((x, y, x + width, y), self.style.accent, thickness)
        return y + thickness

    def banner(self, x: float, y: float, width: float, bottom: float) -> float:
        """Set a line in a box: dark on a shade, or white on the accent."""
        height = self.style.size * 2.0
        if y + height > bottom:
            return bottom
        inverse = self.rng.random() < 0.5
        self._draw.rectangle((x, y, x + width, y + height), fill=self.style.accent if inverse else self._shade())
        font = self.style.titles.font(self.style.size, bold=True)
        line = self._fit_words(self._text.title().split(), font, width - self.style.size)
        ink = (255, 255, 255) if inverse else self.style.ink
        self._draw.text((x + self.style.size / 2, y + self.style.size * 0.4), line, ink, font)
        self.lines.append(line)
        return y + height

    def picture(self, x: float, y: float, width: float, bottom: float) -> float:
        """Draw a picture, since pages have pictures too."""
        from PIL import Image

        height = min(width * self.rng.uniform(0.3, 0.8), bottom - y)
        size = (max(1, round(width)), max(1, round(height)))
        pixels = dead_leaves(self.rng, PICTURE_SIDE).transpose(1, 2, 0)
        image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
        is_gray = len(set(self.style.accent)) == 1
        self.page.paste(image.convert("L") if is_gray else image, (round(x), round(y)))
        return y + height

    def _shade(self) -> Color:
        """Return a light tone of the accent."""
        strength = self.rng.uniform(0.1, 0.35)
        red, green, blue = (round(255 - strength * (255 - part)) for part in self.style.accent)
        return red, green, blue

    def _tokens(self, text: str) -> list[Token]:
        """Return the words with their fonts; some are emphasized."""
        style, words = self.style, text.split()
        if not style.emphasis:
            return [(word, self._upright) for word in words]
        emphasized = self.rng.random(len(words)) < style.emphasis
        other = style.body.font(style.size, bold=not style.heavy, italic=bool(self.rng.random() < 0.3))
        return [(word, other if is_other else self._upright) for word, is_other in zip(words, emphasized, strict=True)]

    def _flow(
        self,
        tokens: list[Token],
        x: float,
        y: float,
        width: float,
        bottom: float,
        indent: float = 0.0,
        ink: Color | None = None,
        justified: bool | None = None,
    ) -> float:
        """Set words in lines down to `bottom`, and return the y at which the last line ends."""
        space = tokens[0][1].getlength(" ")
        justify = self.style.justified if justified is None else justified
        lines = list(_break_lines(tokens, width, indent, space))
        for number, (line, used) in enumerate(lines):
            step = self._step(line[0][1])
            if y + step > bottom:
                return bottom
            position = x + (indent if number == 0 else 0)
            slack = width - (position - x) - used if justify and number < len(lines) - 1 else 0
            gap = space + (slack / (len(line) - 1) if len(line) > 1 and slack > 0 else 0)
            for word, font in line:
                self._draw.text((position, y), word, ink or self.style.ink, font)
                position += font.getlength(word) + gap
            self.lines.append(" ".join(word for word, _ in line))
            y += step
        return y

    def _step(self, font: "FreeTypeFont") -> float:
        return font.size * self.style.leading

    def _fit_words(self, words: list[str], font: "FreeTypeFont", width: float) -> str:
        while len(words) > 1 and font.getlength(" ".join(words)) > width:
            words = words[:-1]
        return " ".join(words)


def _break_lines(tokens: list[Token], width: float, indent: float, space: float) -> Iterator[tuple[list[Token], float]]:
    """Yield lines of words and their widths; a word that is wider than the column gets its own line."""
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
