"""One 3D object -> the views that training and evaluation see of it.

Source: paper, section 4.1: the shape normalized to the box [-1, 1]^3, 32 random views of 1024 px
with the same camera pointed at it, sampled "from a ball of radius [1.5, 3.0] and with height in
range [-0.75, 1.60]". The field of view is not given; ours is the one of the project's other cameras
(a 24 mm lens on a 32 mm sensor).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from lrm_core.geometry.scene_conversion import normalize_scene
from lrm_core.geometry.trajectories import random_on_shell
from lrm_core.rendering.mesh_renderer import Channel, SceneTracer, render_scene
from lrm_core.rendering.mesh_shading import STUDIO_LIGHTS, UNLIT, Shading
from lrm_core.rendering.view_output import channel_image
from lrm_core.sources.asset_checks import AssetLimits
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.scene import Scene

MESH_RENDERER = "lrm mesh renderer"
"""The name of this project's renderer in dataset.json."""

UpAxis = Literal["y", "z"]
Lighting = Literal["unlit", "studio"]


@dataclass(frozen=True)
class ViewSettings:
    """Which views of an object are made, and how.

    Attributes:
        num_views: cameras per object.
        size: width and height of the images in pixels.
        radius: smallest and largest distance of the cameras from the origin.
        height: smallest and largest z of the cameras.
        focal: focal length divided by the image width.
        longest_side: longest side of the object's bounding box around the origin (2: [-1, 1]^3).
        lighting: `unlit` shows the surface's colors as they are, `studio` lights them.
        normals: whether normals are kept too.
        seed: seed of the cameras.
    """

    num_views: int = 32
    size: int = 1024
    radius: tuple[float, float] = (1.5, 3.0)
    height: tuple[float, float] = (-0.75, 1.6)
    focal: float = 0.75
    longest_side: float = 2.0
    lighting: Lighting = "unlit"
    normals: bool = False
    seed: int = 0

    def describe(self) -> dict[str, Any]:
        """The settings as JSON, for `dataset.json`."""
        return asdict(self)


@dataclass(frozen=True)
class RenderedViews:
    """What a renderer makes of one object.

    Attributes:
        images: (N, H, W, 4) sRGB with straight alpha.
        depth: (N, H, W) along the viewing axis, infinity where nothing was hit.
        normals: (N, H, W, 3) in the world frame, zero where nothing was hit, or None.
        bounds: (2, 3) box of the object in the world frame after normalization.
    """

    images: UInt8[np.ndarray, "N H W 4"]
    depth: Float32[np.ndarray, "N H W"]
    normals: Float32[np.ndarray, "N H W 3"] | None
    bounds: Float[np.ndarray, "2 3"]


@runtime_checkable
class AssetRenderer(Protocol):
    """What makes views of mesh files, and refuses those beyond its limits."""

    @property
    def name(self) -> str:
        """For dataset.json."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Suffixes of the files that it reads."""
        ...

    @property
    def limits(self) -> AssetLimits:
        """Which assets are accepted."""
        ...

    def describe(self) -> dict[str, Any]:
        """Settings of its own as JSON."""
        ...

    def __call__(
        self, path: Path, up: UpAxis, cameras: Cameras, settings: ViewSettings
    ) -> RenderedViews:
        """Views of a mesh file.

        Raises:
            InputError: the file cannot be read or is beyond the limits.
        """
        ...


def sample_cameras(settings: ViewSettings, object_id: str) -> Cameras:
    """The object's own random cameras: the same for a seed and an id, wherever they are drawn."""
    digest = hashlib.sha256(f"{settings.seed}/{object_id}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return random_on_shell(
        settings.num_views,
        radius_range=settings.radius,
        height_range=settings.height,
        size=settings.size,
        focal=settings.focal,
        generator=generator,
    )


def render_object(
    scene: Scene, cameras: Cameras, settings: ViewSettings, *, shading: Shading | None = None
) -> RenderedViews:
    """Views of a scene, normalized first.

    Args:
        scene: any units, z up.
        cameras: N views.
        settings: size of the object, light, channels.
        shading: light that goes before the one of the settings.

    Raises:
        InputError: the scene has no extent.
    """
    scene = normalize_scene(scene, settings.longest_side)
    tracer = SceneTracer(scene)
    if shading is None:
        shading = STUDIO_LIGHTS if settings.lighting == "studio" else UNLIT
    channels: tuple[Channel, ...] = ("rgb", "depth", "alpha")
    views = [
        render_scene(
            tracer,
            cameras[index],
            channels=(*channels, "normal") if settings.normals else channels,
            shading=shading,
        )
        for index in range(len(cameras))  # one at a time: rays of 32 large views fill the memory
    ]
    normals = [view.normals[0].numpy() for view in views if view.normals is not None]
    return RenderedViews(
        images=np.stack([channel_image(view, "rgb", None) for view in views]),
        depth=np.stack([view.depth[0].numpy() for view in views]),
        normals=np.stack(normals) if settings.normals else None,
        bounds=scene.bounds.astype(np.float32),
    )
