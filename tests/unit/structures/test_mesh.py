import numpy as np
import pytest
from jaxtyping import TypeCheckError

from lrm_core.structures.frames import WORLD_TO_FILE
from lrm_core.structures.mesh import Mesh, Texture


def triangle(**surface: object) -> Mesh:
    vertices = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)
    return Mesh(vertices, np.array([[0, 1, 2]], dtype=np.int32), **surface)


def test_triangles_are_corner_positions():
    mesh = triangle()
    assert mesh.triangles.shape == (1, 3, 3)
    np.testing.assert_array_equal(mesh.triangles[0], mesh.vertices)


def test_transformed_rotates_vertices_and_keeps_the_rest():
    colors = np.full((3, 3), 0.5, dtype=np.float32)
    mesh = triangle(vertex_colors=colors)
    moved = mesh.transformed(WORLD_TO_FILE["y"])
    # front -y becomes +z, up +z becomes +y, right stays
    np.testing.assert_array_equal(moved.vertices, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert moved.vertices.dtype == np.float32
    assert moved.faces is mesh.faces
    assert moved.vertex_colors is colors


@pytest.mark.parametrize("up", ["y", "z"])
def test_frames_are_rotations(up):
    rotation = WORLD_TO_FILE[up]
    np.testing.assert_array_equal(rotation @ rotation.T, np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_shapes_that_disagree_are_refused():
    with pytest.raises((ValueError, TypeCheckError)):
        triangle(vertex_colors=np.zeros((2, 3), dtype=np.float32))
    texture = Texture(np.zeros((1, 1, 3), dtype=np.uint8), np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(ValueError, match="uv must have 3 rows, got 2"):
        triangle(texture=texture)
    with pytest.raises((ValueError, TypeCheckError)):
        Mesh(np.zeros((3, 2), dtype=np.float32), np.zeros((1, 3), dtype=np.int32))
    with pytest.raises((ValueError, TypeCheckError)):
        Mesh(np.zeros((3, 3), dtype=np.float32), np.zeros((1, 4), dtype=np.int32))
