"""How an object stands: turned upright for a camera that looked down on it, and on its flat side.

A reconstruction lies in the frame of its photo's camera, which counts as level. If the camera was
raised by an angle, the object lies tipped towards it by that angle; turned back it is upright.
Where the angle is not known, the side it stands on says as much: of the facets of its convex hull
on which it would rest without falling over, a large one that faces the floor of a typical photo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from lrm_core.geometry.mesh_geometry import area_normals
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.rotations import least_rotation

TYPICAL_ELEVATION = 15.0
"""Degrees from which objects on a table are photographed, where nobody says."""

MOST_TILT_DEGREES = 35.0
"""Of the side that the object stands on against the floor of that camera."""
MOST_TILT_OF_KNOWN_DEGREES = 15.0
"""The same where it is known what is up: what is steeper is another side."""

# A side may be so many degrees steeper for the whole area of the hull that it has more, counted up
# to this angle about it: reconstructed sides are not quite flat.
_DEGREES_FOR_AREA = 60.0
_FLAT_WITHIN_DEGREES = 8.0

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
    up: Float[np.ndarray, "3"] | None = None,
    ground: bool = False,
) -> Standing:
    """How a mesh must be moved to stand.

    Args:
        vertices: (V, 3) in the world frame, seen by a camera at -y.
        faces: (F, 3).
        up: unit vector that is to point up, see `up_seen_from`; None where nobody knows.
        ground: turn the mesh onto the flat side that it stands on, and shift it so that its lowest
            point has z = 0.
    """
    upward = _UP if up is None else up
    if not ground:
        return Standing(least_rotation(upward, _UP), np.zeros(3))
    if up is None:
        expected, most_tilt = up_seen_from(TYPICAL_ELEVATION), MOST_TILT_DEGREES
    else:
        expected, most_tilt = up, MOST_TILT_OF_KNOWN_DEGREES
    points = vertices.astype(np.float64)
    side = _resting_side(points, faces, -expected, most_tilt)
    rotation = least_rotation(upward if side is None else -side, _UP)
    lowest = float((points @ rotation[2]).min())
    return Standing(rotation, np.array([0.0, 0.0, -lowest]), side is not None)


def up_seen_from(elevation: float) -> Float[np.ndarray, "3"]:
    """The object's vertical in the frame of a camera that counts as level: tipped towards it.

    Args:
        elevation: degrees of the camera, at -y, above the object's horizon.
    """
    angle = math.radians(elevation)
    return np.array([0.0, -math.sin(angle), math.cos(angle)])


def _resting_side(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    down: Float[np.ndarray, "3"],
    most_tilt: float,
) -> Float[np.ndarray, "3"] | None:
    """Outward normal of the best side to stand on; None where none is near `down`.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        down: unit vector that the side should face.
        most_tilt: degrees that it may be off.
    """
    from scipy.spatial import ConvexHull, QhullError  # slow to import, and most ask for no ground

    try:
        hull = ConvexHull(vertices)
    except QhullError:  # flat, or a point
        return None
    center = _center_of_mass(vertices, faces)
    normals = hull.equations[:, :3]
    corners = hull.points[hull.simplices]
    shares = np.linalg.norm(area_normals(corners), axis=1) / 2.0 / hull.area
    tilts = np.degrees(np.arccos(np.clip(normals @ down, -1.0, 1.0)))
    best: tuple[float, int] | None = None
    for facet in np.flatnonzero(tilts <= most_tilt):
        alike = normals @ normals[facet]
        if not _is_above(center, corners[alike > 1.0 - _SAME_PLANE**2], normals[facet]).any():
            continue
        flat = shares[alike > math.cos(math.radians(_FLAT_WITHIN_DEGREES))].sum()
        cost = float(tilts[facet] - _DEGREES_FOR_AREA * flat)
        if best is None or cost < best[0]:
            best = cost, int(facet)
    return None if best is None else np.asarray(normals[best[1]])


def _is_above(
    point: Float[np.ndarray, "3"], corners: Float[np.ndarray, "T 3 3"], normal: np.ndarray
) -> Bool[np.ndarray, "T"]:
    """Which triangles of one plane a point lies above, whichever way round their corners run."""
    to_corner = corners - point
    following = np.roll(to_corner, -1, axis=1)
    areas = np.einsum("tkc,c->tk", np.cross(to_corner, following), normal)
    above: Bool[np.ndarray, "T"] = (areas >= -1e-12).all(axis=1) | (areas <= 1e-12).all(axis=1)
    return above


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
