import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from lrm_core.errors import InputError
from lrm_core.io.image_decoding import WORKING_SIDE
from lrm_core.io.image_files import read_image, read_mask


def quadrants(height=40, width=60):
    """Red, green / blue, yellow: tells every rotation and reflection apart."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2] = (255, 0, 0)
    rgb[: height // 2, width // 2 :] = (0, 255, 0)
    rgb[height // 2 :, : width // 2] = (0, 0, 255)
    rgb[height // 2 :, width // 2 :] = (255, 255, 0)
    return rgb


def encoded(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def test_file_bytes_pillow_and_array_give_the_same(tmp_path):
    rgb = quadrants()
    path = tmp_path / "photo.png"
    Image.fromarray(rgb).save(path)
    sources = [path, str(path), path.read_bytes(), Image.fromarray(rgb), rgb, rgb / 255.0]
    for source in sources:
        photo = read_image(source)
        assert not photo.has_alpha
        np.testing.assert_array_equal(photo.rgba[..., :3], rgb)
        assert (photo.rgba[..., 3] == 255).all()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation, file_format):
    # what a camera in that position stores: EXIF 2.3, "row 0 is the visual ..., column 0 is ..."
    upright = quadrants()
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if file_format == "JPEG" else {}
    if file_format == "WEBP":
        options = {"lossless": True}
    image = Image.fromarray(np.ascontiguousarray(stored))
    photo = read_image(encoded(image, file_format, exif=exif, **options))
    difference = photo.rgba[..., :3].astype(int) - upright
    assert photo.rgba.shape[:2] == upright.shape[:2]
    assert np.abs(difference).mean() < 5


def test_16_bit_grey():
    ramp = np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)
    expected = np.round(ramp / 257.0)
    for file_format in ("PNG", "TIFF"):
        photo = read_image(encoded(Image.fromarray(ramp), file_format))
        np.testing.assert_allclose(photo.rgba[..., 0], expected, atol=0.51)
    np.testing.assert_allclose(read_image(ramp).rgba[..., 1], expected, atol=0.51)


def png_16_bit_rgb(pixels):
    """A 16-bit RGB PNG written by hand (Pillow cannot write one)."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_16_bit_rgb():
    pixels = np.random.default_rng(0).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    photo = read_image(png_16_bit_rgb(pixels))
    np.testing.assert_allclose(photo.rgba[..., :3], pixels / 257.0, atol=1.01)


def test_gray_bilevel_and_float_images():
    gray = np.tile(np.arange(0, 250, 10, dtype=np.uint8), (16, 1))
    for source in (gray, encoded(Image.fromarray(gray)), gray[..., None], gray / np.float32(255)):
        photo = read_image(source)
        for channel in range(3):
            np.testing.assert_array_equal(photo.rgba[..., channel], gray)
    np.testing.assert_allclose(
        read_image(Image.fromarray(gray / np.float32(255))).rgba[..., 0], gray
    )
    np.testing.assert_array_equal(
        read_image(Image.fromarray(gray.astype(np.float32))).rgba[..., 0], gray
    )
    bits = gray > 100
    np.testing.assert_array_equal(read_image(bits).rgba[..., 2], bits * 255)
    one_bit = encoded(Image.fromarray(bits))
    assert Image.open(io.BytesIO(one_bit)).mode == "1"
    np.testing.assert_array_equal(read_image(one_bit).rgba[..., 0], bits * 255)


def cut_out_square():
    rgba = np.zeros((32, 32, 4), np.uint8)
    rgba[8:24, 8:24] = (200, 30, 60, 255)
    return rgba


def test_real_alpha_is_kept():
    rgba = cut_out_square()
    photo = read_image(encoded(Image.fromarray(rgba)))
    assert photo.has_alpha
    np.testing.assert_array_equal(photo.rgba, rgba)
    grey_alpha = Image.fromarray(rgba).convert("LA")
    photo = read_image(encoded(grey_alpha))
    assert photo.has_alpha
    np.testing.assert_array_equal(photo.rgba[..., 3], rgba[..., 3])


def test_palette_with_transparency():
    palette = Image.fromarray(quadrants()).quantize(8)
    assert not read_image(encoded(palette)).has_alpha
    np.testing.assert_allclose(read_image(encoded(palette)).rgba[..., :3], quadrants(), atol=2)
    yellow = int(np.asarray(palette)[-1, -1])
    for file_format in ("PNG", "GIF"):
        photo = read_image(encoded(palette, file_format, transparency=yellow))
        assert photo.has_alpha
        expected = np.full((40, 60), 255)
        expected[20:, 30:] = 0
        np.testing.assert_array_equal(photo.rgba[..., 3], expected)


