"""The user's image folders: the kind of training they allow, which files belong together, and which are held out."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pellucid.data.files_json import Kind
from pellucid.errors import PellucidError, UsageError
from pellucid.image import list_images

NO_IMAGES = (
    "nothing to train on: give a RECIPE (see pellucid list recipes), or folders: --noisy DIR --clean DIR (pairs), "
    '--clean DIR --noise "gaussian(sigma=25)", --noisy DIR (noisy images only), or --noisy A --noisy B '
    "(two captures); see --help"
)
GENERIC_NAMES = frozenset({"noisy", "clean", "images", "input", "target", "data", "train"})
MAX_OVERSHOOT = 1.5


@dataclass(frozen=True)
class Sources:
    """Folders of images, searched with their subfolders, and the noise to add.

    Attributes:
        noisy: one folder, or two that each hold a noisy capture of every scene.
        clean: the folder of clean images, or None.
        noise: noise models such as `gaussian(sigma=25)`, with sigma of 255; see `noise.add_noise`.
    """

    noisy: tuple[Path, ...] = ()
    clean: Path | None = None
    noise: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """All folders, the clean one last."""
        return (*self.noisy, *((self.clean,) if self.clean else ()))

    @property
    def kind(self) -> Kind:
        """The kind of training that the folders allow.

        Raises:
            UsageError: if they allow none, naming the option that is missing or superfluous.
        """
        if not self.folders:
            raise UsageError("--noise alone: add --clean DIR with the images that get it" if self.noise else NO_IMAGES)
        if len(self.noisy) > 2:
            raise UsageError(f"--noisy is given {len(self.noisy)} times: give it once, or twice for two captures")
        if self.noise and self.noisy:
            raise UsageError("--noise is added to clean images: combine it with --clean only, or leave --noise out")
        if len(self.noisy) == 2 and self.clean:
            raise UsageError("two captures need no --clean: leave it out, or leave out one --noisy to train on pairs")
        if not self.noisy:
            if self.noise:
                return "clean"
            raise UsageError(
                '--clean alone: add the noise that it gets, such as --noise "gaussian(sigma=25)", or --noisy DIR'
            )
        return "pairs" if self.clean else "captures" if len(self.noisy) == 2 else "noisy"

    @property
    def name(self) -> str:
        """A name for the run: that of the first folder, or of its parent where the folder has a generic name."""
        folder = self.folders[0].resolve()
        while folder.name.lower() in GENERIC_NAMES:
            folder = folder.parent
        return folder.name or "own"

    def run_folder(self, out: Path | None = None) -> Path:
        """Return the folder of the run: `out`, or runs/NAME.

        Raises:
            UsageError: if the folders do not go together, or the run folder lies in one of them.
        """
        resolved = [folder.resolve() for folder in self.folders]
        if self.kind and len(set(resolved)) < len(resolved):
            raise UsageError(f"{self.folders[-1]} is given twice: name two folders with the same scenes")
        out = out or Path("runs") / self.name
        for folder, path in zip(self.folders, resolved, strict=True):
            if out.resolve().is_relative_to(path):
                raise UsageError(f"--out {out} lies in {folder}, which is only read: name a folder outside of it")
        return out


@dataclass(frozen=True)
class Item:
    """One image, or one stack, and the files that belong to it; those that its kind does not have are None."""

    name: str
    noisy: Path | None = None
    clean: Path | None = None
    second_capture: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that exist: noisy, second capture, clean."""
        return tuple(path for path in (self.noisy, self.second_capture, self.clean) if path)


