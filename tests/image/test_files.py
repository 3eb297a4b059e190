"""Written images are read back unchanged; whatever is wrong with a file gives one line."""

import io
import os
import struct
import subprocess
import sys
import threading

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pellucid import image
from pellucid.errors import PellucidError
from pellucid.image import files, list_images, read_image, write_image
from pellucid.image.guards.limits import ReadLimits

SUFFIXES_OF_8_BITS = ["png", "tif", "webp", "bmp", "ppm"]


@pytest.mark.parametrize("suffix", SUFFIXES_OF_8_BITS)
def test_colors_of_8_bits_come_back_exactly(random, tmp_path, suffix):
    pixels = random((13, 9, 3))
    write_image(tmp_path / f"a.{suffix}", pixels)
    found = read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.pixels.dtype == np.uint8 and found.bit_depth == 8 and found.alpha is None


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "pgm"])
def test_gray_of_8_bits_comes_back_exactly(random, tmp_path, suffix):
    pixels = random((13, 9))
    write_image(tmp_path / f"a.{suffix}", pixels)
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}").pixels, pixels)


@pytest.mark.parametrize("suffix", ["png", "tif", "ppm"])
@pytest.mark.parametrize("shape", [(13, 9), (13, 9, 3)])
def test_16_bits_are_never_cut_to_8(random, tmp_path, suffix, shape):
    pixels = random(shape, "uint16")
    write_image(tmp_path / f"a.{suffix}", pixels)
    found = read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.pixels.dtype == np.uint16 and found.bit_depth == 16


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("suffix", "dtype"), [("png", "uint8"), ("png", "uint16"), ("tif", "uint8"), ("tif", "uint16"), ("webp", "uint8")]
)
def test_alpha_is_split_off_and_comes_back_to_the_bit(random, tmp_path, suffix, channels, dtype):
    samples = random((13, 9, channels + 1), dtype)
    samples[:4, ..., -1] = 0
    mode = {"photometric": "rgb" if channels == 3 else "minisblack", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "source.tif", samples, **mode)
    source = read_image(tmp_path / "source.tif")
    np.testing.assert_array_equal(source.alpha, samples[..., -1])
    np.testing.assert_array_equal(source.pixels, samples[..., :-1].squeeze())
    target = tmp_path / f"a.{suffix}"
    write_image(target, source.pixels, like=source)
    found = read_image(target)
    np.testing.assert_array_equal(found.alpha, source.alpha)
    if suffix != "webp":
        np.testing.assert_array_equal(found.pixels, source.pixels)


def test_alpha_follows_the_dtype_that_is_written(random, refusal, tmp_path):
    write_image(tmp_path / "a.png", random((4, 4, 3)), like=None)
    source = read_image(tmp_path / "a.png")
    source = image.ImageFile(**{**vars(source), "alpha": np.full((4, 4), 255, np.uint8)})
    write_image(tmp_path / "b.png", random((4, 4, 3), "uint16"), like=source)
    assert (read_image(tmp_path / "b.png").alpha == 65_535).all()
    message = refusal(write_image, tmp_path / "c.png", random((5, 4, 3)), like=source)
    assert "c.png" in message and "4x4" in message and "4x5" in message


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_profile_exif_and_resolution_come_back(random, exif_block, icc, tmp_path, suffix):
    Image.fromarray(random((12, 8, 3))).save(
        tmp_path / "source.jpg", exif=exif_block(), icc_profile=icc, dpi=(300, 150)
    )
    source = read_image(tmp_path / "source.jpg")
    assert source.dpi == (150, 300), "turned with the image"
    target = tmp_path / f"a.{suffix}"
    write_image(target, source.pixels, like=source)
    found = read_image(target)
    assert found.icc == icc
    if suffix != "webp":
        assert found.dpi == pytest.approx((150, 300), abs=0.02)
    assert found.exif
    block = Image.Exif()
    block.load(found.exif)
    assert block[271] == "Camera"
    assert float(block.get_ifd(0x8769)[33434]) == 0.02
    assert block.get_ifd(0x8825)[1] == "N"
    assert found.pixels.shape == (8, 12, 3)


