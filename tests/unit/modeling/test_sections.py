import numpy as np
import pytest
import trimesh

from lrm_core.modeling.sections import side_view, stack, strip, vessel
from lrm_core.modeling.shapes import lathe


def volume(shape) -> float:
    mesh = trimesh.Trimesh(shape.vertices, shape.faces, process=False)
    assert mesh.is_watertight
    return mesh.volume


def test_a_vessel_is_a_solid_without_its_room():
    radius, height, wall = 0.7, 1.2, 0.1
    cup = vessel([(radius, 0.0), (radius, height / 2), (radius, height)], wall, segments=400)
    room = np.pi * (radius - wall) ** 2 * (height - wall)
    assert volume(cup) == pytest.approx(np.pi * radius**2 * height - room, rel=1e-3)


def test_samples_of_a_vessel_follow_the_curve_of_a_lathe():
    outline = [(0.5, 0.0), (0.8, 0.6), (0.4, 1.0)]
    outside = lathe(outline, segments=48, samples=20).vertices
    cup = vessel(outline, 0.05, samples=20).vertices
    # ring by ring, the outside of the cup is the lathe
    np.testing.assert_array_equal(cup[: 20 * 48], outside[: 20 * 48])


def test_a_strip_of_upright_ellipses_has_the_volume_of_their_areas():
    y = np.linspace(-1.0, 1.0, 200)
    top, half = 0.6 + 0.1 * y, 0.4 - 0.1 * y
    body = strip(side_view(y, top, 0.1, half, 0.3), exponent=2.0, segments=200)
    areas = np.pi * half * (top - 0.1) / 2
    assert volume(body) == pytest.approx(np.trapezoid(areas, y), rel=2e-3)
    assert body.vertices[:, 0].mean() == pytest.approx(0.3, abs=1e-2)


def test_a_stack_of_equal_ellipses_is_a_cylinder():
    body = stack([(0.0, 0.5, 0.3), (1.0, 0.5, 0.3), (2.0, 0.5, 0.3)], segments=300)
    assert volume(body) == pytest.approx(np.pi * 0.5 * 0.3 * 2.0, rel=1e-3)
