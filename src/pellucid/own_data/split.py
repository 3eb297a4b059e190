"""Which images are held out: whole groups of them, so that no page, scene or field lies on both sides."""

import hashlib
import re
from collections.abc import Mapping, Sequence

from pellucid.errors import PellucidError, UsageError

OVERSHOOT = 1.5


def group_names(names: Sequence[str], digests: Sequence[str], pattern: str) -> tuple[str, ...]:
    """Return the group of each image.

    Args:
        names: of the files, with their folders.
        digests: of the images' contents, the group where there is no pattern.
        pattern: a regular expression; what its first group finds in the name, or all it finds if it has none, is the
            image's group. Empty for none.

    Raises:
        UsageError: if the pattern is no regular expression, or finds nothing in a name.
    """
    if not pattern:
        return tuple(digests)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--group-by {pattern} is no regular expression: {error}") from error
    found = []
    for name in names:
        match = expression.search(name)
        if match is None:
            raise UsageError(f"--group-by {pattern} finds nothing in {name}: give an expression that fits every name")
        found.append(match.group(1 if expression.groups else 0) or "")
    return tuple(found)


def held_out(sizes: Mapping[str, int], share: float) -> frozenset[str]:
    """Choose groups that together have about `share` of all images, by a hash of their names; at least one.

    The choice depends on the names alone, so that networks trained from the same folders can be compared.

    Args:
        sizes: how many images each group has.
        share: in (0, 1).

    Raises:
        PellucidError: if there are fewer than two groups.
    """
    if len(sizes) < 2:
        raise PellucidError(f"{len(sizes)} group leaves nothing to hold out: add images, or group them otherwise")
    wanted = max(1.0, share * sum(sizes.values()))
    order = sorted(sizes, key=lambda name: hashlib.blake2b(name.encode()).digest())
    chosen, count = [], 0
    for name in order:
        if count < wanted and count + sizes[name] <= OVERSHOOT * wanted and len(chosen) < len(order) - 1:
            chosen.append(name)
            count += sizes[name]
    return frozenset(chosen or [min(order, key=lambda name: sizes[name])])
