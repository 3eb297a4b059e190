import io
import struct
import subprocess
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from pellucid import image
from pellucid.errors import PellucidError
from pellucid.image import data_range_of, read_image, write_image

RNG = np.random.default_rng(0)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SUFFIXES_OF_8_BITS = ["png", "tif", "webp", "bmp", "ppm"]


def random(shape, dtype="uint8"):
    if np.dtype(dtype).kind == "f":
        return RNG.random(shape).astype(dtype)
    return RNG.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def exif_block(orientation=6):
    block = Image.Exif()
    block[0x0112], block[271] = orientation, "Camera"
    block.get_ifd(0x8769)[33434] = 0.02
    block.get_ifd(0x8825)[1] = "N"
    return block.tobytes()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# Writing and reading back


@pytest.mark.parametrize("suffix", SUFFIXES_OF_8_BITS)
def test_colours_of_8_bits_come_back_exactly(tmp_path, suffix):
    pixels = random((13, 9, 3))
    write_image(tmp_path / f"a.{suffix}", pixels)
    found = read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.pixels.dtype == np.uint8 and found.bit_depth == 8 and found.alpha is None


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "pgm"])
def test_gray_of_8_bits_comes_back_exactly(tmp_path, suffix):
    pixels = random((13, 9))
    write_image(tmp_path / f"a.{suffix}", pixels)
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}").pixels, pixels)


@pytest.mark.parametrize("suffix", ["png", "tif", "ppm"])
@pytest.mark.parametrize("shape", [(13, 9), (13, 9, 3)])
def test_16_bits_are_never_cut_to_8(tmp_path, suffix, shape):
    pixels = random(shape, "uint16")
    write_image(tmp_path / f"a.{suffix}", pixels)
    found = read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.pixels.dtype == np.uint16 and found.bit_depth == 16


@pytest.mark.parametrize("shape", [(13, 9), (13, 9, 3), (13, 9, 5)])
def test_floats_beyond_the_range_survive_in_tiff(tmp_path, shape):
    pixels = random(shape, "float32") * 40 - 3
    write_image(tmp_path / "a.tiff", pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tiff").pixels, pixels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("suffix", "dtype"), [("png", "uint8"), ("png", "uint16"), ("tif", "uint8"), ("tif", "uint16"), ("webp", "uint8")]
)
def test_alpha_is_split_off_and_comes_back_to_the_bit(tmp_path, suffix, channels, dtype):
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


def test_alpha_follows_the_dtype_that_is_written(refusal, tmp_path):
    write_image(tmp_path / "a.png", random((4, 4, 3)), like=None)
    source = read_image(tmp_path / "a.png")
    source = image.ImageFile(**{**vars(source), "alpha": np.full((4, 4), 255, np.uint8)})
    write_image(tmp_path / "b.png", random((4, 4, 3), "uint16"), like=source)
    assert (read_image(tmp_path / "b.png").alpha == 65_535).all()
    message = refusal(write_image, tmp_path / "c.png", random((5, 4, 3)), like=source)
    assert "c.png" in message and "4x4" in message and "4x5" in message


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_profile_exif_and_resolution_come_back(tmp_path, suffix):
    Image.fromarray(random((12, 8, 3))).save(
        tmp_path / "source.jpg", exif=exif_block(), icc_profile=ICC, dpi=(300, 150)
    )
    source = read_image(tmp_path / "source.jpg")
    assert source.dpi == (150, 300), "turned with the image"
    target = tmp_path / f"a.{suffix}"
    write_image(target, source.pixels, like=source)
    found = read_image(target)
    assert found.icc == ICC
    if suffix != "webp":
        assert found.dpi == pytest.approx((150, 300), abs=0.02)
    assert found.exif
    block = Image.Exif()
    block.load(found.exif)
    assert block[271] == "Camera"
    assert float(block.get_ifd(0x8769)[33434]) == 0.02
    assert block.get_ifd(0x8825)[1] == "N"
    assert found.pixels.shape == (8, 12, 3)


