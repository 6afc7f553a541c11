"""Where the object of a capture stands, how large it is and which way is up.

A reconstruction from a video has a frame and a unit of its own. One similarity transform per
capture carries the object into the cube [-1, 1]^3 with z up; all that the cameras know of one
another, distances included, stays what it was (paper, section 4.2).

Masks alone say where the object cannot be: outside the visual hull, the largest shape that none of
them contradicts (Laurentini, 1994). Where all cameras look down, the hull has a spire above a flat
top and another below the object. Sparse points say where the object is, but smooth parts have none.
So both are asked: the box is the least one that holds the points and reaches as far as the masks
do; without points it is that of the hull, which may be too large, but not too small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.optimize import linprog

from lrm_core.errors import InputError
from lrm_core.imaging.framing import mask_box

_GRID = 64
"""Voxels along each side of the space that is searched."""
_REACH = 1.4
"""Radius of that space over what the masks show: heights are foreshortened from above."""
_LEAST_SPREAD = 2e-3
"""Least variance of viewing directions across their mean: about that of an arc of 9 degrees."""
_LEAST_ROLL_SPREAD = 1e-2
"""The same for the cameras' horizontal axes, where up is taken from them."""
_FIRST_VOTE, _VOTE = 0.7, 0.97
"""Share of the masks that a voxel must lie in: while masks may be wrong, and once those are out."""
_EXPLAINED, _COVERED = 0.8, 0.1
"""Share of a mask that the hull must lie behind, and of the hull that the mask must cover, for the
view to be believed: a flat object covers little of a first hull when it is seen edge-on."""
_LEAST_POINTS = 50
"""Sparse points on the object below which they say nothing of its size."""
_STRAY_POINTS = 0.01
"""Share of the points that may lie beyond each face of the box."""
_MISSED_COST = 10.0
"""Cost of a unit that the box misses a mask's border by, over the cost of a longer side."""
_LONGEST_SIDE = 1.9
"""Longest side of the placed box: round objects may be a few percent larger than it."""


@dataclass(frozen=True)
class ObjectPlacement:
    """The similarity transform p -> scale * rotation @ (p - center), and what it was derived from.

    Attributes:
        rotation: (3, 3) from the reconstruction's axes to ours: z up, the first camera about at -y.
        center: (3,) center of the object in the reconstruction's frame.
        scale: our unit of length per unit of the reconstruction.
        bounds: (2, 3) smallest and largest corner of the object in our frame.
        trusted: (N,) whether a view agrees with the others.
    """

    rotation: Float[np.ndarray, "3 3"]
    center: Float[np.ndarray, "3"]
    scale: float
    bounds: Float[np.ndarray, "2 3"]
    trusted: Bool[np.ndarray, "N"]

    def apply(self, c2w: Float[np.ndarray, "N 4 4"]) -> Float[np.ndarray, "N 4 4"]:
        """Cameras of the reconstruction's frame in ours."""
        placed = c2w.copy()
        placed[:, :3, :3] = self.rotation @ c2w[:, :3, :3]
        placed[:, :3, 3] = self.scale * (c2w[:, :3, 3] - self.center) @ self.rotation.T
        return placed


@dataclass(frozen=True)
class _Silhouette:
    """One view: mask (H, W), c2w (4, 4), lens fx, fy, cx, cy."""

    mask: Bool[np.ndarray, "H W"]
    c2w: Float[np.ndarray, "4 4"]
    lens: Float[np.ndarray, "4"]

    @property
    def box(self) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
        """Smallest and largest x and y of the mask in pixels."""
        box = mask_box(self.mask)
        if box is None:
            raise ValueError("the mask is empty")
        return np.array(box[:2], dtype=np.float64), np.array(box[2:], dtype=np.float64)

    def project(
        self, points: Float[np.ndarray, "P 3"]
    ) -> tuple[Float[np.ndarray, "P 2"], Float[np.ndarray, "P"]]:
        """Pixels and depths of points; those not in front of the camera get a depth of nearly 0."""
        local = (points - self.c2w[:3, 3]) @ self.c2w[:3, :3]
        depth = np.maximum(-local[:, 2], 1e-9)
        flipped = local[:, :2] * [1.0, -1.0]
        return self.lens[:2] * flipped / depth[:, None] + self.lens[2:], depth

    def _locate(
        self, points: Float[np.ndarray, "P 3"]
    ) -> tuple[Bool[np.ndarray, "P"], Int[np.ndarray, "S"], Int[np.ndarray, "S"], np.ndarray]:
        """Which points lie in the image; their rows, columns and sizes there of a world unit."""
        pixels, depth = self.project(points)
        height, width = self.mask.shape
        seen = np.all((pixels >= 0.0) & (pixels < [width, height]), axis=-1)
        columns, rows = np.floor(pixels[seen]).astype(np.int64).T
        return seen, rows, columns, math.sqrt(self.lens[0] * self.lens[1]) / depth[seen]

    def covers(self, points: Float[np.ndarray, "P 3"], tolerance: float) -> Bool[np.ndarray, "P"]:
        """Whether the object is seen within `tolerance` (world units) of each point."""
        seen, rows, columns, unit = self._locate(points)
        result = np.zeros(len(points), dtype=bool)
        result[seen] = _distance(self.mask)[rows, columns] <= tolerance * unit
        return result

    def share_behind(self, points: Float[np.ndarray, "P 3"], tolerance: float) -> float:
        """Share of the mask that has one of the points within `tolerance` (world units)."""
        seen, rows, columns, unit = self._locate(points)
        if not seen.any():
            return 0.0
        hit = np.zeros(self.mask.shape, dtype=bool)
        hit[rows, columns] = True
        return float(np.mean(_distance(hit)[self.mask] <= tolerance * np.median(unit)))

    def tangent_planes(self) -> Float[np.ndarray, "4 3"]:
        """Normals of the planes through the camera along the sides of the mask's box, outwards."""
        left, top, right, bottom = (np.stack(self.box) - self.lens[2:]).ravel() / np.tile(
            self.lens[:2], 2
        )
        local = np.array([[-1.0, 0, -left], [0, 1, -top], [1, 0, right], [0, -1, bottom]])
        normals = local / np.linalg.norm(local, axis=-1)[:, None] @ self.c2w[:3, :3].T
        return np.asarray(normals)


