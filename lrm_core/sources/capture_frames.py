"""One frame of a capture -> a square crop around the object, and the camera that sees just that.

Cropping moves the principal point, scaling scales it and the focal lengths; a lens that bends lines
is straightened on the way. Pose and pixels fit one another exactly before and after.

Source: paper, section 4.1: "we crop and resize all of them using the predicted object mask so that
the object is at the center of the resulting frames; we adjust the camera parameters accordingly".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.foreground.methods import BackgroundRemoval
from lrm_core.foreground.removal import remove_background
from lrm_core.imaging.framing import BOX_THRESHOLD
from lrm_core.imaging.lens_distortion import LensDistortion
from lrm_core.imaging.resampling import pixels_seen, resample, resample_premultiplied
from lrm_core.io.colmap_model import ColmapCamera
from lrm_core.io.image_files import read_image, read_mask
from lrm_core.structures.photo import Photo

_SPECK = 0.02
"""Parts of a mask smaller than this share of the largest one are mistakes of the segmentation."""
_MOST_CONTACT = 0.05
"""Share of the perimeter of the object's box that may lie on the image's border."""
_LEAST_OPAQUE = 0.5
"""Share of the object's pixels that must be more opaque than not."""
_LEAST_SIDE = 16
"""Pixels of the object's longer side below which a frame shows too little of it."""
_MOST_STRETCH = 1.5
"""How far from the image's middle a straightened lens may reach, in image sides."""

_ORIENTATION_TAG = 0x0112
# EXIF orientation -> quarter turns, counter-clockwise, that make the stored pixels upright
_QUARTER_TURNS = {1: 0, 3: 2, 6: 3, 8: 1}


@dataclass(frozen=True)
class CutOutFrame:
    """A frame as its file stores it, which is how COLMAP saw it.

    Attributes:
        rgba: (H, W, 4) straight alpha.
        quarter_turns: counter-clockwise, that make it upright (from EXIF data).
    """

    rgba: UInt8[np.ndarray, "H W 4"]
    quarter_turns: int


@dataclass(frozen=True)
class FrameView:
    """A crop and its camera.

    Attributes:
        rgba: (S, S, 4) straight alpha.
        c2w: (4, 4) OpenGL axes.
        intrinsics: (4,) fx, fy, cx, cy in pixels of the crop.
    """

    rgba: UInt8[np.ndarray, "S S 4"]
    c2w: Float[np.ndarray, "4 4"]
    intrinsics: Float[np.ndarray, "4"]


def cut_out_frame(path: Path, mask: Path | None, method: BackgroundRemoval) -> CutOutFrame:
    """Read a frame and cut the object out.

    COLMAP ignores the EXIF orientation of a photo: its poses are those of the pixels as stored.

    Args:
        path: the frame.
        mask: file of its mask; without one the background is removed.
        method: background removal, used without a mask.

    Raises:
        InputError: a file cannot be read, the mask does not fit, no object is left.
    """
    photo = read_image(path)
    with Image.open(path) as header:
        orientation = header.getexif().get(_ORIENTATION_TAG, 1)
    turns = _QUARTER_TURNS.get(orientation)
    if turns is None:
        raise InputError(f"{path}: EXIF orientation {orientation}, which mirrors, is not supported")
    stored = Photo(np.rot90(photo.rgba, -turns).copy(), photo.has_alpha)
    alpha = None
    if mask is not None:
        alpha = read_mask(mask)
        if turns % 2 and (alpha.shape[0] > alpha.shape[1]) != (
            stored.rgba.shape[0] > stored.rgba.shape[1]
        ):
            alpha = np.rot90(alpha, -turns)  # made from the upright photo
    return CutOutFrame(remove_background(stored, method=method, mask=alpha).rgba, turns)


def crop_frame(
    frame: CutOutFrame,
    camera: ColmapCamera,
    c2w: Float[np.ndarray, "4 4"],
    *,
    size: int,
    foreground_ratio: float,
) -> FrameView:
    """Crop a frame to a square around the object and adjust its camera.

    The middle of the object's box becomes the middle of the crop; where the crop reaches beyond the
    image it is transparent.

    Args:
        frame: any size, with the aspect ratio of the camera's images.
        camera: the camera that took it.
        c2w: (4, 4) its pose, OpenGL axes.
        size: side S of the crop in pixels.
        foreground_ratio: longer side of the object's box over the side of the crop, [0.5, 1].

    Raises:
        InputError: the frame is not of the camera's shape, the object is cut by the image's border
            or too small, or the lens cannot be straightened.

    Source: paper, section 4.1.
    """
    height, width = frame.rgba.shape[:2]
    scale = np.array([width / camera.width, height / camera.height])
    if abs(camera.width * scale[1] - width) > 1.0 + scale[1]:
        raise InputError(
            f"frame of {width} x {height} pixels, its camera has {camera.width} x {camera.height}"
        )
    intrinsics = np.array(camera.intrinsics) * np.tile(scale, 2)
    mask = _object_mask(frame.rgba[..., 3])
    rgba = frame.rgba * np.where((frame.rgba[..., 3:] > BOX_THRESHOLD) & ~mask[..., None], 0, 1)
    low, high = _straight_box(mask, intrinsics, camera.distortion)
    side = float((high - low).max()) / foreground_ratio
    left, top = (low + high - side) / 2.0
    crop = _crop_square(
        rgba.astype(np.uint8), (left, top, side), size, intrinsics, camera.distortion
    )
    zoom = size / side
    fx, fy, cx, cy = intrinsics
    lens = np.array([fx * zoom, fy * zoom, (cx - left) * zoom, (cy - top) * zoom])
    view = FrameView(crop, c2w, lens)
    for _ in range(frame.quarter_turns):
        view = _quarter_turn(view)
    return view


