"""Look at the folders before the first step: what is there, what can be used, what kind of noise, what is held out."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data.file_list_types import Entry, FileList, Part
from pellucid.errors import PellucidError, UsageError
from pellucid.image.arrays import TWELVE_BITS
from pellucid.own_data.noise_analysis import Look, Progress, noise_of
from pellucid.own_data.noise_statistics import NoiseKind
from pellucid.own_data.sources import Sources, matched
from pellucid.own_data.split import group_names, held_out
from pellucid.own_data.validate_files import Examined, LeftOut, examine_all, within_budget

PATCHES = (128, 96, 64, 48, 32, 24, 16)
ROOM = 4 / 3
FEW = 0.05  # the share of images that a patch may be too large for
MOST_LEFT_OUT = 0.1


@dataclass(frozen=True)
class Wishes:
    """What the user asks of the data.

    Attributes:
        group_by: as in `split.group_names`.
        validation: the share of images to hold out.
        patch: the side of what is trained on; 0 for what fits.
        channels: that the network to start from takes, if it is a shipped one; () for any.
    """

    group_by: str = ""
    validation: float = 0.2
    patch: int = 0
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check the share; raises UsageError."""
        if not 0 < self.validation < 1:
            raise UsageError(f"--validation {self.validation} is no share: give a number between 0 and 1, such as 0.2")


@dataclass(frozen=True)
class Findings:
    """What was found in the folders.

    Attributes:
        sources: the folders.
        used: what can be used.
        left_out: what cannot.
        alone: the files without a partner of their name.
        unread: of a huge folder, how many images were not looked at.
        channels: of each image, once gray ones among colours are repeated.
        dtype: of all.
        white: the value that becomes 1.
        patch: the side of what is trained on.
        look: the kind of the noise, and what else some of the images tell.
        groups: the group of each of `used`.
        validation: the groups that are held out.
    """

    sources: Sources
    used: tuple[Examined, ...]
    left_out: tuple[LeftOut, ...]
    alone: tuple[Path, ...]
    unread: int
    channels: int
    dtype: str
    white: float
    patch: int
    look: Look
    groups: tuple[str, ...]
    validation: frozenset[str]

    @property
    def noise(self) -> NoiseKind:
        """The kind of the noise."""
        return self.look.noise

    @property
    def training(self) -> tuple[Examined, ...]:
        """Those of `used` that train."""
        grouped = zip(self.used, self.groups, strict=True)
        return tuple(one for one, group in grouped if group not in self.validation or self.is_alone)

    @property
    def area(self) -> int:
        """The pixels of all images that train."""
        return sum(one.pages * one.height * one.width for one in self.training)

    @property
    def places(self) -> int:
        """The places that a patch has in them."""
        rooms = ((one.height - self.patch + 1) * (one.width - self.patch + 1) * one.pages for one in self.training)
        return sum(rooms)

    @property
    def is_alone(self) -> bool:
        """Whether all is of one group, so that noisy images are held out from nothing, and trained on as well."""
        return len(set(self.groups)) == 1

    def file_list(self, levels: Sequence[float | None] | None = None) -> FileList:
        """Return the list of files to train on, with the noise level of each where it is known."""
        entries = []
        for number, (one, group) in enumerate(zip(self.used, self.groups, strict=True)):
            noisy, clean, second = (
                str(path.absolute()) if path else None for path in (one.item.noisy, one.item.clean, one.item.second)
            )
            level = levels[number] if levels else None
            for part in self._parts(group):
                entries.append(Entry(noisy, clean, second, group, part, level))
        left_out = tuple((str(one.file), one.why) for one in self.left_out)
        return FileList(self.sources.kind, self.channels, self.dtype, self.white, tuple(entries), left_out)

    def _parts(self, group: str) -> tuple[Part, ...]:
        if self.is_alone:
            return ("train", "validation")
        return ("validation",) if group in self.validation else ("train",)


def look(sources: Sources, wishes: Wishes, progress: Progress | None = None) -> Findings:
    """Read the folders and find out what is in them; nothing is written.

    Args:
        sources: the folders, which go together.
        wishes: what the user asks.
        progress: told what is being done, how far it is, and how much there is.

    Raises:
        UsageError: if the folders do not match each other, or a wish cannot be.
        PellucidError: if too much cannot be used, or too little is left.
    """
    items, alone = matched(sources)
    chosen = within_budget(items)
    examined, left_out = examine_all(chosen, progress and (lambda done, total: progress("read", done, total)))
    examined, unlike, channels, dtype = _alike(examined)
    channels = _shown_as(channels, wishes.channels)
    patch = wishes.patch or _patch(examined)
    small = tuple(_too_small(one, patch) for one in examined if min(one.height, one.width) < patch)
    used = tuple(one for one in examined if min(one.height, one.width) >= patch)
    left_out = (*left_out, *unlike, *small)
    _check_left_out(left_out, len(chosen))
    white = _white(used, dtype)
    groups = group_names([one.item.name for one in used], [one.digest for one in used], wishes.group_by)
    validation = _validation(sources, groups, wishes.validation)
    looked = noise_of(sources, used, white, progress)
    unread = len(items) - len(chosen)
    return Findings(sources, used, left_out, alone, unread, channels, dtype, white, patch, looked, groups, validation)


