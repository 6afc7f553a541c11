"""The object that a prediction is compared with: normalized, and turned to the input camera.

The frame is the one that every reconstruction lives in: the camera of the input picture sits at
(0, -radius, 0) and looks along +y (docs/conventions.md), so a method that keeps this convention is
compared as it is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from lrm_core.geometry.camera_normalization import normalize_cameras
from lrm_core.geometry.scene_conversion import normalize_scene, transform_scene
from lrm_core.geometry.trajectories import on_sphere
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.view_output import channel_image
from lrm_core.structures.cameras import (
    CANONICAL_DISTANCE,
    CANONICAL_FOCAL,
    Cameras,
    canonical_camera,
    look_at,
)
from lrm_core.structures.scene import Scene


@dataclass(frozen=True)
class Reference:
    """An object of a protocol.

    Attributes:
        name: the object's name.
        picture: (S, S, 4) what methods are given, straight alpha.
        cameras: those of the N reference views, in the frame of the input camera.
        observation: the object seen from these views.
        scene: the object in that frame; None where it is known by photos only.
        up: the object's vertical in that frame.
        further: further pictures of the same camera, turned about the object's vertical.
        scale: what answers of methods that assume the camera of all methods are multiplied by: the
            width of the picture at the object's center over the one they assume.
    """

    name: str
    picture: UInt8[np.ndarray, "S S 4"]
    cameras: Cameras
    observation: Observation
    scene: Scene | None
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    scale: float = 1.0
    further: tuple[UInt8[np.ndarray, "S S 4"], ...] = ()


@dataclass(frozen=True)
class InputCamera:
    """Where an object's picture is taken from.

    Attributes:
        azimuth: degrees, in [0, 360).
        elevation: degrees above the object's horizon.
        radius: distance from the object's center in world units.
        focal: focal length over the picture's width.
    """

    azimuth: float
    elevation: float
    radius: float
    focal: float


def make_reference(name: str, scene: Scene | PosedImages, protocol: Protocol) -> Reference:
    """Bring an object into the protocol's frame and look at it.

    Args:
        name: the object's name; the input camera may follow from it.
        scene: the object, z up, any units; or photos of it, which bring their own views.
        protocol: the protocol.

    Raises:
        InputError: the object has no extent, or a photo cannot be used.
    """
    if isinstance(scene, PosedImages):
        assumed, cameras = protocol.input_view, reference_cameras(scene, protocol)
        return Reference(
            name=name,
            picture=input_picture(scene, protocol),
            cameras=cameras,
            observation=observe_images(scene, cameras, protocol),
            scene=None,
            scale=_picture_scale(assumed.radius, assumed.focal),
        )
    scene = normalize_scene(scene, protocol.longest_side)
    given, views = input_camera(name, protocol), protocol.reference_views
    input_c2w = _looking_at_origin([given.azimuth], [given.elevation], given.radius)
    steps = np.arange(views.num_views)
    view_c2w = _looking_at_origin(
        (given.azimuth + steps * views.azimuth_step_degrees).tolist(),
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
    cameras = normalize_cameras(cameras, source=0, distance=None)
    # the rigid transform that carried the cameras carries the object too
    to_input_frame = cameras.c2w[0].double() @ torch.linalg.inv(input_c2w[0].double())
    scene = transform_scene(scene, to_input_frame.numpy())
    camera = canonical_camera(protocol.input_view.size, distance=given.radius, focal=given.focal)
    x, y, z = to_input_frame[:3, 2].tolist()
    return Reference(
        name=name,
        picture=channel_image(render_scene(scene, camera), "rgb", None),
        cameras=cameras[1:],
        observation=observe(scene, cameras[1:], protocol),
        scene=scene,
        up=(x, y, z),
        further=tuple(
            channel_image(render_scene(scene, orbited(camera, (x, y, z), azimuth)), "rgb", None)
            for azimuth in protocol.input_view.further_azimuths_degrees
        ),
        scale=_picture_scale(given.radius, given.focal),
    )


def orbited(camera: Cameras, up: tuple[float, float, float], azimuth: float) -> Cameras:
    """A camera carried around the origin.

    Args:
        camera: looks at the origin.
        up: the axis, a unit vector.
        azimuth: degrees, counter-clockwise about it.
    """
    axis = torch.tensor(up, dtype=torch.float64)
    turn = torch.eye(4, dtype=torch.float64)
    cross = torch.linalg.cross(axis.expand(3, 3), torch.eye(3, dtype=torch.float64)).T
    turn[:3, :3] = torch.linalg.matrix_exp(math.radians(azimuth) * cross)
    return replace(camera, c2w=(turn @ camera.c2w.double()).float())


def input_camera(name: str, protocol: Protocol) -> InputCamera:
    """The camera of an object's picture: the protocol's, or drawn from the object's name."""
    given, varied = protocol.input_view, protocol.input_view.varied
    azimuth = 0.0 if given.azimuth == "front" else 360.0 * _fractions(name)[0]
    if varied is None:
        return InputCamera(azimuth, given.elevation_degrees, given.radius, given.focal)
    drawn = _fractions(f"{varied.seed} {name}")
    ranges = (varied.elevation_degrees, varied.focal, varied.fill)
    elevation, focal, fill = (
        low + fraction * (high - low) for (low, high), fraction in zip(ranges, drawn, strict=False)
    )
    return InputCamera(azimuth, elevation, protocol.longest_side * focal / fill, focal)


def _picture_scale(radius: float, focal: float) -> float:
    """How much wider a picture is at the object's center than that of the canonical camera."""
    return radius / focal * CANONICAL_FOCAL / CANONICAL_DISTANCE


def _fractions(text: str) -> list[float]:
    """Four numbers in [0, 1) that follow from a text: eight bytes each of its SHA-256."""
    digest = hashlib.sha256(text.encode()).digest()
    return [int.from_bytes(digest[at : at + 8], "big") / 2.0**64 for at in range(0, 32, 8)]


def _looking_at_origin(
    azimuths: Sequence[float], elevations: Sequence[float], radius: float
) -> Float[torch.Tensor, "N 4 4"]:
    """Cameras that look at the origin; angles in degrees, azimuth as in `trajectories`."""
    azimuth, elevation = torch.tensor([azimuths, elevations], dtype=torch.float64).deg2rad()
    return look_at(on_sphere(azimuth, elevation, radius).float())
