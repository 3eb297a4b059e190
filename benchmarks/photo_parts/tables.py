"""The results of the parts: tables of raw values, and the reasons for skipped parts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich import box
from rich import table as rich_table

from pellucid.errors import PellucidError

T = TypeVar("T")


class PartSkipped(Exception):
    """A method or a part is skipped, since a library or data is missing; the text names it and the reason."""


@dataclass
class Table:
    """Figures side by side.

    Attributes:
        title: what was measured.
        formats: the format of each column's values, by heading; empty for text.
        rows: one value for each column, None where there is none.
        notes: explanations, and the skipped methods.
    """

    title: str
    formats: dict[str, str]
    rows: list[tuple[Any, ...]]
    notes: list[str] = field(default_factory=list)

    def cells(self) -> list[list[str]]:
        """Return the rows as text."""
        return [
            [
                "" if value is None else format(value, spec)
                for value, spec in zip(row, self.formats.values(), strict=True)
            ]
            for row in self.rows
        ]

    def to_rich(self) -> rich_table.Table:
        """Return it for the console, as a Markdown table that can be pasted into a page."""
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


def collect(makers: Iterable[Callable[[], T]]) -> tuple[list[T], list[str]]:
    """Call each function; return the results, and the reasons why others were skipped."""
    made, reasons = [], []
    for make in makers:
        try:
            made.append(make())
        except (PartSkipped, PellucidError) as error:
            reasons.append(f"skipped: {error}")
    return made, reasons
