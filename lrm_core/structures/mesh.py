"""Triangle meshes with vertex colors or a texture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8


@dataclass(frozen=True)
class Texture:
    """A texture atlas.

    Attributes:
        image: (H, W, 3) or (H, W, 4) sRGB texels, row 0 at the top.
        uv: (V, 2) per vertex, origin at the bottom left, [0, 1].
    """

    image: UInt8[np.ndarray, "H W C"]
    uv: Float[np.ndarray, "V 2"]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in the world frame (z up, front -y).

    Attributes:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, counter-clockwise seen from outside.
        vertex_colors: (V, 3) sRGB in [0, 1], or None.
        texture: atlas and UV, or None.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    vertex_colors: Float[np.ndarray, "V 3"] | None = None
    texture: Texture | None = None

    def __post_init__(self) -> None:
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3:
            raise ValueError(f"vertices must be (V, 3), got {self.vertices.shape}")
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(f"faces must be (F, 3), got {self.faces.shape}")
        if self.vertex_colors is not None and self.vertex_colors.shape != self.vertices.shape:
            raise ValueError(
                f"vertex_colors must be {self.vertices.shape}, got {self.vertex_colors.shape}"
            )
        if self.texture is not None and len(self.texture.uv) != len(self.vertices):
            raise ValueError(f"uv must have {len(self.vertices)} rows, got {len(self.texture.uv)}")

    @property
    def triangles(self) -> Float[np.ndarray, "F 3 3"]:
        """(F, 3, 3) corner positions."""
        corners: np.ndarray = self.vertices[self.faces]
        return corners

    def transformed(self, rotation: Float[np.ndarray, "3 3"]) -> Mesh:
        """The mesh with every vertex v replaced by rotation @ v."""
        vertices = (self.vertices @ np.asarray(rotation).T).astype(self.vertices.dtype)
        return replace(self, vertices=vertices)
