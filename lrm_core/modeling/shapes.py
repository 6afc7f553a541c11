"""Closed primitive shapes: boxes, ellipsoids, lathes, tubes, extrusions, blends of round limbs.

Every shape is a watertight, outward-facing triangle mesh. It remembers where each vertex lay when
the shape was made (`rest`): paints are functions of rest positions, so that colors stick to a
surface however it is moved or bent afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from skimage.measure import marching_cubes

from lrm_core.modeling import Numbers, Points, Real
from lrm_core.optional import require

_AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True)
class Shape:
    """A closed triangle mesh and its undeformed twin.

    Attributes:
        vertices: (V, 3) in the frame of the object.
        faces: (F, 3), counter-clockwise seen from outside.
        rest: (V, 3) where the vertices lay when the shape was made.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    rest: Float[np.ndarray, "V 3"]

    def moved(self, x: Real = 0.0, y: Real = 0.0, z: Real = 0.0) -> Shape:
        """Translated."""
        return replace(self, vertices=self.vertices + np.array([x, y, z]))

    def rotated(self, axis: str, degrees: Real) -> Shape:
        """Turned about a world axis through the origin, counter-clockwise."""
        i, j = (_AXES[axis] + 1) % 3, (_AXES[axis] + 2) % 3
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        vertices = self.vertices.copy()
        vertices[:, i] = cos * self.vertices[:, i] - sin * self.vertices[:, j]
        vertices[:, j] = sin * self.vertices[:, i] + cos * self.vertices[:, j]
        return replace(self, vertices=vertices)

    def turned(self, rotation: Float[np.ndarray, "3 3"]) -> Shape:
        """Every vertex v replaced by rotation @ v."""
        return replace(self, vertices=self.vertices @ rotation.T)

    def scaled(self, factor: Real | Numbers) -> Shape:
        """Scaled about the origin, evenly or by a factor per axis."""
        return replace(self, vertices=self.vertices * factor)

    def mirrored(self) -> Shape:
        """Reflected in x."""
        return replace(self, vertices=self.vertices * [-1.0, 1.0, 1.0], faces=self.faces[:, ::-1])

    def warped(self, deformation: Callable[[np.ndarray], np.ndarray]) -> Shape:
        """Every vertex passed through `deformation` ((V, 3) -> (V, 3)); rest stays."""
        return replace(self, vertices=deformation(self.vertices))

    def settled(self) -> Shape:
        """The same with its present vertices as rest positions: paints follow where it stands."""
        return replace(self, rest=self.vertices)


