import numpy as np
import pytest
import trimesh

pytest.importorskip("manifold3d")

from lrm_core.modeling import shapes


@pytest.mark.parametrize(
    ("shape", "volume"),
    [
        (shapes.box([1.0, 2.0, 0.5]), 1.0),
        (shapes.ellipsoid([0.5, 0.6, 0.7], divisions=40), 4 / 3 * np.pi * 0.5 * 0.6 * 0.7),
        (shapes.lathe(np.array([[0.5, 0.0], [0.5, 2.0]]), segments=256), np.pi * 0.25 * 2.0),
        (shapes.torus(1.0, 0.25, 128, 64), 2 * np.pi**2 * 1.0 * 0.25**2),
        (shapes.extrude(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 0.4), 0.2),
        (shapes.tube(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), 0.3, sides=256), np.pi * 0.09),
        (
            shapes.blend([shapes.Limb((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.4, 0.4))], 0.01, 60),
            np.pi * 0.16 + 4 / 3 * np.pi * 0.064,
        ),
    ],
)
def test_shapes_are_closed_with_the_volume_of_the_formula(shape, volume):
    for solid in (shape, shape.mirrored(), shape.rotated("x", 70).moved(0.1, 0.2, 0.3)):
        mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
        assert mesh.is_watertight
        assert mesh.volume == pytest.approx(volume, rel=0.01)


def test_rounded_box_has_the_volume_of_steiner():
    a, b, c, r = 1.0, 0.8, 0.6, 0.2
    shape = shapes.box([a, b, c], rounding=r, divisions=24)
    mesh = trimesh.Trimesh(shape.vertices, shape.faces, process=False)
    x, y, z = a - 2 * r, b - 2 * r, c - 2 * r
    steiner = x * y * z + 2 * r * (x * y + y * z + z * x)
    steiner += np.pi * r**2 * (x + y + z) + 4 / 3 * np.pi * r**3
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(steiner, rel=0.02)


def test_paint_sticks_to_a_shape_until_it_is_settled():
    shape = shapes.box([1.0, 2.0, 3.0])
    moved = shape.scaled([2.0, 1.0, 1.0]).moved(z=5.0)
    np.testing.assert_array_equal(moved.rest, shape.rest)
    np.testing.assert_allclose(np.ptp(moved.vertices, axis=0), [2.0, 2.0, 3.0])
    np.testing.assert_array_equal(moved.settled().rest, moved.vertices)


def test_a_star_has_the_area_of_its_triangles():
    corners = shapes.star(5, 2.0, 0.8, start=0.3)
    x, y = corners.T
    shoelace = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    assert shoelace == pytest.approx(10 * 0.5 * 2.0 * 0.8 * np.sin(np.pi / 5))
    np.testing.assert_allclose(corners[0], [2.0 * np.cos(0.3), 2.0 * np.sin(0.3)])
