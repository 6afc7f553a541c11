"""From which directions light reaches what a view shows: shadows and ambient occlusion."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from lrm_core.rendering.mesh_renderer import SceneTracer
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.structures.cameras import Cameras

# how far above the surface rays start, in diagonals of the scene
_LIFT = 1e-3


def sphere_directions(count: int) -> Float[np.ndarray, "D 3"]:
    """Unit vectors spread evenly over all directions (a Fibonacci lattice).

    Args:
        count: how many.
    """
    place = np.arange(count) + 0.5
    height, azimuth = 1.0 - 2.0 * place / count, np.pi * (1.0 + 5.0**0.5) * place
    radius = np.sqrt(1.0 - height**2)
    directions = [radius * np.cos(azimuth), radius * np.sin(azimuth), height]
    return np.stack(directions, axis=-1).astype(np.float32)


def light_visibility(
    tracer: SceneTracer,
    camera: Cameras,
    depth: Float[np.ndarray, "H W"],
    normals: Float[np.ndarray, "H W 3"],
    directions: Float[np.ndarray, "D 3"],
) -> Bool[np.ndarray, "H W D"]:
    """Whether distant light from each direction reaches the surface at each pixel.

    Translucent surfaces stop light, as those do that a texture cuts holes into.

    Args:
        tracer: the scene.
        camera: N = 1, the view.
        depth: along the viewing axis, infinity where there is nothing.
        normals: unit normals towards the viewer; zero where there is nothing.
        directions: unit vectors towards the light, in the scene's frame.

    Returns:
        False too where a surface is turned away, and where there is none.
    """
    shape = depth.shape
    rays = generate_rays(camera)
    towards = rays.directions.numpy()
    axis = -camera.c2w[0, :3, 2].numpy()
    seen = np.flatnonzero(np.isfinite(depth))
    along = depth.ravel()[seen] / (towards[seen] @ axis)
    facing = normals.reshape(-1, 3)[seen]
    lift = np.float32(_LIFT * tracer.diagonal)
    places = rays.origins.numpy()[seen] + along[:, None] * towards[seen] + lift * facing
    pixel, direction = np.nonzero(facing @ directions.T > 0.0)
    hits = tracer.caster.first_hits(
        places[pixel].astype(np.float32), directions[direction].astype(np.float32)
    )
    reached = np.zeros((depth.size, len(directions)), dtype=bool)
    reached[seen[pixel], direction] = hits.faces < 0
    return reached.reshape(*shape, len(directions))