def place_object(
    alphas: UInt8[np.ndarray, "N H W"],
    c2w: Float[np.ndarray, "N 4 4"],
    intrinsics: Float[np.ndarray, "N 4"],
    points: Float[np.ndarray, "P 3"] | None = None,
) -> ObjectPlacement:
    """Find the object, and the transform that centers its box and brings it into [-1, 1]^3.

    Args:
        alphas: (N, H, W), the object where above 127; no view without it.
        c2w: (N, 4, 4) OpenGL axes, in any frame and unit.
        intrinsics: (N, 4) fx, fy, cx, cy in pixels.
        points: (P, 3) sparse points of the scene in the same frame.

    Raises:
        InputError: the views see the object from one side only or from behind, or too few masks
            agree on a common shape.

    Source: paper, sections 4.1 and 4.2.
    """
    views = [
        _Silhouette(alpha > 127, pose, lens)
        for alpha, pose, lens in zip(alphas, c2w, intrinsics, strict=True)
    ]
    target = _nearest_point(c2w[:, :3, 3], _middle_rays(views))
    rotation = _upright_axes(c2w, c2w[0, :3, 3] - target)
    radius = _radius(views, target)

    steps = (np.arange(_GRID) + 0.5) / _GRID * 2.0 - 1.0
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = radius * grid[np.linalg.norm(grid, axis=-1) <= 1.0]
    tolerance = radius / _GRID  # half a voxel
    inside = np.stack([view.covers(target + grid @ rotation, tolerance) for view in views])
    first_hull = _voted(inside, _FIRST_VOTE)
    shown = target + grid[first_hull] @ rotation
    explained = np.array([view.share_behind(shown, 2.0 * tolerance) for view in views])
    trusted = (explained >= _EXPLAINED) & (inside[:, first_hull].mean(axis=1) >= _COVERED)
    hull = grid[_voted(inside[trusted], _VOTE)]
    box = np.stack([hull.min(axis=0), hull.max(axis=0)])

    if points is not None:
        believed = [view for view, good in zip(views, trusted, strict=True) if good]
        held = np.stack([view.covers(points, tolerance) for view in believed]).mean(axis=0) >= _VOTE
        if held.sum() >= _LEAST_POINTS:
            box = _least_box((points[held] - target) @ rotation.T, believed, target, rotation, box)
    scale = _LONGEST_SIDE / float((box[1] - box[0]).max())
    half = scale * (box[1] - box[0]) / 2.0
    center = target + box.mean(axis=0) @ rotation
    return ObjectPlacement(rotation, center, scale, np.stack([-half, half]), trusted)


def _least_box(
    points: Float[np.ndarray, "P 3"],
    views: list[_Silhouette],
    target: Float[np.ndarray, "3"],
    rotation: Float[np.ndarray, "3 3"],
    hull: Float[np.ndarray, "2 3"],
) -> Float[np.ndarray, "2 3"]:
    """The box with the least sum of sides that holds the points and reaches all tangent planes.

    The object touches each of these planes, so that a box around it reaches or crosses them. How
    far a box reaches along a normal is linear in its faces, which makes this a linear programme.
    Masks that ask for more than the hull allows are left unsatisfied.

    Args:
        points: (P, 3) on the object, around the target, in our axes.
        views: the masks.
        target: (3,) origin of the result in the reconstruction's frame.
        rotation: (3, 3) to our axes.
        hull: (2, 3) box that is not exceeded.
    """
    inner = np.quantile(points, [_STRAY_POINTS, 1.0 - _STRAY_POINTS], axis=0)
    inner = np.clip(inner, hull[0], hull[1])
    normals = np.concatenate([view.tangent_planes() @ rotation.T for view in views])
    origins = np.stack([rotation @ (view.c2w[:3, 3] - target) for view in views])
    focal = np.array([math.sqrt(view.lens[0] * view.lens[1]) for view in views])
    pixel = np.repeat(np.linalg.norm(origins, axis=1) / focal, 4)
    # a mask is certain to a pixel
    reach = np.einsum("ni,ni->n", normals, np.repeat(origins, 4, axis=0)) - pixel
    support = np.concatenate([np.minimum(normals, 0.0), np.maximum(normals, 0.0)], axis=1)
    missed = np.eye(len(normals))  # how far the box fails to reach a plane
    solution = linprog(
        np.concatenate([-np.ones(3), np.ones(3), np.full(len(normals), _MISSED_COST)]),
        A_ub=-np.concatenate([support, missed], axis=1),
        b_ub=-reach,
        bounds=[
            *zip(hull[0], inner[0], strict=True),
            *zip(inner[1], hull[1], strict=True),
            *[(0.0, None)] * len(normals),
        ],
    )
    return np.asarray(solution.x[:6]).reshape(2, 3)


