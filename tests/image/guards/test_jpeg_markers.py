"""The frame and the scans of a JPEG, checked by its markers before anything is decoded."""

import io
import struct

import pytest
from PIL import Image

from pellucid.image import read_image
from pellucid.image.guards.jpeg_markers import read_frame


@pytest.fixture
def stored(random):
    """Make a JPEG of 40x24 pixels."""

    def stored(mode="RGB", **options):
        stream = io.BytesIO()
        Image.fromarray(random((24, 40, 3))).convert(mode).save(stream, "JPEG", **options)
        return stream.getvalue()

    return stored


def sized(data, height, width, marker=b"\xff\xc0"):
    place = data.index(marker) + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}, {"comment": b"\xff\xd9\xff"}]
)
def test_the_frame_of_valid_files(stored, options):
    for mode, components in (("L", 1), ("RGB", 3), ("CMYK", 4)):
        frame = read_frame(stored(mode, **options))
        assert (frame.height, frame.width, frame.components) == (24, 40, components)


def test_bytes_after_the_first_image_are_ignored(stored):
    assert read_frame(stored() + sized(stored(), 9, 9)).height == 24


def test_more_pixels_than_the_bytes_can_hold_are_refused(stored, refusal, tmp_path):
    data = sized(stored(), 14_000, 14_000)
    (tmp_path / "a.jpg").write_bytes(data)
    assert "are too few for 14000x14000 pixels" in refusal(read_image, tmp_path / "a.jpg")
    # Of arithmetic coding no byte has to be there for a block.
    coded = data.replace(b"\xff\xc0", b"\xff\xc9", 1)
    assert read_frame(coded).width == 14_000


def test_blank_images_take_few_bytes_and_are_read(tmp_path):
    for mode, options in (("L", {}), ("RGB", {"subsampling": 2}), ("RGB", {"progressive": True})):
        Image.new(mode, (1600, 1600)).save(tmp_path / "a.jpg", "JPEG", optimize=True, **options)
        assert not read_image(tmp_path / "a.jpg").pixels.any()


@pytest.mark.parametrize("count", [150, 201])
def test_scans_without_end_are_refused(stored, count):
    data = stored(progressive=True)
    start = data.rindex(b"\xff\xda")
    # A comment with what looks like an end in it hides none of them.
    scans = b"\xff\xfe\0\x06\xff\xd9\xff\xd9" + (data[start : start + 10] + b"\0") * count
    if count <= 190:
        assert read_frame(data[:-2] + scans + b"\xff\xd9").width == 40
    else:
        with pytest.raises(ValueError, match="more than 200 scans"):
            read_frame(data[:-2] + scans + b"\xff\xd9")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda data: data[:-2], "the marker at its end is missing"),
        (lambda data: data[: data.index(b"\xff\xda") + 3], "the marker at its end is missing"),
        (lambda data: b"\xff\xd8\xff\xd9", "it has no frame or no scan"),
        (lambda data: data.replace(b"\xff\xc0\0\x11", b"\xff\xc0\0\x04", 1), "its frame is incomplete"),
        (lambda data: data[:-2] + b"\xff\xc0\0\x11\x08\0", "it has two frames"),
        (lambda data: data[: data.index(b"\xff\xc0")] + b"\xff\xc0\0\x11\x08\0\xff", "its frame is incomplete"),
        (lambda data: data[:2] + data[data.index(b"\xff\xc0") :][:19] + data[2:], "it has two frames"),
    ],
)
def test_missing_and_duplicate_parts_are_refused(stored, refusal, tmp_path, changed, words):
    data = changed(stored())
    with pytest.raises(ValueError, match=words):
        read_frame(data)
    (tmp_path / "a.jpg").write_bytes(data)
    assert "cut short or damaged" in refusal(read_image, tmp_path / "a.jpg")


def test_a_stream_inside_another_file_may_lack_its_end(stored):
    assert read_frame(stored()[:-2], is_whole=False).width == 40


def test_a_megabyte_of_filling_is_passed_over_at_once(stored):
    assert read_frame(stored()[:-2] + b"\xff" * (1 << 20) + b"\0\xff\xd9").width == 40
