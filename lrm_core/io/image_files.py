"""Reading photos and masks of any kind."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from lrm_core.errors import InputError, first_line
from lrm_core.imaging.color_management import eight_bits_of_sixteen
from lrm_core.io.exif_lens import read_lens
from lrm_core.io.image_decoding import decode_image
from lrm_core.io.image_formats import MAX_PIXELS, open_image, too_large
from lrm_core.structures.photo import Photo

ImageSource = str | os.PathLike[str] | bytes | Image.Image | np.ndarray

MIN_SIDE = 8
REAL_ALPHA_FRACTION = 1e-3
"""Least share of mostly transparent pixels that makes an alpha channel a cut-out; the rounded
corners of a screenshot stay below it."""
_MOST_LABELS = 16
"""Levels of a dark mask up to which they are numbers of objects, not shades."""


def read_image(source: ImageSource) -> Photo:
    """Read a photo of any kind: upright, sRGB, at most 2048 pixels a side.

    EXIF rotation and embedded color profiles are applied; 16-bit, palette, gray, CMYK and 1-bit
    images become 8-bit RGBA; of an animation the first frame is taken, of a JPEG that is cut short
    the rows that are there: `Photo.note` says so. An alpha channel that hides next to nothing is
    composited on white.

    Args:
        source: a file, its bytes, a Pillow image, or an array (H, W) or (H, W, 1 | 3 | 4) of
            uint8, uint16, bool or floats in [0, 1].

    Raises:
        InputError: no such file, not an image, a camera raw file, damaged, too large or too small,
            bad array.
        MissingDependencyError: HEIC without the extra `heic`.
    """
    image, name, data = _open(source)
    size = image.size
    decoded, note = decode_image(image, name, data)
    lens = read_lens(image, size)  # afterwards: to read the EXIF data of a PNG is to decode it
    image = decoded
    rgba = np.asarray(image.convert("RGBA"))
    if min(rgba.shape[:2]) < MIN_SIDE:
        height, width = rgba.shape[:2]
        raise InputError(
            f"{name}: {width} x {height} pixels, expected at least {MIN_SIDE} on each side",
            hint="use a larger image of the object",
        )
    transparent = np.mean(rgba[..., 3] < 128)
    if transparent >= REAL_ALPHA_FRACTION:
        return Photo(rgba, has_alpha=True, note=note, lens=lens)
    if rgba[..., 3].min() < 255:
        white = Image.new("RGBA", image.size, "white")
        rgba = np.asarray(Image.alpha_composite(white, image.convert("RGBA")))
    return Photo(rgba, has_alpha=False, note=note, lens=lens)


def read_mask(source: ImageSource) -> UInt8[np.ndarray, "H W"]:
    """Read a foreground mask: its alpha channel where it has one, its brightness otherwise.

    Label images hold 0 and 1, a palette, or a few small numbers: whatever is not black in them is
    the object, however dark it is.

    Args:
        source: as for `read_image`.

    Returns:
        (H, W) alpha in 0..255: 255 is the object.

    Raises:
        InputError: as for `read_image`.
    """
    photo = read_image(source)
    if photo.has_alpha:
        return photo.rgba[..., 3]
    brightness = np.asarray(Image.fromarray(photo.rgba).convert("L"))
    levels = np.unique(brightness)
    if levels[-1] <= 1:  # black, or small numbers of 16 bits
        brightness = _sixteen_bits(source, brightness)
        levels = np.unique(brightness)
    if levels[0] == 0 and len(levels) <= (_MOST_LABELS if levels[-1] < 128 else 2):
        return np.where(brightness > 0, np.uint8(255), np.uint8(0))
    return brightness


def _sixteen_bits(source: ImageSource, otherwise: np.ndarray) -> np.ndarray:
    """Values of a gray image of more than 8 bits as they are stored, up to 255."""
    image, _, _ = _open(source)
    if not image.mode.startswith("I"):
        return otherwise
    stored: np.ndarray = np.clip(np.asarray(image), 0, 255).astype(np.uint8)
    return stored


def _open(source: ImageSource) -> tuple[Image.Image, str, bytes | None]:
    """Any source as a Pillow image that may not be decoded yet, its name, and its file's bytes."""
    if isinstance(source, Image.Image):
        try:
            return source.copy(), "image", None  # which decodes it
        except Exception as error:
            raise InputError(f"image is truncated or damaged ({first_line(error)})") from error
    if isinstance(source, np.ndarray):
        return _from_array(source), "array", None
    if isinstance(source, bytes):
        return open_image(source, "image data"), "image data", source
    path = Path(source)
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected an image file")
    if not path.exists():
        raise InputError(f"{path}: no such file", hint="check the path")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError(
                f"{path.name}: is not a regular file (a pipe or a device)",
                hint="save the photo to a file; a photo of - is read from stdin",
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    return open_image(data, str(path)), str(path), data


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InputError(
            f"array of shape {array.shape}, expected (H, W) or (H, W, 1 | 3 | 4)",
            hint="an array is height x width x channels, one image at a time",
        )
    if array.size == 0:
        raise InputError(f"array of shape {array.shape} holds no pixels")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype == np.uint16:
        array = eight_bits_of_sixteen(array)
    elif np.issubdtype(array.dtype, np.floating):
        # resampled images overshoot a little; anything further out is another range
        if not np.isfinite(array).all() or array.min() < -0.1 or array.max() > 1.1:
            raise InputError(
                f"float array with values in [{array.min():.3g}, {array.max():.3g}], "
                "expected finite values in [0, 1]",
                hint="divide by 255, or pass uint8",
            )
        array = (np.clip(array, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise InputError(f"array of {array.dtype}, expected uint8 or floats in [0, 1]")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise too_large("array", MAX_PIXELS)
    return Image.fromarray(np.ascontiguousarray(array))
