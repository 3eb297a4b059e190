"""What the commands show: results on stdout, progress and messages on stderr, figures as JSON where asked.

Rich is imported on first use, so that `pellucid --help` does not pay for it.
"""

import contextlib
import functools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

STDOUT = "-"
PIPE_WIDTH = 200
REDRAW_SECONDS = 0.1
LOG_SECONDS = 10.0
PADDING = 3
NOTE_WIDTH = 24


class Bar(Protocol):
    """Moves a progress bar to `done` of `total`; `text` says how it goes, `left` is the seconds left if known."""

    def __call__(self, done: float, total: float, text: str = "", left: float | None = None) -> None:
        """Move the bar."""
        ...


class CommandOutput:
    """Where one command writes. With `--json -` stdout belongs to the JSON alone, and all words go to stderr."""

    def __init__(self, json_path: str | None = None, is_stdout_used: bool = False) -> None:
        """Take the value of `--json`: a path, "-" for stdout, or None; and whether an image goes to stdout."""
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
        """Print a line that is no result."""
        self.stderr.print(text, style="dim", soft_wrap=True)

    def print_warning(self, text: str) -> None:
        """Print one line about something that went wrong without ending the command."""
        self.stderr.print(f"pellucid: {text}", style="yellow", soft_wrap=True)

    def print_entries(self, named: Mapping[str, str], width: int = 0) -> None:
        """Print names, padded to the longest or to `width`, each with its one-liner."""
        from rich.text import Text

        width = max((width, *map(len, named)))
        for name, summary in named.items():
            line = Text.assemble(f"  {name.ljust(width)}  ", (summary, "dim"))
            self.stdout.print(line, soft_wrap=True)

    def print_table(
        self, heads: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", labels: int = 1
    ) -> None:
        """Print a table whose first `labels` columns name the row, the others being figures, set to the right.

        Figures are never cut: where the screen is too narrow, the columns go on in another table beneath.
        """
        if title:
            self.print(f"\n{title}", "bold")
        widths = _widths(heads, rows)
        if sum(widths) > self.stdout.width:
            heads = [head.replace(" ", "\n") for head in heads]
            widths = _widths(heads, rows)
        groups: list[list[int]] = [list(range(labels))]
        for index in range(labels, len(heads)):
            if len(groups[-1]) > labels and sum(widths[kept] for kept in (*groups[-1], index)) > self.stdout.width:
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

    def write_json(self, figures: Any) -> None:
        """Write the figures where `--json` asked for them, if it did.

        Raises:
            PellucidError: if the file cannot be written.
        """
        if self.json_path is None:
            return
        text = json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False, default=_to_json) + "\n"
        if self.json_path == STDOUT:
            sys.stdout.write(text)
            return
        from pellucid.utils.atomic_write import atomic_write

        with atomic_write(self.json_path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def bar(self, title: str) -> Iterator[Bar]:
        """Show a progress bar on a terminal, or a line now and then where stderr is a file or a pipe."""
        with self.bars(title) as (bar,):
            yield bar

    @contextlib.contextmanager
    def bars(self, *titles: str) -> Iterator[tuple[Bar, ...]]:
        """Show progress bars, one below the other; in a file or a pipe only the first leaves lines."""
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
    """Print the one line that says why the command ends; plain, so that scripts can read it."""
    print(f"pellucid: {' '.join(text.split())}", file=sys.stderr)


def format_duration(seconds: float) -> str:
    """Return seconds as `42 s`, `3 min 05 s` or `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{max(seconds, 0.1):.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def pluralize(number: int, thing: str) -> str:
    """Return `1 image`, `2,000 images`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _console(stream: Any) -> "Console":
    from rich.console import Console

    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the least width of each column; a last one without a head holds notes, which may be broken."""
    widths = [
        max([len(line) for line in head.split("\n")] + [len(row[index]) for row in rows])
        for index, head in enumerate(heads)
    ]
    if not heads[-1]:
        widths[-1] = min(widths[-1], NOTE_WIDTH)
    return [width + PADDING for width in widths]


def _terminal_bar(progress: "Progress", title: str) -> Bar:
    """Return a bar on a terminal; its clock starts whenever it is set to 0."""
    task = progress.add_task(title, total=None, left="", text="")
    started = drawn = time.monotonic()

    def move(done: float, total: float, text: str = "", left: float | None = None) -> None:
        nonlocal started, drawn
        now = time.monotonic()
        if done <= 0:
            started = now
        elif done < total and now - drawn < REDRAW_SECONDS:
            return
        drawn = now
        remaining = _time_left(left, now - started, done, total)
        progress.update(task, completed=done, total=total, text=text, left=remaining)

    return move


def _no_bar(done: float, total: float, text: str = "", left: float | None = None) -> None:
    """Stand where a bar would be."""


def _log_bar(console: "Console", title: str) -> Bar:
    """Return a bar for logs: one line every ten seconds."""
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


def _time_left(given: float | None, spent: float, done: float, total: float) -> str:
    if done <= 0 or done >= total:
        return ""
    return f"{format_duration(given if given is not None else spent / done * (total - done))} left"


def _to_json(value: Any) -> Any:
    """Turn NumPy's values and paths into JSON's."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
