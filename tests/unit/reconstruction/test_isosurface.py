import mcubes
import numpy as np
import pytest
import torch
import trimesh
from skimage.measure import marching_cubes

from lrm_core.reconstruction.density_grid import dense_density, sparse_density
from lrm_core.reconstruction.grid_query import grid_query
from lrm_core.reconstruction.isosurface import extract_surface
from lrm_core.structures.triplane import Frustum

FRUSTUM = Frustum(distance=2.0, focal=0.75)


def as_trimesh(surface):
    vertices, faces = surface
    return trimesh.Trimesh(vertices, faces, process=False)


@pytest.fixture
def noise(random_field):
    """A field and a density that its surface crosses everywhere, the faces of the box included."""
    field = random_field()
    line = torch.linspace(-0.8, 0.8, 12)
    points = torch.cartesian_prod(line, line, line)
    return field, field(points)[0].quantile(0.6).item()


def test_ball_is_where_it_should_be(shape_field):
    field = shape_field("ball", extent=0.8)
    mesh = as_trimesh(extract_surface(dense_density(field, 64, 1.0), field.triplane))
    radius = np.linalg.norm(mesh.vertices, axis=1)
    # the planes' bilinear x^2 is off by at most (texel / 2)^2 per axis
    np.testing.assert_allclose(radius, 0.8 * 0.6, atol=5e-4)
    assert mesh.is_watertight
    assert mesh.euler_number == 2
    outward = np.einsum("ij,ij->i", mesh.face_normals, mesh.triangles_center)
    assert (outward > 0).all()


@pytest.mark.parametrize("frustum", [None, FRUSTUM])
@pytest.mark.parametrize("density", [dense_density, sparse_density])
def test_ring_has_one_hole_and_faces_outwards(shape_field, frustum, density):
    field = shape_field("ring", frustum=frustum)
    mesh = as_trimesh(extract_surface(density(field, 50, 1.0), field.triplane))
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.euler_number == 0
    # outside the frustum's center plane the warp stretches the torus; without it 2 pi^2 R r^2
    expected = None if frustum else 2 * np.pi**2 * 0.5 * 0.04
    assert mesh.volume > 0
    assert expected is None or mesh.volume == pytest.approx(expected, rel=0.02)


def test_frustum_maps_the_grid_to_the_world(shape_field):
    field = shape_field("ball", frustum=FRUSTUM)
    vertices, _ = extract_surface(dense_density(field, 64, 1.0), field.triplane)
    normalized = FRUSTUM.normalize(torch.from_numpy(vertices)).numpy()
    np.testing.assert_allclose(np.linalg.norm(normalized, axis=1), 0.6, atol=5e-4)


@pytest.mark.parametrize("resolution", [29, 32])
def test_noise_is_closed_without_degenerate_faces(noise, resolution):
    field, iso = noise
    surface = extract_surface(dense_density(field, resolution, iso), field.triplane)
    mesh = as_trimesh(surface)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
    assert (mesh.area_faces > 0).all()
    assert np.isfinite(mesh.vertices).all()
    assert len(np.unique(mesh.faces)) == len(mesh.vertices)
    cell = 2 * 0.87 / (resolution - 1)
    assert np.abs(mesh.vertices).max() <= 0.87 + 2e-3 * cell


def test_slab_is_closed_by_the_box(shape_field):
    field = shape_field("slab")
    mesh = as_trimesh(extract_surface(dense_density(field, 40, 1.0), field.triplane))
    assert mesh.is_watertight
    np.testing.assert_allclose(mesh.bounds[:, :2], [[-1, -1], [1, 1]], atol=1e-4)


def test_same_triangles_as_the_library_on_the_whole_grid(noise):
    """PyMCubes alone, on the dense grid, finds the same vertices and as many faces."""
    field, iso = noise
    every = torch.arange(30)
    volume = np.full((32, 32, 32), -1e3, dtype=np.float32)
    volume[1:-1, 1:-1, 1:-1] = grid_query(field, 30).lattice(every, every, every)
    level = float(np.log(np.expm1(iso)) + 1.0)  # softplus(raw - 1) = iso
    vertices, faces = mcubes.marching_cubes(volume, level)
    vertices = 0.87 * ((vertices - 1.0) * (2 / 29) - 1.0)
    ours, our_faces = extract_surface(dense_density(field, 30, iso), field.triplane)
    assert (len(ours), len(our_faces)) == (len(vertices), len(faces))
    # vertices inside the box agree one by one
    inside = (np.abs(vertices) < 0.87).all(axis=1)
    assert trimesh.proximity.cKDTree(ours).query(vertices[inside])[0].max() < 1e-4


def test_same_surface_as_another_library_where_no_cell_is_ambiguous(shape_field):
    field = shape_field("ring")
    mesh = as_trimesh(extract_surface(dense_density(field, 50, 1.0), field.triplane))
    every = torch.arange(50)
    volume = grid_query(field, 50).lattice(every, every, every).numpy()
    vertices, faces, _, _ = marching_cubes(volume, 0.0, gradient_direction="ascent")
    other = as_trimesh((vertices * (2 / 49) - 1.0, faces))
    assert (len(mesh.vertices), len(mesh.faces)) == (len(other.vertices), len(other.faces))
    assert trimesh.proximity.cKDTree(mesh.vertices).query(other.vertices)[0].max() < 1e-5
    assert mesh.volume == pytest.approx(other.volume, rel=1e-4)


def test_sparse_and_exact_surfaces_agree(noise):
    """The bound of the project: components above 0.1% of the volume, vertices within 1e-4."""
    field, iso = noise
    exact, fast = (
        as_trimesh(extract_surface(density(field, 40, iso), field.triplane))
        for density in (dense_density, sparse_density)
    )
    tree = trimesh.proximity.cKDTree(fast.vertices)
    parts = exact.split(only_watertight=False)
    large = [part for part in parts if abs(part.volume) > 1e-3 * exact.volume]
    assert large
    for part in large:
        assert tree.query(part.vertices)[0].max() < 1e-4
