"""PNG: transparency, and the chunks that stay."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from pellucid.image import png, read_image, write_image


def test_a_palette_with_transparency_has_alpha(random, tmp_path):
    picture = Image.fromarray(random((8, 8, 3))).quantize(8)
    picture.save(tmp_path / "a.png", transparency=bytes([0, 128, 255]))
    found = read_image(tmp_path / "a.png")
    expected = np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"))
    np.testing.assert_array_equal(found.pixels, expected[..., :3])
    np.testing.assert_array_equal(found.alpha, expected[..., 3])


def test_a_transparent_color_of_16_bits_becomes_alpha(random, chunk, tmp_path):
    pixels = random((5, 5, 3), "uint16")
    pixels[2, 2] = (1, 2, 3)
    data = imagecodecs.png_encode(pixels)
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"tRNS", struct.pack(">3H", 1, 2, 3)) + data[33:])
    found = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.alpha is not None and found.alpha[2, 2] == 0 and (found.alpha > 0).sum() == 24


def test_the_png_that_is_written_is_one_that_others_read(random, exif_block, icc, tmp_path):
    Image.fromarray(random((12, 8, 3))).save(tmp_path / "a.jpg", exif=exif_block(), icc_profile=icc, dpi=(300, 300))
    source = read_image(tmp_path / "a.jpg")
    write_image(tmp_path / "a.png", random((8, 12, 3), "uint16"), like=source)
    with Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())) as found:
        found.load()
        assert found.info["icc_profile"] == icc and found.getexif()[271] == "Camera"
        assert found.getexif()[0x0112] == 1


KEPT = [
    (b"gAMA", struct.pack(">I", 45_455)),
    (b"cHRM", struct.pack(">8I", 31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6000)),
    (b"tEXt", b"parameters\0a castle, steps: 20"),
    (b"iTXt", b"Title\0\0\0de\0Titel\0Schlo\xc3\x9f"),
    (b"zTXt", b"Comment\0\0" + zlib.compress(b"long " * 99)),
]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_chunks_about_color_and_text_stay(again, random, chunk, tmp_path, dtype):
    data = bytes(imagecodecs.png_encode(random((5, 5, 3), dtype)))
    end = len(data) - 12
    framed = [chunk(*part) for part in KEPT]
    whole = data[:33] + b"".join(framed[:2]) + data[33:end] + b"".join(framed[2:]) + data[end:]
    (tmp_path / "a.png").write_bytes(whole)
    found = again(read_image(tmp_path / "a.png"))
    assert list(found.native.chunks) == KEPT
    with Image.open(tmp_path / "again.png") as picture:
        picture.load()
        assert picture.info["gamma"] == 0.45455 and picture.info["parameters"] == "a castle, steps: 20"


def test_exif_hidden_in_text_turns_the_image_once(again, random, exif_block, chunk, tmp_path):
    block = exif_block(6)
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    data = bytes(imagecodecs.png_encode(random((4, 6, 3))))
    whole = data[:33] + chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)) + data[33:]
    (tmp_path / "a.png").write_bytes(whole)
    found = read_image(tmp_path / "a.png")
    assert found.pixels.shape == (6, 4, 3) and found.exif and not found.native.chunks
    assert again(found).pixels.shape == (6, 4, 3)


@pytest.mark.parametrize("packed", [False, True])
def test_xmp_is_read_packed_or_not(again, random, chunk, tmp_path, packed):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>'
    data = bytes(imagecodecs.png_encode(random((4, 6, 3))))
    body = b"XML:com.adobe.xmp\0" + bytes([packed, 0]) + b"\0\0" + (zlib.compress(xmp) if packed else xmp)
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"iTXt", body) + data[33:])
    found = again(read_image(tmp_path / "a.png"))
    assert found.xmp == xmp.replace(b'"6"', b'"1"') and not found.native.chunks


def test_profiles_that_are_damaged_or_bombs_are_left_out(random, chunk, tmp_path):
    data = bytes(imagecodecs.png_encode(random((4, 6, 3))))
    bomb = zlib.compress(bytes(65 << 20))
    for packed in (b"no zlib", bomb, bomb[:99]):
        (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"iCCP", b"x\0\0" + packed) + data[33:])
        assert read_image(tmp_path / "a.png").icc is None


@pytest.mark.parametrize("kind", [b"iCCP", b"sRGB", b"pHYs", b"gAMA", b"cHRM"])
def test_damage_to_chunks_other_than_the_image_is_ignored(random, chunk, tmp_path, capfd, kind):
    pixels = random((4, 6, 3))
    data = bytes(imagecodecs.png_encode(pixels))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(kind, b"\x09") + data[33:])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, pixels)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("clear", [False, True])
def test_gray_of_few_bits_reaches_white(random, chunk, tmp_path, bits, clear):
    header = struct.pack(">IIBBBBB", 8 // bits, 1, bits, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *([(b"tRNS", b"\0\1")] if clear else []), (b"IDAT", zlib.compress(b"\0\x1b"))]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in (*parts, (b"IEND", b""))))
    found = read_image(tmp_path / "a.png")
    top = (1 << bits) - 1
    values = [0x1B >> shift & top for shift in range(8 - bits, -1, -bits)]
    assert found.pixels.tolist() == [[value * 255 // top for value in values]] and found.bit_depth == bits
    assert (found.alpha is not None) == clear
    if found.alpha is not None:
        assert found.alpha.tolist() == [[255 * (value != 1) for value in values]]


def test_interlaced_images_are_read(tmp_path, chunk):
    # Adam7 of a 2x2 image: the first pass holds its left upper pixel, the sixth the right one, the seventh row two.
    body = zlib.compress(bytes([0, 10, 0, 20, 0, 30, 40]))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 1)), (b"IDAT", body), (b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    assert read_image(tmp_path / "a.png").pixels.tolist() == [[10, 20], [30, 40]]


@pytest.mark.parametrize("kind", ["tEXt", "iCCP", "iTXt"])
def test_too_much_text_is_refused_before_anything_is_decoded(random, chunk, refusal, tmp_path, monkeypatch, kind):
    packed = zlib.compress(bytes(1_000_000))
    text = {
        "tEXt": b"Comment\0" + bytes(1_000_000),
        "iCCP": b"ICC profile\0\0" + packed,
        "iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + packed,
    }[kind]
    data = imagecodecs.png_encode(random((5, 5, 3)))
    path = tmp_path / "a.png"
    path.write_bytes(data[:33] + chunk(kind.encode(), text) + data[33:])
    assert read_image(path).pixels.size
    monkeypatch.setattr(imagecodecs, "png_decode", None)
    assert "text and metadata, more than the 900000 allowed" in refusal(read_image, path, max_text=900_000)


def test_an_unpacked_exif_block_counts_as_text(random, chunk, refusal, tmp_path, monkeypatch):
    block = b"Exif\0\0II*\0" + bytes(1_000_000)
    text = b"\nexif\n%8d\n" % len(block) + block.hex().encode()
    data = imagecodecs.png_encode(random((5, 5, 3)))
    path = tmp_path / "a.png"
    path.write_bytes(data[:33] + chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)) + data[33:])
    assert len(read_image(path).exif or b"") > 900_000
    monkeypatch.setattr(imagecodecs, "png_decode", None)
    assert "text and metadata, more than the 900000 allowed" in refusal(read_image, path, max_text=900_000)


def test_of_several_profiles_only_the_first_is_unpacked(random, icc, chunk, tmp_path, monkeypatch):
    data = imagecodecs.png_encode(random((5, 5, 3)))
    packed = chunk(b"iCCP", b"a\0\0" + zlib.compress(icc))
    (tmp_path / "a.png").write_bytes(data[:33] + packed * 50 + data[33:])
    unpacked = []
    monkeypatch.setattr(png, "_inflate", lambda block: unpacked.append(block) or icc)
    assert read_image(tmp_path / "a.png").icc == icc and len(unpacked) == 1


@pytest.mark.parametrize("text", [b"\nexif\n1" + b" " * 100_000 + b"!", b"\nexif\n3\nabc", b"", b"\nexif 4"])
def test_exif_as_text_that_is_none_is_passed_over(random, chunk, tmp_path, text):
    data = imagecodecs.png_encode(random((5, 5, 3)))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"tEXt", b"Raw profile type exif\0" + text) + data[33:])
    assert read_image(tmp_path / "a.png").exif is None
