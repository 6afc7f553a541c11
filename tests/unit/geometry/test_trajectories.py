import math

import pytest
import torch

from lrm_core.errors import ConfigError
from lrm_core.geometry.trajectories import orbit, random_on_shell, turntable
from lrm_core.structures.cameras import canonical_camera


def assert_looks_at_origin_with_z_up(cameras):
    pixels, depth = cameras.project(torch.zeros(1, 3))
    assert torch.allclose(pixels, torch.tensor(cameras.width / 2), atol=1e-3)
    assert torch.allclose(depth[:, 0], cameras.origins.norm(dim=-1), atol=1e-5)
    assert bool((cameras.c2w[:, 2, 0].abs() < 1e-5).all())  # the horizon is level
    assert bool((cameras.c2w[:, 2, 1] > -1e-5).all())  # z points up in the image


@pytest.mark.parametrize("path", [orbit, turntable])
def test_paths_start_at_the_source_camera(path):
    options = {"elevation_degrees": 0.0} if path is orbit else {}
    first = path(7, size=64, radius=2.0, focal=0.75, **options)[0]
    source = canonical_camera(64)
    assert torch.allclose(first.c2w, source.c2w, atol=1e-6)
    assert torch.equal(first.intrinsics, source.intrinsics)
    assert (first.width, first.height) == (64, 64)


def test_orbit_goes_counter_clockwise_seen_from_above():
    expected = [[0.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [-2.0, 0.0, 0.0]]
    assert torch.allclose(orbit(4).origins, torch.tensor(expected), atol=1e-6)
    assert_looks_at_origin_with_z_up(orbit(4))


def test_orbit_keeps_elevation_and_radius():
    cameras = orbit(12, elevation_degrees=30.0, radius=1.7)
    assert torch.allclose(cameras.origins[:, 2], torch.tensor(1.7 * math.sin(math.pi / 6)))
    assert torch.allclose(cameras.origins.norm(dim=-1), torch.tensor(1.7))
    assert_looks_at_origin_with_z_up(cameras)


def test_turntable_loops_without_a_seam_and_peaks_behind():
    cameras = turntable(60, elevation_degrees=25.0, radius=2.0)
    origins = cameras.origins
    steps = (origins - origins.roll(1, dims=0)).norm(dim=-1)  # the last to the first included
    assert float(steps.max() / steps.min()) < 1.15
    assert int(origins[:, 2].argmax()) == 30
    assert float(origins[30, 2]) == pytest.approx(2.0 * math.sin(math.radians(25.0)))
    assert_looks_at_origin_with_z_up(cameras)


def test_random_views_fill_the_paper_s_shell_and_repeat_with_the_seed():
    cameras = random_on_shell(4000, generator=torch.Generator().manual_seed(0))
    again = random_on_shell(4000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(cameras.c2w, again.c2w)
    radius, height = cameras.origins.norm(dim=-1), cameras.origins[:, 2]
    assert float(radius.min()) >= 1.5 - 1e-5
    assert float(radius.max()) <= 3.0 + 1e-5
    assert float(height.min()) >= -0.75 - 1e-6
    assert float(height.max()) <= 1.6 + 1e-6
    # radius is uniform; so is the height of a uniform direction, hence its mean
    assert float(radius.mean()) == pytest.approx(2.25, abs=0.03)
    assert float(height[radius > 1.6].mean()) == pytest.approx((1.6 - 0.75) / 2, abs=0.05)
    quarter = (cameras.origins[:, 0] > 0) & (cameras.origins[:, 1] > 0)
    assert float(quarter.float().mean()) == pytest.approx(0.25, abs=0.03)
    assert_looks_at_origin_with_z_up(cameras)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: orbit(0), "at least 1, got 0"),
        (lambda: orbit(3, radius=-1.0), "radius must be above 0, got -1.0"),
        (lambda: orbit(3, radius=math.nan), "radius must be above 0, got nan"),
        (lambda: orbit(3, elevation_degrees=90.0), "between -90 and 90 degrees, got 90.0"),
        (lambda: turntable(3, size=0), "above 0, got 0 and 0.75"),
        (lambda: turntable(3, focal=0.0), "above 0, got 512 and 0.0"),
        (lambda: random_on_shell(0), "at least 1"),
        (lambda: turntable(99_999_999), "at most 100,000, got 99,999,999"),
        (lambda: random_on_shell(2, radius_range=(3.0, 1.5)), "must be ordered"),
        (lambda: random_on_shell(2, height_range=(2.0, 2.5)), "no camera at distance 1.5"),
    ],
)
def test_bad_values_are_named(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
