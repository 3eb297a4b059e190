"""What the parts hand over: tables of raw values, and what was left out and why."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich import box
from rich import table as rich_table

from pellucid.errors import PellucidError

T = TypeVar("T")


class LeftOut(Exception):
    """Something is not installed or not at hand; the text says what and why."""


@dataclass
class Table:
    """Figures side by side.

    Attributes:
        title: what was measured.
        formats: the format of each column's values, by heading; empty for words.
        rows: one value for each column, None where there is none.
        notes: what to know when reading it, and what was left out.
    """

    title: str
    formats: dict[str, str]
    rows: list[tuple[Any, ...]]
    notes: list[str] = field(default_factory=list)

    def cells(self) -> list[list[str]]:
        """Return the rows in words."""
        return [
            [
                "" if value is None else format(value, spec)
                for value, spec in zip(row, self.formats.values(), strict=True)
            ]
            for row in self.rows
        ]

    def drawn(self) -> rich_table.Table:
        """Return it for the console, in Markdown, so that it can be pasted into a page."""
        result = rich_table.Table(title=self.title, box=box.MARKDOWN, title_justify="left")
        for heading, spec in self.formats.items():
            result.add_column(heading, justify="right" if spec else "left", no_wrap=True)
        for row in self.cells():
            result.add_row(*row)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, each row by heading."""
        rows = [dict(zip(self.formats, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "notes": self.notes}


def gathered(makers: Iterable[Callable[[], T]]) -> tuple[list[T], list[str]]:
    """Call each maker; return what was made, and the reasons why the others were left out."""
    made, reasons = [], []
    for make in makers:
        try:
            made.append(make())
        except (LeftOut, PellucidError) as error:
            reasons.append(f"left out: {error}")
    return made, reasons
