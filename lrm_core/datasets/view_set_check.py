"""Do the views of an object fit its cameras and its box?"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from jaxtyping import Bool, Float

from lrm_core.structures.cameras import Cameras
from lrm_core.structures.view_set import ViewSet

PIXEL_TOLERANCE = 1.5
"""Pixels by which an object may lie outside its projected box: antialiasing and rounding."""
_ROTATION_TOLERANCE = 1e-4
_DEPTH_TOLERANCE = 1e-3
_MOST_OUTSIDE = 1e-3
"""Share of depth values that may lie outside the box: renderers blend depths at edges."""


def check_views(view_set: ViewSet) -> list[str]:
    """What is wrong with an object's views, in words; nothing where all is well.

    Cameras must be rigid, finite and have positive focal lengths. The object may not be invisible
    in all views. Where its box is known, what is seen lies in the box's projection, and every depth
    value in the box itself (this finds cameras that belong to other views).
    """
    problems = check_cameras(view_set.cameras)
    seen = view_set.images[..., 3] > 0
    if not seen.any():
        problems.append("the object is invisible in every view")
    if problems or view_set.source.bounds is None:
        return problems
    bounds = view_set.source.bounds.astype(np.float64)
    corners = torch.from_numpy(np.array(list(itertools.product(*bounds.T))))
    cameras = view_set.cameras
    exact = Cameras(
        cameras.c2w.double(), cameras.intrinsics.double(), cameras.width, cameras.height
    )
    pixels, distances = (values.numpy() for values in exact.project(corners))
    for index in range(len(cameras)):
        # the box of a camera inside it, or beside it, has no projection
        if seen[index].any() and (distances[index] > 0).all():
            over = _beyond(seen[index], pixels[index])
            if over > PIXEL_TOLERANCE:
                problems.append(
                    f"view {index}: the object reaches {over:.1f} pixels beyond its projected box"
                )
                continue
        if view_set.depth is not None:
            share = _share_outside(exact[index], view_set.depth[index], bounds)
            if share > _MOST_OUTSIDE:
                problems.append(f"view {index}: {share:.1%} of its depths lie outside the box")
    return problems


def check_cameras(cameras: Cameras) -> list[str]:
    """What is wrong with cameras, in words."""
    focal = cameras.intrinsics[:, :2].numpy()
    finite = cameras.c2w.isfinite().flatten(1).all(1) & cameras.intrinsics.isfinite().all(1)
    rigid = cameras.is_rigid(_ROTATION_TOLERANCE)
    problems = []
    for index in range(len(cameras)):
        if not finite[index]:
            problems.append(f"view {index}: its camera is not finite")
        elif not rigid[index]:
            problems.append(f"view {index}: its camera-to-world matrix is not rigid")
        elif not (focal[index] > 0).all():
            problems.append(f"view {index}: its focal length is not positive")
    return problems


def _beyond(seen: Bool[np.ndarray, "H W"], corners: Float[np.ndarray, "8 2"]) -> float:
    """Pixels by which what is seen reaches beyond the box of the projected corners."""
    columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
    first = np.array([columns[0], rows[0]])
    last = np.array([columns[-1], rows[-1]]) + 1
    return float(max((corners.min(axis=0) - first).max(), (last - corners.max(axis=0)).max()))


def _share_outside(
    camera: Cameras, depth: Float[np.ndarray, "H W"], bounds: Float[np.ndarray, "2 3"]
) -> float:
    """Share of the depth values whose points lie outside the box."""
    rows, columns = np.nonzero(np.isfinite(depth))
    if len(rows) == 0:
        return 0.0
    distance = depth[rows, columns].astype(np.float64)
    fx, fy, cx, cy = camera.intrinsics[0].numpy()
    local = np.stack([(columns + 0.5 - cx) / fx, (cy - rows - 0.5) / fy, -np.ones(len(rows))], -1)
    c2w = camera.c2w[0].numpy()
    points = distance[:, None] * local @ c2w[:3, :3].T + c2w[:3, 3]
    outside = np.maximum(bounds[0] - points, points - bounds[1]).max(axis=1)
    # depth at an edge may be that of a neighboring ray
    tolerance = _DEPTH_TOLERANCE + PIXEL_TOLERANCE * distance / min(fx, fy)
    return float(np.mean(outside > tolerance))