def test_transparent_color_of_rgb_png():
    photo = read_image(encoded(Image.fromarray(quadrants()), transparency=(0, 0, 255)))
    assert photo.has_alpha
    assert (photo.rgba[20:, :30, 3] == 0).all()
    assert (photo.rgba[:20, :, 3] == 255).all()


def test_alpha_that_hides_nothing_is_flattened_on_white():
    rgba = np.full((64, 64, 4), 255, np.uint8)
    rgba[..., :3] = quadrants(64, 64)
    assert not read_image(rgba).has_alpha
    rgba[0, 0] = (0, 0, 0, 0)  # 1 of 4096 pixels: a rounded corner, no cut-out
    photo = read_image(rgba)
    assert not photo.has_alpha
    assert (photo.rgba[..., 3] == 255).all()
    np.testing.assert_array_equal(photo.rgba[0, 0], 255)
    np.testing.assert_array_equal(photo.rgba[0, 1], (255, 0, 0, 255))


def test_cmyk():
    cmyk = np.zeros((16, 16, 4), np.uint8)
    cmyk[:8, :, 0] = 255  # cyan
    image = Image.frombytes("CMYK", (16, 16), cmyk.tobytes())
    for file_format in ("JPEG", "TIFF"):
        photo = read_image(encoded(image, file_format))
        np.testing.assert_allclose(photo.rgba[2, 4], (0, 255, 255, 255), atol=3)
        np.testing.assert_allclose(photo.rgba[13, 4], 255, atol=3)


def test_lab_tiff():
    lab = np.zeros((16, 16, 3), np.uint8)
    lab[..., 0] = 255  # L 100, a = b = 0: white
    photo = read_image(encoded(Image.frombytes("LAB", (16, 16), lab.tobytes()), "TIFF"))
    np.testing.assert_allclose(photo.rgba, 255, atol=3)


