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
_END_OF_IMAGE = b"\xff\xd9"


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
        whole = JpegImagePlugin.JpegImageFile(io.BytesIO(data + _END_OF_IMAGE))
        if reduced is not None:
            whole.draft(None, reduced)
        whole.load()
        present = _present_rows(np.asarray(whole))
        if present < _LEAST_PRESENT * whole.height:
            raise
        line = "the file is cut short: "
        if present == whole.height:
            return whole, line + "a little of the picture is missing"
        missing = 1.0 - present / whole.height
        info = whole.info
        image = whole.crop((0, 0, whole.width, present))
        image.info = info
        return image, line + f"the last {max(missing, 0.01):.0%} of the rows are left out"
    return image, None


def _present_rows(pixels: np.ndarray) -> int:
    """Rows before the single color that a decoder puts where the data has ended."""
    rows = pixels.reshape(len(pixels), -1, 1 if pixels.ndim == 2 else pixels.shape[2])
    filled = (np.abs(rows.astype(np.int16) - rows[-1, -1]) <= 1).all(axis=(1, 2))
    return len(rows) - int(np.argmin(filled[::-1])) if not filled.all() else 0


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged EXIF data: the picture itself may be whole
        return 1
