"""Density and color of ray layers against the formulas in plain loops."""

import math

import pytest
import torch

from lrm_core.structures.ray_layers import RayLayers

STEEPNESS = 60.0


def layers(**changes: object) -> RayLayers:
    maps = torch.rand(2, 12, 5, 7, generator=torch.Generator().manual_seed(0))
    maps[:, 0] -= 1.0
    maps[:, 2] -= 0.2
    return RayLayers(maps, STEEPNESS)


def ray(first: float, last: float, edge: float = 1.0) -> torch.Tensor:
    """Twelve maps of one ray: red in front, green behind, blue between."""
    return torch.tensor([first, last, edge, 0.9, 0.1, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9])


def smooth_step(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return 3 * x**2 - 2 * x**3


def test_samples_match_a_plain_loop_and_the_border_goes_on():
    some = layers()
    places = 1.3 * (2.0 * torch.rand(2, 30, 2, generator=torch.Generator().manual_seed(1)) - 1.0)
    sampled = some.sample(places)
    assert sampled.shape == (2, 30, 12)
    height, width = 5, 7
    for item in range(2):
        for index, (right, up) in enumerate(places[item].tolist()):
            x = min(max((right + 1) * width / 2 - 0.5, 0.0), width - 1.0)
            y = min(max((up + 1) * height / 2 - 0.5, 0.0), height - 1.0)
            expected = torch.zeros(12)
            for row in range(height):
                for column in range(width):
                    weight = max(0.0, 1 - abs(x - column)) * max(0.0, 1 - abs(y - row))
                    expected += weight * some.maps[item, :, row, column]
            torch.testing.assert_close(sampled[item, index], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(some.sample(places, 3), sampled[..., :3])


def test_density_is_steepness_times_the_distance_to_the_nearest_of_both_surfaces_and_the_outline():
    generator = torch.Generator().manual_seed(2)
    maps = layers().maps.permute(0, 2, 3, 1).reshape(-1, 12)
    y = 2.0 * torch.rand(len(maps), generator=generator) - 1.0
    found = RayLayers(layers().maps, STEEPNESS).density(maps, y)
    kinds = set()
    for (first, last, edge, *_), depth, density in zip(
        maps.tolist(), y.tolist(), found.tolist(), strict=True
    ):
        assert last - first > 0.024
        distances = [depth - first, last - depth, edge]
        kinds.add(distances.index(min(distances)))
        assert density == pytest.approx(min(8.0, STEEPNESS * min(distances)), abs=1e-4)
    assert kinds == {0, 1, 2}


def test_density_is_zero_on_the_surfaces_and_bounded_deep_inside():
    y = torch.tensor([-0.5, 0.3, -0.1, -0.5 + 0.05, 0.4])
    found = layers().density(ray(-0.5, 0.3).expand(5, -1), y)
    expected = torch.tensor([0.0, 0.0, 8.0, 3.0, -6.0])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0.0)


@pytest.mark.parametrize(("first", "last"), [(0.2, 0.2), (0.199, 0.201), (0.6, -0.2)])
def test_layers_that_are_too_close_or_in_the_wrong_order_are_a_thin_sheet(first, last):
    """0.024 thick about their middle, whichever way round."""
    y = 0.2 + torch.tensor([0.0, -0.012, 0.012, -0.02, 0.02])
    found = layers().density(ray(first, last).expand(5, -1), y)
    expected = STEEPNESS * torch.tensor([0.012, 0.0, 0.0, -0.008, -0.008])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0.0)


def test_colors_on_the_surfaces_are_theirs_and_deep_inside_what_lies_between():
    y = torch.tensor([-0.5, -0.9, 0.3, 0.7, -0.1])
    found = torch.sigmoid(layers().color(ray(-0.5, 0.3).expand(5, -1), y))
    red, green, blue = ray(0, 0)[3:].view(3, 3)
    expected = torch.stack([red, red, green, green, blue])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0.0)


def test_colors_match_a_plain_loop():
    generator = torch.Generator().manual_seed(3)
    maps = layers().maps.permute(0, 2, 3, 1).reshape(-1, 12).clone()
    maps[::3, 1] = maps[::3, 0] + 0.1  # thinner than the reach of both surfaces
    y = maps[:, 0] + (maps[:, 1] - maps[:, 0]) * torch.rand(len(maps), generator=generator)
    found = torch.sigmoid(layers().color(maps, y))
    for values, depth, color in zip(maps.tolist(), y.tolist(), found, strict=True):
        first, last = values[:2]
        thickness = last - first
        # from one surface to the other within the last 0.15 before the middle and the first after
        reach = min(0.3, thickness)
        share = smooth_step((depth - (first + last) / 2) / reach + 0.5)
        inside = smooth_step(min(depth - first, last - depth) / 0.15)
        for channel in range(3):
            front, back, between = (values[start + channel] for start in (3, 6, 9))
            expected = (1 - share) * front + share * back
            expected = (1 - inside) * expected + inside * between
            expected = min(max(expected, 1 / 255), 254 / 255)
            assert color[channel].item() == pytest.approx(expected, abs=1e-4)


def test_black_and_white_stay_finite():
    maps = ray(-0.5, 0.3)
    maps[3:] = torch.tensor([0.0, 1.0, 0.5, 0.0, 1.0, 0.5, 0.0, 1.0, 0.5])
    raw = layers().color(maps[None], torch.zeros(1))[0]
    limit = math.log(254.0)
    torch.testing.assert_close(raw, torch.tensor([-limit, limit, 0.0]), atol=1e-3, rtol=0.0)


def test_indexing_picks_one_photo():
    some = layers()
    assert torch.equal(some[1].maps, some.maps[1:])
    assert some[1].steepness == STEEPNESS
