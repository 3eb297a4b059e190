"""A ZIP of many files, made while it is sent: images are compressed already, so they are stored as they are."""

import io
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

CHUNK = 1 << 18
NEEDS_ZIP64 = (1 << 31) - 1


def zipped(files: Iterable[tuple[str, Path | bytes]]) -> Iterator[bytes]:
    """Yield the parts of a ZIP archive of files, or texts, under these names, of which the same one may come again."""
    sink = _Sink()
    taken: set[str] = set()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(_unmet(name, taken), _local_time(content))
            entry.external_attr = 0o644 << 16
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            with _opened(content) as stream, archive.open(entry, "w", force_zip64=size > NEEDS_ZIP64) as member:
                while part := stream.read(CHUNK):
                    member.write(part)
                    yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data, /) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _opened(content: Path | bytes) -> io.BufferedIOBase:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _local_time(content: Path | bytes) -> tuple[int, int, int, int, int, int]:
    moment = time.localtime(time.time() if isinstance(content, bytes) else content.stat().st_mtime)
    return max((1980, 1, 1, 0, 0, 0), moment[:6])


def _unmet(name: str, taken: set[str]) -> str:
    """Return a name that no other file has, whether or not a file system tells cases apart, and note it."""
    path, found, count = Path(name), name, 1
    while found.casefold() in taken:
        count += 1
        found = f"{path.stem}-{count}{path.suffix}"
    taken.add(found.casefold())
    return found
