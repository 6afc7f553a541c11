"""Pixels of any mode and color profile -> 8-bit sRGB."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms


def to_eight_bits(image: Image.Image, *, key_scale: float = 1.0) -> Image.Image:
    """Convert modes that cannot be resampled or hold more than 8 bits to L, RGB or RGBA.

    Args:
        image: decoded.
        key_scale: what the transparent color that the file names is multiplied by to be in the
            units of the pixels, which Pillow scales without it.
    """
    key = image.info.get("transparency")
    if image.mode.startswith("I"):  # 16-bit gray; Pillow scales deep PPM files to 16 bits too
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        gray = Image.fromarray(eight_bits_of_sixteen(values))
        if isinstance(key, int):
            alpha = np.where(values == key, 0, 255).astype(np.uint8)
            return Image.merge("LA", (gray, Image.fromarray(alpha)))
        return gray
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image), nan=0.0, posinf=0.0, neginf=0.0)
        white = 1.0 if values.max() <= 1.0 else 255.0
        return Image.fromarray((np.clip(values / white, 0.0, 1.0) * 255 + 0.5).astype(np.uint8))
    if image.mode == "1":
        image = image.convert("L")
    if key is not None and key_scale != 1.0:
        image.info["transparency"] = (
            tuple(int(channel * key_scale) for channel in key)
            if isinstance(key, tuple)
            else int(key * key_scale)
        )
    if key is not None or image.mode in ("P", "PA"):
        return image.convert("RGBA")
    return image


def eight_bits_of_sixteen(values: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Round 0..65535 to 0..255."""
    return np.asarray((values.astype(np.uint32) + 128) // 257, dtype=np.uint8)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Apply the embedded color profile; without one (or with a broken one) take plain sRGB.

    Args:
        image: of a mode with 8 bits per channel.
        profile: ICC profile of the pixels, such as Display P3 or a CMYK press.

    Returns:
        RGB, or RGBA where the image has an alpha channel.
    """
    alpha = image.getchannel("A") if image.getbands()[-1] == "A" else None  # LAB has an A too
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