def _object_mask(alpha: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Where the object is, without specks.

    Raises:
        InputError: it is nowhere, tiny, or cut by the border.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > BOX_THRESHOLD).astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    if len(areas) == 0:
        raise InputError("the mask is empty")
    kept = np.concatenate([[False], areas >= _SPECK * areas.max()])
    mask: Bool[np.ndarray, "H W"] = kept[labels]
    if np.mean(alpha[mask] > 127) < _LEAST_OPAQUE:
        raise InputError("the mask is faint: most of the object is transparent")
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    box = np.array([np.ptp(columns) + 1, np.ptp(rows) + 1])
    if box.max() < _LEAST_SIDE:
        raise InputError(f"the object is {box.max()} pixels large, expected {_LEAST_SIDE} or more")
    contact = sum(int(edge.sum()) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    if contact > _MOST_CONTACT * 2 * box.sum():
        raise InputError("the object is cut by the image's border")
    return mask


def _straight_box(
    mask: Bool[np.ndarray, "H W"],
    intrinsics: Float[np.ndarray, "4"],
    lens: LensDistortion | None,
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
    """Smallest and largest x and y of the object in the image as a pinhole would have taken it."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3)), borderValue=0)
    rows, columns = np.nonzero(mask & (inner == 0))
    outline = np.stack([columns, rows], axis=-1).astype(np.float64)  # OpenCV's: centers at 0
    if lens is not None:
        outline = _straighten(outline, intrinsics, lens)
        size = np.array(mask.shape[::-1])
        if not (np.abs(outline - size / 2.0) < _MOST_STRETCH * size).all():
            kind = "fisheye lens" if lens.fisheye else "lens"
            raise InputError(f"a {kind} with the distortion {lens.terms} cannot be straightened")
    return outline.min(axis=0), outline.max(axis=0) + 1.0


def _straighten(
    pixels: Float[np.ndarray, "P 2"],
    intrinsics: Float[np.ndarray, "4"],
    lens: LensDistortion,
) -> Float[np.ndarray, "P 2"]:
    """Where a pinhole would have seen pixels of a bent image; NaN where it is undetermined.

    The inverse of the distortion is found by iteration: bent again, it must end where it began.
    """
    focal, center = intrinsics[:2], intrinsics[2:] - 0.5
    bent = (pixels - center) / focal
    local = lens.straighten(bent)
    found = (np.abs(lens.bend(local) - bent) * focal < 1.0).all(axis=1, keepdims=True)
    return np.where(found, local * focal + center, np.nan)


def _crop_square(
    rgba: UInt8[np.ndarray, "H W 4"],
    window: tuple[float, float, float],
    size: int,
    intrinsics: Float[np.ndarray, "4"],
    lens: LensDistortion | None,
) -> UInt8[np.ndarray, "S S 4"]:
    """Resample the square `window` (left, top, side) of the straightened image to size x size.

    With an antialiased kernel, on colors weighted by alpha: hidden pixels leave no fringe.
    """
    left, top, side = window
    box, shape = (left, top, left + side, top + side), (size, size)
    if lens is None:
        return resample(rgba, box, shape)
    x0, y0, x1, y1 = pixels_seen(box, shape)
    focal, center = intrinsics[:2], intrinsics[2:] - 0.5
    pixels = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), axis=-1)
    seen = lens.bend((pixels.reshape(-1, 2) - center) / focal) * focal + center
    columns, rows = np.moveaxis(seen.reshape(pixels.shape).astype(np.float32), -1, 0)
    bent = np.asarray(Image.fromarray(rgba).convert("RGBa"))
    straight = cv2.remap(bent, columns, rows, cv2.INTER_CUBIC, borderValue=(0, 0, 0, 0))
    straight[..., :3] = np.minimum(straight[..., :3], straight[..., 3:])
    image = Image.frombuffer("RGBa", (x1 - x0, y1 - y0), straight.tobytes(), "raw", "RGBa", 0, 1)
    return resample_premultiplied(image, box, shape)


def _quarter_turn(view: FrameView) -> FrameView:
    """A view and its camera turned counter-clockwise: what pointed right points up."""
    fx, fy, cx, cy = view.intrinsics
    right, up, back, origin = view.c2w.T
    return FrameView(
        np.rot90(view.rgba).copy(),
        np.stack([-up, right, back, origin], axis=-1),
        np.array([fy, fx, cy, len(view.rgba) - cx]),
    )
