"""Which way an object is cut out of its photo.

In this order: a mask that the user gives, a real alpha channel, u2net where rembg is installed, the
network in the package (u2netp). Before one flat color, as renders have it, network and color decide
together. docs/background-removal.md has the measurements behind this order.

Source: paper, appendix E.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from lrm_core.errors import EmptyForegroundError, InputError, MissingDependencyError
from lrm_core.foreground import border_background, grabcut, u2netp
from lrm_core.foreground.methods import BackgroundRemoval, KeepObjects
from lrm_core.foreground.networks import (
    REMBG_MODELS,
    RembgModel,
    preferred_model,
    rembg_alpha,
    rembg_installed,
)
from lrm_core.foreground.separate_objects import single_out
from lrm_core.imaging.letterbox import picture_box
from lrm_core.imaging.matting import clean_edge_colors, cut_out
from lrm_core.structures.photo import CutOut, Photo

LEAST_FOREGROUND = 1e-3
"""Share of the pixels below which an image counts as empty."""
MOST_FOREGROUND = 0.98
"""Share above which a computed cut-out has cut nothing away."""
_NETWORK_THRESHOLD = 0.4
"""Probability from which a pixel belongs to the object; the colors then decide within the edge."""
_STEP_BACK = 0.1
"""Margin over the longer side with which a picture in which nothing stands out is seen again."""

_GRABCUT_WARNING = (
    "GrabCut can miss parts of the object: check the cut-out, give a mask, or use "
    "--background-removal auto"
)


def remove_background(
    photo: Photo,
    *,
    method: BackgroundRemoval = "auto",
    mask: Shaped[np.ndarray, "h w"] | None = None,
    keep: KeepObjects = "largest",
) -> CutOut:
    """Cut the object out of a photo.

    Args:
        photo: the photo.
        method: `auto` takes the first of alpha, u2net and u2netp that applies; `none` keeps
            everything.
        mask: (h, w) of uint8, bool or floats in [0, 1], 1 on the object; goes before `method`. It
            may be of another size than the photo, but not of another shape.
        keep: of several separate objects, the largest or all; a mask is taken with all its parts.

    Raises:
        EmptyForegroundError: no object is left, or nothing was removed.
        InputError: the method needs an alpha channel or a near-uniform border and there is none;
            the mask does not fit the photo.
        MissingDependencyError: method `rembg` and it is not installed or has no model.

    Source: paper, appendix E.
    """
    if method == "none" and mask is None:
        return CutOut(photo.rgba, "none", photo.note)
    if mask is not None:
        found, keep = _by_mask(photo, mask), "all"
    elif method == "alpha" or (method == "auto" and photo.has_alpha):
        found = _by_alpha(photo)
    else:
        found = _by_color(photo, method)
    given = found.method in ("mask", "alpha")
    thing = single_out(found.rgba, keep=keep, given=given, drawn=mask is None)
    _check_extent(thing.rgba[..., 3], found.method, given=given)
    notes = [note for note in (photo.note, found.warning, *thing.notes) if note]
    return CutOut(thing.rgba, found.method, "; ".join(notes) or None)


def _by_alpha(photo: Photo) -> CutOut:
    if not photo.has_alpha:
        raise InputError(
            "the image has no alpha channel that hides anything",
            hint="use --background-removal auto, or give a mask with --mask",
        )
    return CutOut(photo.rgba, "alpha")


def _by_color(photo: Photo, method: str) -> CutOut:
    """Find the object in the colors alone; the bars around a letterboxed picture are background."""
    rgb = _on_white(photo)
    rows, columns = picture_box(rgb)
    picture = np.ascontiguousarray(rgb[rows, columns])
    if method.startswith("rembg"):
        name = method.partition(":")[2]
        cut = _by_rembg(picture, REMBG_MODELS[name] if name else preferred_model())
    else:
        cut = _FINDERS[method](picture)
    rgba = np.concatenate([rgb, np.zeros((*rgb.shape[:2], 1), np.uint8)], axis=-1)
    rgba[rows, columns] = cut.rgba
    return replace(cut, rgba=rgba)


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
    cut = clean_edge_colors(_on_white(photo), alpha, radius=2.0)
    return CutOut(cut, "mask")


def _by_border(rgb: UInt8[np.ndarray, "H W 3"]) -> CutOut:
    mask = border_background.border_mask(rgb)
    if mask is None:
        raise InputError(
            "the background is not near-uniform along the image's border",
            hint="use --background-removal auto or u2netp, or give a mask with --mask",
        )
    radius = _edge_radius(rgb, border_background.WORKING_SIDE, 3.0)
    return CutOut(cut_out(rgb, mask, radius=radius), "border")


def _by_u2netp(rgb: UInt8[np.ndarray, "H W 3"]) -> CutOut:
    probability = u2netp.u2netp_alpha(rgb)
    if not (probability > _NETWORK_THRESHOLD).any():
        # what fills the picture does not stand out of it: seen from further away it may
        margin = round(_STEP_BACK * max(rgb.shape))
        corners = np.median(rgb[[0, 0, -1, -1], [0, -1, 0, -1]], axis=0).astype(np.uint8)
        wide = np.full((rgb.shape[0] + 2 * margin, rgb.shape[1] + 2 * margin, 3), corners)
        wide[margin:-margin, margin:-margin] = rgb
        probability = u2netp.u2netp_alpha(wide)[margin:-margin, margin:-margin]
    return _cut_by_network(rgb, probability, u2netp.INPUT_SIDE, "u2netp")


def _by_rembg(rgb: UInt8[np.ndarray, "H W 3"], model: RembgModel) -> CutOut:
    return _cut_by_network(rgb, rembg_alpha(rgb, model), model.side, f"rembg:{model.name}")


def _cut_by_network(
    rgb: UInt8[np.ndarray, "H W 3"], probability: Float[np.ndarray, "H W"], side: int, method: str
) -> CutOut:
    """Follow the colors where the network, which sees `side` pixels, leaves the edge open."""
    radius = max(_edge_radius(rgb, side, 1.0), 1.6)
    return CutOut(cut_out(rgb, probability > _NETWORK_THRESHOLD, radius=radius), method)


def _by_grabcut(rgb: UInt8[np.ndarray, "H W 3"]) -> CutOut:
    radius = _edge_radius(rgb, grabcut.WORKING_SIDE, 1.5)
    return CutOut(
        cut_out(rgb, grabcut.grabcut_mask(rgb), radius=radius), "grabcut", _GRABCUT_WARNING
    )


def _by_first_that_applies(rgb: UInt8[np.ndarray, "H W 3"]) -> CutOut:
    if not rembg_installed():
        return _by_u2netp(rgb)
    try:
        return _by_rembg(rgb, preferred_model())
    except MissingDependencyError as error:
        return replace(_by_u2netp(rgb), warning=f"{error.message}: u2netp is used instead")


_FINDERS: dict[str, Callable[[UInt8[np.ndarray, "H W 3"]], CutOut]] = {
    "auto": _by_first_that_applies,
    "border": _by_border,
    "u2netp": _by_u2netp,
    "grabcut": _by_grabcut,
}


def _on_white(photo: Photo) -> UInt8[np.ndarray, "H W 3"]:
    if not photo.has_alpha:
        return photo.rgba[..., :3]
    alpha = photo.rgba[..., 3:].astype(np.float32) / 255.0
    color = photo.rgba[..., :3] * alpha + 255.0 * (1.0 - alpha)
    return np.asarray(color + 0.5, dtype=np.uint8)


def _edge_radius(rgb: np.ndarray, working_side: int, pixels: float) -> float:
    """Uncertainty of an edge that was found `pixels` sharp at a smaller working size."""
    longer_side: int = max(rgb.shape[:2])
    return max(pixels, pixels * longer_side / working_side)


def _check_extent(alpha: UInt8[np.ndarray, "H W"], method: str, *, given: bool) -> None:
    share = float(np.mean(alpha >= 128))
    if share < LEAST_FOREGROUND:
        where = "of the image is foreground" if given else "of the image was found to be object"
        raise EmptyForegroundError(
            f"less than {LEAST_FOREGROUND:.1%} {where} ({method})",
            hint="give a mask with --mask, try another --background-removal, "
            "or none if the image is the object",
            mask=alpha,
        )
    if share > MOST_FOREGROUND and not given:
        raise EmptyForegroundError(
            f"no background was found ({method}): the whole image would be the object",
            hint="give a mask with --mask, or --background-removal none to keep the whole image",
            mask=alpha,
        )