def linear_profile():
    """sRGB's primaries with gamma 1: littlecms' sRGB with its curves replaced."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    for entry in range(count):
        tag, offset, size = struct.unpack(">4sII", profile[132 + 12 * entry : 144 + 12 * entry])
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            identity = b"curv" + bytes(8)  # zero entries: the identity
            profile[offset : offset + size] = identity.ljust(size, b"\0")
    return bytes(profile)


def test_color_profile_is_applied():
    gray = Image.fromarray(np.full((16, 16, 3), 55, np.uint8))
    # linear 55/255 = 0.2157 -> sRGB 1.055 x^(1/2.4) - 0.055 = 0.5018 -> 128
    photo = read_image(encoded(gray, icc_profile=linear_profile()))
    np.testing.assert_allclose(photo.rgba[..., :3], 128, atol=1)
    half_alpha = gray.convert("RGBA")
    half_alpha.putalpha(Image.fromarray(np.tile(np.uint8([0, 255]), (16, 8))))
    photo = read_image(encoded(half_alpha, icc_profile=linear_profile()))
    np.testing.assert_allclose(photo.rgba[:, 1::2, 0], 128, atol=1)
    np.testing.assert_array_equal(photo.rgba[:, ::2, 3], 0)


def test_broken_or_foreign_profile_is_ignored():
    rgb = quadrants()
    for profile in (b"not a profile", linear_profile()[:200]):
        photo = read_image(encoded(Image.fromarray(rgb), icc_profile=profile))
        np.testing.assert_array_equal(photo.rgba[..., :3], rgb)
    gray = Image.fromarray(rgb).convert("L")  # an RGB profile on a gray image
    photo = read_image(encoded(gray, icc_profile=linear_profile()))
    np.testing.assert_array_equal(photo.rgba[..., 0], np.asarray(gray))


def test_animation_gives_first_frame():
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(data).rgba[0, 0], (255, 0, 0, 255))


@pytest.mark.parametrize(("file_format", "width"), [("JPEG", 10_200), ("PNG", 4500)])
def test_huge_image_is_scaled_down(file_format, width):
    size = (width, width * 2 // 3)
    image = Image.fromarray(quadrants(2, 3)).resize(size, Image.Resampling.NEAREST)
    photo = read_image(encoded(image, file_format))
    assert photo.rgba.shape == (round(WORKING_SIDE * 2 / 3), WORKING_SIDE, 4)
    np.testing.assert_allclose(photo.rgba[10, 10], (255, 0, 0, 255), atol=3)
    np.testing.assert_allclose(photo.rgba[-10, -10], (255, 255, 0, 255), atol=3)


def test_huge_palette_image_is_averaged_not_sampled():
    stripes = np.zeros((64, 2 * WORKING_SIDE), np.uint8)
    stripes[:, ::2] = 1
    image = Image.fromarray(stripes)
    image.putpalette([0, 0, 0, 255, 255, 255])
    np.testing.assert_allclose(read_image(encoded(image)).rgba[4:-4, 8:-8, 0], 128, atol=2)


def test_decompression_bomb():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = png_16_bit_rgb(np.zeros((1, 1, 3), np.uint16))
    body = b"IHDR" + header
    bomb = bomb[:12] + body + struct.pack(">I", zlib.crc32(body)) + bomb[33:]
    with pytest.raises(InputError, match="178 megapixels"):
        read_image(bomb)


@pytest.mark.parametrize(("width", "height"), [(16, 16), (8, 8), (8, 100)])
def test_tiny_images_work(width, height):
    assert read_image(np.zeros((height, width, 3), np.uint8)).rgba.shape == (height, width, 4)


@pytest.mark.parametrize(("width", "height"), [(7, 100), (100, 1), (20_000, 16)])
def test_too_small_or_narrow(width, height):
    with pytest.raises(InputError, match="at least 8"):
        read_image(np.zeros((height, width, 3), np.uint8))


def one_clear_line(error):
    assert error.message
    assert error.hint
    assert "\n" not in error.message + error.hint
    return error.message


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_truncated_or_damaged_file(tmp_path, file_format):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), file_format)
    path = tmp_path / f"photo.{file_format.lower()}"
    for length in (1, 5, 20, len(data) // 10, len(data) // 2):
        path.write_bytes(data[:length])
        with pytest.raises(InputError) as caught:
            read_image(path)
        assert str(path) in one_clear_line(caught.value)


def test_random_damage_never_escapes():
    random = np.random.default_rng(1)
    rgb = random.integers(0, 256, (24, 24, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for file_format in ("PNG", "JPEG", "WEBP", "GIF", "TIFF"):
        data = np.frombuffer(encoded(Image.fromarray(rgb), file_format, exif=exif), np.uint8)
        for _ in range(60):
            damaged = data.copy()
            damaged[random.integers(0, len(data), 8)] = random.integers(0, 256, 8)
            try:
                read_image(damaged.tobytes())
            except InputError as error:
                one_clear_line(error)


def test_truncated_pillow_image():
    data = encoded(Image.fromarray(quadrants(200, 200)), "JPEG")
    with pytest.raises(InputError, match="truncated"):
        read_image(Image.open(io.BytesIO(data[: len(data) // 2])))


def test_files_that_are_no_image(tmp_path):
    text = tmp_path / "notes.png"
    text.write_text("hello")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    for path, words in (
        (text, "not an image"),
        (empty, "0 bytes"),
        (tmp_path / "missing.png", "no such file"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            read_image(path)
        one_clear_line(caught.value)
    with pytest.raises(InputError, match="folder"):
        read_image(tmp_path)


def test_postscript_is_not_handed_to_an_interpreter():
    with pytest.raises(InputError, match="not an image"):
        read_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\n")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 16, 16, 3), np.uint8), "shape"),
        (np.zeros((16, 16, 2), np.uint8), "shape"),
        (np.zeros((0, 16, 3), np.uint8), "no pixels"),
        (np.zeros((16, 16, 3), np.int64), "int64"),
        (np.full((16, 16, 3), 200.0), r"\[200, 200\]"),
        (np.full((16, 16, 3), np.nan), "finite"),
    ],
)
def test_bad_arrays(array, words):
    with pytest.raises(InputError, match=words):
        read_image(array)


def test_pillow_image_is_left_as_it_was():
    image = Image.fromarray(quadrants(3000, 30))
    read_image(image)
    assert image.size == (30, 3000)


def test_read_mask():
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 255
    mask[10, 10] = 128
    np.testing.assert_array_equal(read_mask(mask), mask)
    np.testing.assert_array_equal(read_mask(encoded(Image.fromarray(mask))), mask)
    rgba = np.dstack([np.full((20, 20, 3), 77, np.uint8), mask])
    np.testing.assert_array_equal(read_mask(encoded(Image.fromarray(rgba))), mask)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("labels", [(1,), (1, 2, 3), (3, 120)])
def test_masks_of_numbered_objects(dtype, labels):
    numbers = np.zeros((20, 20), dtype)
    for row, label in enumerate(labels):
        numbers[5 + row, 5:15] = label
    expected = np.where(numbers > 0, 255, 0)
    np.testing.assert_array_equal(read_mask(encoded(Image.fromarray(numbers))), expected)


def test_dark_shades_of_a_mask_are_kept():
    shades = np.tile(np.arange(40, dtype=np.uint8), (20, 1))
    np.testing.assert_array_equal(read_mask(encoded(Image.fromarray(shades))), shades)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match="not a regular file"):
        read_image(tmp_path / "a.png")
