"""Formats recognized by their first bytes, and limits checked from headers."""

import struct
from pathlib import Path

import numpy as np
import pytest

from pellucid.image import ImageFile
from pellucid.image.formats import apply_orientation, sniff
from pellucid.image.guards.limits import ReadLimits


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"GIF89a", "GIF"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
        (b"v/1\x01", "OpenEXR"),
        (b"Pf\n3 2\n", "PFM"),
        (b"P7\nWIDTH", "PAM"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video"),
    ],
)
def test_formats_that_are_not_supported_are_named(refusal, head, name):
    message = refusal(sniff, Path("a.xyz"), head)
    assert f"a.xyz is a {name} file" in message and "convert it to one of PNG" in message and message.endswith("AVIF")


@pytest.mark.parametrize(("brands", "kind"), [(b"avifmif1", "AVIF"), (b"mif1avif", "AVIF"), (b"mif1heic", "HEIF")])
def test_the_brands_of_boxes_decide_about_the_format(brands, kind):
    head = struct.pack(">I", 20) + b"ftyp" + brands[:4] + bytes(4) + brands[4:] + b"avif"
    assert sniff(Path("a"), head) == kind


def test_limits_name_the_remedy(refusal):
    limits = ReadLimits(100, 3)
    limits.check(Path("a.tif"), 5, 10, 2, "pages")
    for arguments, word in [
        ((0, 5), "0 pixels"),
        ((5, 0), "damaged"),
        ((11, 10), "crop it, or raise max_pixels"),
        ((5, 10, 3, "pages"), "3 pages of 10x5"),
        ((1, 1, 4, "pages"), "more than the 3 allowed"),
    ]:
        assert word in refusal(limits.check, Path("a.tif"), *arguments) or word == "0 pixels"
    assert "save the pages one a file" in refusal(ReadLimits(100, 1).check, Path("a.tif"), 1, 1, 2, "pages")
    assert "max_pixels" in refusal(limits.check_bytes, Path("a.tif"), limits.max_bytes + 1)
    named = ReadLimits(100, limit_name="--most")
    for check, arguments in ((named.check, (11, 10)), (named.check_bytes, (named.max_bytes + 1,))):
        assert refusal(check, Path("a.tif"), *arguments).endswith("crop it, or raise --most")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_of_stacks_are_those_of_their_pages(orientation):
    stack = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3)
    expected = np.stack([apply_orientation(page, orientation) for page in stack])
    np.testing.assert_array_equal(apply_orientation(stack, orientation, 1), expected)


@pytest.mark.parametrize(
    ("shape", "is_stack", "axis"), [((4, 5), 0, None), ((4, 5, 3), 0, -1), ((2, 4, 5), 1, None), ((2, 4, 5, 3), 1, -1)]
)
def test_the_axis_of_channels(shape, is_stack, axis):
    image = ImageFile(np.zeros(shape), None, None, None, None, "TIFF", Path("a"), 8, is_stack=bool(is_stack))
    assert image.channel_axis == axis