def _middle_rays(views: list[_Silhouette]) -> Float[np.ndarray, "N 3"]:
    """Unit directions from the cameras through the middles of the masks' boxes."""
    rays = []
    for view in views:
        x, y = (np.mean(view.box, axis=0) - view.lens[2:]) / view.lens[:2]
        rays.append(view.c2w[:3, :3] @ [x, -y, -1.0])
    directions = np.array(rays)
    unit: Float[np.ndarray, "N 3"] = directions / np.linalg.norm(directions, axis=-1)[:, None]
    return unit


def _nearest_point(
    origins: Float[np.ndarray, "N 3"], directions: Float[np.ndarray, "N 3"]
) -> Float[np.ndarray, "3"]:
    """The point that all rays pass closest to, as seen from their cameras.

    Least squares of the angles, reweighted so that rays far off pull no harder than a typical one
    (Huber's weights, with the median for the scale).
    """
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    if np.linalg.eigvalsh(across.mean(axis=0))[0] < _LEAST_SPREAD:
        raise InputError(
            "all frames see the object from one side, so its place is undetermined",
            hint="a capture must go around the object, at least a part of the way",
        )
    weights = np.ones(len(origins))
    for _ in range(20):
        weighted = weights[:, None, None] * across
        point = np.linalg.solve(weighted.sum(axis=0), np.einsum("nij,nj->i", weighted, origins))
        away = point - origins
        distances = np.linalg.norm(away, axis=-1)
        angles = np.linalg.norm(np.einsum("nij,nj->ni", across, away), axis=-1) / distances
        typical = max(float(np.median(angles)), 1e-6)
        weights = np.minimum(1.0, typical / np.maximum(angles, 1e-12)) / distances**2
    if np.mean(np.sum(away * directions, axis=-1) > 0.0) < _FIRST_VOTE:
        raise InputError(
            "the cameras look away from the place where their views of the object meet",
            hint="the poses or the masks of the capture are wrong",
        )
    nearest: Float[np.ndarray, "3"] = point
    return nearest


def _upright_axes(
    c2w: Float[np.ndarray, "N 4 4"], towards_first: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3 3"]:
    """Rotation to our axes: rows are x, y, z; z is up and the first camera lies towards -y.

    A camera that is held level has a horizontal x axis however far it is tilted down: up is what
    these axes are most perpendicular to, even if the cameras went a part of the way round only.
    """
    sideways, upward = c2w[:, :3, 0], c2w[:, :3, 1].mean(axis=0)
    spread, axes = np.linalg.eigh(sideways.T @ sideways / len(sideways))
    if spread[1] > _LEAST_ROLL_SPREAD:
        up = axes[:, 0] * np.copysign(1.0, axes[:, 0] @ upward)
    else:  # nearly parallel: seen from one azimuth
        up = upward - axes[:, 2] * (axes[:, 2] @ upward)
        up /= np.linalg.norm(up)
    back = up * (up @ towards_first) - towards_first
    if np.linalg.norm(back) < 1e-3 * np.linalg.norm(towards_first):  # straight from above
        back = np.cross(up, c2w[0, :3, 0])
    back /= np.linalg.norm(back)
    return np.stack([np.cross(back, up), back, up])


def _radius(views: list[_Silhouette], target: Float[np.ndarray, "3"]) -> float:
    """Radius of a ball around the target that holds the object."""
    radii = []
    for view in views:
        (middle,), (depth,) = view.project(target[None])
        reach = np.abs(np.stack(view.box) - middle).max(axis=0)
        radii.append(np.hypot(*reach) * depth / math.sqrt(view.lens[0] * view.lens[1]))
    # a few wrong masks may reach anywhere
    return _REACH * float(np.quantile(radii, 0.9))


def _distance(mask: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Distance of each pixel to the nearest pixel of the mask, in pixels."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5))


def _voted(inside: Bool[np.ndarray, "N P"], share: float) -> Bool[np.ndarray, "P"]:
    """Points that lie inside a share of the masks."""
    hull: Bool[np.ndarray, "P"] = inside.sum(axis=0) >= max(share * len(inside), 1)
    if not hull.any():
        raise InputError(
            "the masks do not agree on one object",
            hint="the poses or the masks of the capture are wrong, or the object moved",
        )
    return hull
