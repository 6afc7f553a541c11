"""Objects -> files of point supervision and views -> training batches.

Each object becomes one uncompressed `.npz` under the data folder: its point samples in its own
frame, and V photos of it with the similarity transform that carries the object into the world frame
of each photo (paper, section 4.2: the source camera is always at (0, -d, 0)).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lrm_core.errors import LrmError
from lrm_core.io.atomic_write import replacing
from lrm_core.io.mesh_files import normalise_scene
from lrm_core.rendering.mesh_renderer import SceneTracer, render_scene
from lrm_core.structures.cameras import Cameras, look_at
from lrm_core.structures.scene import Scene
from lrm_core.structures.triplane import Frustum
from lrm_core.training.point_samples import sample_points
from lrm_core.training.training_photos import (
    TrainingView,
    ViewSampling,
    draw_view,
    silhouette_rays,
    view_camera,
)


def prepare_object(
    scene: Scene, sampling: ViewSampling, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """All training data of one object.

    Args:
        scene: centred, longest side 2.
        sampling: how photos are taken.
        rng: source of randomness.

    Returns:
        arrays by name: `points` (P, 3) f16, `solid` (P,), `surface` (S, 3) f16, `normals` (S, 3)
        f16, `colors` (S, 3) u8, `photos` (V, H, W, 4) u8 straight alpha, `views` (V, 19) f32.
    """
    samples = sample_points(scene, rng)
    tracer = SceneTracer(scene)
    photos, views = [], []
    for _ in range(sampling.num_views):
        view = draw_view(sampling, rng)
        output = render_scene(
            tracer, view_camera(view, sampling.size), channels=("rgb", "normal"), background=0.0
        )
        alpha = output.opacity[0].numpy()[..., None]
        assert output.normals is not None
        # the renderer composites on black: divide by alpha for straight colours
        albedo = output.rgb[0].numpy() / np.maximum(alpha, 1e-3)
        rgb = view.lit(albedo, output.normals[0].numpy() @ view.rotation.T) * (alpha > 0.0)
        photos.append(np.concatenate([rgb, alpha], axis=-1) * 255.0 + 0.5)
        views.append(view.to_array())
    return {
        "points": samples.points.astype(np.float16),
        "solid": samples.solid,
        "surface": samples.surface.astype(np.float16),
        "normals": samples.normals.astype(np.float16),
        "colors": samples.colors,
        "photos": np.stack(photos).astype(np.uint8),
        "views": np.stack(views),
    }


@dataclass(frozen=True)
class PointBatch:
    """B photos with supervision in normalised plane coordinates.

    Attributes:
        images: (B, 4, S, S) straight-alpha RGBA in [0, 1].
        cameras: the B source cameras.
        points: (B, P, 3) occupancy points, and (B, P) `solid` 0 or 1; NaN where nothing is known.
        surface: (B, Q, 3) points at the surface, and (B, Q, 3) `colors` sRGB in [0, 1].
        ray_ends: (B, R, 2) normalised image positions (right, up) of silhouette rays, and (B, R)
            `silhouette`, the photo's alpha there.
        side_points: (B, R', K, 3) points along rays of another photo of the object, front to back,
            and (B, R') `side_silhouette`, that photo's alpha there.
    """

    images: Float[Tensor, "B 4 S S"]
    cameras: Cameras
    points: Float[Tensor, "B P 3"]
    solid: Float[Tensor, "B P"]
    surface: Float[Tensor, "B Q 3"]
    colors: Float[Tensor, "B Q 3"]
    ray_ends: Float[Tensor, "B R 2"]
    silhouette: Float[Tensor, "B R"]
    side_points: Float[Tensor, "B T K 3"]
    side_silhouette: Float[Tensor, "B T"]

    def to(self, device: torch.device | str) -> PointBatch:
        """The same batch on another device."""
        moved = (getattr(self, field.name).to(device) for field in fields(self))
        return PointBatch(*moved)


@dataclass(frozen=True, kw_only=True)
class BatchSampling:
    """What is drawn from an object for one step.

    Attributes:
        num_points: occupancy points per photo.
        near_share: share of them drawn near the surface, the others uniformly.
        num_far: further points, uniform in the normalised coordinates; those outside the object's
            cube are known to be empty, the others carry no label.
        num_surface: coloured points per photo.
        num_rays: silhouette rays per photo.
        num_side_rays: silhouette rays per photo from another photo of the object.
        side_samples: points along each of them.
        surface_noise: standard deviation of coloured points along their normal.
        wide_surface_noise: the same for half of the points: a surface that is reconstructed a
            little off needs colours too.
        augment: mirror, permute colour channels, add noise, blur and imperfect masks.
    """

    num_points: int = 1536
    near_share: float = 0.35
    num_far: int = 256
    num_surface: int = 768
    num_rays: int = 48
    num_side_rays: int = 32
    side_samples: int = 32
    surface_noise: float = 0.01
    wide_surface_noise: float = 0.01
    augment: bool = True


def _augmented_photo(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The photo (S, S, 4) in [0, 1] with the faults that real ones have."""
    import cv2

    if rng.random() < 0.3:
        photo = cv2.GaussianBlur(photo, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.3:
        photo[..., :3] += rng.normal(scale=rng.uniform(0.0, 0.04), size=photo[..., :3].shape)
    if rng.random() < 0.2:  # a mask cut a little too tight or too wide
        kernel = np.ones((3, 3), np.uint8)
        change = cv2.erode if rng.random() < 0.7 else cv2.dilate
        photo[..., 3] = change(np.ascontiguousarray(photo[..., 3]), kernel)
    return photo.clip(0.0, 1.0)


def _choose_points(
    points: np.ndarray,
    to_world: Callable[[np.ndarray], np.ndarray],
    lens: Frustum,
    alpha: np.ndarray,
    sampling: BatchSampling,
    rng: np.random.Generator,
) -> np.ndarray:
    """Indices of occupancy points: some near the surface, the others mostly under the silhouette.

    A uniform point that the photo shows to be outside the silhouette teaches nothing after the
    first steps; of those under it the distribution stays as it is.
    """
    half = len(points) // 2  # the first half is uniform, see PointSamples
    num_near = round(sampling.near_share * sampling.num_points)
    num_uniform = sampling.num_points - num_near
    candidates = rng.integers(half, size=4 * num_uniform)
    image = lens.normalise(torch.from_numpy(to_world(points[candidates]).astype(np.float32)))
    size = len(alpha)
    column, row = ((image[:, [0, 2]].numpy() * [1.0, -1.0] + 1.0) / 2.0 * size).astype(int).T
    in_image = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    under = in_image & (alpha[row.clip(0, size - 1), column.clip(0, size - 1)] > 0.5)
    inner, outer = candidates[under], candidates[~under]
    share = num_uniform * 3 // 4
    uniform = np.concatenate([inner[:share], outer, inner[share:]])[:num_uniform]
    return np.concatenate([rng.integers(half, len(points), size=num_near), uniform])


def draw_sample(
    data: dict[str, np.ndarray], sampling: BatchSampling, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """One photo of an object with points drawn for it, as `collate_samples` takes it.

    Args:
        data: as `prepare_object` makes it.
        sampling: points per photo and augmentation.
        rng: source of randomness; the sample follows from its state alone.
    """
    index = rng.integers(len(data["photos"]))
    view = TrainingView.from_array(data["views"][index])
    photo = data["photos"][index].astype(np.float32) / 255.0
    size = photo.shape[0]

    def to_world(points: np.ndarray) -> np.ndarray:
        world: np.ndarray = view.scale * points.astype(np.float32) @ view.rotation.T + view.shift
        return world

    lens = Frustum(view.distance, view.focal)
    chosen = _choose_points(data["points"], to_world, lens, photo[..., 3], sampling, rng)
    far = rng.uniform(-1.0, 1.0, (sampling.num_far, 3)).astype(np.float32)
    far = lens.denormalise(torch.from_numpy(far)).numpy()
    in_object = (far - view.shift) @ view.rotation / view.scale
    unknown = np.abs(in_object).max(axis=1) < 1.02
    points = np.concatenate([to_world(data["points"][chosen]), far])
    solid = np.concatenate([data["solid"][chosen], np.where(unknown, np.nan, 0.0)])
    chosen = rng.integers(len(data["surface"]), size=sampling.num_surface)
    normals = data["normals"][chosen].astype(np.float32) @ view.rotation.T
    colors = view.lit(data["colors"][chosen] / 255.0, normals)
    wide = rng.random((len(normals), 1)) < 0.5
    noise = np.where(wide, sampling.wide_surface_noise, sampling.surface_noise)
    offset = rng.normal(size=(len(normals), 1)) * noise
    surface = to_world(data["surface"][chosen]) + offset * normals
    pixels = rng.integers(size, size=(sampling.num_rays, 2))  # row, column
    silhouette = photo[pixels[:, 0], pixels[:, 1], 3].copy()
    ray_ends = (pixels[:, ::-1] + 0.5) / size * 2.0 - 1.0
    ray_ends[:, 1] *= -1.0  # rows run downward
    other = rng.integers(len(data["photos"]))
    side_points, side_silhouette = silhouette_rays(
        data["photos"][other],
        TrainingView.from_array(data["views"][other]),
        sampling.num_side_rays,
        sampling.side_samples,
        rng,
    )
    side_points = to_world(side_points)
    if sampling.augment:
        photo = _augmented_photo(photo, rng)
        if rng.random() < 0.5:
            photo = photo[:, ::-1]
            for mirrored in (points, surface, ray_ends, side_points):
                mirrored[..., 0] *= -1.0
        order = rng.permutation(3)
        photo = np.concatenate([photo[..., order], photo[..., 3:]], axis=-1)
        colors = colors[:, order]
    return (
        np.ascontiguousarray(photo.transpose(2, 0, 1), dtype=np.float32),
        np.array([view.distance, view.focal]),
        lens.normalise(torch.from_numpy(points.astype(np.float32))).numpy(),
        solid.astype(np.float32),
        lens.normalise(torch.from_numpy(surface.astype(np.float32))).numpy(),
        colors.astype(np.float32),
        ray_ends.astype(np.float32),
        silhouette,
        lens.normalise(torch.from_numpy(side_points.astype(np.float32))).numpy(),
        side_silhouette,
    )


def _shrunk(images: Tensor, size: int) -> Tensor:
    """Area-averaged straight-alpha RGBA: colours are weighted by alpha."""
    factor = images.shape[-1] // size
    alpha = images[:, 3:]
    weighted = F.avg_pool2d(torch.cat([images[:, :3] * alpha, alpha], dim=1), factor)
    return torch.cat([weighted[:, :3] / weighted[:, 3:].clamp_min(1e-4), weighted[:, 3:]], dim=1)


def collate_samples(
    samples: Sequence[tuple[np.ndarray, ...]], *, size: int | None = None
) -> PointBatch:
    """Samples of `draw_sample` as one batch.

    Args:
        samples: B samples.
        size: photo side, a divisor of the prepared one; None keeps that.
    """
    images, lenses, *rest = (
        torch.from_numpy(np.stack(column)) for column in zip(*samples, strict=True)
    )
    if size is not None:
        images = _shrunk(images, size)
    size = images.shape[-1]
    zeros = torch.zeros(len(samples))
    c2w = look_at(torch.stack([zeros, -lenses[:, 0], zeros], 1))
    focal = lenses[:, 1] * size
    centre = torch.full_like(focal, size / 2.0)
    intrinsics = torch.stack([focal, focal, centre, centre], dim=1)
    cameras = Cameras(c2w.float(), intrinsics.float(), size, size)
    return PointBatch(images, cameras, *rest)


def prepare_objects(
    scenes: Iterator[tuple[str, Callable[[], Scene]]],
    folder: Path,
    sampling: ViewSampling,
    *,
    seed: int,
) -> Iterator[tuple[str, str]]:
    """Write the training data of many objects, skipping those already there.

    Args:
        scenes: object ids with a function that loads or makes the object.
        folder: where `<id>.npz` files go.
        sampling: how photos are taken.
        seed: with the object id, the only source of randomness.

    Yields:
        (id, reason) per object; the reason is empty unless the object had to be skipped.
    """
    for object_id, load in scenes:
        path = folder / f"{object_id}.npz"
        if path.exists():
            yield object_id, ""
            continue
        rng = np.random.default_rng([seed, zlib.crc32(object_id.encode())])
        try:
            data = prepare_object(normalise_scene(load(), 2.0), sampling, rng)
        except (LrmError, ValueError) as error:  # one bad asset must not stop the run
            yield object_id, str(error)
            continue
        with replacing(path) as temporary:
            np.savez(temporary, **data)  # type: ignore[arg-type]
        yield object_id, ""