def test_metadata_travel_from_tiff_to_png(tmp_path):
    first = tmp_path / "a.jpg"
    Image.fromarray(random((12, 8, 3))).save(first, exif=exif_block(1), icc_profile=ICC, dpi=(300, 300))
    write_image(tmp_path / "b.tif", read_image(first).pixels, like=read_image(first))
    write_image(tmp_path / "c.png", read_image(first).pixels, like=read_image(tmp_path / "b.tif"))
    found = read_image(tmp_path / "c.png")
    assert found.exif
    block = Image.Exif()
    block.load(found.exif)
    assert found.icc == ICC and block[271] == "Camera" and float(block.get_ifd(0x8769)[33434]) == 0.02


def test_a_colour_profile_is_not_put_onto_gray(tmp_path):
    Image.fromarray(random((12, 8, 3))).save(tmp_path / "a.png", icc_profile=ICC)
    write_image(tmp_path / "b.png", random((12, 8)), like=read_image(tmp_path / "a.png"))
    assert read_image(tmp_path / "b.png").icc is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_the_orientation_is_applied_once(tmp_path, orientation, suffix):
    path = tmp_path / f"a.{suffix}"
    pixels = np.repeat(np.repeat(random((3, 2, 3)), 8, 0), 8, 1)
    if suffix == "tif":
        tifffile.imwrite(path, pixels, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(path, exif=exif, lossless=True)
    with Image.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    found = read_image(path)
    np.testing.assert_array_equal(found.pixels, expected)
    write_image(tmp_path / "again.png", found.pixels, like=found)
    np.testing.assert_array_equal(read_image(tmp_path / "again.png").pixels, expected)


# What files hold


def test_palettes_become_colours_and_gray_palettes_gray(tmp_path):
    pixels = random((8, 8, 3)) // 64 * 64
    for suffix in ("png", "bmp", "tif"):
        picture = Image.fromarray(pixels).quantize(64)
        picture.save(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}").pixels, np.asarray(picture.convert("RGB")))
        gray = Image.fromarray(pixels[..., 0]).convert("P")
        gray.save(tmp_path / f"g.{suffix}")
        np.testing.assert_array_equal(read_image(tmp_path / f"g.{suffix}").pixels, np.asarray(gray.convert("L")))


def test_a_palette_with_transparency_has_alpha(tmp_path):
    picture = Image.fromarray(random((8, 8, 3))).quantize(8)
    picture.save(tmp_path / "a.png", transparency=bytes([0, 128, 255]))
    found = read_image(tmp_path / "a.png")
    expected = np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"))
    np.testing.assert_array_equal(found.pixels, expected[..., :3])
    np.testing.assert_array_equal(found.alpha, expected[..., 3])


def test_a_transparent_colour_of_16_bits_becomes_alpha(tmp_path):
    pixels = random((5, 5, 3), "uint16")
    pixels[2, 2] = (1, 2, 3)
    data = imagecodecs.png_encode(pixels)
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"tRNS", struct.pack(">3H", 1, 2, 3)) + data[33:])
    found = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.alpha is not None and found.alpha[2, 2] == 0 and (found.alpha > 0).sum() == 24


@pytest.mark.parametrize("suffix", ["png", "bmp", "pbm", "tif"])
def test_one_bit_becomes_black_and_white(tmp_path, suffix):
    bits = RNG.random((9, 11)) < 0.5
    Image.fromarray(bits).save(tmp_path / f"a.{suffix}")
    found = read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found.pixels, bits * np.uint8(255))
    assert found.bit_depth == 1


