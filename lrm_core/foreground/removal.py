"""Which way an object is cut out of its photo.

In this order: a mask that the user gives, a real alpha channel, flood fill from a near-uniform
border, a network (rembg, optional), GrabCut. docs/background-removal.md compares them.

Source: paper, appendix E.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from lrm_core.errors import EmptyForegroundError, InputError, MissingDependencyError
from lrm_core.foreground import border_background, grabcut
from lrm_core.foreground.networks import preferred_model, rembg_alpha, rembg_installed
from lrm_core.imaging.letterbox import picture_box
from lrm_core.imaging.matting import clean_edge_colours, cut_out
from lrm_core.structures.photo import CutOut, Photo

BackgroundRemoval = Literal["auto", "alpha", "border", "rembg", "grabcut", "none"]

LEAST_FOREGROUND = 1e-3
"""Share of the pixels below which an image counts as empty."""
MOST_FOREGROUND = 0.98
"""Share above which a computed cut-out has cut nothing away."""

_GRABCUT_WARNING = (
    "the background was removed by GrabCut, which can miss parts of the object: "
    "check the cut-out, or give a mask or install lrm-toolkit[rembg]"
)


def remove_background(
    photo: Photo,
    *,
    method: BackgroundRemoval = "auto",
    mask: Shaped[np.ndarray, "h w"] | None = None,
) -> CutOut:
    """Cut the object out of a photo.

    Args:
        photo: the photo.
        method: `auto` takes the first of alpha, border, rembg and grabcut that applies; `none`
            keeps everything.
        mask: (h, w) of uint8, bool or floats in [0, 1], 1 on the object; goes before `method`. It
            may be of another size than the photo, but not of another shape.

    Raises:
        EmptyForegroundError: no object is left, or nothing was removed.
        InputError: the method needs an alpha channel or a near-uniform border and there is none;
            the mask does not fit the photo.
        MissingDependencyError: method `rembg` and it is not installed or has no model.

    Source: paper, appendix E.
    """
    if mask is not None:
        return _by_mask(photo, mask)
    if method == "none":
        return CutOut(photo.rgba, "none")
    if method == "alpha" or (method == "auto" and photo.has_alpha):
        if not photo.has_alpha:
            raise InputError(
                "the image has no alpha channel that hides anything",
                hint="use --background-removal auto, or give a mask with --mask",
            )
        return _checked(CutOut(photo.rgba, "alpha"))
    rgb = _on_white(photo)
    rows, columns = picture_box(rgb)
    picture = rgb[rows, columns]
    cut = _CUTTERS[method](picture)
    # the bars around a letterboxed picture are background
    rgba = np.concatenate([rgb, np.zeros((*rgb.shape[:2], 1), np.uint8)], axis=-1)
    rgba[rows, columns] = cut.rgba
    return CutOut(rgba, cut.method, cut.warning)


def _by_mask(photo: Photo, mask: np.ndarray) -> CutOut:
    height, width = photo.rgba.shape[:2]
    alpha = np.asarray(mask, dtype=np.float32) / (255.0 if mask.dtype == np.uint8 else 1.0)
    if not np.isfinite(alpha).all() or alpha.min() < 0.0 or alpha.max() > 1.0:
        raise InputError(
            f"mask with values in [{alpha.min():.3g}, {alpha.max():.3g}], expected [0, 1]",
            hint="pass bool, uint8 in 0..255, or floats in [0, 1]",
        )
    scale_y, scale_x = height / alpha.shape[0], width / alpha.shape[1]
    # sizes are whole numbers: a scaled copy may be off by a pixel
    if abs(alpha.shape[1] * scale_y - width) > 1.0 + scale_y + 0.01 * width:
        raise InputError(
            f"the mask is {alpha.shape[1]} x {alpha.shape[0]} pixels, the photo is "
            f"{width} x {height}: not the same picture",
            hint="the mask must show the same picture as the photo, upright",
        )
    if alpha.shape != (height, width):
        shrinks = scale_x < 1.0
        kernel = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        alpha = np.asarray(cv2.resize(alpha, (width, height), interpolation=kernel))
    cut = clean_edge_colours(_on_white(photo), alpha, radius=2.0)
    return _checked(CutOut(cut, "mask"))


def _by_border(rgb: UInt8[np.ndarray, "H W 3"]) -> CutOut:
    mask = border_background.border_mask(rgb)
    if mask is None:
        raise InputError(
            "the background is not near-uniform along the image's border",
            hint="use --background-removal grabcut or rembg, or give a mask with --mask",
        )
    return _cut_at_border(rgb, mask)


def _cut_at_border(rgb: UInt8[np.ndarray, "H W 3"], mask: Bool[np.ndarray, "H W"]) -> CutOut:
    _check_extent(mask)
    radius = _edge_radius(rgb, border_background.WORKING_SIDE, 3.0)
    return CutOut(cut_out(rgb, mask, radius=radius), "border")


def _by_rembg(rgb: UInt8[np.ndarray, "H W 3"]) -> CutOut:
    model = preferred_model()
    # resampling rings and networks are never quite sure: neither may leave a veil
    alpha = np.clip((rembg_alpha(rgb, model) - 0.1) / 0.8, 0.0, 1.0)
    _check_extent(alpha > 0.5)
    # the network sees 320 or 1024 pixels: its edge is about that much softer
    return CutOut(
        clean_edge_colours(rgb, alpha, radius=_edge_radius(rgb, 320, 1.0)), f"rembg:{model}"
    )


def _by_grabcut(rgb: UInt8[np.ndarray, "H W 3"]) -> CutOut:
    mask = grabcut.grabcut_mask(rgb)
    _check_extent(mask)
    radius = _edge_radius(rgb, grabcut.WORKING_SIDE, 1.5)
    return CutOut(cut_out(rgb, mask, radius=radius), "grabcut", _GRABCUT_WARNING)


def _by_first_that_applies(rgb: UInt8[np.ndarray, "H W 3"]) -> CutOut:
    mask = border_background.border_mask(rgb)
    if mask is not None and mask.mean() < MOST_FOREGROUND:
        # nothing in front of a plain background: nothing for the other ways to find either
        return _cut_at_border(rgb, mask)
    if not rembg_installed():
        return _by_grabcut(rgb)
    try:
        return _by_rembg(rgb)
    except (MissingDependencyError, EmptyForegroundError) as error:
        cut = _by_grabcut(rgb)
        return CutOut(cut.rgba, cut.method, f"{error.message}; {_GRABCUT_WARNING}")


_CUTTERS = {
    "auto": _by_first_that_applies,
    "border": _by_border,
    "rembg": _by_rembg,
    "grabcut": _by_grabcut,
}


def _on_white(photo: Photo) -> UInt8[np.ndarray, "H W 3"]:
    if not photo.has_alpha:
        return photo.rgba[..., :3]
    alpha = photo.rgba[..., 3:].astype(np.float32) / 255.0
    colour = photo.rgba[..., :3] * alpha + 255.0 * (1.0 - alpha)
    return np.asarray(colour + 0.5, dtype=np.uint8)


def _edge_radius(rgb: np.ndarray, working_side: int, pixels: float) -> float:
    """Uncertainty of an edge that was found `pixels` sharp at a smaller working size."""
    longer_side: int = max(rgb.shape[:2])
    return max(pixels, pixels * longer_side / working_side)


def _checked(cut: CutOut) -> CutOut:
    if np.mean(cut.rgba[..., 3] >= 128) < LEAST_FOREGROUND:
        raise EmptyForegroundError(
            f"less than {LEAST_FOREGROUND:.1%} of the image is foreground ({cut.method})",
            hint="give a mask with --mask, or try another --background-removal",
        )
    return cut


def _check_extent(mask: Bool[np.ndarray, "H W"]) -> None:
    share = float(mask.mean())
    if share < LEAST_FOREGROUND:
        raise EmptyForegroundError(
            "no object was found in front of the background",
            hint="give a mask with --mask, try --background-removal grabcut or rembg, "
            "or none if the image is the object",
        )
    if share > MOST_FOREGROUND:
        raise EmptyForegroundError(
            "no background was found: the whole image would be the object",
            hint="give a mask with --mask, or --background-removal none to keep the whole image",
        )
