"""From painted pieces to one closed, textured object.

Pieces are joined and cut by constructive geometry (manifold3d), which carries rest positions and
the piece that each triangle came from through every cut. The surface that remains is painted
once: every texel of one atlas gets the color of its paint at its own rest position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lrm_core.errors import InputError
from lrm_core.geometry.mesh_geometry import area_normals, weld
from lrm_core.modeling import Real
from lrm_core.modeling.atlas import build_atlas, paint_atlas
from lrm_core.modeling.paints import Paint, weathered
from lrm_core.modeling.shapes import Shape
from lrm_core.optional import require
from lrm_core.structures.scene import Material, Scene, ScenePart


@dataclass(frozen=True)
class Piece:
    """A painted shape of an object under construction.

    Attributes:
        shape: where and what it is.
        paint: its colors, as a function of rest positions.
        cut: whether it is taken away from the pieces before it instead of added.
    """

    shape: Shape
    paint: Paint
    cut: bool = False


@dataclass(frozen=True)
class Surface:
    """The joined surface of pieces.

    Attributes:
        vertices: (V, 3).
        rest: (V, 3) rest positions; a vertex on a seam between pieces appears once per piece.
        faces: (F, 3).
        piece: (F,) which piece a triangle belongs to.
    """

    vertices: Float[np.ndarray, "V 3"]
    rest: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    piece: Int[np.ndarray, " F"]


def turned(pieces: Sequence[Piece], axis: str, degrees: Real) -> list[Piece]:
    """The pieces turned about a world axis through the origin."""
    return [replace(piece, shape=piece.shape.rotated(axis, degrees)) for piece in pieces]


def placed(
    pieces: Sequence[Piece], x: Real = 0.0, y: Real = 0.0, z: Real = 0.0, *, yaw: Real = 0.0
) -> list[Piece]:
    """The pieces turned about z (degrees), then moved."""
    return [replace(piece, shape=piece.shape.rotated("z", yaw).moved(x, y, z)) for piece in pieces]


def mirrored(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces and their reflections in x."""
    return [*pieces, *(replace(piece, shape=piece.shape.mirrored()) for piece in pieces)]


def join(pieces: Sequence[Piece]) -> Surface:
    """Union of pieces, in their order, minus those that cut: its largest connected solid.

    Raises:
        InputError: nothing is left.
        MissingDependencyError: manifold3d is not installed.
    """
    manifold3d: Any = require("manifold3d", extra="data", purpose="procedural objects")
    first_id = manifold3d.Manifold.reserve_ids(len(pieces))
    whole = manifold3d.Manifold()
    pending: list[Any] = []
    for index, piece in enumerate(pieces):
        shape = piece.shape
        mesh = manifold3d.Mesh64(
            vert_properties=np.concatenate([shape.vertices, shape.rest], axis=1),
            tri_verts=np.ascontiguousarray(shape.faces).astype(np.uint64),
            run_index=np.array([0, shape.faces.size], dtype=np.uint64),
            run_original_id=np.array([first_id + index], dtype=np.uint32),
        )
        solid = manifold3d.Manifold(mesh)
        if piece.cut:
            whole = manifold3d.Manifold.batch_boolean([whole, *pending], manifold3d.OpType.Add)
            whole, pending = whole - solid, []
        else:
            pending.append(solid)
    whole = manifold3d.Manifold.batch_boolean([whole, *pending], manifold3d.OpType.Add)
    if whole.is_empty():
        raise InputError("the pieces leave no solid: every one was empty or cut away")
    # crumbs that float, and cavities that nobody sees, are components of their own
    whole = max(whole.decompose(), key=lambda component: component.volume())
    extent = np.ptp(np.asarray(whole.bounding_box()).reshape(2, 3), axis=0).max()
    whole = whole.simplify(1e-4 * float(extent))
    mesh = whole.to_mesh64()
    properties = np.asarray(mesh.vert_properties)
    faces = np.asarray(mesh.tri_verts).astype(np.int64)
    runs = np.asarray(mesh.run_index).astype(np.int64) // 3
    owner = np.asarray(mesh.run_original_id).astype(np.int64) - first_id
    piece_of_face = np.repeat(owner, np.diff(runs))
    return Surface(properties[:, :3], properties[:, 3:6], faces, piece_of_face)


def normalized(surface: Surface, rotation: Float[np.ndarray, "3 3"]) -> Surface:
    """The surface turned, centered at the origin and scaled to a longest side of 2, in float32.

    Triangles that collapse to a line in float32 are dropped; the surface stays closed without them.
    """
    vertices = surface.vertices @ rotation.T
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices = ((vertices - (low + high) / 2) * (2.0 / (high - low).max())).astype(np.float32)
    _, welded = weld(vertices)
    a, b, c = welded[surface.faces].T
    kept = (a != b) & (b != c) & (c != a)
    return Surface(vertices, surface.rest, surface.faces[kept], surface.piece[kept])


def bake(surface: Surface, paints: Sequence[Paint], texels: int) -> Scene:
    """Paints a surface into one texture.

    Args:
        surface: normalized.
        paints: one per piece.
        texels: approximate number of texels.
    """
    corners = surface.rest[surface.faces]
    normals = area_normals(corners)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)

    def color(face: np.ndarray, weights: np.ndarray) -> np.ndarray:
        points = np.einsum("pk,pkd->pd", weights, corners[face])
        piece = surface.piece[face]
        colors = np.empty(points.shape)
        for index in np.unique(piece):
            chosen = np.flatnonzero(piece == index)
            colors[chosen] = paints[index](points[chosen], normals[face[chosen]])
        return colors

    atlas = build_atlas(surface.vertices, surface.faces, surface.piece, texels=texels)
    part = ScenePart(
        vertices=surface.vertices[atlas.vertex],
        faces=atlas.faces,
        material=Material(texture=paint_atlas(atlas, color)),
        uv=atlas.uv.astype(np.float32),
    )
    return Scene((part,))


def worn(rng: np.random.Generator, pieces: Sequence[Piece], amount: Real) -> list[Piece]:
    """The pieces with their paints weathered, each paint once."""
    paints = {
        paint: weathered(rng, paint, amount) for paint in dict.fromkeys(p.paint for p in pieces)
    }
    return [replace(piece, paint=paints[piece.paint]) for piece in pieces]


def assemble(pieces: Sequence[Piece], rotation: Float[np.ndarray, "3 3"], texels: int) -> Scene:
    """Pieces to one textured solid: joined, turned, normalized and baked.

    Raises:
        InputError: nothing is left of the pieces.
        MissingDependencyError: manifold3d is not installed.
    """
    surface = normalized(join(pieces), rotation)
    return bake(surface, [piece.paint for piece in pieces], texels)