def test_white_is_zero_in_some_tiffs(tmp_path):
    pixels = random((8, 8), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", 65_535 - pixels, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_becomes_rgb_without_its_profile(tmp_path, suffix):
    colours = np.full((16, 16, 3), (200, 60, 30), np.uint8)
    Image.fromarray(colours).convert("CMYK").save(tmp_path / f"a.{suffix}", icc_profile=ICC)
    found = read_image(tmp_path / f"a.{suffix}")
    assert np.abs(found.pixels.astype(int) - colours).max() < 12
    assert found.icc is None


def test_colours_multiplied_by_alpha_are_divided_by_it(tmp_path):
    alpha = np.full((4, 4), 128, np.uint8)
    alpha[0] = 0
    colours = np.full((4, 4, 3), 200, np.uint8)
    stored = np.dstack([np.rint(colours * (alpha[..., None] / 255)).astype(np.uint8), alpha])
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.alpha, alpha)
    assert np.abs(found.pixels[1:].astype(int) - 200).max() <= 1 and not found.pixels[0].any()


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "jpeg", "zstd"])
def test_tiffs_are_read_however_they_are_compressed(tmp_path, compression):
    pixels = np.full((32, 32, 3), 90, np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression=compression, photometric="rgb", tile=(16, 16))
    assert np.abs(read_image(tmp_path / "a.tif").pixels.astype(int) - 90).max() <= 3


def test_planes_of_a_tiff_become_channels(tmp_path):
    pixels = random((3, 8, 9), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, np.moveaxis(pixels, 0, -1))


def test_twelve_bits_in_a_tiff_are_noticed(tmp_path):
    pixels = random((8, 10), "uint16") >> 4
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    found = read_image(tmp_path / "a.tif")
    assert data_range_of(found.pixels) == 4095


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize(("shape", "top"), [((5, 7), 255), ((5, 7, 3), 255), ((5, 7), 1023), ((5, 7, 3), 65_535)])
def test_pnm_of_any_depth_plain_or_raw(tmp_path, text, shape, top):
    values = RNG.integers(0, top + 1, shape)
    mark = {(2, False): 5, (3, False): 6, (2, True): 2, (3, True): 3}[(len(shape), text)]
    body = (
        " ".join(map(str, values.ravel())).encode() if text else values.astype(">u2" if top > 255 else "u1").tobytes()
    )
    (tmp_path / "a.pnm").write_bytes(f"P{mark}\n# by hand\n7 5 #x\n{top}\n".encode() + body)
    found = read_image(tmp_path / "a.pnm")
    full = 255 if top == 255 else 65_535
    np.testing.assert_array_equal(found.pixels, np.rint(values * (full / top)))
    assert found.bit_depth == top.bit_length()


def test_a_plain_bitmap(tmp_path):
    (tmp_path / "a.pbm").write_bytes(b"P1\n3 2\n101\n0 1 0\n")
    np.testing.assert_array_equal(read_image(tmp_path / "a.pbm").pixels, [[0, 255, 0], [255, 0, 255]])


def test_the_content_tells_the_format_not_the_name(tmp_path):
    Image.fromarray(random((8, 8, 3))).save(tmp_path / "a.jpg", "PNG")
    assert read_image(tmp_path / "a.jpg").format == "PNG"


# Refusals


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "ppm", "pgm"])
@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.7, 0.97])
def test_a_file_cut_short_is_named_with_the_remedy(refusal, tmp_path, suffix, keep):
    path = tmp_path / f"a.{suffix}"
    write_image(path, random((40, 40) if suffix == "pgm" else (40, 40, 3)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    message = refusal(read_image, path)
    assert str(path) in message and ": get the file anew" in message


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("where", [0.2, 0.5, 0.9])
def test_a_tiff_cut_short_is_named(refusal, tmp_path, compression, where):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, random((64, 64), "uint16"), compression=compression)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * where)])
    assert str(path) in refusal(read_image, path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "ppm"])
@given(seed=st.integers(0, 2**32 - 1))
def test_damaged_files_are_read_or_refused_but_never_crash(tmp_path_factory, suffix, seed):
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


