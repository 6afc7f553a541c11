"""Files are opened or refused by what they hold; every refusal is one line that names the kind."""

import io
import struct
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from lrm_core.errors import InputError, MissingDependencyError
from lrm_core.io import image_formats
from lrm_core.io.image_files import read_image
from lrm_core.io.image_formats import MAX_JPEG_PIXELS, open_image


def encoded(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def picture(width=48, height=32):
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 5, y * 7, x * 0 + 90], axis=-1).astype(np.uint8))


def base_media(brand, *compatible):
    body = brand + b"\0\0\0\0" + b"".join(compatible)
    return struct.pack(">I", 8 + len(body)) + b"ftyp" + body + bytes(64)


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("PNG", {}),
        ("JPEG", {"quality": 95}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"quality": 95}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("TGA", {}),
        ("PPM", {}),
        ("JPEG2000", {}),
        ("MPO", {"quality": 95, "save_all": True, "append_images": [Image.new("RGB", (48, 32))]}),
    ],
)
def test_formats_that_are_read(file_format, options):
    photo = read_image(encoded(picture(), file_format, **options))
    assert photo.note is None  # the second picture of an MPO is not another frame
    truth = np.asarray(picture()).astype(int)
    assert np.abs(photo.rgba[..., :3].astype(int) - truth).mean() < 4


def raw_preview(tags):
    """A TIFF whose first picture is a small preview, as camera raw files are built."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[tag] = value
    return encoded(picture(16, 12), "TIFF", tiffinfo=info)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.dng", raw_preview({50706: b"\1\4\0\0"})),
        ("image data", raw_preview({50706: b"\1\4\0\0"})),
        ("a.tif", raw_preview({254: 1, 330: 8})),
        ("A.NEF", encoded(picture(), "TIFF")),
        ("a", b"FUJIFILMCCD-RAW 0201FF" + bytes(64)),
        ("a", b"II*\0\x10\0\0\0CR\x02\0" + bytes(64)),
        ("a", base_media(b"crx ", b"isom")),
    ],
)
def test_camera_raw_is_refused_instead_of_its_preview(name, data):
    with pytest.raises(InputError, match="camera raw file") as caught:
        open_image(data, name)
    assert "JPEG" in caught.value.hint


def test_a_pyramid_is_not_camera_raw():
    """Below the full picture of a TIFF there may be smaller ones: it is read."""
    assert open_image(raw_preview({254: 0, 330: 8}), "a.tif").size == (16, 12)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"%PDF-1.7", "PDF"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"<?xml version='1.0'?><svg xmlns=''/>", "SVG"),
        (b"8BPS\0\1", "Photoshop"),
        (base_media(b"isom", b"mp41"), "video"),
        (b"hello", "not an image"),
    ],
)
def test_other_files_are_named(data, words):
    with pytest.raises(InputError, match=words) as caught:
        open_image(data, "photo")
    assert "\n" not in caught.value.message + caught.value.hint
    assert "raw converter" not in caught.value.hint


def test_heic_without_its_extra_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    for brands in ((b"heic", b"mif1"), (b"mif1", b"heic"), (b"mif1",)):
        with pytest.raises(MissingDependencyError, match=r"photo\.heic is a HEIC image") as caught:
            open_image(base_media(*brands), "photo.heic")
        assert "lrm-toolkit[heic]" in caught.value.hint


def heif(size, picture=None):
    """pi_heif's interface: opening reads the header, `to_pillow` decodes."""

    def decode():
        if picture is None:
            raise AssertionError("decoded before its size was looked at")
        return picture

    module = ModuleType("pi_heif")
    module.open_heif = lambda file: SimpleNamespace(size=size, to_pillow=decode)
    return module


def test_heic_is_decoded_after_the_check_of_its_size(monkeypatch):
    data = base_media(b"heic", b"mif1")
    monkeypatch.setitem(sys.modules, "pi_heif", heif((48, 32), picture()))
    np.testing.assert_array_equal(read_image(data).rgba[..., :3], picture())
    monkeypatch.setitem(sys.modules, "pi_heif", heif((40_000, 40_000)))
    with pytest.raises(InputError, match="256 megapixels"):
        read_image(data)


def test_heic_of_a_phone():
    pytest.importorskip("pi_heif")
    with pytest.raises(InputError, match="damaged"):
        read_image(base_media(b"heic", b"mif1"))


def test_avif_needs_a_recent_pillow(monkeypatch):
    data = encoded(picture(), "AVIF")
    monkeypatch.setattr(image_formats.features, "check", lambda name: name != "avif")
    with pytest.raises(MissingDependencyError, match="AVIF") as caught:
        open_image(data, "photo.avif")
    assert "pillow>=11.3" in caught.value.hint


def test_a_jpeg_of_200_megapixels_is_opened_and_a_bomb_refused():
    """Only the header is looked at: its size is where a baseline JPEG says it (frame header)."""
    data = bytearray(encoded(picture(), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 12_240, 16_320)
    assert open_image(bytes(data), "photo.jpg").size == (16_320, 12_240)
    data[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(InputError, match=f"{MAX_JPEG_PIXELS // 10**6} megapixels"):
        open_image(bytes(data), "photo.jpg")


@pytest.mark.parametrize("alpha_bits", [0, 8])
def test_padding_of_a_tga_is_not_alpha(alpha_bits):
    image = picture().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    data = bytearray(encoded(image, "TGA"))
    data[17] = data[17] & 0xF0 | alpha_bits
    assert read_image(bytes(data)).has_alpha == (alpha_bits == 8)
