import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from lrm_core.imaging.color_management import eight_bits_of_sixteen, to_eight_bits, to_srgb


def test_sixteen_bits_are_rounded():
    values = np.arange(65_536, dtype=np.uint16)
    np.testing.assert_array_equal(eight_bits_of_sixteen(values), np.round(values / 257))


def s15_fixed16(value):
    return struct.pack(">i", round(value * 65_536))


def display_p3():
    """Apple's Display P3 as an ICC profile (version 2): P3 primaries adapted to D50, sRGB curve."""
    columns = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
        b"wtpt": (0.95045, 1.0, 1.08905),
    }
    encoded = np.arange(1024) / 1023
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 1024)
    curve += np.round(linear * 65_535).astype(">u2").tobytes()
    text = b"Display P3\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    blocks = {b"desc": description, b"cprt": b"text\0\0\0\0none\0"}
    blocks |= {
        name: b"XYZ \0\0\0\0" + b"".join(map(s15_fixed16, xyz)) for name, xyz in columns.items()
    }
    blocks |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body = struct.pack(">I", len(blocks)), b""
    start = 128 + 4 + 12 * len(blocks)
    for name, block in blocks.items():
        table += name + struct.pack(">II", start + len(body), len(block))
        body += block + bytes(-len(block) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"lcms", 0x02100000, b"mntr", b"RGB ",
                         b"XYZ ")  # fmt: skip
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += b"".join(map(s15_fixed16, (0.9642, 1.0, 0.8249)))
    return header + bytes(128 - len(header)) + table + body


@pytest.mark.parametrize(
    "p3", [(255, 255, 255), (128, 128, 128), (200, 100, 50), (60, 120, 90), (30, 200, 40)]
)
def test_display_p3_becomes_srgb(p3):
    """The truth is the formula: linear P3 -> XYZ (D65) -> linear sRGB -> sRGB."""
    encoded = np.array(p3) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_linear_srgb = np.array(
        [[1.22494, -0.22494, 0.0], [-0.04206, 1.04206, 0.0], [-0.01964, -0.07864, 1.09828]]
    )
    linear = np.clip(to_linear_srgb @ linear, 0, 1)
    truth = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    image = to_srgb(Image.new("RGB", (4, 4), p3), display_p3())
    np.testing.assert_allclose(np.asarray(image)[0, 0], truth * 255, atol=2.0)


def test_lab_has_no_alpha_channel():
    red = ImageCms.profileToProfile(
        Image.new("RGB", (4, 4), (200, 40, 90)),
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB",
    )  # fmt: skip
    image = to_srgb(red, None)
    assert image.mode == "RGB"
    np.testing.assert_allclose(np.asarray(image)[0, 0], (200, 40, 90), atol=3)


def test_alpha_passes_through():
    image = Image.new("RGBA", (4, 4), (200, 100, 50, 77))
    result = np.asarray(to_srgb(image, display_p3()))
    assert (result[..., 3] == 77).all()
    assert abs(int(result[0, 0, 0]) - 215) <= 2


def test_a_profile_of_another_space_is_ignored():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (lab, b"no profile", None):
        image = to_srgb(Image.new("RGB", (4, 4), (200, 100, 50)), profile)
        np.testing.assert_array_equal(np.asarray(image)[0, 0], (200, 100, 50))


def test_modes_become_eight_bits():
    for mode, value, expected in (
        ("1", 1, 255),
        ("I;16", 51_400, 200),
        ("F", 0.5, 128),
        ("P", 0, None),
        ("LA", (90, 30), (90, 30)),
    ):
        result = to_eight_bits(Image.new(mode, (4, 4), value))
        assert result.mode in ("L", "LA", "RGB", "RGBA"), mode
        if expected is not None:
            assert result.getpixel((0, 0)) == expected, mode
