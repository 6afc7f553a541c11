import math

import numpy as np
import pytest
import torch

from lrm_core.errors import ConfigError, InputError
from lrm_core.reconstruction.view_directions import (
    DIRECTIONS,
    Direction,
    box_of,
    foreground_ratios,
    parse_direction,
    relative_scales,
)


@pytest.mark.parametrize("direction", [*DIRECTIONS.values(), Direction(35.0, 20.0)])
def test_the_camera_of_a_direction_stands_in_front_in_its_own_frame(direction):
    """By the formula of docs/conventions.md."""
    azimuth, elevation = math.radians(direction.azimuth), math.radians(direction.elevation)
    place = torch.tensor(
        [
            math.cos(elevation) * math.sin(azimuth),
            -math.cos(elevation) * math.cos(azimuth),
            math.sin(elevation),
        ],
        dtype=torch.float64,
    )
    own = direction.rotation @ place
    np.testing.assert_allclose(own.numpy(), [0.0, -1.0, 0.0], atol=1e-6)
    assert float(torch.linalg.det(direction.rotation)) == pytest.approx(1.0, abs=1e-6)


def test_up_stays_up_and_in_the_photo_from_above_the_front_points_down():
    up, front = torch.tensor([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0]], dtype=torch.float64)
    for name in ("front", "right", "back", "left"):
        np.testing.assert_allclose(DIRECTIONS[name].rotation @ up, up, atol=1e-6)
    np.testing.assert_allclose(DIRECTIONS["top"].rotation @ front, -up, atol=1e-6)


def test_the_photo_from_below_shows_the_front_above():
    up, front, right = torch.tensor(
        [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64
    )
    below = DIRECTIONS["bottom"].rotation
    np.testing.assert_allclose(below @ front, up, atol=1e-12)
    np.testing.assert_allclose(below @ right, right, atol=1e-12)


@pytest.mark.parametrize("azimuth", [0.0, 35.0, 90.0, 180.0, 270.0])
@pytest.mark.parametrize("pole", [-90.0, 90.0])
def test_straight_above_and_below_are_what_steep_cameras_tend_to(azimuth: float, pole: float):
    near, there = Direction(azimuth, 0.9999 * pole), Direction(azimuth, pole)
    np.testing.assert_allclose(there.rotation, near.rotation, atol=3e-4)
    # the azimuth turns the picture as it turns every other one
    turn = Direction(azimuth).rotation
    np.testing.assert_allclose(there.rotation, Direction(0.0, pole).rotation @ turn, atol=1e-12)


def test_directions_are_read_by_name_and_by_angles():
    assert parse_direction("left") == Direction(270.0)
    assert parse_direction("-90,30.5") == Direction(270.0, 30.5)


@pytest.mark.parametrize("text", ["behind", "45", "45,100", "nan,0", "45,0,0", ""])
def test_other_words_are_not_directions(text):
    with pytest.raises(ConfigError, match="not a direction"):
        parse_direction(text)


def test_scales_come_from_what_photos_have_in_common():
    """A box of 3 x 2 x 1 seen from four sides and from above, each photo at a scale of its own."""
    width, depth, height = 3.0, 2.0, 1.0
    names = ["front", "back", "right", "left", "top"]
    across = [(width, height), (width, height), (depth, height), (depth, height), (width, depth)]
    scales = [1.0, 0.7, 1.4, 1.1, 0.8]
    boxes = [(a * s, b * s) for (a, b), s in zip(across, scales, strict=True)]
    solved = relative_scales([DIRECTIONS[name] for name in names], boxes)
    assert solved == pytest.approx(scales, rel=0.02)


def test_a_long_object_takes_less_of_the_crop_where_its_narrow_end_is_seen():
    """A box of 1 x 3 x 1.2, three times as long as it is wide, whatever the sizes of the photos."""
    width, depth, height = 1.0, 3.0, 1.2
    names, across = ["front", "right", "top"], [(width, height), (depth, height), (width, depth)]
    boxes = [(a * s, b * s) for (a, b), s in zip(across, [500.0, 90.0, 210.0], strict=True)]
    ratios = foreground_ratios([DIRECTIONS[name] for name in names], boxes, 0.7)
    assert ratios == pytest.approx([0.7 * height / depth, 0.7, 0.7], rel=0.02)


def test_an_oblique_photo_of_a_ball_is_brought_to_its_size():
    directions = [Direction(0.0), Direction(90.0), Direction(40.0, 30.0)]
    solved = relative_scales(directions, [(1.0, 1.0), (1.2, 1.2), (0.6, 0.6)])
    assert solved == pytest.approx([1.0, 1.2, 0.6], rel=0.02)


def test_the_box_is_that_of_what_is_covered():
    alpha = torch.zeros(1, 1, 10, 10)
    alpha[..., 2:5, 1:9] = 1.0
    assert box_of(alpha) == (0.8, 0.3)
    with pytest.raises(InputError):
        box_of(torch.zeros_like(alpha))
