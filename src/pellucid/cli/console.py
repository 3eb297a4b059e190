"""The output of commands: results on stdout, progress and messages on stderr, figures as JSON on request.

Rich is imported on first use, which keeps `pellucid --help` fast.
"""

import contextlib
import functools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from pellucid.report.tables import Table

STDOUT = "-"
PIPE_WIDTH = 200
REDRAW_SECONDS = 0.1
LOG_SECONDS = 10.0
PADDING = 3
NOTE_WIDTH = 24


class Bar(Protocol):
    """Moves a progress bar to `done` of `total`; `text` follows the bar, `left` is the seconds left where known."""

    def __call__(self, done: float, total: float, text: str = "", left: float | None = None) -> None:
        """Move the bar."""
        ...


class CommandOutput:
    """Where one command writes. With `--json -` only the JSON goes to stdout, and all text to stderr."""

    def __init__(self, json_path: str | None = None, is_stdout_used: bool = False) -> None:
        """Choose the streams.

        Args:
            json_path: the value of `--json`: a path, "-" for stdout, or None.
            is_stdout_used: whether an image goes to stdout.
        """
        self.json_path = json_path
        self.is_stdout_used = is_stdout_used or json_path == STDOUT

    @functools.cached_property
    def stdout(self) -> "Console":
        """The console for results."""
        return _console(sys.stderr if self.is_stdout_used else sys.stdout)

    @functools.cached_property
    def stderr(self) -> "Console":
        """The console for progress and warnings."""
        return _console(sys.stderr)

    def print(self, text: str = "", style: str = "") -> None:
        """Print a line of the result."""
        self.stdout.print(text, style=style, soft_wrap=True)

    def print_note(self, text: str) -> None:
        """Print a line beside the result."""
        self.stderr.print(text, style="dim", soft_wrap=True)

    def print_warning(self, text: str) -> None:
        """Print `pellucid: {text}` as a line on standard error; the command goes on."""
        self.stderr.print(f"pellucid: {text}", style="yellow", soft_wrap=True)

    def print_entries(self, entries: Mapping[str, str], width: int = 0) -> None:
        """Print names, padded to the longest or to `width`, each with its description."""
        from rich.text import Text

        width = max((width, *map(len, entries)))
        for name, summary in entries.items():
            line = Text.assemble(f"  {name.ljust(width)}  ", (summary, "dim"))
            self.stdout.print(line, soft_wrap=True)

    def print_table(
        self, heads: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", labels: int = 1
    ) -> None:
        """Print a table whose first `labels` columns name the row; the others hold figures, aligned right.

        No figure is cut: where the terminal is too narrow, more columns follow in another table below.
        """
        if title:
            self.print(f"\n{title}", "bold")
        widths = _widths(heads, rows)
        if sum(widths) > self.stdout.width:
            heads = [head.replace(" ", "\n") for head in heads]
            widths = _widths(heads, rows)
        groups: list[list[int]] = [list(range(labels))]
        for index in range(labels, len(heads)):
            if len(groups[-1]) > labels and sum(widths[column] for column in (*groups[-1], index)) > self.stdout.width:
                groups.append(list(range(labels)))
            groups[-1].append(index)
        for group in groups:
            self._print_part(
                [heads[index] for index in group], [[row[index] for index in group] for row in rows], labels
            )

    def _print_part(self, heads: Sequence[str], rows: Sequence[Sequence[str]], labels: int) -> None:
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, header_style="dim", show_edge=False)
        for index, head in enumerate(heads):
            is_note = not head and index >= labels
            table.add_column(head, justify="left" if index < labels or is_note else "right", no_wrap=not is_note)
        for row in rows:
            table.add_row(*row)
        self.stdout.print(table)
        self.print()

    def print_report_table(
        self, table: "Table | None", title: str = "", labels: int = 1, has_notes: bool = True
    ) -> None:
        """Print a table of a report without its empty columns; a last column holds the notes to its rows."""
        if table is None:
            return
        from pellucid.report.formatting import ABSENT

        rows = [(*row.cells, row.note if has_notes else "") for row in table.rows]
        heads = (*table.heads, "")
        filled = [i for i in range(len(heads)) if i == 0 or any(row[i] not in ("", ABSENT) for row in rows)]
        cells = [[row[index] for index in filled] for row in rows]
        self.print_table([heads[index] for index in filled], cells, title or table.caption, labels)

    def print_report_files(self, out: Path, names: Sequence[str]) -> None:
        """Print the files of a report in `out` on the recipes `names`."""
        pictures = sorted((out / names[0]).glob("*.png")) if len(names) == 1 else [out / "*" / "*.png"]
        self.print_entries(
            {str(out / "report.html"): "the report, a page that needs nothing else"}
            | {str(picture): "pictures" for picture in pictures}
            | {
                str(out / "report.md"): "the same as Markdown",
                str(out / "results.json"): "the figures, also as results.csv",
            }
        )

    def write_json(self, results: Any) -> None:
        """Write results to the file that `--json` names and replace it; do nothing without that option.

        Raises:
            PellucidError: if the file cannot be written.
        """
        if self.json_path is None:
            return
        text = json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False, default=_to_json) + "\n"
        if self.json_path == STDOUT:
            sys.stdout.write(text)
            return
        from pellucid.utils.atomic_write import atomic_write

        with atomic_write(self.json_path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def bar(self, title: str) -> Iterator[Bar]:
        """Show a progress bar on a terminal; print a line now and then where stderr is a file or a pipe."""
        with self.bars(title) as (bar,):
            yield bar

    @contextlib.contextmanager
    def bars(self, *titles: str) -> Iterator[tuple[Bar, ...]]:
        """Show progress bars, one below the other; in a file or a pipe only the first prints lines."""
        if not self.stderr.is_terminal:
            yield (_log_bar(self.stderr, titles[0]), *(_no_bar for _ in titles[1:]))
            return
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.table import Column

        columns = (
            TextColumn("{task.description}"),
            BarColumn(
                bar_width=min(28, self.stderr.width // 5),
                complete_style="cyan",
                finished_style="cyan",
                pulse_style="cyan",
            ),
            TaskProgressColumn(style="default"),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[text]}", style="dim", table_column=Column(ratio=1, no_wrap=True)),
        )
        with Progress(*columns, console=self.stderr, transient=True, expand=True) as progress:
            yield tuple(_terminal_bar(progress, title) for title in titles)


def print_error(text: str) -> None:
    """Print the one line that explains why the command fails; without styles, for scripts."""
    print(f"pellucid: {' '.join(text.split())}", file=sys.stderr)


def format_duration(seconds: float) -> str:
    """Return seconds as `42 s`, `3 min 05 s` or `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{max(seconds, 0.1):.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def pluralize(number: int, noun: str) -> str:
    """Return `1 image`, `2,000 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def progress_of(bar: Bar) -> "Callable[[int, int, str], None]":
    """Return a callback that moves the bar and shows the name of the current file."""
    return lambda done, total, name: bar(done, total, name)


def _console(stream: Any) -> "Console":
    from rich.console import Console

    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the minimum width of each column; a last one without a head holds notes, which may wrap."""
    widths = [
        max([len(line) for line in head.split("\n")] + [len(row[index]) for row in rows])
        for index, head in enumerate(heads)
    ]
    if not heads[-1]:
        widths[-1] = min(widths[-1], NOTE_WIDTH)
    return [width + PADDING for width in widths]


def _terminal_bar(progress: "Progress", title: str) -> Bar:
    """Return a bar on a terminal; its clock starts again whenever it moves to 0."""
    task = progress.add_task(title, total=None, left="", text="")
    started = last_redraw = time.monotonic()

    def move(done: float, total: float, text: str = "", left: float | None = None) -> None:
        nonlocal started, last_redraw
        now = time.monotonic()
        if done <= 0:
            started = now
        elif done < total and now - last_redraw < REDRAW_SECONDS:
            return
        last_redraw = now
        remaining = _time_left(left, now - started, done, total)
        progress.update(task, completed=done, total=total, text=text, left=remaining)

    return move


def _no_bar(done: float, total: float, text: str = "", left: float | None = None) -> None:
    """Show nothing."""


def _log_bar(console: "Console", title: str) -> Bar:
    """Return a bar for logs: one line every ten seconds at most."""
    started = logged = time.monotonic()

    def move(done: float, total: float, text: str = "", left: float | None = None) -> None:
        nonlocal logged
        now = time.monotonic()
        if now - logged < LOG_SECONDS:
            return
        logged = now
        parts = (f"{title} {done / max(total, 1):.0%}", _time_left(left, now - started, done, total), text)
        console.print(" · ".join(part for part in parts if part), soft_wrap=True)

    return move


def _time_left(known: float | None, elapsed: float, done: float, total: float) -> str:
    if done <= 0 or done >= total:
        return ""
    return f"{format_duration(known if known is not None else elapsed / done * (total - done))} left"


def _to_json(value: Any) -> Any:
    """Return NumPy values and paths as JSON values."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
