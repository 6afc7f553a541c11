"""How an object stands: turned upright for a camera that looked down on it, and on its flat side.

A reconstruction lies in the frame of its photo's camera, which counts as level. If the camera was
raised by an angle, the object lies tipped towards it by that angle; turned back it is upright.
Where the angle is not known, the side it stands on says as much: of the facets of its convex hull
on which it would rest without falling over, the one that faces the floor best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import ConvexHull, QhullError

from lrm_core.structures.cameras import Cameras
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.rotations import least_rotation

MOST_TILT_DEGREES = 50.0
"""Of a side that the object is taken to stand on, against the floor, before it is turned: photos
from higher up show the object from above, and a side that is steeper is another side."""

_UP = np.array([0.0, 0.0, 1.0])

# facets of the hull whose normals differ by less are one flat side
_SAME_PLANE = 1e-3


@dataclass(frozen=True, eq=False)
class Standing:
    """The rigid motion p -> rotation @ p + shift.

    Attributes:
        rotation: (3, 3).
        shift: (3,).
        found_side: whether a side to stand on was found.
    """

    rotation: Float[np.ndarray, "3 3"]
    shift: Float[np.ndarray, "3"]
    found_side: bool = False

    @property
    def turned_degrees(self) -> float:
        """Angle of the rotation."""
        return math.degrees(math.acos(np.clip((np.trace(self.rotation) - 1.0) / 2.0, -1.0, 1.0)))

    def move_mesh(self, mesh: Mesh) -> Mesh:
        """The mesh, moved; colors and texture stay on it."""
        moved = mesh.vertices.astype(np.float64) @ self.rotation.T + self.shift
        return replace(mesh, vertices=moved.astype(mesh.vertices.dtype))

    def move_cameras(self, cameras: Cameras) -> Cameras:
        """Cameras, moved along: they see of the moved object what they saw before."""
        motion = torch.eye(4, dtype=torch.float64)
        motion[:3, :3] = torch.from_numpy(self.rotation)
        motion[:3, 3] = torch.from_numpy(self.shift)
        c2w = motion @ cameras.c2w.double().cpu()
        return replace(cameras, c2w=c2w.to(cameras.c2w))


def stand(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    *,
    up: Float[np.ndarray, "3"],
    ground: bool = False,
) -> Standing:
    """How a mesh must be moved to stand.

    Args:
        vertices: (V, 3) in the world frame.
        faces: (F, 3).
        up: unit vector that is to point up, see `up_seen_from`.
        ground: turn the mesh onto the flat side that it stands on, and shift it so that its lowest
            point has z = 0.
    """
    rotation = least_rotation(up, _UP)
    if not ground:
        return Standing(rotation, np.zeros(3))
    turned = vertices.astype(np.float64) @ rotation.T
    down = _side_below(turned, faces)
    if down is not None:
        tip = least_rotation(down, -_UP)
        rotation, turned = tip @ rotation, turned @ tip.T
    return Standing(rotation, np.array([0.0, 0.0, -turned[:, 2].min()]), down is not None)


def up_seen_from(elevation: float) -> Float[np.ndarray, "3"]:
    """The object's vertical in the frame of a camera that counts as level: tipped towards it.

    Args:
        elevation: degrees of the camera, at -y, above the object's horizon.
    """
    angle = math.radians(elevation)
    return np.array([0.0, -math.sin(angle), math.cos(angle)])


def _side_below(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "3"] | None:
    """Outward normal of the resting side that faces downward best; None where none is near."""
    try:
        hull = ConvexHull(vertices)
    except QhullError:  # flat, or a point
        return None
    center = _center_of_mass(vertices, faces)
    normals, offsets = hull.equations[:, :3], hull.equations[:, 3]
    near = np.flatnonzero(-normals[:, 2] >= math.cos(math.radians(MOST_TILT_DEGREES)))
    for facet in near[np.argsort(normals[near, 2])]:
        normal = normals[facet]
        side = normals @ normal > 1.0 - _SAME_PLANE**2
        foot = center - (center @ normal + offsets[facet]) * normal
        if _holds(hull.points[hull.simplices[side]], normal, foot).any():
            return np.asarray(normal)
    return None


def _holds(
    corners: Float[np.ndarray, "T 3 3"], normal: Float[np.ndarray, "3"], point: np.ndarray
) -> Bool[np.ndarray, "T"]:
    """Which triangles hold a point of their plane, whichever way round their corners run."""
    to_corner = corners - point
    following = np.roll(to_corner, -1, axis=1)
    areas = np.einsum("tkc,c->tk", np.cross(to_corner, following), normal)
    held: Bool[np.ndarray, "T"] = (areas >= -1e-12).all(axis=1) | (areas <= 1e-12).all(axis=1)
    return held


def _center_of_mass(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "3"]:
    """Of the solid within a closed surface: its tetrahedra with the vertices' mean."""
    middle = vertices.mean(axis=0)
    a, b, c = (vertices[faces] - middle).swapaxes(0, 1)
    volumes = np.einsum("fc,fc->f", a, np.cross(b, c))
    total = volumes.sum()
    if not total > 0.0:  # open, or inside out
        return np.asarray(middle)
    return np.asarray(middle + ((a + b + c) * volumes[:, None]).sum(axis=0) / (4.0 * total))
