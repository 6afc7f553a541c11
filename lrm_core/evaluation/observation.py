"""What a protocol sees of an object: pictures from its views, points on its surface.

Reference and prediction go through the same function, so that one renderer judges all methods; a
radiance field renders itself, by the volume rendering that its model was trained with. Pictures are
kept as the 8-bit images that a report shows: a score can be recomputed from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, UInt8

from lrm_core.baselines.predictor import RadianceField
from lrm_core.evaluation.protocol import Protocol
from lrm_core.geometry.surface_sampling import sample_surface
from lrm_core.io.image_writing import to_uint8
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.scene import Scene


@dataclass(frozen=True)
class Observation:
    """An object as a protocol sees it: N views, P surface points.

    Attributes:
        rgb: (N, H, W, 3) sRGB on the protocol's background.
        alpha: (N, H, W) opacity in 0..255.
        depth: (N, H, W) along the viewing axis, infinity where nothing was hit.
        points: (P, 3) uniform by area; none where there is no surface.
        normals: (P, 3) unit face normals there.
        triangles: (F, 3, 3) corners of all faces.
    """

    rgb: UInt8[np.ndarray, "N H W 3"]
    alpha: UInt8[np.ndarray, "N H W"]
    depth: Float32[np.ndarray, "N H W"]
    points: Float32[np.ndarray, "P 3"]
    normals: Float32[np.ndarray, "P 3"]
    triangles: Float32[np.ndarray, "F 3 3"]


def observe(scene: Scene | None, cameras: Cameras, protocol: Protocol) -> Observation:
    """Look at an object from all views and sample its surface.

    Args:
        scene: in the frame of the cameras; None where a method predicted nothing.
        cameras: N views.
        protocol: names background, number of points and seed.
    """
    background = protocol.reference_views.background
    if scene is None:
        shape = (len(cameras), cameras.height, cameras.width)
        return Observation(
            rgb=to_uint8(np.full((*shape, 3), background, dtype=np.float32)),
            alpha=np.zeros(shape, dtype=np.uint8),
            depth=np.full(shape, np.inf, dtype=np.float32),
            points=np.zeros((0, 3), dtype=np.float32),
            normals=np.zeros((0, 3), dtype=np.float32),
            triangles=np.zeros((0, 3, 3), dtype=np.float32),
        )
    views = render_scene(scene, cameras, channels=("rgb", "depth", "alpha"), background=background)
    points, normals = surface_points(scene, protocol, seed=protocol.geometry.seed)
    return Observation(
        rgb=to_uint8(views.rgb.numpy()),
        alpha=to_uint8(views.opacity.numpy()),
        depth=views.depth.numpy(),
        points=points,
        normals=normals,
        triangles=np.concatenate([part.vertices[part.faces] for part in scene.parts]).astype(
            np.float32
        ),
    )


def observe_field(
    observation: Observation, field: RadianceField, cameras: Cameras, protocol: Protocol
) -> Observation:
    """The same object with views of its radiance field in place of those of its mesh.

    Args:
        observation: the mesh as it was observed.
        field: in the frame of the cameras.
        cameras: N views.
        protocol: names the background.
    """
    views = field.render(cameras)
    opacity = views.opacity.float().cpu().numpy()
    # rendered on white; sRGB values mix as they are, in volume rendering too
    behind = (1.0 - opacity[..., None]) * (1.0 - protocol.reference_views.background)
    return replace(
        observation,
        rgb=to_uint8(views.rgb.float().cpu().numpy() - behind),
        alpha=to_uint8(opacity),
        depth=views.depth.float().cpu().numpy(),
    )


def surface_points(
    scene: Scene, protocol: Protocol, *, seed: int
) -> tuple[Float32[np.ndarray, "P 3"], Float32[np.ndarray, "P 3"]]:
    """Points on a surface, uniform by area, and the normals of their faces.

    Args:
        scene: the surface.
        protocol: says how many.
        seed: draws them.
    """
    rng = np.random.default_rng(seed)
    points, normals, _ = sample_surface(scene, protocol.geometry.num_points, rng)
    return points.astype(np.float32), normals.astype(np.float32)
