from pathlib import Path

import numpy as np
import pytest

from pellucid.data.base import DatasetInfo
from pellucid.data.csv import CSV
from pellucid.errors import PellucidError

HEADER = ["label", *(f"pixel{number}" for number in range(1, 7))]


def table(count=4):
    return np.column_stack([np.arange(count), np.arange(count * 6).reshape(count, 6) % 256])


@pytest.fixture
def write(tmp_path):
    """A function that writes a CSV file from its header and rows and returns the dataset of it."""

    def write_csv(rows, header=HEADER, newline="\n", mark="") -> CSV:
        path = tmp_path / "train.csv"
        lines = [",".join(header), *(",".join(map(str, row)) for row in rows)]
        path.write_bytes((mark + newline.join(lines) + newline).encode())
        return CSV(str(path), str(path), height=2, width=3)

    return write_csv


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_reads_labels_and_pixels_row_by_row(write, newline, mark):
    dataset = write(table(), newline=newline, mark=mark)
    images = dataset.load("train")
    assert dataset.available() and dataset.describe("train") == DatasetInfo(1, 2, 3)
    np.testing.assert_array_equal(images.images, np.arange(24).reshape(4, 1, 2, 3))
    assert images.labels is not None and images.labels.tolist() == [0, 1, 2, 3]


def test_one_row_is_enough_and_columns_may_stand_in_any_order_or_count_from_zero(write):
    order = [3, 0, 1, 2, 6, 5, 4]
    header = np.array(["label", *(f"pixel{number}" for number in range(6))])
    images = write(table(1)[:, order], header[order]).load("test")
    assert images.images.ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_a_relative_path_is_searched_here_and_in_the_data_folders(write, data_root, monkeypatch, tmp_path):
    write(table())
    data_root.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    dataset = CSV("train.csv", "train.csv", 2, 3)
    assert not dataset.available()
    with pytest.raises(PellucidError, match=r"train.csv: no such CSV file \(searched in .*elsewhere, .*data, .*cache"):
        dataset.load("train")
    (tmp_path / "train.csv").rename(data_root / "train.csv")
    assert len(dataset.load("train")) == 4
    (data_root / "train.csv").rename(elsewhere / "train.csv")
    assert len(dataset.load("train")) == 4


def test_reads_thousands_of_full_size_rows_fast_enough_to_wait_for(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (2000, 784))
    path = tmp_path / "big.csv"
    header = ",".join(["label", *(f"pixel{number}" for number in range(1, 785))])
    np.savetxt(path, np.column_stack([values[:, 0] % 10, values]), "%d", ",", header=header, comments="")
    np.testing.assert_array_equal(CSV(str(path), str(path)).load("train").images.reshape(2000, -1), values)


def change(row, column, value):
    rows = table().astype(object)
    rows[row, column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (table(), ["digit", *HEADER[1:]], 'row 1: there is no column "label"'),
        (table()[:, :-1], HEADER[:-1], 'row 1: there is no column "pixel6": 2x3 images have pixel1 to pixel6'),
        (np.ones((2, 8), int), [*HEADER, "pixel7"], 'row 1: unexpected column "pixel7": 2x3 images'),
        (np.ones((2, 8), int), [*HEADER, "pixel6"], "row 1: unexpected column .*twice"),
        (change(2, 4, "x"), HEADER, 'row 4, column "pixel4": expected a whole number, found "x"'),
        (change(2, 4, "1.5"), HEADER, 'row 4, column "pixel4": expected a whole number, found "1.5"'),
        (change(0, 1, "1e2"), HEADER, 'row 2, column "pixel1": expected a whole number, found "1e2"'),
        (change(0, 1, "nan"), HEADER, 'row 2, column "pixel1": expected a whole number, found "nan"'),
        (change(1, 6, ""), HEADER, 'row 3, column "pixel6": the cell is empty'),
        (change(3, 2, 256), HEADER, 'row 5, column "pixel2": expected 0 to 255, found 256'),
        (change(3, 2, -1), HEADER, 'row 5, column "pixel2": expected 0 to 255, found -1'),
        (change(3, 2, 10**12), HEADER, 'row 5, column "pixel2": expected 0 to 255, found 1000000000000'),
        (change(0, 0, -2), HEADER, 'row 2, column "label": expected 0 to 32767, found -2'),
        ([*table().tolist(), [1, 2, 3]], HEADER, "row 6: expected 7 values, found 3"),
        ([*table().tolist(), [1] * 8], HEADER, "row 6: expected 7 values, found 8"),
        ([[1] * 8] * 3, HEADER, "row 2: expected 7 values, found 8"),
        ([[]], HEADER, "row 2: the row is empty"),
        ([], HEADER, "there is a header but no row below it"),
        ([], [""], "the file is empty: expected a header"),
    ],
)
def test_a_fault_is_named_by_file_row_and_column(write, rows, header, message, tmp_path):
    dataset = write(rows, header)
    with pytest.raises(PellucidError, match=message) as caught:
        dataset.load("train")
    assert str(caught.value).startswith(str(tmp_path / "train.csv")) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00label", b"\x1f\x8b\x08\x00" + bytes(range(128, 200))])
def test_a_file_that_is_no_text_is_named(tmp_path, content):
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    with pytest.raises(PellucidError, match=r"odd\.csv(: |, row 1: )"):
        CSV(str(path), str(path)).load("train")


def test_bytes_that_are_no_text_further_down_are_named(write, tmp_path):
    dataset = write(table())
    path = Path(dataset.train)
    path.write_bytes(path.read_bytes() + b"1,2,\xff,4,5,6,7\n")
    with pytest.raises(PellucidError, match='row 6, column "pixel2": expected a whole number'):
        dataset.load("train")


def test_a_cell_without_end_is_named(write):
    with pytest.raises(PellucidError, match=r"train\.csv: cannot be read as CSV text: field larger"):
        write(change(1, 2, '"' + "1" * 200_000)).load("train")


def test_sizes_have_to_be_positive():
    with pytest.raises(ValueError, match="height is 0"):
        CSV("a.csv", "b.csv", height=0)
