import math

import pytest
import torch

from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.triplane import (
    LRM_PLANES,
    Frustum,
    Triplane,
    sample_planes,
    signed_axis,
)


def naive_bilinear(plane, u, v):
    """Texel centers at (i + 0.5) / n of [-1, 1]; zero outside. plane: (C, H, W) as nested lists."""
    height, width = len(plane[0]), len(plane[0][0])
    x, y = (u + 1) * width / 2 - 0.5, (v + 1) * height / 2 - 0.5
    x0, y0 = math.floor(x), math.floor(y)
    features = [0.0] * len(plane)
    for row, column in [(y0, x0), (y0, x0 + 1), (y0 + 1, x0), (y0 + 1, x0 + 1)]:
        if 0 <= row < height and 0 <= column < width:
            weight = (1 - abs(x - column)) * (1 - abs(y - row))
            for channel, texels in enumerate(plane):
                features[channel] += weight * texels[row][column]
    return features


AXES = [
    LRM_PLANES,
    (("x", "y"), ("x", "z"), ("z", "y")),  # OpenLRM
    (("-y", "x"), ("-y", "z"), ("x", "z")),  # TripoSR, in our frame
]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("frustum", [None, Frustum(2.0, 0.75)])
def test_features_match_a_plain_loop(axes, frustum):
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(2, 3, 4, 5, 6, generator=generator)  # height and width differ
    points = 1.1 * (2 * torch.rand(2, 40, 3, generator=generator) - 1)
    triplane = Triplane(planes, 0.9, axes, frustum)
    features = sample_planes(triplane, points)
    assert features.shape == (2, 40, 12)
    for item in range(2):
        for index, point in enumerate(points[item].tolist()):
            x, y, z = (value / 0.9 for value in point)
            if frustum is not None:
                x, z = (2 * 0.75 * value / (y + 2.0) for value in (x, z))
            world = {"x": x, "y": y, "z": z, "-y": -y}
            expected = []
            for plane, (width_axis, height_axis) in enumerate(axes):
                texels = planes[item, plane].tolist()
                expected += naive_bilinear(texels, world[width_axis], world[height_axis])
            assert features[item, index].tolist() == pytest.approx(expected, abs=1e-4)


def test_features_outside_the_cube_are_zero():
    triplane = Triplane(torch.ones(1, 3, 2, 4, 4), extent=0.5)
    assert torch.equal(sample_planes(triplane, torch.full((1, 1, 3), 0.9)), torch.zeros(1, 1, 6))
    assert torch.equal(sample_planes(triplane, torch.zeros(1, 1, 3)), torch.ones(1, 1, 6))


def test_normalize_and_back():
    points = torch.tensor([[0.3, -0.2, 0.5], [-0.4, 0.6, -0.7]])
    for frustum in (None, Frustum(2.0, 0.75)):
        triplane = Triplane(torch.zeros(1, 3, 1, 2, 2), 0.87, frustum=frustum)
        assert torch.allclose(triplane.denormalize(triplane.normalize(points)), points, atol=1e-6)


def test_frustum_coordinates_are_the_source_image():
    points = torch.tensor([[0.3, -0.9, 0.5], [-0.4, 0.6, -0.7], [0.0, 0.0, 0.0]])
    pixels, depth = canonical_camera(2, distance=1.8, focal=0.9).project(points)
    coordinates = Frustum(1.8, 0.9).normalize(points)
    # 2 px wide: pixels - 1 is [-1, 1] over the image; up is -y in pixels
    assert torch.allclose(coordinates[:, 0], pixels[0, :, 0] - 1.0, atol=1e-6)
    assert torch.allclose(coordinates[:, 2], 1.0 - pixels[0, :, 1], atol=1e-6)
    assert torch.allclose(coordinates[:, 1], depth[0] - 1.8, atol=1e-6)


def test_points_behind_the_source_camera_lie_far_outside():
    coordinates = Frustum(2.0, 0.75).normalize(torch.tensor([[0.1, -3.0, 0.1]]))
    assert float(coordinates[0, 0]) > 1.0
    assert float(coordinates[0, 1]) < -1.0


def test_signed_axes():
    assert [signed_axis(axis) for axis in ("x", "-y", "z")] == [(0, 1.0), (1, -1.0), (2, 1.0)]


def test_indexing_picks_one_object():
    triplane = Triplane(torch.arange(24.0).reshape(2, 3, 1, 2, 2), 0.87, AXES[1], Frustum(2.0, 1.0))
    second = triplane[1]
    assert len(triplane) == 2
    assert torch.equal(second.planes, triplane.planes[1:])
    assert (second.extent, second.axes, second.frustum) == (0.87, AXES[1], Frustum(2.0, 1.0))
