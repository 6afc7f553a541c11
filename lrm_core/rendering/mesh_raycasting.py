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
        u: (R,) barycentric weight of the triangle's second corner.
        v: (R,) the same of its third.
        distances: (R,) in lengths of the ray's direction; meaningless where nothing was hit.
    """

    faces: Int[np.ndarray, "R"]
    u: Float[np.ndarray, "R"]
    v: Float[np.ndarray, "R"]
    distances: Float[np.ndarray, "R"]

    @property
    def weights(self) -> Float[np.ndarray, "R 3"]:
        """Barycentric weights of the triangle's three corners."""
        return np.stack([1.0 - self.u - self.v, self.u, self.v], axis=-1)

    def of(self, rays: Int[np.ndarray, "N"]) -> Hits:
        """The hits of N of the rays."""
        return Hits(self.faces[rays], self.u[rays], self.v[rays], self.distances[rays])


@dataclass(frozen=True)
class RayCaster:
    """An acceleration structure over one set of triangles, built once and queried many times."""

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
        return Hits(found["primID"], found["u"], found["v"], found["tfar"])


def build_ray_caster(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> RayCaster:
    """Hand triangles to Embree.

    Embree's robust mode is on: rays through the edge between two triangles hit one of them.
    """
    embree_scene = EmbreeScene(robust=True)
    if len(faces):
        TriangleMesh(
            embree_scene,
            np.ascontiguousarray(vertices, dtype=np.float32),
            np.ascontiguousarray(faces, dtype=np.int32),
        )
    # Embree builds its tree at the first question: here, where only one thread asks
    embree_scene.run(np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32))
    return RayCaster(embree_scene)
