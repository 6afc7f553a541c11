"""Meshes as files hold them: several parts, each with a material of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

Wrap = Literal["REPEAT", "MIRROR", "CLAMP"]


@dataclass(frozen=True)
class Material:
    """How one part is colored (glTF 2.0, section 3.9).

    Final color = texture (sRGB decoded to linear) * base_color * vertex color (linear).

    Attributes:
        base_color: linear RGBA factor in [0, 1].
        texture: (H, W, 4) sRGB texels with straight alpha, row 0 at the top, or None.
        alpha_mode: OPAQUE ignores alpha, MASK cuts at `alpha_cutoff`, BLEND mixes.
        alpha_cutoff: threshold of MASK.
        double_sided: whether back faces are visible too.
        wrap: what lies outside of the texture, along u and along v.
    """

    base_color: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    texture: UInt8[np.ndarray, "H W 4"] | None = None
    alpha_mode: Literal["OPAQUE", "MASK", "BLEND"] = "OPAQUE"
    alpha_cutoff: float = 0.5
    double_sided: bool = True
    wrap: tuple[Wrap, Wrap] = ("REPEAT", "REPEAT")


@dataclass(frozen=True)
class ScenePart:
    """Triangles that share one material, in the world frame.

    Attributes:
        vertices: (V, 3).
        faces: (F, 3), counter-clockwise seen from outside.
        material: their material.
        uv: (V, 2), origin at the bottom left, or None.
        vertex_colors: (V, 4) linear RGBA in [0, 1], or None.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    material: Material
    uv: Float[np.ndarray, "V 2"] | None = None
    vertex_colors: Float[np.ndarray, "V 4"] | None = None


@dataclass(frozen=True)
class Scene:
    """A textured object of one or more parts, in the world frame (z up, front -y)."""

    parts: tuple[ScenePart, ...]

    @property
    def bounds(self) -> Float[np.ndarray, "2 3"]:
        """(2, 3) smallest and largest corner."""
        vertices = np.concatenate([part.vertices for part in self.parts])
        return np.stack([vertices.min(axis=0), vertices.max(axis=0)])

    @property
    def num_faces(self) -> int:
        """Triangles of all parts."""
        return sum(len(part.faces) for part in self.parts)
