"""Scores of what rays meet against a plain loop."""

from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.config import ModelConfig
from lrm_core.models.lrm import LRM
from lrm_core.structures.scene import Material, Scene, ScenePart


@pytest.fixture(scope="module")
def held_out(load_benchmark) -> Iterator[ModuleType]:
    with load_benchmark("held_out_photos") as module:
        yield module


def ball() -> Scene:
    """Of one color where it is photographed, and of another behind."""
    mesh = trimesh.creation.icosphere(3)
    vertices = np.float32(mesh.vertices)
    behind = mesh.triangles_center[:, 1] > 0.0
    return Scene(
        tuple(
            ScenePart(vertices, np.int32(mesh.faces[half]), Material(base_color=color))
            for half, color in ((~behind, (0.5, 0.2, 0.1, 1.0)), (behind, (0.1, 0.4, 0.7, 1.0)))
        )
    )


def test_scores_are_mean_absolute_errors_over_pixels_then_photos(
    held_out: ModuleType, tiny_ray_config: ModelConfig
):
    """An untrained model says -0.4, 0.4, and copies the one color that the photo shows."""
    torch.manual_seed(0)
    model = LRM(tiny_ray_config).eval()
    photos = [held_out._photos(ball()), held_out._photos(ball())]
    found = held_out.score(model, photos)
    expected: dict[str, list[float]] = {
        "first": [], "last": [], "behind": [], "first_placed": [],
    }  # fmt: skip
    for one in photos:
        for view in range(len(one.views)):
            first, last = one.depths[view].astype(float)
            known = np.isfinite(first)
            expected["first"].append(np.abs(first - -0.4)[known].mean())
            off = np.sort((-0.4 - first)[known])
            middle = off[(len(off) - 1) // 2]  # the lower median, as torch has it
            expected["first_placed"].append(np.abs(off - middle).mean())
            expected["last"].append(np.abs(last - 0.4)[known].mean())
            behind = one.albedo[view][..., :3] / 255.0
            error = np.abs(behind - one.behind[view] / 255.0).mean(axis=-1)
            expected["behind"].append(error[known].mean())
    for name, values in expected.items():
        assert found[name] == pytest.approx(np.mean(values), abs=2e-4)


def test_views_are_the_canonical_camera_s_and_of_another_seed(held_out: ModuleType):
    assert held_out.SEED != 0
    assert {kind: count for kind, (_, count) in held_out.KINDS.items()} == {
        "procedural": 24, "household": 12, "sets": 8, "groups": 8,
    }  # fmt: skip
    photos = held_out._photos(ball())
    assert photos.albedo.shape == (2, 128, 128, 4)
    np.testing.assert_allclose(photos.views[:, 9], 0.9)  # the scale
    np.testing.assert_allclose(photos.views[:, 13:], [[2.0, 0.75, 1.0, 2.0, 0.75]] * 2)


def test_gray_leaves_the_outline_and_the_depths(held_out: ModuleType):
    photos = held_out._photos(ball())
    gray = held_out.in_gray(photos)
    assert np.ptp(photos.albedo[..., :3]) > 100
    assert (gray.albedo[..., :3] == gray.albedo[0, 0, 0, 0]).all()
    np.testing.assert_array_equal(gray.albedo[..., 3], photos.albedo[..., 3])
    np.testing.assert_array_equal(gray.depths, photos.depths)
