"""An opened image -> 8-bit sRGB pixels, upright and of a working size."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, JpegImagePlugin

from lrm_core.errors import InputError, first_line
from lrm_core.imaging.color_management import to_eight_bits, to_srgb

WORKING_SIDE = 2048
"""Longer side in pixels above which images are scaled down: no model sees more."""
_LEAST_PRESENT = 0.25
"""Share of the rows of a JPEG cut short from which on the rest is taken for the photo."""

# EXIF orientation -> what makes the image upright (EXIF 2.3, tag 0x0112)
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# how a PNG packs its pixels -> what makes its transparent color one of Pillow's scaled values
_KEY_SCALES = {"L;2": 85.0, "L;4": 17.0, "RGB;16B": 1.0 / 256.0}
_END_OF_IMAGE, _START_OF_SCAN, _PROGRESSIVE_FRAME = b"\xff\xd9", b"\xff\xda", b"\xff\xc2"
_ANYTHING = b"".join(b"\xb6\x6d\xdb" * 20 + bytes([0xFF, 0xD0 + n % 8]) for n in range(16))
"""Continues the data of a JPEG, wherever it was cut: bits, and every marker to begin anew at."""


def decode_image(
    image: Image.Image, name: str, data: bytes | None = None
) -> tuple[Image.Image, str | None]:
    """Decode, scale down, convert to 8-bit sRGB and turn upright.

    Args:
        image: as opened.
        name: for messages.
        data: the file's bytes; with them a JPEG that is cut short is read as far as it goes.

    Returns:
        RGB or RGBA of at most `WORKING_SIDE` pixels a side, and what the user should know, or None.

    Raises:
        InputError: truncated or damaged.
    """
    scale = WORKING_SIDE / max(image.size)
    reduced = (round(image.width * scale), round(image.height * scale)) if scale < 1.0 else None
    key_scale = _KEY_SCALES.get(_packing(image), 1.0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            note = _of_several(image)
            image, missing = _load(image, reduced, data)
            orientation = _orientation(image)
            profile = image.info.get("icc_profile")
            image = to_eight_bits(image, key_scale=key_scale)
            image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.LANCZOS, 3.0)
            image = to_srgb(image, profile)
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise InputError(
            f"{name} is truncated or damaged ({first_line(error)})",
            hint="open and save it again with an image editor, or use another copy",
        ) from error
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    return image, missing or note


def _packing(image: Image.Image) -> str:
    """How the pixels are packed in a PNG that is not decoded yet, such as `L;2`."""
    tiles = getattr(image, "tile", None) if image.format == "PNG" else None
    return str(tiles[0][3]) if tiles else ""


def _of_several(image: Image.Image) -> str | None:
    """A line where a file holds more pictures than the one that is read."""
    count = int(getattr(image, "n_frames", 1)) if image.format != "MPO" else 1
    if count == 1:
        return None
    kind = "pages" if image.format == "TIFF" else "frames"
    return f"the file holds {count} {kind}: the first one is used"


def _load(
    image: Image.Image, reduced: tuple[int, int] | None, data: bytes | None
) -> tuple[Image.Image, str | None]:
    """Decode; of a JPEG that is cut short the rows that are there, and a line about it."""
    if reduced is not None:  # a JPEG is then decoded at 1/2, 1/4 or 1/8 at once
        image.draft(None, reduced)
    try:
        image.load()
    except OSError:
        if image.format not in ("JPEG", "MPO") or data is None:
            raise
        whole = _decoded(data, reduced)
        present = _present_rows(whole, data, reduced)
        if present < _LEAST_PRESENT * whole.height:
            raise
        line = "the file is cut short: "
        if present == whole.height:
            lost = "fine detail" if "progressive" in whole.info else "nothing of the picture"
            return whole, line + f"{lost} is missing"
        missing = 1.0 - present / whole.height
        info = whole.info
        image = whole.crop((0, 0, whole.width, present))
        image.info = info
        return image, line + f"the last {max(missing, 0.01):.0%} of the rows are left out"
    return image, None


def _decoded(jpeg: bytes, reduced: tuple[int, int] | None) -> Image.Image:
    """A JPEG without its end: what is missing, the decoder makes up."""
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(jpeg + _END_OF_IMAGE))
    if reduced is not None:
        image.draft(None, reduced)
    image.load()
    return image


def _present_rows(image: Image.Image, jpeg: bytes, reduced: tuple[int, int] | None) -> int:
    """Rows of a JPEG without its end that do not change with what comes after it."""
    frame = jpeg[jpeg.rfind(_PROGRESSIVE_FRAME) :]
    if "progressive" in image.info and frame.count(_START_OF_SCAN) > 1:
        return image.height  # the first scan, which holds all rows coarsely, is over
    other = _decoded(jpeg.rstrip(b"\xff") + _ANYTHING, reduced)
    differs = (np.asarray(image) != np.asarray(other)).reshape(image.height, -1).any(axis=1)
    return int(np.argmax(differs)) if differs.any() else image.height


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged EXIF data: the picture itself may be whole
        return 1
