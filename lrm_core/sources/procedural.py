"""Procedural objects as a source of views: training data without download or owner.

Source: Xie et al., LRM-Zero (2024), for the idea; `procedural/objects.py` for the objects.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lrm_core.procedural.objects import procedural_object
from lrm_core.rendering.mesh_shading import UNLIT, Shading
from lrm_core.sources.object_views import (
    MESH_RENDERER,
    ViewSettings,
    render_object,
    sample_cameras,
)
from lrm_core.structures.scene import Scene
from lrm_core.structures.view_set import ObjectJob, ObjectSource, ViewSet

LICENCE = "CC0-1.0"


@dataclass(frozen=True)
class ProceduralSource:
    """The first objects of a procedural collection as a `Source`.

    Attributes:
        num: number of objects.
        seed: seed of the collection.
        settings: which views, and how.
        lit_share: share of the objects that are lit, each by lights of its own; the others show
            their plain colors.
    """

    num: int
    seed: int = 0
    settings: ViewSettings = field(default_factory=lambda: ViewSettings(num_views=8, size=256))
    lit_share: float = 0.5

    def jobs(self) -> list[ObjectJob]:
        """See `Source`."""
        return [
            ObjectJob(f"procedural-{self.seed}-{index:08d}", str(index))
            for index in range(self.num)
        ]

    def describe(self) -> dict[str, Any]:
        """See `Source`."""
        return {
            "source": f"procedural objects of lrm-toolkit, {LICENCE}",
            "renderer": MESH_RENDERER,
            "settings": {**self.settings.describe(), "lit_share": self.lit_share},
        }

    def __call__(self, job: ObjectJob) -> ViewSet:
        """The views of an object.

        Raises:
            MissingDependencyError: manifold3d (extra `data`) is not installed.
        """
        scene = procedural_object(self.seed, int(job.location))
        cameras = sample_cameras(self.settings, job.object_id)
        # a stream of its own: more lights must not change the objects
        rng = np.random.default_rng([self.seed, int(job.location), 1])
        shading = random_lights(rng) if rng.random() < self.lit_share else UNLIT
        views = render_object(scene, cameras, self.settings, shading=shading)
        source = ObjectSource(f"procedural-{self.seed}", LICENCE, scene_sha256(scene), views.bounds)
        return ViewSet(job.object_id, views.images, cameras, source, views.depth, views.normals)


def random_lights(rng: np.random.Generator) -> Shading:
    """Light from everywhere and one to three lamps above the horizon, slightly colored."""
    num = int(rng.integers(1, 4))
    azimuth = rng.uniform(0.0, 2.0 * np.pi, num)
    height = rng.uniform(0.1, 1.0, num)
    ring = np.sqrt(1.0 - height**2)
    strength = rng.uniform(0.3, 0.9) * rng.dirichlet(np.full(num, 2.0))
    tint = rng.uniform(0.85, 1.0, (num, 3))
    directions = np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), height], axis=1)
    ambient = float(rng.uniform(0.35, 0.7))
    return Shading(
        ambient=(ambient, ambient, ambient),
        directions=tuple((x, y, z) for x, y, z in directions.tolist()),
        colors=tuple((r, g, b) for r, g, b in (strength[:, None] * tint).tolist()),
    )


def scene_sha256(scene: Scene) -> str:
    """Hash of a generated object: its geometry, its texture and where the texture lies."""
    digest = hashlib.sha256()
    for part in scene.parts:
        for array in (part.vertices, part.faces, part.uv, part.material.texture):
            if array is not None:
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