def test_what_is_no_image_or_not_supported_is_told_apart(refusal, tmp_path):
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
def test_too_many_pixels_are_refused_from_the_header(refusal, tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a.{suffix}"
    write_image(path, random((30, 50, 3)))
    monkeypatch.setattr(imagecodecs, "png_decode", None)
    monkeypatch.setattr(Image.Image, "load", None)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", None)
    message = refusal(read_image, path, max_pixels=1499)
    assert "50x30 = 0.0015 megapixels" in message and "max_pixels" in message


def test_a_header_that_lies_costs_nothing(refusal, tmp_path):
    header = struct.pack(">IIBBBBB", 2_000_000, 2_000_000, 8, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    assert "4e+06 megapixels" in refusal(read_image, tmp_path / "a.png")
    (tmp_path / "b.webp").write_bytes(
        b"RIFF\x00\x01\x00\x00WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\xff" * 2 + bytes(99)
    )
    assert "16777216x16777216" in refusal(read_image, tmp_path / "b.webp")


def test_pillows_own_limit_does_not_stand_in_the_way(tmp_path, monkeypatch):
    write_image(tmp_path / "a.jpg", random((40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_image(tmp_path / "a.jpg").pixels.shape == (40, 40)


def test_several_pages_or_frames_are_refused(refusal, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random((3, 8, 8)), photometric="minisblack")
    assert "3 pages" in refusal(read_image, tmp_path / "a.tif")
    frames = [Image.fromarray(random((8, 8, 3))) for _ in range(2)]
    for suffix in ("png", "webp"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
        assert "2 frames" in refusal(read_image, tmp_path / f"a.{suffix}")


def test_reduced_copies_in_a_tiff_are_passed_over(tmp_path):
    pixels = random((16, 16))
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(pixels, photometric="minisblack")
        writer.write(pixels[::2, ::2], photometric="minisblack", subfiletype=1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize(
    ("pixels", "options", "word"),
    [
        (np.zeros((4, 4), np.int32), {}, "int32"),
        (np.zeros((4, 4, 3), np.uint8), {"photometric": "cielab"}, "CIELAB"),
    ],
)
def test_tiffs_that_are_not_supported_say_how_to_save_them(refusal, tmp_path, pixels, options, word):
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    message = refusal(read_image, tmp_path / "a.tif")
    assert word in message and ": save it as" in message


@pytest.mark.parametrize(
    ("name", "pixels", "word"),
    [
        ("a.jpg", random((4, 4), "uint16"), "write PNG or TIFF"),
        ("a.png", random((4, 4), "float32"), "write TIFF"),
        ("a.tif", np.zeros((4, 4), np.int64), "convert it"),
        ("a.png", random((4, 4, 5)), "(4, 4, 5)"),
        ("a.png", random((0, 4)), "(0, 4)"),
        ("a.gif", random((4, 4)), '".gif"'),
        ("a", random((4, 4)), ".png"),
        ("a.webp", np.zeros((2, 16_384), np.uint8), "too large"),
        ("missing/a.png", random((4, 4)), "create it"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_with_the_remedy(refusal, tmp_path, name, pixels, word):
    message = refusal(write_image, tmp_path / name, pixels)
    assert str(tmp_path / name) in message and word in message
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "ppm"])
def test_alpha_is_never_dropped_silently(refusal, tmp_path, suffix):
    Image.fromarray(random((8, 8, 4))).save(tmp_path / "a.png")
    source = read_image(tmp_path / "a.png")
    message = refusal(write_image, tmp_path / f"b.{suffix}", source.pixels, like=source)
    assert "alpha" in message and "write PNG, TIFF or WebP" in message


def test_the_heavy_libraries_load_on_use():
    code = "import sys, pellucid.image; print({'PIL', 'tifffile', 'imagecodecs', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_png_that_is_written_is_one_that_others_read(tmp_path):
    Image.fromarray(random((12, 8, 3))).save(tmp_path / "a.jpg", exif=exif_block(), icc_profile=ICC, dpi=(300, 300))
    source = read_image(tmp_path / "a.jpg")
    write_image(tmp_path / "a.png", random((8, 12, 3), "uint16"), like=source)
    with Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())) as found:
        found.load()
        assert found.info["icc_profile"] == ICC and found.getexif()[271] == "Camera"
        assert found.getexif()[0x0112] == 1
