"""The surface of a scene, and the color that a ray meets on it.

Color is texture * base color * vertex color in linear light (glTF 2.0, section 3.9), alone
(unlit, as the colors of a reconstruction are meant) or under simple lights. All parts of a scene
are joined, so that the hits of a view are shaded together whatever their material is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from lrm_core.geometry.mesh_geometry import area_normals, vertex_normals
from lrm_core.rendering.mesh_raycasting import Hits
from lrm_core.rendering.texture_sampling import MipmappedTextures, build_mipmaps
from lrm_core.structures.scene import Scene, Wrap

RGB = tuple[float, float, float]

# corners whose smoothed normal leans further than this from the face keep a hard edge
_CREASE_COSINE = float(np.cos(np.radians(45.0)))


@dataclass(frozen=True)
class Shading:
    """Light: color = albedo * (ambient + sum of colors * max(0, normal . direction)), linear.

    The default is unlit: the albedo itself.

    Attributes:
        ambient: linear RGB from everywhere.
        directions: towards each light, in the world frame, any length.
        colors: linear RGB of each light.
    """

    ambient: RGB = (1.0, 1.0, 1.0)
    directions: tuple[RGB, ...] = ()
    colors: tuple[RGB, ...] = ()

    def __post_init__(self) -> None:
        if len(self.directions) != len(self.colors):
            raise ValueError(f"{len(self.directions)} directions, {len(self.colors)} colors")


UNLIT = Shading()

# a key light from the front left, a softer fill from the right, a rim from behind
STUDIO_LIGHTS = Shading(
    ambient=(0.35, 0.35, 0.35),
    directions=((-1.0, -1.2, 1.4), (1.4, -0.8, 0.5), (0.2, 1.5, 0.9)),
    colors=((0.62, 0.60, 0.57), (0.24, 0.26, 0.29), (0.45, 0.45, 0.47)),
)


@dataclass(frozen=True)
class SceneSurface:
    """All P parts of a scene joined into V vertices and F faces.

    Attributes:
        vertices: (V, 3) float32, world frame.
        faces: (F, 3) indices into the vertices.
        parts: (F,) part of each face.
        normals: (F, 3) unit normals by winding, zero where a face has no area.
        corner_uv: (F, 3, 2) at the corners of each face, zero where a part has none.
        corner_colors: (F, 3, 4) linear RGBA there, or None where no part has any.
        texel_density: (F,) log2 of full-size texels per world unit.
        textures: textures of all parts.
        part_texture: (P,) texture of each part, -1 for none.
        base_color: (P, 4) linear RGBA.
        alpha_cutoff: (P,) alpha at and above which a part is solid: MASK's cutoff, minus infinity
            for OPAQUE, infinity for BLEND.
        blended: (P,) whether alpha below the cutoff mixes (BLEND) rather than cuts (MASK).
        double_sided: (P,) whether back faces are visible.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    parts: Int[np.ndarray, "F"]
    normals: Float[np.ndarray, "F 3"]
    corner_uv: Float[np.ndarray, "F 3 2"]
    corner_colors: Float[np.ndarray, "F 3 4"] | None
    texel_density: Float[np.ndarray, "F"]
    textures: MipmappedTextures | None
    part_texture: Int[np.ndarray, "P"]
    base_color: Float[np.ndarray, "P 4"]
    alpha_cutoff: Float[np.ndarray, "P"]
    blended: Bool[np.ndarray, "P"]
    double_sided: Bool[np.ndarray, "P"]

    @cached_property
    def is_opaque(self) -> bool:
        """Whether every hit ends its ray."""
        return bool(np.isneginf(self.alpha_cutoff).all() and self.double_sided.all())

    @cached_property
    def corner_normals(self) -> Float[np.ndarray, "F 3 3"]:
        """(F, 3, 3) normals at the corners of each face, smooth but across creases."""
        smooth = vertex_normals(self.vertices, self.faces)[self.faces]
        creased = np.einsum("fci,fi->fc", smooth, self.normals) < _CREASE_COSINE
        return np.where(creased[..., None], self.normals[:, None], smooth).astype(np.float32)


