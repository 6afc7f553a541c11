"""The object that a prediction is compared with: normalised, and turned to the input camera.

The frame is the one that every reconstruction lives in: the camera of the input picture sits at
(0, -radius, 0) and looks along +y (docs/conventions.md), so a method that keeps this convention is
compared as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from lrm_core.evaluation.observation import Observation, observe
from lrm_core.evaluation.posed_images import (
    PosedImages,
    input_picture,
    observe_images,
    reference_cameras,
)
from lrm_core.evaluation.protocol import Protocol
from lrm_core.geometry.camera_normalization import normalise_cameras
from lrm_core.geometry.scene_conversion import normalise_scene, transform_scene
from lrm_core.geometry.trajectories import on_sphere
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.view_output import channel_image
from lrm_core.structures.cameras import Cameras, canonical_camera, look_at
from lrm_core.structures.scene import Scene


@dataclass(frozen=True)
class Reference:
    """An object of a protocol.

    Attributes:
        name: of the object.
        picture: (S, S, 4) what methods are given, straight alpha.
        cameras: of the N reference views, in the frame of the input camera.
        observation: of the object from these views.
        scene: the object in that frame; None where it is known by photos only.
    """

    name: str
    picture: UInt8[np.ndarray, "S S 4"]
    cameras: Cameras
    observation: Observation
    scene: Scene | None


def make_reference(name: str, scene: Scene | PosedImages, protocol: Protocol) -> Reference:
    """Bring an object into the protocol's frame and look at it.

    Args:
        name: of the object; the input view's azimuth may follow from it.
        scene: the object, z up, any units; or photos of it, which bring their own views.
        protocol: the protocol.

    Raises:
        InputError: the object has no extent, or a photo cannot be used.
    """
    if isinstance(scene, PosedImages):
        cameras = reference_cameras(scene, protocol)
        return Reference(
            name=name,
            picture=input_picture(scene, protocol),
            cameras=cameras,
            observation=observe_images(scene, cameras, protocol),
            scene=None,
        )
    scene = normalise_scene(scene, protocol.longest_side)
    azimuth = input_azimuth(name, protocol)
    given, views = protocol.input_view, protocol.reference_views
    input_c2w = _looking_at_origin([azimuth], [given.elevation_degrees], given.radius)
    steps = np.arange(views.num_views)
    view_c2w = _looking_at_origin(
        (azimuth + steps * views.azimuth_step_degrees).tolist(),
        np.resize(views.elevations_degrees, views.num_views).tolist(),
        views.radius,
    )
    lens = torch.tensor([views.focal, views.focal, 0.5, 0.5]) * views.size
    cameras = Cameras(
        torch.cat([input_c2w, view_c2w]),
        lens.repeat(1 + views.num_views, 1),
        views.size,
        views.size,
    )
    cameras = normalise_cameras(cameras, source=0, distance=None)
    # the rigid transform that carried the cameras carries the object too
    to_input_frame = cameras.c2w[0].double() @ torch.linalg.inv(input_c2w[0].double())
    scene = transform_scene(scene, to_input_frame.numpy())
    camera = canonical_camera(given.size, distance=given.radius, focal=given.focal)
    return Reference(
        name=name,
        picture=channel_image(render_scene(scene, camera), "rgb", None),
        cameras=cameras[1:],
        observation=observe(scene, cameras[1:], protocol),
        scene=scene,
    )


def input_azimuth(name: str, protocol: Protocol) -> float:
    """Azimuth of the input view in degrees, in [0, 360)."""
    if protocol.input_view.azimuth == "front":
        return 0.0
    digest = hashlib.sha256(name.encode()).digest()
    return 360.0 * int.from_bytes(digest[:8], "big") / 2.0**64


def _looking_at_origin(
    azimuths: Sequence[float], elevations: Sequence[float], radius: float
) -> Float[torch.Tensor, "N 4 4"]:
    """Cameras that look at the origin; angles in degrees, azimuth as in `trajectories`."""
    azimuth, elevation = torch.tensor([azimuths, elevations], dtype=torch.float64).deg2rad()
    return look_at(on_sphere(azimuth, elevation, radius).float())
