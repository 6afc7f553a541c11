"""Training photos and points must show the same object from the same camera."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import trimesh

from lrm_core.errors import InputError
from lrm_core.structures.scene import Material, Scene, ScenePart
from lrm_core.structures.triplane import Frustum
from lrm_core.training.point_dataset import (
    BatchSampling,
    PointBatch,
    collate_samples,
    draw_sample,
    prepare_object,
    prepare_objects,
)
from lrm_core.training.point_samples import solid_points
from lrm_core.training.training_photos import TrainingView, ViewSampling, draw_view

SAMPLING = ViewSampling(num_views=2, size=32)
EXACT = BatchSampling(
    num_points=600,
    num_far=0,
    num_surface=600,
    num_rays=64,
    surface_noise=0.0,
    wide_surface_noise=0.0,
    augment=False,
)


def _lopsided_scene() -> Scene:
    """Two boxes of different colours: no symmetry hides a flipped axis."""
    parts = []
    for extents, offset, color in (
        ((1.0, 0.4, 0.5), (0.3, 0.0, -0.4), (1.0, 0.1, 0.1, 1.0)),
        ((0.4, 0.6, 1.0), (-0.4, 0.3, 0.2), (0.1, 0.1, 1.0, 1.0)),
    ):
        box = trimesh.creation.box(extents=extents).subdivide()
        box.apply_translation(offset)
        parts.append(
            ScenePart(np.asarray(box.vertices), np.asarray(box.faces), Material(base_color=color))
        )
    return Scene(tuple(parts))


def _object() -> dict[str, np.ndarray]:
    return prepare_object(_lopsided_scene(), SAMPLING, np.random.default_rng(0))


def draw_batch(
    data: dict[str, np.ndarray],
    num: int,
    sampling: BatchSampling,
    rng: np.random.Generator,
    size: int | None = None,
) -> PointBatch:
    return collate_samples([draw_sample(data, sampling, rng) for _ in range(num)], size=size)


def test_a_view_survives_its_row_of_numbers():
    view = draw_view(SAMPLING, np.random.default_rng(1))
    again = TrainingView.from_array(view.to_array())
    np.testing.assert_allclose(again.rotation, view.rotation, atol=1e-6)
    np.testing.assert_allclose(again.light, view.light, atol=1e-6)
    np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-12)
    assert abs(again.focal - view.focal) < 1e-6


def test_solid_points_project_into_the_silhouette_and_rays_carry_its_alpha():
    batch = draw_batch(_object(), 4, EXACT, np.random.default_rng(2))
    alpha = batch.images[:, 3:]
    down = torch.tensor([1.0, -1.0])
    at_points = F.grid_sample(
        alpha, (batch.points[..., [0, 2]] * down)[:, None], align_corners=False
    )[:, 0, 0]
    solid = batch.solid > 0.5
    assert (at_points[solid] > 0.3).float().mean() > 0.99
    assert (at_points[~solid] > 0.3).float().mean() < 0.9
    at_rays = F.grid_sample(
        alpha, (batch.ray_ends * down)[:, None], mode="nearest", align_corners=False
    )[:, 0, 0]
    torch.testing.assert_close(at_rays, batch.silhouette)


def test_normalised_points_are_what_the_source_cameras_see():
    """u, v of the batch against Cameras.project of the un-normalised points."""
    batch = draw_batch(_object(), 3, EXACT, np.random.default_rng(3))
    for index in range(3):
        camera = batch.cameras[index]
        u, y, v = batch.points[index].unbind(-1)
        distance = -camera.origins[0, 1]
        focal = camera.normalised_intrinsics[0, 0]
        scale = (y + distance) / (2 * focal)
        pixels, _ = camera.project(torch.stack([u * scale, y, v * scale], dim=-1))
        expected = torch.stack([(u + 1) / 2, (1 - v) / 2], dim=-1) * camera.width
        torch.testing.assert_close(pixels[0], expected, atol=1e-3, rtol=1e-4)


def test_visible_surface_points_have_the_photos_colours():
    batch = draw_batch(_object(), 4, EXACT, np.random.default_rng(4))
    grid = (batch.surface[..., [0, 2]] * torch.tensor([1.0, -1.0]))[:, None]
    seen = F.grid_sample(batch.images[:, :3], grid, align_corners=False)[:, :, 0].transpose(1, 2)
    error = (seen - batch.colors).abs().amax(dim=-1)
    # about half of the points face the camera; flat shading makes those exact but at edges
    assert (error < 0.04).float().mean() > 0.3


def test_mirroring_moves_points_with_the_photo():
    augmented = BatchSampling(num_points=600, num_far=0, num_surface=10, surface_noise=0.0)
    batch = draw_batch(_object(), 8, augmented, np.random.default_rng(5))
    grid = (batch.points[..., [0, 2]] * torch.tensor([1.0, -1.0]))[:, None]
    alpha = F.grid_sample(batch.images[:, 3:], grid, align_corners=False)[:, 0, 0]
    # masks may be cut too tight by a pixel of 32; a photo mirrored alone gives 0.8
    assert (alpha[batch.solid > 0.5] > 0.2).float().mean() > 0.92


def test_low_resolution_batches_average_colours_by_alpha():
    data = _object()
    full = draw_batch(data, 2, EXACT, np.random.default_rng(6)).images
    small = draw_batch(data, 2, EXACT, np.random.default_rng(6), size=16).images
    blocks = full.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)  # (B, 4, 16, 16, 4)
    alpha = blocks[:, 3].mean(-1)
    torch.testing.assert_close(small[:, 3], alpha)
    red = (blocks[:, 0] * blocks[:, 3]).sum(-1) / blocks[:, 3].sum(-1).clamp_min(1e-6)
    solid = alpha > 0.1
    torch.testing.assert_close(small[:, 0][solid], red[solid], atol=1e-4, rtol=1e-4)


def test_side_rays_carry_the_alpha_of_the_photo_they_come_from():
    """Through the other photo's own camera, by another way: solid points lie on covered rays."""
    data = _object()
    sampling = replace(EXACT, num_side_rays=400, side_samples=24)
    batch = draw_batch(data, 6, sampling, np.random.default_rng(8))
    covered = batch.side_silhouette > 0.5
    assert 0.1 < covered.float().mean() < 0.9
    triangles = np.concatenate([p.vertices[p.faces] for p in _lopsided_scene().parts])
    views = [TrainingView.from_array(row) for row in data["views"]]
    agreeing = []
    for index in range(6):
        # the batch does not say which of the two photos it took: its camera does
        distance = float(-batch.cameras[index].origins[0, 1])
        view = min(views, key=lambda one: abs(one.distance - distance))
        lens = Frustum(view.distance, view.focal)
        world = lens.denormalise(batch.side_points[index]).numpy()
        in_object = (world - view.shift) @ view.rotation / view.scale
        solid = solid_points(triangles, in_object.reshape(-1, 3)).reshape(400, 24)
        agreeing.append(solid.any(axis=1) == covered[index].numpy())
    # samples may pass a corner, pixels on the outline are partly covered
    assert np.mean(agreeing) > 0.9