def build_surface(scene: Scene) -> SceneSurface:
    """Join the parts of a scene."""
    parts = scene.parts
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts)])
    vertices = np.concatenate([part.vertices for part in parts]).astype(np.float32)
    faces = np.concatenate(
        [part.faces.astype(np.int64) + offset for part, offset in zip(parts, offsets, strict=False)]
    )
    face_parts = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
    uv = np.concatenate(
        [np.zeros((len(p.vertices), 2), np.float32) if p.uv is None else p.uv for p in parts]
    )
    corner_uv = np.nan_to_num(uv.astype(np.float32), posinf=0.0, neginf=0.0)[faces]
    corner_colors = None
    if any(part.vertex_colors is not None for part in parts):
        vertex_colors = np.concatenate(
            [
                np.ones((len(p.vertices), 4)) if p.vertex_colors is None else p.vertex_colors
                for p in parts
            ]
        )
        corner_colors = vertex_colors.astype(np.float32)[faces]
    textures, part_texture = _join_textures(scene)
    crossed = area_normals(vertices[faces].astype(np.float64))
    materials = [part.material for part in parts]
    modes = np.array([material.alpha_mode for material in materials])
    cutoffs = np.array([material.alpha_cutoff for material in materials], dtype=np.float32)
    cutoffs[modes == "OPAQUE"], cutoffs[modes == "BLEND"] = -np.inf, np.inf
    return SceneSurface(
        vertices=vertices,
        faces=faces,
        parts=face_parts,
        normals=_unit(crossed),
        corner_uv=corner_uv,
        corner_colors=corner_colors,
        texel_density=_texel_density(crossed, corner_uv, textures, part_texture[face_parts]),
        textures=textures,
        part_texture=part_texture,
        base_color=np.array([m.base_color for m in materials], dtype=np.float32),
        alpha_cutoff=cutoffs,
        blended=modes == "BLEND",
        double_sided=np.array([m.double_sided for m in materials]),
    )


@dataclass(frozen=True)
class ShadedHits:
    """What R hits look like.

    Attributes:
        rgb: (R, 3) linear.
        alpha: (R,) in [0, 1]; 0 where a ray goes through (a hole, a culled back face).
    """

    rgb: Float[np.ndarray, "R 3"]
    alpha: Float[np.ndarray, "R"]


def shade(
    surface: SceneSurface,
    hits: Hits,
    directions: Float[np.ndarray, "R 3"],
    pixel_widths: Float[np.ndarray, "R"],
    shading: Shading,
) -> ShadedHits:
    """Color and opacity of hits.

    Args:
        surface: what was hit.
        hits: R hits, all on a face.
        directions: (R, 3) of the rays, one unit long along the viewing axis.
        pixel_widths: (R,) width of a pixel (or of a part of one) at the depth of the hit.
        shading: the light.
    """
    parts, weights = surface.parts[hits.faces], hits.weights
    facing = _dot(surface.normals.take(hits.faces, axis=0), directions)
    back = facing > 0.0

    rgba = surface.base_color.take(parts, axis=0)
    if surface.corner_colors is not None:
        rgba *= _interpolate(surface.corner_colors.take(hits.faces, axis=0), weights)
    if surface.textures is not None:
        textured = np.flatnonzero(surface.part_texture[parts] >= 0)
        faces = hits.faces[textured]
        # a slanted surface shows more of itself in a pixel: its area there is width^2 / slant
        slant = np.maximum(np.abs(facing[textured]), 1e-2)
        widths = pixel_widths[textured] / np.sqrt(slant)
        rgba[textured] *= surface.textures.sample(
            surface.part_texture[parts[textured]],
            _interpolate(surface.corner_uv.take(faces, axis=0), weights.take(textured, axis=0)),
            surface.texel_density[faces] + np.log2(widths),
        )

    alpha = rgba[:, 3].copy()
    solid = alpha >= surface.alpha_cutoff[parts]
    alpha[solid] = 1.0
    alpha[~solid & ~surface.blended[parts]] = 0.0
    alpha[back & ~surface.double_sided[parts]] = 0.0
    rgb = rgba[:, :3]
    if shading != UNLIT:
        smooth = _unit(_interpolate(surface.corner_normals[hits.faces], weights))
        rgb = rgb * _light(np.where(back[:, None], -smooth, smooth), shading)
    return ShadedHits(rgb, alpha)


