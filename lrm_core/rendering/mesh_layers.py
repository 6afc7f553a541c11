"""The last surface along every ray of a view: what a photo hides farthest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lrm_core.imaging.color import linear_to_srgb
from lrm_core.rendering.mesh_renderer import SceneTracer
from lrm_core.rendering.mesh_shading import UNLIT, normals_towards, shade
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.structures.cameras import Cameras


@dataclass(frozen=True)
class LastSurface:
    """What a ray cast against each ray of a view meets first.

    Attributes:
        depth: (H, W) along the viewing axis, infinity where there is nothing.
        rgb: (H, W, 3) sRGB albedo in [0, 1].
        normals: (H, W, 3) unit normals turned away from the viewer; zero where there is nothing.
    """

    depth: Float[np.ndarray, "H W"]
    rgb: Float[np.ndarray, "H W 3"]
    normals: Float[np.ndarray, "H W 3"]


def last_surface(tracer: SceneTracer, camera: Cameras) -> LastSurface:
    """Cast every ray of one view back from beyond the scene.

    Whatever is hit counts, translucent or not: this is about shape.

    Args:
        tracer: the scene.
        camera: N = 1, outside the scene's bounds.
    """
    shape = (camera.height, camera.width)
    rays = generate_rays(camera)
    directions = rays.directions.numpy().astype(np.float32)
    # one unit long along the viewing axis: distances are then depths
    axis = -camera.c2w[0, :3, 2].numpy()
    directions = directions / (directions @ axis)[:, None]
    origin = rays.origins.numpy().astype(np.float32)
    beyond = np.float32(np.linalg.norm(tracer.bounds - origin[0], axis=1).max() + tracer.diagonal)
    hits = tracer.caster.first_hits(origin + beyond * directions, -directions)
    hit = np.flatnonzero(hits.faces >= 0)
    depth = np.full(len(directions), np.inf, dtype=np.float32)
    depth[hit] = beyond - hits.distances[hit]
    rgb, normals = np.zeros((2, len(directions), 3), dtype=np.float32)
    seen = hits.of(hit)
    away = -directions[hit]
    width = depth[hit] / float(camera.intrinsics[0, 0])
    color = shade(tracer.surface, seen, away, width, UNLIT)
    rgb[hit] = linear_to_srgb(color.rgb.clip(0.0, 1.0))
    normals[hit] = normals_towards(tracer.surface, seen.faces, away)
    return LastSurface(depth.reshape(shape), rgb.reshape(*shape, 3), normals.reshape(*shape, 3))
