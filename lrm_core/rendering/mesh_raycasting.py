"""First hits of rays on triangles, by Embree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Hits:
    """What R rays hit first.

    Attributes:
        faces: (R,) index of the triangle, -1 where nothing was hit.
        weights: (R, 3) barycentric weights of the triangle's corners.
        distances: (R,) in lengths of the ray's direction; meaningless where nothing was hit.
    """

    faces: Int[np.ndarray, "R"]
    weights: Float[np.ndarray, "R 3"]
    distances: Float[np.ndarray, "R"]


@dataclass(frozen=True)
class RayCaster:
    """An acceleration structure over one set of triangles, built once and asked many times."""

    embree_scene: Any

    def first_hits(
        self, origins: Float[np.ndarray, "R 3"], directions: Float[np.ndarray, "R 3"]
    ) -> Hits:
        """The nearest triangle in front of each ray.

        Args:
            origins: (R, 3) float32.
            directions: (R, 3) float32, of any length.
        """
        found = self.embree_scene.run(origins, directions, output=True)
        u, v = found["u"], found["v"]
        weights = np.stack([1.0 - u - v, u, v], axis=-1)
        return Hits(faces=found["primID"], weights=weights, distances=found["tfar"])


def build_ray_caster(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> RayCaster:
    """Hand triangles to Embree.

    The robust mode is asked for: rays through the edge between two triangles hit one of them.
    """
    embree_scene = EmbreeScene(robust=True)
    if len(faces):
        TriangleMesh(
            embree_scene,
            np.ascontiguousarray(vertices, dtype=np.float32),
            np.ascontiguousarray(faces, dtype=np.int32),
        )
    return RayCaster(embree_scene)
