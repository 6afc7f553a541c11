"""The photos of layer training: cameras, and what every ray of them meets.

The world of each photo is the one that a model reconstructs in: the source camera sits at
(0, -d, 0) (paper, section 4.2), and the object is turned, scaled and shifted in front of it.
Colors are kept without light, so that every use of a photo may light it anew.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16, Int8, UInt8

from lrm_core.geometry.surface_sampling import sample_surface
from lrm_core.io.atomic_write import replacing
from lrm_core.rendering.light_visibility import light_visibility
from lrm_core.rendering.mesh_layers import last_surface
from lrm_core.rendering.mesh_renderer import SceneTracer, render_scene
from lrm_core.structures.cameras import CANONICAL_DISTANCE, CANONICAL_FOCAL, Cameras, look_at
from lrm_core.structures.scene import Scene
from lrm_core.training.data.photo_look import LIGHT_DIRECTIONS
from lrm_core.training.layer_config import ViewSampling

# a right angle about x, and about y: the bounding box stays centered
_TIPPED = (
    np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
    np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]),
)
_DEEPEST = 0.97  # depths beyond the cube are pressed into it or cut off
_FRAMED_VERTICES = 2000  # enough of a mesh to know its outline's box
_FRAMING_ROUNDS = 12


@dataclass(frozen=True)
class TrainingView:
    """One photo's geometry: world = scale * rotation @ object + shift.

    Attributes:
        rotation: object to world.
        scale: likewise.
        shift: likewise.
        distance: distance of the camera that took the photo, at (0, -distance, 0).
        focal: its focal length over the image width.
        press: factor of all depths y in the labels.
        told_distance: distance of the camera that the model is given.
        told_focal: focal length of that camera.
    """

    rotation: Float[np.ndarray, "3 3"]
    scale: float
    shift: Float[np.ndarray, "3"]
    distance: float = CANONICAL_DISTANCE
    focal: float = CANONICAL_FOCAL
    press: float = 1.0
    told_distance: float = CANONICAL_DISTANCE
    told_focal: float = CANONICAL_FOCAL

    def to_array(self) -> Float[np.ndarray, "18"]:
        """All numbers in one row."""
        return np.concatenate([np.ravel(value) for value in astuple(self)]).astype(np.float32)

    @staticmethod
    def from_array(row: Float[np.ndarray, "18"]) -> TrainingView:
        """Inverse of `to_array`."""
        rotation, scale, shift = row[:9].reshape(3, 3), float(row[9]), row[10:13]
        return TrainingView(rotation, scale, shift, *row[13:].tolist())

    def place(self, points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
        """Points of the object -> coordinates of the triplane: right and up in the image, depth."""
        x, y, z = np.moveaxis(self.scale * points @ self.rotation.T + self.shift, -1, 0)
        magnified = 2.0 * self.focal / np.maximum(y + self.distance, 1e-3)
        return np.stack([x * magnified, y * self.press, z * magnified], axis=-1)

    def camera(self, size: int) -> Cameras:
        """The camera (N = 1) in the object's own frame, where the surface is.

        Args:
            size: photo side in pixels.
        """
        origin = torch.tensor([[0.0, -self.distance, 0.0]], dtype=torch.float64)
        c2w = look_at(origin)[0].numpy()
        c2w[:3, 3] = self.rotation.T @ (c2w[:3, 3] - self.shift) / self.scale
        c2w[:3, :3] = self.rotation.T @ c2w[:3, :3]
        intrinsics = torch.tensor([[self.focal, self.focal, 0.5, 0.5]]) * size
        return Cameras(torch.from_numpy(c2w)[None].float(), intrinsics, size, size)


def draw_view(
    sampling: ViewSampling, vertices: Float[np.ndarray, "V 3"], rng: np.random.Generator
) -> TrainingView:
    """A random view.

    Args:
        sampling: the kinds of views.
        vertices: vertices of the object: centered, longest side 2.
        rng: source of randomness.
    """
    kind = rng.random()
    canonical = kind < sampling.canonical_share
    framed = not canonical and kind < sampling.canonical_share + sampling.framed_share
    elevation = np.radians(rng.uniform(*sampling.elevation_degrees))
    if canonical and rng.random() < 0.5:
        elevation = 0.0
    # a camera raised by `elevation` sees the object tipped towards it
    rotation = _about("x", elevation) @ _about("z", rng.uniform(0.0, 2.0 * np.pi))
    if rng.random() < sampling.lying_share:
        rotation = rotation @ _TIPPED[int(rng.integers(2))]
    if canonical:
        return TrainingView(rotation, sampling.canonical_half_side, np.zeros(3))
    if framed:
        roll = np.radians(sampling.roll_degrees) * rng.uniform(-1.0, 1.0)
        rotation = _about("y", roll) @ rotation
        near, far = sampling.framed_distance
        distance = 1.0 / rng.uniform(1.0 / far, 1.0 / near)
        return _framed(rotation, distance, vertices, sampling)
    distance = rng.uniform(*sampling.distance)
    focal = rng.uniform(*sampling.focal_at_2) * distance / 2.0
    shift = rng.uniform(-sampling.shift, sampling.shift, size=3)
    scale = rng.uniform(*sampling.half_side)
    return TrainingView(rotation, scale, shift, distance, focal, 1.0, distance, focal)


def _framed(
    rotation: np.ndarray, distance: float, vertices: np.ndarray, sampling: ViewSampling
) -> TrainingView:
    """The object as a crop shows it: centered, its outline's longer side a fixed part of it."""
    turned = vertices[:: max(1, len(vertices) // _FRAMED_VERTICES)] @ rotation.T
    focal = CANONICAL_FOCAL * distance / CANONICAL_DISTANCE
    scale, shift = 0.5, np.zeros(3)
    deepest = np.abs(turned[:, 1]).max()
    # nothing may come closer to the camera than a third of its distance
    nearest = 2.0 / 3.0 * distance / max(deepest, 1e-6)
    for _ in range(_FRAMING_ROUNDS):
        x, y, z = (scale * turned + shift).T
        image = np.stack([x, z], axis=1) * (focal / (y + distance).clip(0.2))[:, None]
        low, high = image.min(axis=0), image.max(axis=0)
        # what is near moves further in the image than what is in the middle: half the way at a time
        shift[[0, 2]] -= (low + high) / 4.0 * distance / focal
        scale = min(scale * sampling.framed_ratio / max((high - low).max(), 1e-6), nearest)
    press = min(1.0, _DEEPEST / max(scale * deepest, 1e-6))
    return TrainingView(rotation, scale, shift, distance, focal, press)


@dataclass(frozen=True)
class LayeredPhotos:
    """V photos of one object, without light, with what their rays meet.

    Attributes:
        views: rows of `TrainingView.to_array`.
        albedo: straight-alpha sRGB.
        normals: normals of the visible surface in the world frame, times 127.
        reached: which of `LIGHT_DIRECTIONS` light reaches it from, as bits.
        behind: sRGB of the last surface along each ray.
        behind_normals: its normals, times 127.
        depths: y of the first and the last surface in the triplane's coordinates; NaN where the ray
            through the pixel's center meets nothing.
        surface: points of the object's own frame, uniform by area.
        surface_normals: there, times 127.
        surface_colors: sRGB albedo there.
    """

    views: Float[np.ndarray, "V 18"]
    albedo: UInt8[np.ndarray, "V S S 4"]
    normals: Int8[np.ndarray, "V S S 3"]
    reached: UInt8[np.ndarray, "V S S 8"]
    behind: UInt8[np.ndarray, "V S S 3"]
    behind_normals: Int8[np.ndarray, "V S S 3"]
    depths: Float16[np.ndarray, "V 2 S S"]
    surface: Float16[np.ndarray, "Q 3"]
    surface_normals: Int8[np.ndarray, "Q 3"]
    surface_colors: UInt8[np.ndarray, "Q 3"]

    def save(self, path: Path) -> None:
        """Write an uncompressed `.npz` atomically."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self))

    @staticmethod
    def load(path: Path) -> LayeredPhotos:
        """Read what `save` wrote."""
        # opened here: numpy would not close a damaged file
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return LayeredPhotos(**{f.name: archive[f.name] for f in fields(LayeredPhotos)})


def take_photos(
    scene: Scene, sampling: ViewSampling, rng: np.random.Generator, *, num_surface: int = 4096
) -> LayeredPhotos:
    """Photograph an object and look behind it.

    Args:
        scene: centered, longest side 2.
        sampling: the views.
        rng: source of randomness.
        num_surface: points on its surface.
    """
    tracer = SceneTracer(scene)
    vertices = np.concatenate([part.vertices for part in scene.parts])
    size, rows = sampling.size, []
    for _ in range(sampling.num_views):
        view = draw_view(sampling, vertices, rng)
        camera = view.camera(size)
        front = render_scene(tracer, camera, channels=("rgb", "normal"), background=0.0)
        last = last_surface(tracer, camera)
        alpha = front.opacity[0].numpy()
        # the renderer composites on black: divide by alpha for straight colors
        straight = front.rgb[0].numpy() / np.maximum(alpha, 1e-3)[..., None]
        assert front.normals is not None
        depth, normals = front.depth[0].numpy(), front.normals[0].numpy()
        towards_light = LIGHT_DIRECTIONS @ view.rotation.astype(np.float32)
        reached = light_visibility(tracer, camera, depth, normals, towards_light)
        depths = np.stack([depth, last.depth])
        # holes that a texture cuts are seen through, but stop the ray that is cast back
        known = np.isfinite(depths).all(axis=0)
        depths = (depths * view.scale - view.distance) * view.press
        depths = np.where(known, depths.clip(-_DEEPEST, _DEEPEST), np.nan)
        rows.append(
            (
                view.to_array(),
                _bytes(np.concatenate([straight, alpha[..., None]], axis=-1)),
                _signed_bytes(normals @ view.rotation.T),
                np.packbits(reached, axis=-1),
                _bytes(last.rgb),
                _signed_bytes(last.normals @ view.rotation.T),
                depths.astype(np.float16),
            )
        )
    points, point_normals, colors = sample_surface(scene, num_surface, rng)
    views, albedo, image_normals, light, behind, behind_normals, all_depths = (
        np.stack(column) for column in zip(*rows, strict=True)
    )
    return LayeredPhotos(
        views,
        albedo,
        image_normals,
        light,
        behind,
        behind_normals,
        all_depths,
        points.astype(np.float16),
        _signed_bytes(point_normals),
        _bytes(colors),
    )


def _about(axis: str, angle: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about a world axis by an angle in radians."""
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def _bytes(values: np.ndarray) -> np.ndarray:
    return (values.clip(0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _signed_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(values.clip(-1.0, 1.0) * 127.0).astype(np.int8)
