"""Focal lengths from EXIF: photos written by Pillow, with the numbers of real cameras."""

import io

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from lrm_core.io.exif_lens import read_lens
from lrm_core.io.image_files import read_image

FOCAL, FOCAL_35MM, WIDTH, HEIGHT = 0x920A, 0xA405, 0xA002, 0xA003
PLANE_X, PLANE_UNIT = 0xA20E, 0xA210


def photo(size, entries, *, orientation=1):
    """JPEG bytes with entries in the EXIF directory."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update(entries)
    file = io.BytesIO()
    Image.new("RGB", size, "gray").save(file, "JPEG", exif=exif)
    return file.getvalue()


def lens_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return read_lens(image, image.size)


def test_a_full_frame_camera_has_the_film_s_own_angle():
    """36 x 24 mm: 50 mm are 50 / 36 of the width."""
    lens = lens_of(photo((360, 240), {FOCAL_35MM: 50}))
    assert lens.focal == pytest.approx(50 / 36, rel=1e-6)
    assert "50 mm" in lens.origin


def test_other_shapes_have_the_same_angle_across_the_diagonal():
    """A phone: 26 mm on 4:3, whose longer side is four fifths of the diagonal."""
    lens = lens_of(photo((400, 300), {FOCAL_35MM: 26}))
    assert lens.focal == pytest.approx(26 / (0.8 * (36**2 + 24**2) ** 0.5), rel=1e-6)


@pytest.mark.parametrize(("unit", "per_inch"), [(2, 1.0), (3, 2.54), (1, 1.0)])
def test_the_sensor_s_resolution_gives_its_width(unit, per_inch):
    """Canon EOS 300D: 3072 pixels on 22.66 mm, a lens of 33 mm."""
    resolution = IFDRational(round(3072 * 25.4 / 22.66 / per_inch * 1000), 1000)
    entries = {
        FOCAL: IFDRational(33), PLANE_X: resolution, PLANE_UNIT: unit, WIDTH: 3072, HEIGHT: 2048
    }  # fmt: skip
    expected = pytest.approx(33 / 22.66, rel=1e-3)
    assert lens_of(photo((768, 512), entries)).focal == expected, "a smaller copy"
    assert lens_of(photo((512, 768), entries)).focal == expected, "a copy that was turned"


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {FOCAL: IFDRational(35)},
        {FOCAL_35MM: 0},
        {FOCAL_35MM: 60000},
        {FOCAL_35MM: 26, WIDTH: 4000, HEIGHT: 3000},
        {FOCAL: IFDRational(1, 0), PLANE_X: IFDRational(1, 0)},
        {FOCAL: "long", PLANE_X: IFDRational(5000)},
    ],
    ids=["nothing", "no sensor", "unknown", "absurd", "cropped", "0/0", "words"],
)
def test_what_does_not_say_enough_is_not_believed(entries):
    if isinstance(entries.get(FOCAL), str):
        image = Image.new("RGB", (64, 64))
        image.getexif().get_ifd(0x8769).update(entries)
        assert read_lens(image, image.size) is None
        return
    assert lens_of(photo((300, 300), entries)) is None


def test_the_lens_comes_with_the_photo():
    upright = read_image(photo((360, 240), {FOCAL_35MM: 50}))
    turned = read_image(photo((360, 240), {FOCAL_35MM: 50}, orientation=6))
    assert turned.rgba.shape[:2] == (360, 240)
    assert upright.lens == turned.lens
    assert upright.lens.focal == pytest.approx(50 / 36)
