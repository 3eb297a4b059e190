"""What callers are told of a long work, and how they end it."""

from collections.abc import Callable, Iterator

from pellucid.errors import Cancelled

Progress = Callable[[int, int], object]


def told(progress: Progress | None, total: int) -> Iterator[None]:
    """Tell the progress, one step each time that it is asked.

    Raises:
        Cancelled: if `progress` returned False.
    """
    for done in range(total + 1):
        if progress and progress(done, total) is False:
            raise Cancelled(f"cancelled after {done} of {total} tiles")
        yield


def shared(
    progress: Progress | None, share: float, parts: int = 200
) -> tuple[Callable[[float], None], Progress | None]:
    """Return what tells a progress of two works in a row: of the first its share done, of the second as `told` does.

    Args:
        progress: what is told of both, in `parts`.
        share: the first one's part of the time.
        parts: how finely.
    """

    def first(done: float) -> None:
        if progress and progress(int(done * share * parts), parts) is False:
            raise Cancelled(f"cancelled after {done:.0%} of the training")

    def second(done: int, total: int) -> object:
        assert progress
        return progress(parts if done == total else int((share + (1 - share) * done / total) * parts), parts)

    return first, second if progress else None
