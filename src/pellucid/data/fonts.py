"""Fonts for rendering pages: known families in the font folders of the system, or the default font of Pillow."""

import functools
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)
# Families for print in Latin letters; True: with Greek and Cyrillic letters too.
FAMILIES = {
    **dict.fromkeys(("DejaVuSans", "DejaVuSansCondensed", "DejaVuSansMono", "DejaVuSerif"), True),
    **dict.fromkeys(("DejaVuSerifCondensed", "LiberationSans", "LiberationSerif", "LiberationMono"), True),
    **dict.fromkeys(("NotoSans", "NotoSerif", "NotoMono", "NotoSansMono", "NotoSansDisplay", "NotoSerifDisplay"), True),
    **dict.fromkeys(("FreeSans", "FreeSerif", "FreeMono", "Inter", "Roboto", "OpenSans", "Arial", "Verdana"), True),
    **dict.fromkeys(("LiberationSansNarrow", "Carlito", "Caladea", "Lato", "Cantarell", "Georgia", "Tahoma"), False),
    **dict.fromkeys(("C059", "P052", "NimbusRoman", "NimbusSans", "NimbusMonoPS", "URWBookman", "URWGothic"), False),
    **dict.fromkeys(("lmroman10", "lmsans10", "lmmono10", "texgyrepagella", "texgyretermes", "texgyreheros"), False),
    **dict.fromkeys(("LinLibertine_R", "EBGaramond12", "Gentium", "GentiumBasic", "CourierPrime"), False),
}
STYLES = {
    **dict.fromkeys(("", "regular", "book", "roman"), "regular"),
    "bold": "bold",
    **dict.fromkeys(("italic", "oblique"), "italic"),
    **dict.fromkeys(("bolditalic", "boldoblique"), "bold italic"),
}
NAME = re.compile(r"(?P<family>[A-Za-z0-9]+(?:_R)?)[-_]?(?P<style>[A-Za-z]*)")
INSTALL_HINT = "install some, such as Debian's fonts-dejavu-core or fonts-liberation"


@dataclass(frozen=True)
class Family:
    """A font family: the file of each available style, and whether it has Greek and Cyrillic letters."""

    name: str
    files: tuple[tuple[str, str], ...]
    is_wide: bool

    def font(self, size: int, bold: bool = False, italic: bool = False) -> "FreeTypeFont":
        """Return the font in a size in pixels and the requested style, or the plainest available one."""
        style = " ".join(name for name, is_on in (("bold", bold), ("italic", italic)) if is_on) or "regular"
        return _font(dict(self.files).get(style, self.files[0][1]), size)


PILLOW_DEFAULT = Family("Pillow default", (("regular", ""),), is_wide=False)


@functools.cache
def families(folders: tuple[str, ...] = FOLDERS) -> tuple[Family, ...]:
    """Return the known families in folders and their subfolders, sorted by name.

    If there are none, a warning names fonts to install, and the default font of Pillow is returned.
    """
    found: dict[str, dict[str, str]] = {}
    for path in sorted(path for folder in folders for path in _font_files(Path(folder).expanduser())):
        parts = NAME.fullmatch(path.stem)
        style = STYLES.get(parts["style"].lower()) if parts else None
        if parts and style and parts["family"] in FAMILIES:
            found.setdefault(parts["family"], {}).setdefault(style, str(path))
    if not found:
        warnings.warn(
            "pages are set in the default font of Pillow alone, since no other is in "
            f"{', '.join(folders)}: {INSTALL_HINT}",
            RuntimeWarning,
            stacklevel=2,
        )
        return (PILLOW_DEFAULT,)
    return tuple(
        Family(name, tuple(sorted(files.items(), key=_decoration_rank)), FAMILIES[name])
        for name, files in sorted(found.items())
    )


def _decoration_rank(style_and_file: tuple[str, str]) -> int:
    return list(STYLES.values()).index(style_and_file[0])


def _font_files(folder: Path) -> list[Path]:
    return [path for suffix in ("ttf", "otf") for path in folder.rglob(f"*.{suffix}")] if folder.is_dir() else []


@functools.lru_cache(maxsize=512)
def _font(file: str, size: int) -> "FreeTypeFont":
    from PIL import ImageFont

    if not file:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font
    return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)
