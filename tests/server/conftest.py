"""A fake pool, so that jobs are tested without workers; and whole services."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from pellucid.server.workers.tasks import Cancelled, QueueFull, WorkFailed, WorkRefused, WorkRequest, WorkResult


class FakePool:
    """A pool whose requests end when the test sets `go`, each as the content of its image says."""

    size = 1
    retry_after = 7

    def __init__(self):
        self.requests: list[WorkRequest] = []
        self.go = asyncio.Event()
        self.go.set()
        self.progress_callbacks = []
        self.is_full = False
        self.is_stopped = False
        self.max_running, self._now = 0, 0

    async def run(self, request, *, progress=None, cancelled=None, may_queue=True):
        if self.is_full:
            raise QueueFull(1)
        self.requests.append(request)
        self.progress_callbacks.append(progress)
        self._now += 1
        self.max_running = max(self.max_running, self._now)
        try:
            await self._until_released(cancelled)
            return self._result(request)
        finally:
            self._now -= 1

    async def _until_released(self, cancelled):
        waits = [asyncio.create_task(event.wait()) for event in (self.go, cancelled)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        if cancelled.is_set():
            raise Cancelled("it was cancelled")

    def _result(self, request):
        if self.is_stopped:
            raise WorkFailed("the service was stopped", 503)
        content = request.source.read_bytes()
        if b"damaged" in content:
            raise WorkRefused("scan.png is damaged: get it again")
        if b"deadly" in content:
            raise WorkFailed("the work on scan.png ended unexpectedly")
        if b"odd" in content:
            raise ZeroDivisionError
        request.target.write_bytes(b"clean " + content)
        (request.previews / "before.png").write_bytes(content)
        return WorkResult({"width": 3, "seconds": 0.1, "media_type": "image/x-portable-anymap", "suffix": ".pgm"})


@pytest.fixture
def new_fake_pool() -> type[FakePool]:
    return FakePool


class Service:
    """A `pellucid serve` in a process of its own, as its users meet it.

    Attributes:
        address: its URL.
        client: sends requests there.
        log: what it has written to standard error.
    """

    def __init__(self, spool: Path, *options: str):
        self.spool, self.log = spool, ""
        command = [sys.executable, "-m", "pellucid", "serve", "--port", "0", "--spool", str(spool), *options]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        for line in self._lines():
            self.log += line
            if " is at " in line:
                break
        else:
            raise AssertionError(self.log)
        self.address = line.split()[3]
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.client = httpx.Client(base_url=self.address, timeout=60)

    def _lines(self):
        assert self.process.stderr
        return iter(self.process.stderr.readline, "")

    def _read(self):
        for line in self._lines():
            self.log += line

    def metric(self, name: str) -> float:
        """Return a value of /metrics."""
        lines = self.client.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it, and return its exit status; all that it wrote is in the log then."""
        self.client.close()
        self.process.send_signal(number)
        status = self.process.wait(60)
        self._reader.join(10)
        assert self.process.stderr
        self.process.stderr.close()
        return status


@pytest.fixture(scope="session")
def serving(tmp_path_factory, exported) -> Iterator[Callable[..., Service]]:
    """Start services with options of their own; what still runs at the end is ended."""
    started = []

    def serving(*options: str, spool: Path | None = None) -> Service:
        spool = spool or tmp_path_factory.mktemp("service") / "spool"
        started.append(Service(spool, "--model", str(exported), "--threads", "1", "--engine", "onnxruntime", *options))
        return started[-1]

    yield serving
    for service in started:
        if service.process.poll() is None:
            service.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def service(serving, reader) -> Service:
    """One with tight limits, which the tests share."""
    sizes = ("--max-bytes", "1M", "--max-batch-bytes", "3M", "--max-text", "10k")
    limits = (*sizes, "--max-pixels", "100k", "--max-frames", "5", "--idle-timeout", "1", "--body-timeout", "3")
    return serving(*limits, "--classifier", str(reader))


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Make an image file of noise in memory."""

    def picture(kind: str = "PNG", size: tuple[int, int] = (48, 32), **options) -> bytes:
        pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind, **options)
        return stream.getvalue()

    return picture


@pytest.fixture(scope="session")
def reader(tmp_path_factory) -> Path:
    """A classifier of two classes, dark and bright, for gray images of any size, as an ONNX file."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    constants = {"axes": np.array([1, 2, 3], np.int64), "column": np.array([-1], np.int64), "one": np.float32(1)}
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["flat"], keepdims=0),
        helper.make_node("Unsqueeze", ["flat", "column"], ["mean"]),
        helper.make_node("Sub", ["one", "mean"], ["rest"]),
        helper.make_node("Concat", ["rest", "mean"], ["scores"], axis=1),
    ]
    given = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 1, "H", "W"])]
    made = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2])]
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "brightness", given, made, held)
    path = tmp_path_factory.mktemp("readers") / "brightness.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path
