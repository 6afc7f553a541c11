import numpy as np
import pytest
import trimesh

from lrm_core.geometry.mesh_geometry import area_normals, vertex_normals, weld


def test_weld_keeps_first_occurrences_in_order():
    rng = np.random.default_rng(0)
    vertices = rng.integers(0, 4, (200, 3)).astype(np.float32)
    vertices[::7] *= -1  # -0.0 is the same place as 0.0
    first, welded = weld(vertices)
    seen: dict[tuple[float, ...], int] = {}
    expected_first, expected = [], []
    for index, vertex in enumerate((vertices + 0.0).tolist()):
        if tuple(vertex) not in seen:
            seen[tuple(vertex)] = len(seen)
            expected_first.append(index)
        expected.append(seen[tuple(vertex)])
    assert first.tolist() == expected_first
    assert welded.tolist() == expected


def test_normals_of_a_sphere_point_outward():
    sphere = trimesh.creation.icosphere(subdivisions=4)
    normals = vertex_normals(sphere.vertices.astype(np.float32), np.asarray(sphere.faces))
    assert ((normals * sphere.vertices).sum(axis=1)).min() > 0.9995


def test_normals_are_area_weighted_and_shared_across_seams():
    box = trimesh.creation.box(extents=(1, 2, 3))
    doubled = box.triangles.reshape(-1, 3)  # every corner on its own
    normals = vertex_normals(doubled, np.arange(36).reshape(-1, 3))
    for position in box.vertices:
        group = normals[(doubled == position).all(axis=1)]
        assert len(group) >= 3
        np.testing.assert_allclose(group, group[:1].repeat(len(group), axis=0))
    # naive sum over the triangles of one corner
    corner = box.vertices[0]
    touching = (box.triangles == corner).all(axis=2).any(axis=1)
    summed = (box.face_normals[touching] * box.area_faces[touching, None]).sum(axis=0)
    np.testing.assert_allclose(
        normals[(doubled == corner).all(axis=1)][0], summed / np.linalg.norm(summed), atol=1e-6
    )


def test_vertices_without_area_get_a_unit_normal():
    vertices = np.zeros((4, 3), dtype=np.float32)
    normals = vertex_normals(vertices, np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(normals, [[0, 0, 1]] * 4)


@pytest.mark.parametrize("count", [1, 2])
def test_weld_of_few_vertices(count):
    first, welded = weld(np.ones((count, 3), dtype=np.float32))
    assert first.tolist() == [0]
    assert welded.tolist() == [0] * count


def test_area_normals_are_those_of_trimesh():
    corners = np.random.default_rng(0).normal(size=(50, 3, 3))
    normals = area_normals(corners)
    unit, _ = trimesh.triangles.normals(corners)
    areas = trimesh.triangles.area(corners)
    np.testing.assert_allclose(normals, 2.0 * areas[:, None] * unit, atol=1e-12)
