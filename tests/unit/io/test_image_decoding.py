import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.io.image_files import read_image


def encoded(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def chunk(kind, body):
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum


def png(values, bits, key):
    """A PNG by the letter of its specification (gray or RGB), with a transparent color."""
    color = 2 if values.ndim == 3 else 0
    flat = values.reshape(len(values), -1)
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in flat]
    else:
        digits = (flat[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = [np.packbits(row.ravel()).tobytes() for row in digits]
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("bits", "key"), [(1, 1), (2, 2), (4, 9), (8, 200), (16, 51_234)])
def test_transparent_gray_of_any_depth(bits, key):
    values = np.zeros((16, 16), int)
    values[:, :8] = key
    alpha = read_image(png(values, bits, (key,))).rgba[..., 3]
    np.testing.assert_array_equal(alpha, np.where(values == key, 0, 255))


def test_nearly_the_transparent_gray_stays():
    """16 bits tell them apart, 8 bits would not."""
    values = np.full((16, 16), 51_234)
    values[:, 8:] = 51_235
    alpha = read_image(png(values, 16, (51_234,))).rgba[..., 3]
    np.testing.assert_array_equal(alpha, np.where(values == 51_234, 0, 255))


def test_transparent_color_of_16_bits():
    key = (51_234, 100, 65_535)
    values = np.zeros((16, 16, 3), int)
    values[:, :8] = key
    alpha = read_image(png(values, 16, key)).rgba[..., 3]
    np.testing.assert_array_equal(alpha[:, :8], 0)
    np.testing.assert_array_equal(alpha[:, 8:], 255)


def gradient(side=256):
    y, x = np.mgrid[:side, :side]
    wave = 40 * np.sin(x / 3.0) * np.cos(y / 5.0)
    rgb = np.stack([y * 0.8 + 20, 230 - y * 0.7, x * 0.6 + wave + 40], axis=-1)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def test_a_jpeg_that_is_cut_short_keeps_its_rows():
    whole = encoded(Image.fromarray(gradient()), "JPEG", quality=95)
    photo = read_image(whole[: int(0.6 * len(whole))])
    height = len(photo.rgba)
    assert 0.45 * 256 < height < 0.75 * 256
    assert "cut short" in photo.note
    assert f"{1 - height / 256:.0%}" in photo.note
    # the last block of 16 rows may be half there
    certain = slice(0, height - 16)
    difference = photo.rgba[certain, :, :3].astype(int) - gradient()[certain]
    assert np.abs(difference).mean() < 5


def test_a_nearly_complete_jpeg_is_read_with_a_note():
    whole = encoded(Image.fromarray(gradient()), "JPEG", quality=95)
    photo = read_image(whole[:-40])
    assert len(photo.rgba) > 230
    assert "cut short" in photo.note


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_without_its_end_over_a_plain_bottom_is_whole(options):
    pixels = gradient()
    pixels[210:] = (200, 190, 60)
    whole = encoded(Image.fromarray(pixels), "JPEG", quality=95, **options)
    photo = read_image(whole[:-2])
    np.testing.assert_array_equal(photo.rgba, read_image(whole).rgba)
    assert "rows" not in photo.note


def test_what_is_missing_of_a_plain_bottom_is_not_more_than_what_was_cut():
    pixels = gradient()
    pixels[128:] = (200, 190, 60)
    options = {"quality": 95, "subsampling": 0, "restart_marker_blocks": 32}  # one a row of blocks
    whole = encoded(Image.fromarray(pixels), "JPEG", **options)
    assert whole.count(b"\xff\xd5") == 4
    photo = read_image(whole[: whole.rfind(b"\xff\xd5")])  # 30 of the 32 rows of blocks are there
    assert photo.note.endswith("the last 6% of the rows are left out")
    assert len(photo.rgba) == 240


def test_a_turned_jpeg_loses_rows_before_it_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded(Image.fromarray(gradient()), "JPEG", quality=95, exif=exif)
    photo = read_image(whole[: int(0.6 * len(whole))])
    assert photo.rgba.shape[0] == 256
    assert photo.rgba.shape[1] < 200


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_too_little_of_a_jpeg_is_refused(share):
    whole = encoded(Image.fromarray(gradient()), "JPEG", quality=95)
    with pytest.raises(InputError, match=r"damaged|not an image"):
        read_image(whole[: int(share * len(whole))])


@pytest.mark.parametrize(("file_format", "kind"), [("GIF", "frames"), ("TIFF", "pages")])
def test_the_first_of_several_pictures_is_taken_and_said(file_format, kind):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue", "green")]
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
    photo = read_image(data)
    np.testing.assert_array_equal(photo.rgba[0, 0], (255, 0, 0, 255))
    assert photo.note == f"the file holds 3 {kind}: the first one is used"
    assert read_image(encoded(frames[0], file_format)).note is None
