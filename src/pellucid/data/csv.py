"""Images as rows of numbers: label, pixel1, pixel2 … as Kaggle gives MNIST and Fashion-MNIST."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data.image_set import Images, check_split
from pellucid.errors import PellucidError
from pellucid.utils.paths import roots

WHITE = 255
ENCODING = "utf-8-sig"


@dataclass(frozen=True)
class CSV:
    """Gray images from two CSV files, one image a row, its pixels row by row.

    The header has a column `label` and one column a pixel, `pixel1` to `pixelN` or `pixel0` to `pixelN-1`, in any
    order. Labels are whole numbers from 0, pixels from 0 to 255.

    Attributes:
        train: the file of the train split; a relative path is looked up from here, then in the data folders.
        test: the file of the test split.
        height: rows of an image in pixels.
        width: columns of an image in pixels.
    """

    train: str
    test: str
    height: int = 28
    width: int = 28

    def __post_init__(self) -> None:
        """Check the options."""
        for option in ("height", "width"):
            if getattr(self, option) < 1:
                raise ValueError(f"{option} is {getattr(self, option)}: give the images' size in pixels")

    def available(self) -> bool:
        """Return whether both files are at hand; nothing is read."""
        return all(place.is_file() for place in (_find(self.train), _find(self.test)))

    def load(self, split: str) -> Images:
        """Read the `train` or `test` images, (N, 1, height, width), with their labels.

        Raises:
            PellucidError: naming the file, and the row (the header is row 1) and column at fault.
        """
        check_split(split)
        path = _find(self.train if split == "train" else self.test)
        if not path.is_file():
            looked = ", ".join(str(folder) for folder in (Path.cwd(), *roots()))
            raise PellucidError(f"{path}: no such CSV file (looked in {looked}): name one with csv({split}=PATH)")
        label, pixels, count = self._columns(path)
        values = _values(path)
        table = None if values is None or values.shape[1] != count else values
        if table is None or table[:, label].min() < 0 or table[:, pixels].min() < 0 or table[:, pixels].max() > WHITE:
            raise PellucidError(_first_fault(path))
        images = table[:, pixels].astype(np.uint8).reshape(-1, 1, self.height, self.width)
        return Images(images, table[:, label].astype(np.int64))

    def _columns(self, path: Path) -> tuple[int, list[int], int]:
        """Return the label's column, the pixels' columns in order, and the number of columns, from the header."""
        try:
            with path.open(encoding=ENCODING, newline="", errors="replace") as file:
                header = [name.strip() for name in next(csv.reader(file), [])]
        except (OSError, csv.Error) as error:
            raise PellucidError(f"{path}: cannot be read as CSV text: {error}: get the file anew") from error
        if not any(header):
            raise PellucidError(
                f"{path}: the file is empty: expected a header with label, pixel1 …, then one image a row"
            )
        if "label" not in header:
            raise PellucidError(f'{path}, row 1: there is no column "label": name the column of class numbers so')
        count = self.height * self.width
        first = 0 if "pixel0" in header else 1
        wanted = [f"pixel{number}" for number in range(first, first + count)]
        size = f"{self.height}x{self.width} images have {wanted[0]} to {wanted[-1]}"
        place = {name: index for index, name in enumerate(header)}
        if missing := next((name for name in wanted if name not in place), None):
            raise PellucidError(f'{path}, row 1: there is no column "{missing}": {size}; check height and width')
        if len(header) != count + 1:
            extra = next(iter(sorted(set(header) - {"label", *wanted})), "a name that stands twice")
            raise PellucidError(f'{path}, row 1: unexpected column "{extra}": {size}; check height and width')
        return place["label"], [place[name] for name in wanted], count + 1


def _find(name: str) -> Path:
    """Return where a file is: the path itself, or in the first data folder that has it."""
    path = Path(name).expanduser()
    if path.is_absolute() or path.is_file():
        return path
    return next((root / path for root in roots() if (root / path).is_file()), path)


def _values(path: Path) -> np.ndarray | None:
    """Return all rows after the header as int16 (N, columns), or None if there are none or some cell is at fault."""
    with path.open(encoding=ENCODING, errors="replace") as file:
        file.readline()
        if not file.readline().strip():
            return None
    try:
        return np.loadtxt(path, np.int16, comments=None, delimiter=",", skiprows=1, encoding=ENCODING, ndmin=2)
    except (ValueError, DeprecationWarning):
        return None


def _first_fault(path: Path) -> str:
    try:
        return next(_faults(path), f"{path}: cannot be read as a table of whole numbers: get the file anew")
    except csv.Error as error:
        return f"{path}: cannot be read as CSV text: {error}: get the file anew"


def _faults(path: Path) -> Iterator[str]:
    """Yield what is wrong, row by row, in the words of an error; slow, for a file that is known to be at fault."""
    with path.open(encoding=ENCODING, newline="", errors="replace") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows)]
        number = 1
        for number, row in enumerate(rows, 2):
            if not any(cell.strip() for cell in row):
                yield f"{path}, row {number}: the row is empty: delete it"
            elif len(row) != len(header):
                yield f"{path}, row {number}: expected {len(header)} values, found {len(row)}: get the file anew"
            for name, cell in zip(header, row, strict=False):
                if fault := _cell_fault(name, cell.strip()):
                    yield f'{path}, row {number}, column "{name}": {fault}'
        if number == 1:
            yield f"{path}: there is a header but no row below it: expected one image a row"


def _cell_fault(name: str, cell: str) -> str | None:
    if not cell:
        return "the cell is empty: give a whole number"
    if not cell.removeprefix("-").isdecimal():
        return f'expected a whole number, found "{cell[:40]}": mend the cell'
    highest = np.iinfo(np.int16).max if name == "label" else WHITE
    if not 0 <= int(cell) <= highest:
        return f"expected 0 to {highest}, found {cell[:40]}: mend the cell"
    return None
