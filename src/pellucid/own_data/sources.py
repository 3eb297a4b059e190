"""The folders that were named: what they make together, and which of their files belong to one image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pellucid.data.file_list_types import Kind
from pellucid.errors import UsageError
from pellucid.image import list_images

NOTHING = (
    "nothing to train on: give a RECIPE (see pellucid list recipes), or folders: --noisy DIR --clean DIR (pairs), "
    '--clean DIR --noise "gaussian(sigma=25)", --noisy DIR (noisy images alone), or --noisy A --noisy B '
    "(two takes); see --help"
)
GENERIC = frozenset({"noisy", "clean", "images", "input", "target", "data", "train"})


@dataclass(frozen=True)
class Sources:
    """What the user has: folders of images, searched with all folders in them, and the noise to add.

    Attributes:
        noisy: one folder, or two with a noisy take of each image in both.
        clean: the folder of clean images, or None.
        noise: noise models such as `gaussian(sigma=25)`, sigma for white at 255; see `synthetic.noise_tables`.
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
        """What the folders make together.

        Raises:
            UsageError: if they make nothing, naming what is missing or too much.
        """
        if not self.folders:
            raise UsageError("--noise alone: give the clean images that get it, --clean DIR" if self.noise else NOTHING)
        if len(self.noisy) > 2:
            raise UsageError(f"--noisy stands {len(self.noisy)} times: give it once, or twice for two takes of each")
        if self.noise and self.noisy:
            raise UsageError("--noise is added to clean images: give --clean alone with it, or leave --noise out")
        if len(self.noisy) == 2 and self.clean:
            raise UsageError("two takes need no --clean: leave it out, or leave out one --noisy to train on pairs")
        if not self.noisy:
            if self.noise:
                return "clean"
            raise UsageError(
                '--clean alone: say what noise it gets, such as --noise "gaussian(sigma=25)", or give --noisy'
            )
        return "pairs" if self.clean else "takes" if len(self.noisy) == 2 else "noisy"

    @property
    def name(self) -> str:
        """A name for the run: that of the folder, or of the one around it where its own says nothing."""
        folder = self.folders[0].resolve()
        while folder.name.lower() in GENERIC:
            folder = folder.parent
        return folder.name or "own"

    def run_folder(self, out: Path | None = None) -> Path:
        """Return the folder of the run: `out`, or runs/NAME.

        Raises:
            UsageError: if the folders do not go together, or that folder lies in one of them.
        """
        places = [folder.resolve() for folder in self.folders]
        if self.kind and len(set(places)) < len(places):
            raise UsageError(f"{self.folders[-1]} is given twice: name two folders with the same images in them")
        out = out or Path("runs") / self.name
        for folder, place in zip(self.folders, places, strict=True):
            if out.resolve().is_relative_to(place):
                raise UsageError(f"--out {out} lies in {folder}, where nothing is written: name a folder outside of it")
        return out


@dataclass(frozen=True)
class Item:
    """One image, or one stack, and the files that belong to it; those that the kind has not are None."""

    name: str
    noisy: Path | None = None
    clean: Path | None = None
    second: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that there are."""
        return tuple(path for path in (self.noisy, self.second, self.clean) if path)


def matched(sources: Sources) -> tuple[tuple[Item, ...], tuple[Path, ...]]:
    """Return what belongs together, sorted by name, and the files without a partner.

    Files of two folders belong together if their paths in it are the same; else if they are without the suffix, in
    the end also in another case.

    Raises:
        PellucidError: if there is no such folder, or no image in it.
        UsageError: if no file has a partner.
    """
    listed = [_listed(folder, sources.folders) for folder in sources.folders]
    if len(listed) == 1:
        role = "clean" if sources.kind == "clean" else "noisy"
        return tuple(Item(path.as_posix(), **{role: sources.folders[0] / path}) for path in listed[0]), ()
    first, second = sources.folders
    role = "clean" if sources.clean else "second"
    pairs = _pairs(*listed)
    if not pairs:
        raise UsageError(
            f"no file in {first} has the name of one in {second} (such as {listed[0][0]} and {listed[1][0]}): "
            "give the files that belong together the same name"
        )
    items = tuple(Item(one.as_posix(), first / one, **{role: second / other}) for one, other in sorted(pairs.items()))
    alone = [first / path for path in listed[0] if path not in pairs]
    alone += [second / path for path in listed[1] if path not in set(pairs.values())]
    return items, tuple(alone)


def _listed(folder: Path, folders: Sequence[Path]) -> list[Path]:
    """Return the image files in a folder, relative to it, less those of another folder that lies in it."""
    inner = [other for other in folders if other.resolve() != folder.resolve()]
    inner = [other.resolve() for other in inner if other.resolve().is_relative_to(folder.resolve())]
    found = list_images(folder, recursive=True)
    kept = [path for path in found if not any(path.resolve().is_relative_to(other) for other in inner)]
    if not kept:
        raise UsageError(f"{folder} holds no images but those of {inner[0]}: name the folder of the others")
    return [path.relative_to(folder) for path in kept]


def _pairs(first: Sequence[Path], second: Sequence[Path]) -> dict[Path, Path]:
    """Match relative paths; one that could have several partners has none."""
    keys: tuple[Callable[[Path], str], ...] = (
        lambda path: path.as_posix(),
        lambda path: path.with_suffix("").as_posix(),
        lambda path: path.with_suffix("").as_posix().casefold(),
    )
    pairs: dict[Path, Path] = {}
    for key in keys:
        taken = set(pairs.values())
        one = _unique([path for path in first if path not in pairs], key)
        other = _unique([path for path in second if path not in taken], key)
        pairs |= {path: other[name] for name, path in one.items() if name in other}
    return pairs


def _unique(paths: Sequence[Path], key: Callable[[Path], str]) -> dict[str, Path]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(key(path), []).append(path)
    return {name: same[0] for name, same in found.items() if len(same) == 1}