def test_metadata_travel_from_tiff_to_png(random, exif_block, icc, tmp_path):
    first = tmp_path / "a.jpg"
    Image.fromarray(random((12, 8, 3))).save(first, exif=exif_block(1), icc_profile=icc, dpi=(300, 300))
    write_image(tmp_path / "b.tif", read_image(first).pixels, like=read_image(first))
    write_image(tmp_path / "c.png", read_image(first).pixels, like=read_image(tmp_path / "b.tif"))
    found = read_image(tmp_path / "c.png")
    assert found.exif
    block = Image.Exif()
    block.load(found.exif)
    assert found.icc == icc and block[271] == "Camera" and float(block.get_ifd(0x8769)[33434]) == 0.02


def test_a_color_profile_is_not_put_onto_gray(random, icc, tmp_path):
    Image.fromarray(random((12, 8, 3))).save(tmp_path / "a.png", icc_profile=icc)
    write_image(tmp_path / "b.png", random((12, 8)), like=read_image(tmp_path / "a.png"))
    assert read_image(tmp_path / "b.png").icc is None


@pytest.mark.parametrize("suffix", ["png", "bmp", "pbm", "tif"])
def test_one_bit_becomes_black_and_white(random, tmp_path, suffix):
    bits = random((9, 11)) < 128
    Image.fromarray(bits).save(tmp_path / f"a.{suffix}")
    found = read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found.pixels, bits * np.uint8(255))
    assert found.bit_depth == 1


def test_the_content_decides_about_the_format_not_the_name(random, tmp_path):
    Image.fromarray(random((8, 8, 3))).save(tmp_path / "a.jpg", "PNG")
    assert read_image(tmp_path / "a.jpg").format == "PNG"


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "ppm", "pgm"])
@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.7, 0.97])
def test_a_file_cut_short_is_named_with_the_remedy(random, refusal, tmp_path, suffix, keep):
    path = tmp_path / f"a.{suffix}"
    write_image(path, random((40, 40) if suffix == "pgm" else (40, 40, 3)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    message = refusal(read_image, path)
    assert str(path) in message and ": get the file again" in message


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "ppm"])
@given(seed=st.integers(0, 2**32 - 1))
def test_damaged_files_are_read_or_refused_but_never_crash(random, tmp_path_factory, suffix, seed):
    folder = tmp_path_factory.getbasetemp()
    path = folder / f"damaged.{suffix}"
    write_image(path, np.full((12, 12, 3), 77, np.uint8), overwrite=True)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for _ in range(4):
        data[rng.integers(len(data))] = rng.integers(256)
    path.write_bytes(data)
    try:
        assert read_image(path, max_pixels=100_000).pixels.size
    except PellucidError as error:
        assert "\n" not in str(error)


def test_files_that_are_no_images_or_not_supported_are_refused(random, refusal, tmp_path):
    (tmp_path / "a.png").write_text("hello")
    assert "is not an image" in refusal(read_image, tmp_path / "a.png")
    Image.fromarray(random((8, 8))).save(tmp_path / "b.gif")
    assert "GIF" in refusal(read_image, tmp_path / "b.gif")
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.7")
    assert "PDF" in refusal(read_image, tmp_path / "c.pdf")
    (tmp_path / "d.png").touch()
    assert "0 bytes" in refusal(read_image, tmp_path / "d.png")
    assert "does not exist" in refusal(read_image, tmp_path / "e.png")
    assert "is a folder" in refusal(read_image, tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "ppm"])
