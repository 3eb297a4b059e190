"""Images as rows of numbers: label, pixel1, pixel2 … as in the Kaggle files of MNIST and Fashion-MNIST."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data.base import DatasetInfo, ImageSet, check_minima, check_split
from pellucid.errors import PellucidError
from pellucid.utils.paths import data_roots, find_data

MAX_PIXEL = 255
ENCODING = "utf-8-sig"


@dataclass(frozen=True)
class CSV:
    """Gray images from two CSV files, one image a row, its pixels row by row.

    The header has a column `label` and one column a pixel, `pixel1` to `pixelN` or `pixel0` to `pixelN-1`, in any
    order. Labels are whole numbers from 0, pixels from 0 to 255.

    Attributes:
        train: the file of the train split; a relative path starts at the current folder, else in the data folders.
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
        check_minima(self, {"height": 1, "width": 1})

    def available(self) -> bool:
        """Return whether both files exist; nothing is read."""
        return all(path.is_file() for path in (_find(self.train), _find(self.test)))

    def describe(self, split: str) -> DatasetInfo:
        """Return the shape of the images; nothing is read.

        Raises:
            PellucidError: if the file is missing.
        """
        self._path(split)
        return DatasetInfo(1, self.height, self.width)

    def load(self, split: str) -> ImageSet:
        """Read the `train` or `test` images, (N, 1, height, width), with their labels.

        Raises:
            PellucidError: naming the file, and the row (the header is row 1) and column that are wrong.
        """
        path = self._path(split)
        label, pixels, count = self._columns(path)
        values = _values(path)
        table = None if values is None or values.shape[1] != count else values
        if (
            table is None
            or table[:, label].min() < 0
            or table[:, pixels].min() < 0
            or table[:, pixels].max() > MAX_PIXEL
        ):
            raise PellucidError(_first_error(path))
        images = table[:, pixels].astype(np.uint8).reshape(-1, 1, self.height, self.width)
        return ImageSet(images, table[:, label].astype(np.int64))

    def _path(self, split: str) -> Path:
        check_split(split)
        path = _find(self.train if split == "train" else self.test)
        if not path.is_file():
            folders = ", ".join(str(folder) for folder in (Path.cwd(), *data_roots()))
            raise PellucidError(f"{path}: no such CSV file (searched in {folders}): name one with csv({split}=PATH)")
        return path

    def _columns(self, path: Path) -> tuple[int, list[int], int]:
        """Return the label's column, the pixels' columns in order, and the number of columns, from the header."""
        try:
            with path.open(encoding=ENCODING, newline="", errors="replace") as file:
                header = [name.strip() for name in next(csv.reader(file), [])]
        except (OSError, csv.Error) as error:
            raise PellucidError(f"{path}: cannot be read as CSV text: {error}: get the file again") from error
        if not any(header):
            raise PellucidError(
                f"{path}: the file is empty: expected a header with label, pixel1 …, then one image a row"
            )
        if "label" not in header:
            raise PellucidError(
                f'{path}, row 1: there is no column "label": give the column of class numbers this name'
            )
        count = self.height * self.width
        first = 0 if "pixel0" in header else 1
        expected = [f"pixel{number}" for number in range(first, first + count)]
        size = f"{self.height}x{self.width} images have {expected[0]} to {expected[-1]}"
        column = {name: index for index, name in enumerate(header)}
        if missing := next((name for name in expected if name not in column), None):
            raise PellucidError(f'{path}, row 1: there is no column "{missing}": {size}; check height and width')
        if len(header) != count + 1:
            extra = next(iter(sorted(set(header) - {"label", *expected})), "a name that occurs twice")
            raise PellucidError(f'{path}, row 1: unexpected column "{extra}": {size}; check height and width')
        return column["label"], [column[name] for name in expected], count + 1


def _find(name: str) -> Path:
    """Return the path itself, or where it is in the first data folder that has it."""
    path = Path(name).expanduser()
    return path if path.is_absolute() or path.is_file() else find_data(path) or path


def _values(path: Path) -> np.ndarray | None:
    """Return all rows after the header as int16 (N, columns), or None if there are none or a cell is wrong."""
    with path.open(encoding=ENCODING, errors="replace") as file:
        file.readline()
        if not file.readline().strip():
            return None
    try:
        return np.loadtxt(path, np.int16, comments=None, delimiter=",", skiprows=1, encoding=ENCODING, ndmin=2)
    except (ValueError, DeprecationWarning):
        return None


def _first_error(path: Path) -> str:
    try:
        return next(_errors(path), f"{path}: cannot be read as a table of whole numbers: get the file again")
    except csv.Error as error:
        return f"{path}: cannot be read as CSV text: {error}: get the file again"


def _errors(path: Path) -> Iterator[str]:
    """Yield an error message for each wrong row or cell; slow, for a file that is known to be wrong."""
    with path.open(encoding=ENCODING, newline="", errors="replace") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows)]
        number = 1
        for number, row in enumerate(rows, 2):
            if not any(cell.strip() for cell in row):
                yield f"{path}, row {number}: the row is empty: delete it"
            elif len(row) != len(header):
                yield f"{path}, row {number}: expected {len(header)} values, found {len(row)}: get the file again"
            for name, cell in zip(header, row, strict=False):
                if message := _cell_error(name, cell.strip()):
                    yield f'{path}, row {number}, column "{name}": {message}'
        if number == 1:
            yield f"{path}: there is a header but no row below it: expected one image a row"


def _cell_error(name: str, cell: str) -> str | None:
    if not cell:
        return "the cell is empty: give a whole number"
    if not cell.removeprefix("-").isdecimal():
        return f'expected a whole number, found "{cell[:40]}": correct the cell'
    highest = np.iinfo(np.int16).max if name == "label" else MAX_PIXEL
    if not 0 <= int(cell) <= highest:
        return f"expected 0 to {highest}, found {cell[:40]}: correct the cell"
    return None
