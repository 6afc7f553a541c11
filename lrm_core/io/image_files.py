"""Reading photos and masks of any kind."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, UnidentifiedImageError

from lrm_core.errors import InputError, first_line
from lrm_core.structures.photo import Photo

ImageSource = str | os.PathLike[str] | bytes | Image.Image | np.ndarray

IMAGE_SUFFIXES = frozenset((
    ".png", ".jpg", ".jpeg", ".jfif", ".mpo", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm",
    ".tga", ".avif", ".jp2", ".ico",
))  # fmt: skip
"""Names that are taken for photos when a folder is read."""
WORKING_SIDE = 2048
"""Longer side in pixels above which images are scaled down: no model sees more."""
MIN_SIDE = 8
MAX_PIXELS = 178_956_970
"""Pillow's own limit against decompression bombs (13,377 squared)."""
REAL_ALPHA_FRACTION = 1e-3
"""Least share of mostly transparent pixels that makes an alpha channel a cut-out; the rounded
corners of a screenshot stay below it."""

IMAGE_FORMATS = (
    "PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "TGA", "AVIF", "JPEG2000", "ICO",
)  # fmt: skip
"""What Pillow may be asked to decode, photos and textures alike: some of its other formats start
programs (EPS: Ghostscript)."""
_READABLE = "PNG, JPEG, WebP, TIFF, BMP and GIF images are read; convert the file to one of them"

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


def read_image(source: ImageSource) -> Photo:
    """Read a photo of any kind: upright, sRGB, at most `WORKING_SIDE` pixels a side.

    EXIF rotation and embedded color profiles are applied; 16-bit, palette, grey, CMYK and 1-bit
    images become 8-bit RGBA; of an animation the first frame is taken. An alpha channel that hides
    next to nothing is composited on white.

    Args:
        source: a file, its bytes, a Pillow image, or an array (H, W) or (H, W, 1 | 3 | 4) of
            uint8, uint16, bool or floats in [0, 1].

    Raises:
        InputError: no such file, not an image, damaged, too large or too small, bad array.
    """
    image, name = _open(source)
    image = _decode(image, name)
    rgba = np.asarray(image.convert("RGBA"))
    if min(rgba.shape[:2]) < MIN_SIDE:
        height, width = rgba.shape[:2]
        raise InputError(
            f"{name}: {width} x {height} pixels, expected at least {MIN_SIDE} on each side",
            hint="use a larger image of the object",
        )
    transparent = np.mean(rgba[..., 3] < 128)
    if transparent >= REAL_ALPHA_FRACTION:
        return Photo(rgba, has_alpha=True)
    if rgba[..., 3].min() < 255:
        white = Image.new("RGBA", image.size, "white")
        rgba = np.asarray(Image.alpha_composite(white, image.convert("RGBA")))
    return Photo(rgba, has_alpha=False)


def read_mask(source: ImageSource) -> UInt8[np.ndarray, "H W"]:
    """Read a foreground mask: its alpha channel where it has one, its brightness otherwise.

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
    return np.asarray(Image.fromarray(photo.rgba).convert("L"))


def _open(source: ImageSource) -> tuple[Image.Image, str]:
    """Any source as a Pillow image that may not be decoded yet, and its name for messages."""
    if isinstance(source, Image.Image):
        try:
            return source.copy(), "image"  # which decodes it
        except Exception as error:
            raise InputError(f"image is truncated or damaged ({first_line(error)})") from error
    if isinstance(source, np.ndarray):
        return _from_array(source), "array"
    if isinstance(source, bytes):
        return _from_bytes(source, "image data"), "image data"
    path = Path(source)
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected an image file")
    if not path.exists():
        raise InputError(f"{path}: no such file", hint="check the path")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    return _from_bytes(data, str(path)), str(path)


def _from_bytes(data: bytes, name: str) -> Image.Image:
    if not data:
        raise InputError(f"{name} is empty (0 bytes), expected an image", hint=_READABLE)
    try:
        with warnings.catch_warnings():
            # Pillow warns at half its limit and for damaged EXIF data; neither stops us
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not an image that can be read", hint=_READABLE) from error
    except Exception as error:  # Pillow's parsers raise many kinds on damaged files
        raise InputError(f"{name} is damaged ({first_line(error)})", hint=_READABLE) from error


def _too_large(name: str) -> InputError:
    return InputError(
        f"{name}: more than {MAX_PIXELS // 10**6} megapixels",
        hint="scale the image down first; no model sees more than a few megapixels",
    )


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
        array = _from_16_bit(array)
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
        raise _too_large("array")
    return Image.fromarray(np.ascontiguousarray(array))


def _from_16_bit(values: np.ndarray) -> UInt8[np.ndarray, "H W ..."]:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _decode(image: Image.Image, name: str) -> Image.Image:
    """Decode, scale down, convert to 8-bit sRGB (RGB or RGBA) and turn upright."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(name)
    scale = WORKING_SIDE / max(width, height)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if scale < 1.0:  # a JPEG is then decoded at 1/2, 1/4 or 1/8 at once
                image.draft(None, (round(width * scale), round(height * scale)))
            image.load()
            orientation = _orientation(image)
            profile = image.info.get("icc_profile")
            image = _eight_bit(image)
            image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.LANCZOS, 3.0)
            image = _to_srgb(image, profile)
    except Exception as error:  # as in _from_bytes
        raise InputError(
            f"{name} is truncated or damaged ({first_line(error)})",
            hint="open and save it again with an image editor, or use another copy",
        ) from error
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged EXIF data: the picture itself may be whole
        return 1


def _eight_bit(image: Image.Image) -> Image.Image:
    """Modes that cannot be resampled or hold more than 8 bits -> L, RGB or RGBA."""
    if image.mode.startswith("I"):  # 16-bit grey; Pillow scales deep PPM files to 16 bits too
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(_from_16_bit(values))
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image), nan=0.0, posinf=0.0, neginf=0.0)
        white = 1.0 if values.max() <= 1.0 else 255.0
        return Image.fromarray((np.clip(values / white, 0.0, 1.0) * 255 + 0.5).astype(np.uint8))
    if "transparency" in image.info or image.mode in ("P", "PA"):
        return image.convert("RGBA")
    return image.convert("L") if image.mode == "1" else image


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Apply the embedded color profile; without one (or with a broken one) take plain sRGB."""
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    colors = image.convert({"RGBA": "RGB", "LA": "L"}.get(image.mode, image.mode))
    try:
        if image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif profile:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        else:
            source = None
        target = ImageCms.createProfile("sRGB")
        rgb = source and ImageCms.profileToProfile(colors, source, target, outputMode="RGB")
    # a broken profile, or one of another color space than the pixels: ignored, as viewers do
    except (ImageCms.PyCMSError, OSError, ValueError):
        rgb = None
    rgb = rgb or colors.convert("RGB")
    if alpha is not None:
        rgb.putalpha(alpha)
    return rgb
