"""What a worker process runs: orders come in as lines of JSON on standard input, what is told goes out likewise.

It lives no longer than the service: standard input ends with it, however it ended.
"""

import json
import os
import queue
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from pellucid.errors import Cancelled, PellucidError, TooLarge, UnknownFormat
from pellucid.server.settings import Settings
from pellucid.server.workers.processing import Workshop
from pellucid.server.workers.tasks import Order, Refused

NICER = 5  # so that requests are answered while images are denoised
FIRST_TO_GO = "500"  # if the system runs out of memory, it is a worker that ends (proc(5), oom_score_adj)
TELL_EVERY = 0.1  # seconds
SECRETS = ("PELLUCID_TOKEN",)
PATHS = ("source", "target", "reference", "previews")
STATUS = {TooLarge: 413, UnknownFormat: 415}


class Line:
    """The line to the web process; a thread of its own listens, so that an order can be cancelled."""

    def __init__(self, given: BinaryIO, taken: BinaryIO) -> None:
        """Take what is read from, and what is written to."""
        self._given, self._taken = given, taken
        self._orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.cancelled = threading.Event()
        self._told_at = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> dict[str, Any]:
        """Wait for what is asked next."""
        return self._orders.get()

    def tell(self, message: dict[str, Any]) -> None:
        """Say something."""
        self._taken.write(json.dumps(message, allow_nan=False).encode() + b"\n")
        self._taken.flush()

    def progress(self, done: int, total: int) -> bool:
        """Say how far the work is, now and then; returns whether to go on."""
        now = time.monotonic()
        if now - self._told_at >= TELL_EVERY:
            self._told_at = now
            self.tell({"progress": done / total if total else 1.0})
        return not self.cancelled.is_set()

    def _listen(self) -> None:
        for line in self._given:
            message = json.loads(line)
            if "cancel" in message:
                self.cancelled.set()
            else:
                if "order" in message:
                    self.cancelled.clear()
                self._orders.put(message)
        os._exit(0)


def main() -> None:
    """Work through orders until the service is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in SECRETS:
        os.environ.pop(name, None)
    # Libraries may print: what they say must not get among the answers.
    taken = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    line = Line(sys.stdin.buffer, taken)
    settings = settings_from(line.next())
    limit(settings)
    try:
        workshop = Workshop(settings)
    except PellucidError as error:
        line.tell({"failed": str(error)})
        return
    line.tell({"ready": workshop.on_offer()})
    while True:
        line.tell(answer(workshop, order_from(line.next()["order"]), line))


def answer(workshop: Workshop, order: Order, line: Line) -> dict[str, Any]:
    """Do an order, and return what is told of it: `facts`, `refused` with `status`, `failed` or `cancelled`."""
    try:
        return {"facts": workshop.do(order, line.progress)}
    except Cancelled:
        return {"cancelled": True}
    except Refused as error:
        return {"refused": _named(str(error), order), "status": error.status}
    except MemoryError:
        return {"refused": f"{order.name} takes more memory than a worker may have: send a smaller one", "status": 413}
    except PellucidError as error:
        status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 422)
        return {"refused": _named(str(error), order), "status": status}
    except Exception as error:  # the next order may go well: a worker outlives what it did not foresee
        print(f"pellucid: {order.kind}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return {"failed": f"the work on {order.name} failed: {type(error).__name__}"}


def limit(settings: Settings) -> None:
    """Bound what a hostile image can make this process take."""
    os.nice(NICER)
    os.umask(0o077)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    for kind, most in (
        (resource.RLIMIT_DATA, settings.memory_limit),
        (resource.RLIMIT_FSIZE, settings.disk_budget),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most, most) if hard == resource.RLIM_INFINITY else (min(most, hard), hard))


def settings_from(values: dict[str, Any]) -> Settings:
    """Return the settings that went through JSON."""
    made = {"spool": Path(values["spool"]), "classifiers": tuple(map(Path, values["classifiers"]))}
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    arguments: dict[str, Any] = values | tuples | made
    return Settings(**arguments)


def order_from(values: dict[str, Any]) -> Order:
    """Return the order that went through JSON."""
    paths: dict[str, Any] = {name: Path(values[name]) for name in PATHS if values[name] is not None}
    return Order(**values | paths)


def _named(message: str, order: Order) -> str:
    """Return a message that calls the files by what the client calls them: where they lie is nobody's business."""
    message = message.replace(str(order.source), order.name).replace(order.source.name, order.name)
    if order.reference:
        message = message.replace(str(order.reference), f"the reference of {order.name}")
    if order.target:
        message = message.replace(str(order.target), "the result")
    return message


if __name__ == "__main__":
    main()