def match_files(sources: Sources) -> tuple[tuple[Item, ...], tuple[Path, ...]]:
    """Return the items, sorted by name, and the files without a partner.

    Files of two folders belong together if their paths inside the folders are the same, or else the same without
    the suffix, or else also when upper and lower case are ignored.

    Raises:
        PellucidError: if a folder does not exist, or holds no image.
        UsageError: if no file has a partner.
    """
    paths = [_list_folder(folder, sources.folders) for folder in sources.folders]
    if len(paths) == 1:
        role = "clean" if sources.kind == "clean" else "noisy"
        return tuple(Item(path.as_posix(), **{role: sources.folders[0] / path}) for path in paths[0]), ()
    first, second = sources.folders
    role = "clean" if sources.clean else "second_capture"
    partners = _match_paths(*paths)
    if not partners:
        raise UsageError(
            f"no file in {first} has the name of one in {second} (such as {paths[0][0]} and {paths[1][0]}): "
            "give the files that belong together the same name"
        )
    items = tuple(
        Item(path.as_posix(), first / path, **{role: second / partner}) for path, partner in sorted(partners.items())
    )
    unmatched = [first / path for path in paths[0] if path not in partners]
    unmatched += [second / path for path in paths[1] if path not in set(partners.values())]
    return items, tuple(unmatched)


def group_names(names: Sequence[str], digests: Sequence[str], pattern: str) -> tuple[str, ...]:
    """Return the group of each image; no group is both trained on and held out.

    Args:
        names: file names, with their folders.
        digests: hashes of the images' contents, which are the groups if there is no pattern.
        pattern: a regular expression that finds the group in the name: its first capturing group, or the whole match
            if it has none. An empty text groups by content.

    Raises:
        UsageError: if the pattern is not a regular expression, or does not match a name.
    """
    if not pattern:
        return tuple(digests)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--group-by {pattern} is not a regular expression: {error}") from error
    groups = []
    for name in names:
        match = expression.search(name)
        if match is None:
            raise UsageError(f"--group-by {pattern} does not match {name}: give an expression that fits every name")
        groups.append(match.group(1 if expression.groups else 0) or "")
    return tuple(groups)


def choose_held_out(sizes: Mapping[str, int], fraction: float) -> frozenset[str]:
    """Choose groups that together have about `fraction` of all images, by a hash of their names; at least one.

    The choice depends on the names only, so that networks trained on the same folders can be compared.

    Args:
        sizes: the number of images of each group.
        fraction: in (0, 1).

    Raises:
        PellucidError: if there are fewer than two groups.
    """
    if len(sizes) < 2:
        raise PellucidError(f"{len(sizes)} group leaves nothing to hold out: add images, or group them differently")
    target = max(1.0, fraction * sum(sizes.values()))
    order = sorted(sizes, key=lambda name: hashlib.blake2b(name.encode()).digest())
    chosen, count = [], 0
    for name in order:
        if count < target and count + sizes[name] <= MAX_OVERSHOOT * target and len(chosen) < len(order) - 1:
            chosen.append(name)
            count += sizes[name]
    return frozenset(chosen or [min(order, key=lambda name: sizes[name])])


def _list_folder(folder: Path, folders: Sequence[Path]) -> list[Path]:
    """Return the image files in a folder, relative to it, without those of another given folder inside it."""
    inner = [other for other in folders if other.resolve() != folder.resolve()]
    inner = [other.resolve() for other in inner if other.resolve().is_relative_to(folder.resolve())]
    paths = [
        path.relative_to(folder)
        for path in list_images(folder, recursive=True)
        if not any(path.resolve().is_relative_to(other) for other in inner)
    ]
    if not paths:
        raise UsageError(f"{folder} holds no images but those of {inner[0]}: name the folder of the others")
    return paths


def _match_paths(first: Sequence[Path], second: Sequence[Path]) -> dict[Path, Path]:
    """Match relative paths; a path with several possible partners gets none."""
    keys: tuple[Callable[[Path], str], ...] = (
        lambda path: path.as_posix(),
        lambda path: path.with_suffix("").as_posix(),
        lambda path: path.with_suffix("").as_posix().casefold(),
    )
    partners: dict[Path, Path] = {}
    for key in keys:
        matched = set(partners.values())
        left = _unique_by_key([path for path in first if path not in partners], key)
        right = _unique_by_key([path for path in second if path not in matched], key)
        partners |= {path: right[name] for name, path in left.items() if name in right}
    return partners


def _unique_by_key(paths: Sequence[Path], key: Callable[[Path], str]) -> dict[str, Path]:
    """Map keys to paths, without the keys of several paths."""
    by_key: dict[str, list[Path]] = {}
    for path in paths:
        by_key.setdefault(key(path), []).append(path)
    return {name: same[0] for name, same in by_key.items() if len(same) == 1}