def normals_towards(
    surface: SceneSurface, faces: Int[np.ndarray, "R"], directions: Float[np.ndarray, "R 3"]
) -> Float[np.ndarray, "R 3"]:
    """(R, 3) unit normals of faces, turned towards the viewer.

    Args:
        surface: what was hit.
        faces: (R,) its faces.
        directions: (R, 3) of the rays that hit them.
    """
    normals = surface.normals.take(faces, axis=0)
    return np.where(_dot(normals, directions)[:, None] > 0.0, -normals, normals)


def _light(normals: Float[np.ndarray, "R 3"], shading: Shading) -> Float[np.ndarray, "R 3"]:
    """Linear RGB of the light that falls on a surface."""
    light = np.full(normals.shape, shading.ambient, dtype=np.float32)
    for direction, color in zip(shading.directions, shading.colors, strict=True):
        towards = _unit(np.array([direction], dtype=np.float32))[0]
        light += np.maximum(normals @ towards, 0.0)[:, None] * np.array(color, dtype=np.float32)
    return light


def _dot(a: Float[np.ndarray, "R 3"], b: Float[np.ndarray, "R 3"]) -> Float[np.ndarray, "R"]:
    product: Float[np.ndarray, "R"] = a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]
    return product


def _interpolate(
    corner_values: Float[np.ndarray, "R 3 C"], weights: Float[np.ndarray, "R 3"]
) -> Float[np.ndarray, "R C"]:
    interpolated: Float[np.ndarray, "R C"] = np.einsum("rkc,rk->rc", corner_values, weights)
    return interpolated


def _unit(vectors: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    """Vectors of length one; the zero vector stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths > 0.0, lengths, 1.0)).astype(np.float32)


def _join_textures(scene: Scene) -> tuple[MipmappedTextures | None, Int[np.ndarray, "P"]]:
    """Mipmaps of all textures, each once, and the texture of each part.

    OPAQUE ignores alpha (glTF 2.0, section 3.9.4), so its textures get none.
    """
    images: list[UInt8[np.ndarray, "_ _ 4"]] = []
    wraps: list[tuple[Wrap, Wrap]] = []
    index_of: dict[tuple[int, bool, tuple[Wrap, Wrap]], int] = {}
    part_texture = []
    for part in scene.parts:
        texture = part.material.texture
        if texture is None or part.uv is None:
            part_texture.append(-1)
            continue
        opaque = part.material.alpha_mode == "OPAQUE"
        key = (id(texture), opaque, part.material.wrap)
        if key not in index_of:
            index_of[key] = len(images)
            if opaque and texture[..., 3].min() < 255:
                texture = texture.copy()
                texture[..., 3] = 255
            images.append(texture)
            wraps.append(part.material.wrap)
        part_texture.append(index_of[key])
    return build_mipmaps(images, wraps) if images else None, np.array(part_texture, dtype=np.int64)


def _texel_density(
    crossed: Float[np.ndarray, "F 3"],
    corner_uv: Float[np.ndarray, "F 3 2"],
    textures: MipmappedTextures | None,
    face_texture: Int[np.ndarray, "F"],
) -> Float[np.ndarray, "F"]:
    """log2 of full-size texels per world unit on each face; 0 where there is no texture."""
    if textures is None:
        return np.zeros(len(crossed), dtype=np.float32)
    level = textures.first_level[face_texture]
    u, v = (corner_uv[:, 1:] - corner_uv[:, :1]).astype(np.float64).transpose(2, 1, 0)
    texels = np.abs(u[0] * v[1] - u[1] * v[0]) * textures.widths[level] * textures.heights[level]
    world = np.linalg.norm(crossed, axis=-1)
    density = 0.5 * np.log2(np.maximum(texels, 1e-12) / np.maximum(world, 1e-12))
    return np.where(face_texture < 0, 0.0, density).astype(np.float32)
