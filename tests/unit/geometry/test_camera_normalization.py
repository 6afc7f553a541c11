"""What must not change under normalization, and what must be exact afterwards."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrm_core.errors import InputError
from lrm_core.geometry.camera_normalization import normalize_cameras
from lrm_core.structures.cameras import Cameras, look_at


def _cameras(seed: int, count: int = 5) -> Cameras:
    """Cameras on a shell that look at the origin, with lenses of their own."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    radius = 1.5 + 1.5 * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    origins = directions / directions.norm(dim=1, keepdim=True) * radius
    intrinsics = 50 + 20 * torch.rand(count, 4, generator=generator, dtype=torch.float64)
    return Cameras(look_at(origins), intrinsics, 64, 64)


def _relative(cameras: Cameras, i: int, j: int) -> torch.Tensor:
    return torch.linalg.inv(cameras.c2w[i]) @ cameras.c2w[j]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    source=st.integers(0, 4),
    distance=st.one_of(st.none(), st.floats(0.5, 4.0)),
)
def test_the_source_is_canonical_and_relative_poses_keep_their_shape(seed, source, distance):
    before = _cameras(seed)
    after = normalize_cameras(before, source, distance=distance)
    own = before.origins[source].norm()
    expected = own if distance is None else torch.tensor(distance, dtype=torch.float64)
    zero = torch.tensor(0.0, dtype=torch.float64)
    torch.testing.assert_close(
        after.origins[source], torch.stack([zero, -expected, zero]), atol=1e-6, rtol=1e-6
    )
    right, up, backward = after.c2w[source, :3, :3].T
    assert right.tolist() == [1, 0, 0]
    assert up.tolist() == [0, 0, 1]
    assert backward.tolist() == [0, -1, 0]
    scale = expected / own
    for other in range(5):
        unscaled = _relative(before, source, other)
        unscaled[:3, 3] *= scale
        torch.testing.assert_close(_relative(after, source, other), unscaled, atol=1e-6, rtol=1e-6)
    assert torch.equal(after.intrinsics, before.intrinsics)
    assert (after.width, after.height) == (before.width, before.height)


def test_cameras_that_looked_at_the_origin_still_do_and_see_the_same_pixels():
    before = _cameras(1)
    after = normalize_cameras(before, 2, distance=2.0)
    point = torch.zeros(1, 3, dtype=torch.float64)
    torch.testing.assert_close(
        after.project(point)[0], before.project(point)[0], atol=1e-5, rtol=1e-5
    )


def test_a_point_of_the_object_moves_with_the_world():
    """The same similarity applied to a point leaves its pixels where they were."""
    before = _cameras(3)
    after = normalize_cameras(before, 0, distance=2.0)
    scale = 2.0 / before.origins[0].norm()
    world = after.c2w[0] @ torch.linalg.inv(before.c2w[0])
    rotation = world[:3, :3]
    point = torch.tensor([[0.2, -0.1, 0.3]], dtype=torch.float64)
    moved = scale * point @ rotation.T
    torch.testing.assert_close(
        after.project(moved)[0], before.project(point)[0], atol=1e-4, rtol=1e-4
    )


def test_none_changes_nothing_and_random_only_turns_the_world():
    before = _cameras(4)
    assert normalize_cameras(before, mode="none") is before
    generator = torch.Generator().manual_seed(0)
    turned = normalize_cameras(before, mode="random", generator=generator)
    torch.testing.assert_close(turned.origins.norm(dim=1), before.origins.norm(dim=1))
    torch.testing.assert_close(_relative(turned, 0, 3), _relative(before, 0, 3))
    rotation = turned.c2w[0, :3, :3] @ before.c2w[0, :3, :3].T
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3, dtype=torch.float64))
    assert torch.linalg.det(rotation) == pytest.approx(1.0)
    again = normalize_cameras(before, mode="random", generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.c2w, turned.c2w)


def test_a_source_camera_at_the_origin_is_refused():
    cameras = _cameras(5)
    cameras.c2w[1, :3, 3] = 0.0
    with pytest.raises(InputError, match="origin"):
        normalize_cameras(cameras, 1)