def make_shape(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Shape:
    """A shape at rest, its faces turned outwards."""
    corners = vertices[faces]
    volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    outward = faces if volume > 0 else faces[:, ::-1]
    return Shape(vertices.astype(np.float64), outward.astype(np.int64), vertices.astype(np.float64))


@lru_cache(maxsize=16)
def _cube_grid(divisions: int) -> tuple[np.ndarray, np.ndarray]:
    """Surface of [-1, 1]^3 as a grid: (V, 3) vertices shared between sides, (F, 3) faces."""
    steps = np.arange(divisions + 1)
    a, b = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    corner = (steps[:-1, None] * (divisions + 1) + steps[None, :-1]).ravel()
    quads = np.stack([corner, corner + divisions + 1, corner + divisions + 2, corner + 1], axis=-1)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    points: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    for axis in range(3):
        for side in (0, divisions):
            lattice = np.empty((len(a), 3), dtype=np.int64)
            lattice[:, axis] = side
            lattice[:, (axis + 1) % 3], lattice[:, (axis + 2) % 3] = a, b
            faces.append((triangles if side else triangles[:, ::-1]) + len(a) * len(points))
            points.append(lattice)
    unique, inverse = np.unique(np.concatenate(points), axis=0, return_inverse=True)
    return unique * (2.0 / divisions) - 1.0, inverse.reshape(-1)[np.concatenate(faces)]


def box(size: Numbers, rounding: Real = 0.0, divisions: int = 1) -> Shape:
    """A box about the origin.

    Args:
        size: full extents along x, y, z.
        rounding: radius of rounded edges; at most half the smallest extent.
        divisions: cells per side; rounding needs at least 6 to look round.
    """
    half = np.asarray(size, dtype=np.float64) / 2
    radius = min(rounding, float(half.min()) * 0.999)
    cells = max(divisions, 8) if radius > 0 else divisions
    grid, faces = _cube_grid(cells)
    if radius <= 0:
        return make_shape(grid * half, faces)
    # two cells of every side go to the rounding, the others to the flat middle
    edge = 1.0 - 4.0 / cells
    inner = np.clip(grid / edge, -1.0, 1.0) * (half - radius)
    outwards = np.sign(grid) * np.maximum(np.abs(grid) - edge, 0.0) / (1.0 - edge)
    outwards = np.tan(outwards * np.pi / 4)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    return make_shape(inner + radius * outwards, faces)


def ellipsoid(radii: Numbers, exponent: Real = 2.0, divisions: int = 14) -> Shape:
    """A superellipsoid about the origin: 2 is round, 4 a pillow-like box, 1.2 a rounded diamond."""
    grid, faces = _cube_grid(divisions)
    directions = np.tan(grid * (np.pi / 4))
    norm = (np.abs(directions) ** exponent).sum(axis=1, keepdims=True) ** (1.0 / exponent)
    return make_shape(directions / norm * np.asarray(radii, dtype=np.float64), faces)


def loft(rings: Float[np.ndarray, "K N 3"], *, closed: bool = False) -> Shape:
    """Skin over K rings of N points.

    Args:
        rings: rows of points, all running around in the same sense.
        closed: joins the last ring to the first (a torus); otherwise both ends are capped by a
            fan around their mean, which asks for star-shaped end rings.
    """
    num_rings, num_points, _ = rings.shape
    vertices = rings.reshape(-1, 3)
    first = np.arange(num_rings if closed else num_rings - 1)[:, None] * num_points
    second = (first + num_points) % len(vertices)
    i, j = np.arange(num_points), (np.arange(num_points) + 1) % num_points
    a, b, c, d = first + i, first + j, second + j, second + i
    sides = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    if not closed:
        low, high = len(vertices), len(vertices) + 1
        last = (num_rings - 1) * num_points
        sides.append(np.stack([j, i, np.full(num_points, low)], axis=-1))
        sides.append(np.stack([last + i, last + j, np.full(num_points, high)], axis=-1))
        vertices = np.concatenate([vertices, rings[0].mean(0)[None], rings[-1].mean(0)[None]])
    return make_shape(vertices, np.concatenate(sides))


def ring(segments: int, exponent: Real = 2.0) -> Float[np.ndarray, "N 2"]:
    """(N, 2) unit superellipse: 2 a circle, 4 a rounded square."""
    angle = np.linspace(0.0, 2 * np.pi, segments, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    norm = (np.abs(circle) ** exponent).sum(axis=1, keepdims=True) ** (1.0 / exponent)
    unit: np.ndarray = circle / norm
    return unit


def curve(points: Points, samples: int) -> Float[np.ndarray, "K D"]:
    """A smooth (Catmull-Rom) curve through points, as `samples` points."""
    knots = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    position = np.linspace(0.0, len(knots) - 1, samples)
    index = np.minimum(position.astype(int), len(knots) - 2)
    t = (position - index)[:, None]
    p0, p1, p2, p3 = (padded[index + k] for k in range(4))
    result: np.ndarray = 0.5 * (
        2 * p1
        + (p2 - p0) * t
        + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return result


def star(points: int, outer: Real, inner: Real, start: Real = 0.0) -> Float[np.ndarray, "N 2"]:
    """(2 * points, 2) corners of a star; the first is an outer one at angle `start` (radians)."""
    angles = np.arange(2 * points) * np.pi / points + start
    radii = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    corners: np.ndarray = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
    return corners


def lathe(profile: Points, segments: int = 40, exponent: Real = 2.0, *, samples: int = 0) -> Shape:
    """A turned body about the z axis.

    Args:
        profile: (K, 2) rows (radius, z) of the outline, radius > 0; both ends are capped at the
            axis. A cup runs up outside, over the rim and down inside.
        segments: points around the axis.
        exponent: superellipse exponent of the cross-section; 2 is round.
        samples: points of a smooth curve through the rows; 0 keeps the rows.
    """
    outline = curve(profile, samples) if samples else np.asarray(profile, dtype=np.float64)
    around = ring(segments, exponent)
    rings = np.empty((len(outline), segments, 3))
    rings[..., :2] = outline[:, None, :1] * around
    rings[..., 2] = outline[:, 1:]
    return loft(rings)


def tube(
    path: Points,
    radius: Real | Float[np.ndarray, " K"],
    *,
    sides: int = 12,
    closed: bool = False,
    exponent: Real = 2.0,
    flatness: Real = 1.0,
    samples: int = 0,
) -> Shape:
    """A round bar along a path, without twist.

    Args:
        path: (K, 3) centers.
        radius: one for all, or one per center.
        sides: points around.
        closed: joins the ends.
        exponent: superellipse exponent of the cross-section.
        flatness: thickness of the cross-section's second direction, relative to the first.
        samples: centers on a smooth curve through the path; 0 keeps the path.
    """
    centers = curve(path, samples) if samples else np.asarray(path, dtype=np.float64)
    if closed:
        tangents = np.roll(centers, -1, axis=0) - np.roll(centers, 1, axis=0)
    else:
        tangents = np.gradient(centers, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    normal = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    frames = np.empty((len(centers), 2, 3))
    for k, tangent in enumerate(tangents):
        normal = normal - tangent * (normal @ tangent)
        normal /= np.linalg.norm(normal)
        frames[k] = normal, np.cross(tangent, normal) * flatness
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(centers),))
    around = ring(sides, exponent)
    offsets = np.einsum("nc,kcd->knd", around, frames) * radii[:, None, None]
    return loft(centers[:, None] + offsets, closed=closed)


def torus(radius: Real, thickness: Real, segments: int = 36, sides: int = 12) -> Shape:
    """A ring about the z axis; `thickness` is the radius of its bar."""
    path = np.concatenate([radius * ring(segments), np.zeros((segments, 1))], axis=1)
    return tube(path, thickness, sides=sides, closed=True)


def extrude(outline: Points, depth: Real, divisions: int = 0) -> Shape:
    """A plate whose front view (x, z) is a simple polygon, from y = -depth/2 to depth/2.

    Args:
        outline: (K, 2) corners, counter-clockwise or clockwise, concave or convex.
        depth: thickness.
        divisions: extra cuts through the depth, for bending.
    """
    manifold3d = require("manifold3d", extra="data", purpose="procedural objects")
    corners = np.asarray(outline, dtype=np.float64)
    section = manifold3d.CrossSection([corners], manifold3d.FillRule.NonZero)
    mesh = section.extrude(depth, divisions).to_mesh64()
    x, z, y = np.asarray(mesh.vert_properties)[:, :3].T
    vertices = np.stack([x, depth / 2 - y, z], axis=-1)
    return make_shape(vertices, np.asarray(mesh.tri_verts).astype(np.int64))


@dataclass(frozen=True)
class Limb:
    """A round cone from `start` to `end`, one member of a blend.

    Attributes:
        start: center of the first ball.
        end: center of the second ball; equal to `start` for a single ball.
        radii: radius at each end.
        stretch: factors along x, y, z that make balls into ellipsoids (about the middle).
    """

    start: tuple[Real, Real, Real]
    end: tuple[Real, Real, Real]
    radii: tuple[Real, Real]
    stretch: tuple[Real, Real, Real] = (1.0, 1.0, 1.0)

    def mirrored(self) -> Limb:
        """Reflected in x."""
        return replace(
            self, start=(-self.start[0], *self.start[1:]), end=(-self.end[0], *self.end[1:])
        )

    def distance(self, points: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, " P"]:
        """Approximate signed distance of points, negative inside."""
        start, end = np.asarray(self.start), np.asarray(self.end)
        stretch = np.asarray(self.stretch)
        middle = (start + end) / 2
        local = (points - middle) / stretch
        axis = (end - start) / stretch
        length = float(axis @ axis)
        along = np.clip((local @ axis) / length + 0.5, 0.0, 1.0) if length > 1e-12 else 0.5
        offset = local - (np.asarray(along)[..., None] - 0.5) * axis
        radius = self.radii[0] + np.asarray(along) * (self.radii[1] - self.radii[0])
        distance: np.ndarray = (np.sqrt((offset**2).sum(-1)) - radius) * float(stretch.min())
        return distance


def blend(limbs: Sequence[Limb], smoothness: Real, resolution: int = 44) -> Shape:
    """One smooth skin over limbs (a smooth minimum of their distances, by marching cubes).

    Args:
        limbs: members; each overlaps another.
        smoothness: width of the fillets between members, in world units.
        resolution: cells along the longest side.
    """
    reach = [max(limb.radii) * np.asarray(limb.stretch) for limb in limbs]
    ends = [(np.minimum(k.start, k.end), np.maximum(k.start, k.end)) for k in limbs]
    low = np.min([e[0] - r for e, r in zip(ends, reach, strict=True)], axis=0)
    high = np.max([e[1] + r for e, r in zip(ends, reach, strict=True)], axis=0)
    cell = float((high - low).max()) / resolution
    low, high = low - smoothness / 2 - 2 * cell, high + smoothness / 2 + 2 * cell
    axes = [np.arange(a, b + cell, cell) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32)
    distances = [limb.distance(grid.reshape(-1, 3)) for limb in limbs]
    field = smooth_minimum(np.stack(distances), smoothness).reshape(grid.shape[:3])
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        field, 0.0, spacing=(cell,) * 3
    )
    return make_shape(vertices + low, faces)


def smooth_minimum(values: Float[np.ndarray, "K P"], smoothness: Real) -> Float[np.ndarray, " P"]:
    """(P,) minimum over K rows, rounded off where rows come closer than `smoothness`."""
    low: np.ndarray = values.min(axis=0)
    scale = max(smoothness, 1e-6) / 4
    soft: np.ndarray = low - scale * np.log(np.exp((low - values) / scale).sum(axis=0))
    return soft