def test_canonical_photos_have_the_canonical_camera_and_half_are_level():
    sampling = ViewSampling(canonical_share=1.0)
    views = [draw_view(sampling, np.random.default_rng(seed)) for seed in range(60)]
    assert {(view.distance, view.focal, view.scale) for view in views} == {(2.0, 0.75, 0.9)}
    assert not np.any([view.shift for view in views])
    level = [abs(view.rotation[2, 2] - 1.0) < 1e-12 for view in views]
    assert 0.3 < np.mean(level) < 0.7


def test_lying_objects_are_tipped_by_a_right_angle():
    sampling = ViewSampling(canonical_share=1.0, elevation_degrees=(0.0, 0.0), lying_share=1.0)
    for seed in range(8):
        rotation = draw_view(sampling, np.random.default_rng(seed)).rotation
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1.0)
        # what was up lies in the ground plane now
        assert abs(rotation[2, 2]) < 1e-12


def test_bad_objects_are_reported_and_prepared_ones_kept(tmp_path):
    def broken() -> Scene:
        raise InputError("no faces")

    sources = [("good", _lopsided_scene), ("bad", broken)]
    first = dict(prepare_objects(iter(sources), tmp_path, SAMPLING, seed=0))
    assert first == {"good": "", "bad": "no faces"}
    stamp = (tmp_path / "good.npz").stat().st_mtime_ns
    dict(prepare_objects(iter(sources), tmp_path, SAMPLING, seed=0))
    assert (tmp_path / "good.npz").stat().st_mtime_ns == stamp
    assert sorted(p.name for p in tmp_path.iterdir()) == ["good.npz"]