def _alike(examined: Sequence[Examined]) -> tuple[tuple[Examined, ...], tuple[LeftOut, ...], int, str]:
    """Return those of the depth and the channels that most have, those that have others, and these two.

    Gray images among colours stay, since showing gray in three channels loses nothing.
    """
    if not examined:
        return (), (), 1, "uint8"
    dtype = Counter(one.dtype for one in examined).most_common(1)[0][0]
    channels = Counter(one.channels for one in examined if one.dtype == dtype).most_common(1)[0][0]
    kept, others = [], []
    for one in examined:
        path = one.item.files[0]
        if one.dtype != dtype:
            why = (
                f"{path} holds {one.dtype} samples, most others {dtype}: save all at one depth, or train on them apart"
            )
        elif one.channels != channels and (one.channels, channels) != (1, 3):
            why = f"{path} has {one.channels} channel(s), most others {channels}: convert it, or train on them apart"
        else:
            kept.append(one)
            continue
        others.append(LeftOut(path, why))
    return tuple(kept), tuple(others), channels, dtype


def _shown_as(channels: int, wanted: tuple[int, ...]) -> int:
    """Return how many channels the network is shown; gray goes to one that takes colours in three."""
    if not wanted or channels in wanted:
        return channels
    if channels == 1 and 3 in wanted:
        return 3
    raise UsageError(
        f"--from names a network of {wanted[0]} channels, the images have {channels}: leave --from out to train from "
        "scratch"
    )


def _patch(examined: Sequence[Examined]) -> int:
    """Return the largest patch that has many places in all but a few images, or that at least fits them."""
    sides = np.array([min(one.height, one.width) for one in examined])
    for room in (ROOM, 1.0):
        for patch in PATCHES:
            if len(sides) and (sides < room * patch).mean() <= FEW:
                return patch
    return PATCHES[-1]


def _too_small(one: Examined, patch: int) -> LeftOut:
    path = one.item.files[0]
    return LeftOut(path, f"{path} is {one.width}x{one.height}, smaller than the patch of {patch}: take it away")


def _check_left_out(left_out: Sequence[LeftOut], count: int) -> None:
    """Raise PellucidError if more than a tenth cannot be used, or nothing is left; a single one is only named."""
    if len(left_out) > max(1, MOST_LEFT_OUT * count) or len(left_out) == count:
        raise PellucidError(
            f"{len(left_out):,} of {count:,} images cannot be used, too many to leave out; the first: {left_out[0].why}"
        )


def _white(used: Sequence[Examined], dtype: str) -> float:
    """Return the value that becomes 1: what the dtype or the data reach, in round figures.

    Deeper images than 8 bits that stay far below their type's bound (a camera's raw counts) are taken by the next power
    of two, floats that lie far from [0, 1] by the next number of two digits.
    """
    top = max(one.top for one in used)
    if dtype == "uint8":
        return 255.0
    if dtype == "uint16":
        full = TWELVE_BITS if top <= TWELVE_BITS else 65_535
        return float(full if top > full / 4 else 2 ** math.ceil(math.log2(top + 1)) - 1)
    if top > 0.25 and np.median([one.median for one in used]) <= 2 and top <= 16:
        return 1.0
    reach = max(top, -min(one.low for one in used))
    known = next((float(full) for full in (255, TWELVE_BITS, 65_535) if full / 4 < reach <= full), None)
    step = 10.0 ** (math.floor(math.log10(reach)) - 1)
    return known or float(f"{math.ceil(reach / step) * step:.3g}")


def _validation(sources: Sources, groups: Sequence[str], share: float) -> frozenset[str]:
    sizes = Counter(groups)
    if len(sizes) > 1:
        return held_out(sizes, share)
    if sources.kind == "noisy":
        return frozenset(sizes)
    same = "one image" if len(groups) == 1 else f"{len(groups)} images of one group, such as takes of one page"
    raise PellucidError(
        f"{sources.folders[-1]} holds {same}, which leaves nothing to hold out: add others, or clean "
        "a single image with pellucid denoise"
    )