def test_too_many_pixels_are_refused_from_the_header(random, refusal, tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a.{suffix}"
    write_image(path, random((30, 50, 3)))
    monkeypatch.setattr(imagecodecs, "png_decode", None)
    monkeypatch.setattr(Image.Image, "load", None)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", None)
    message = refusal(read_image, path, max_pixels=1499)
    assert "50x30 = 0.0015 megapixels" in message and "max_pixels" in message


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp", ".avif"])
def test_too_much_metadata_is_refused_before_anything_is_decoded(random, icc, refusal, tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(random((30, 50, 3))).save(path, icc_profile=icc)
    assert read_image(path, max_text=len(icc)).icc == icc
    for decoder in ("jpeg8_decode", "webp_decode"):
        monkeypatch.setattr(imagecodecs, decoder, None)
    monkeypatch.setattr(Image.Image, "tobytes", None)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", None)
    assert "text and metadata" in refusal(read_image, path, max_text=len(icc) - 1)


def test_a_comment_counts_as_text(random, refusal, tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(random((30, 50, 3))).save(path, comment=b"c" * 1000)
    assert read_image(path, max_text=1000).pixels.shape == (30, 50, 3)
    assert "carries 1000 bytes of text" in refusal(read_image, path, max_text=999)


def test_a_header_that_lies_costs_nothing(chunk, refusal, tmp_path):
    header = struct.pack(">IIBBBBB", 2_000_000, 2_000_000, 8, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    assert "4e+06 megapixels" in refusal(read_image, tmp_path / "a.png")
    (tmp_path / "b.webp").write_bytes(
        b"RIFF\x00\x01\x00\x00WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\xff" * 2 + bytes(99)
    )
    assert "16777216x16777216" in refusal(read_image, tmp_path / "b.webp")


def test_pillows_own_limit_does_not_stand_in_the_way(random, tmp_path, monkeypatch):
    write_image(tmp_path / "a.jpg", random((40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_image(tmp_path / "a.jpg").pixels.shape == (40, 40)


def test_stacks_can_be_refused(refusal, random, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random((3, 8, 8)), photometric="minisblack")
    assert "3 pages" in refusal(read_image, tmp_path / "a.tif", max_frames=1)
    frames = [Image.fromarray(random((8, 8, 3))) for _ in range(2)]
    for suffix in ("png", "webp"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
        message = refusal(read_image, tmp_path / f"a.{suffix}", max_frames=1)
        assert "2 frames" in message and "one a file" in message


@pytest.mark.parametrize(
    ("name", "pixels", "word"),
    [
        ("a.jpg", np.zeros((4, 4), np.uint16), "write PNG or TIFF"),
        ("a.png", np.zeros((4, 4), np.float32), "write TIFF"),
        ("a.tif", np.zeros((4, 4), np.int64), "convert it"),
        ("a.png", np.zeros((4, 4, 5), np.uint8), "(4, 4, 5)"),
        ("a.png", np.zeros((0, 4), np.uint8), "(0, 4)"),
        ("a.gif", np.zeros((4, 4), np.uint8), '".gif"'),
        ("a", np.zeros((4, 4), np.uint8), ".png"),
        ("a.webp", np.zeros((2, 16_384), np.uint8), "too large"),
        ("missing/a.png", np.zeros((4, 4), np.uint8), "create it"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_with_the_remedy(refusal, tmp_path, name, pixels, word):
    message = refusal(write_image, tmp_path / name, pixels)
    assert str(tmp_path / name) in message and word in message
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["jpg", "ppm"])
def test_alpha_is_never_dropped_silently(random, refusal, tmp_path, suffix):
    Image.fromarray(random((8, 8, 4))).save(tmp_path / "a.png")
    source = read_image(tmp_path / "a.png")
    message = refusal(write_image, tmp_path / f"b.{suffix}", source.pixels, like=source)
    assert "alpha" in message and "write PNG, TIFF or WebP" in message


def test_the_heavy_libraries_load_on_use():
    code = "import sys, pellucid.image; print({'PIL', 'tifffile', 'imagecodecs', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_images_are_listed_in_order_by_their_suffixes(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("b.PNG", "a.jpeg", "c.txt", ".d.png", "sub/e.tif", ".hidden/f.png"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ["a.jpeg", "b.PNG"]
    assert [path.name for path in list_images(tmp_path, recursive=True)] == ["a.jpeg", "b.PNG", "e.tif"]


def test_a_folder_without_images_is_named(refusal, tmp_path):
    assert str(tmp_path) in refusal(list_images, tmp_path)
    assert "is not a folder" in refusal(list_images, tmp_path / "missing")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "ppm"])
def test_no_pixels_are_refused(refusal, random, tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    write_image(path, random((7, 5, 3)))
    data = path.read_bytes()
    sizes = {
        "png": (struct.pack(">II", 5, 7), bytes(8)),
        "jpg": (struct.pack(">HH", 7, 5), bytes(4)),
        "tif": (struct.pack("<HHII", 256, 4, 1, 5), struct.pack("<HHII", 256, 4, 1, 0)),
        "webp": (b"VP8L", b"VP8 "),
        "bmp": (struct.pack("<ii", 5, 7), bytes(8)),
        "ppm": (b"5 7", b"0 7"),
    }
    before, after = sizes[suffix]
    path.write_bytes(data.replace(before, after, 1))
    assert before in data and str(path) in refusal(read_image, path)


def test_more_bytes_than_pixels_could_take_are_refused(refusal, random, tmp_path, monkeypatch):
    monkeypatch.setattr(ReadLimits, "max_bytes", 100)
    write_image(tmp_path / "a.png", random((9, 9)))
    for source in (tmp_path / "a.png", io.BytesIO((tmp_path / "a.png").read_bytes())):
        assert "MB" in refusal(read_image, source)


# Memory


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "ppm"])
def test_little_more_than_the_image_is_held(tmp_path, suffix):
    rows = np.arange(3000, dtype=np.uint8)[:, None, None]
    write_image(tmp_path / f"a.{suffix}", np.broadcast_to(rows, (3000, 4000, 3)).copy())
    write_image(tmp_path / f"b.{suffix}", np.zeros((8, 8, 3), np.uint8))
    code = (
        "import resource, sys; from pellucid.image import read_image\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "read_image(sys.argv[1]); before = peak(); found = read_image(sys.argv[2])\n"
        "print((peak() - before) / found.pixels.nbytes)"
    )
    names = [str(tmp_path / f"{name}.{suffix}") for name in "ba"]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.5


def test_a_named_pipe_is_read_like_a_file(random, tmp_path):
    write_image(tmp_path / "a.tif", random((9, 7)))
    os.mkfifo(tmp_path / "pipe")
    data = (tmp_path / "a.tif").read_bytes()
    feeder = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(data))
    feeder.start()
    found = read_image(tmp_path / "pipe")
    feeder.join()
    np.testing.assert_array_equal(found.pixels, read_image(tmp_path / "a.tif").pixels)


def test_what_pillow_says_of_metadata_is_not_shown(random, tmp_path, recwarn):
    entries = b"".join(struct.pack("<HHII", 40_000 + tag, 7, 900, 8) for tag in range(30))
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 30) + entries + bytes(1000)
    Image.fromarray(random((8, 8, 3))).save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as picture:
        picture.getexif()
    assert recwarn, "Pillow says nothing of such a block any more"
    recwarn.clear()
    data = (tmp_path / "a.jpg").read_bytes()
    start = data.index(b"JFIF") - 4  # without its resolution, Pillow looks for one in the block
    (tmp_path / "a.jpg").write_bytes(data[:start] + data[start + 18 :])
    assert read_image(tmp_path / "a.jpg").exif == exif and not recwarn


def test_words_of_decoders_are_no_commands_to_a_terminal(refusal, tmp_path, monkeypatch):
    def failing(*_):
        raise ValueError("\x1b[2Jbad\a\n\x00 thing")

    monkeypatch.setitem(files.READERS, "PNM", failing)
    (tmp_path / "a.pnm").write_bytes(b"P5\n1 1\n255\n0")
    assert "(?[2Jbad? ? thing)" in refusal(read_image, tmp_path / "a.pnm")


def test_metadata_that_cannot_be_written_are_said_and_nothing_is_left(random, refusal, tmp_path, monkeypatch):
    def failing(*_):
        raise KeyError("tag 7")

    monkeypatch.setitem(files.WRITERS, "PNG", failing)
    message = refusal(write_image, tmp_path / "a.png", random((4, 4)))
    assert "cannot write" in message and "tag 7" in message and "write another format" in message
    assert not list(tmp_path.iterdir())
