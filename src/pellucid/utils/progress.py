"""Report the progress of long work to a callback, which can cancel it."""

from collections.abc import Callable, Iterator

from pellucid.errors import Cancelled

Progress = Callable[[int, int], object]


def counted_progress(progress: Progress | None, total: int) -> Iterator[None]:
    """Report 0, 1, … `total` steps done, one each time that the iterator is advanced.

    Raises:
        Cancelled: if `progress` returned False.
    """
    for done in range(total + 1):
        if progress and progress(done, total) is False:
            raise Cancelled(f"cancelled after {done} of {total} tiles")
        yield


def split_progress(
    progress: Progress | None, fraction: float, parts: int = 200
) -> tuple[Callable[[float], None], Progress | None]:
    """Return the callbacks of two pieces of work that report to one progress, one after the other.

    Args:
        progress: the common callback.
        fraction: the part of the time that the first piece takes.
        parts: the total that `progress` is called with.

    Returns:
        The first callback takes the fraction done, in [0, 1], and raises Cancelled if `progress` returned False; the
        second one is a `Progress`.
    """

    def first(done: float) -> None:
        if progress and progress(int(done * fraction * parts), parts) is False:
            raise Cancelled(f"cancelled after {done:.0%} of the training")

    def second(done: int, total: int) -> object:
        assert progress
        return progress(parts if done == total else int((fraction + (1 - fraction) * done / total) * parts), parts)

    return first, second if progress else None
