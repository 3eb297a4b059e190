"""The program of a worker process: work requests arrive as lines of JSON on standard input, replies leave on stdout.

It ends with the service: standard input closes when the service ends, however that happens.
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
from pellucid.server.workers.processing import ModelHost
from pellucid.server.workers.tasks import WorkRefused, WorkRequest

NICE_INCREMENT = 5  # so that the service answers while images are denoised
OOM_SCORE_ADJ = "500"  # if the system runs out of memory, it ends a worker first (proc(5))
PROGRESS_INTERVAL = 0.1  # seconds
SECRETS = ("PELLUCID_TOKEN",)
PATHS = ("source", "target", "reference", "previews")
STATUS = {TooLarge: 413, UnknownFormat: 415}


class WorkerPipe:
    """The connection to the web process; its own thread reads, so that a request can be cancelled while it runs."""

    def __init__(self, input: BinaryIO, output: BinaryIO) -> None:
        """Start to read from `input`; `send` writes to `output`."""
        self._input, self._output = input, output
        self._requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.cancelled = threading.Event()
        self._last_progress = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def receive(self) -> dict[str, Any]:
        """Wait for the next message and return it."""
        return self._requests.get()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self._output.write(json.dumps(message, allow_nan=False).encode() + b"\n")
        self._output.flush()

    def progress(self, done: int, total: int) -> bool:
        """Report progress, at most every `PROGRESS_INTERVAL`; returns whether to go on."""
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_INTERVAL:
            self._last_progress = now
            self.send({"progress": done / total if total else 1.0})
        return not self.cancelled.is_set()

    def _listen(self) -> None:
        for line in self._input:
            message = json.loads(line)
            if "cancel" in message:
                self.cancelled.set()
            else:
                if "request" in message:
                    self.cancelled.clear()
                self._requests.put(message)
        os._exit(0)


def main() -> None:
    """Handle work requests until the service ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in SECRETS:
        os.environ.pop(name, None)
    # Libraries may print: their output must not mix with the replies.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    pipe = WorkerPipe(sys.stdin.buffer, output)
    settings = settings_from(pipe.receive())
    set_limits(settings)
    try:
        host = ModelHost(settings)
    except PellucidError as error:
        pipe.send({"failed": str(error)})
        return
    pipe.send({"ready": host.available_models()})
    while True:
        pipe.send(handle(host, work_request_from(pipe.receive()["request"]), pipe))


def handle(host: ModelHost, request: WorkRequest, pipe: WorkerPipe) -> dict[str, Any]:
    """Process a request; returns the reply: `metadata`, `refused` with `status`, `failed` or `cancelled`."""
    try:
        return {"metadata": host.process(request, pipe.progress)}
    except Cancelled:
        return {"cancelled": True}
    except WorkRefused as error:
        return {"refused": _without_paths(str(error), request), "status": error.status}
    except MemoryError:
        return {"refused": f"{request.name} needs more memory than a worker may use: send a smaller one", "status": 413}
    except PellucidError as error:
        status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 422)
        return {"refused": _without_paths(str(error), request), "status": status}
    except Exception as error:  # the next request may succeed: the worker goes on
        print(f"pellucid: {request.kind}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return {"failed": f"the work on {request.name} failed: {type(error).__name__}"}


def set_limits(settings: Settings) -> None:
    """Bound the memory, files and CPU priority of this process, in case of a hostile image."""
    os.nice(NICE_INCREMENT)
    os.umask(0o077)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE_ADJ)
    for kind, limit in (
        (resource.RLIMIT_DATA, settings.memory_limit),
        (resource.RLIMIT_FSIZE, settings.disk_budget),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit, limit) if hard == resource.RLIM_INFINITY else (min(limit, hard), hard))


def settings_from(values: dict[str, Any]) -> Settings:
    """Return settings that were sent as JSON."""
    paths = {"spool": Path(values["spool"]), "classifiers": tuple(map(Path, values["classifiers"]))}
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    arguments: dict[str, Any] = values | tuples | paths
    return Settings(**arguments)


def work_request_from(values: dict[str, Any]) -> WorkRequest:
    """Return a work request that was sent as JSON."""
    paths: dict[str, Any] = {name: Path(values[name]) for name in PATHS if values[name] is not None}
    return WorkRequest(**values | paths)


def _without_paths(message: str, request: WorkRequest) -> str:
    """Replace the paths in a message by the client's name for the file: clients must not see where files are."""
    message = message.replace(str(request.source), request.name).replace(request.source.name, request.name)
    if request.reference:
        message = message.replace(str(request.reference), f"the reference of {request.name}")
    if request.target:
        message = message.replace(str(request.target), "the result")
    return message


if __name__ == "__main__":
    main()
