import numpy as np
import pytest
import trimesh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lrm_core.reconstruction.uv_atlas import unwrap
from lrm_core.reconstruction.uv_raster import rasterize

MESHES = {
    "ball": lambda: trimesh.creation.icosphere(subdivisions=4),
    "box": trimesh.creation.box,
    "torus": lambda: trimesh.creation.torus(1.0, 0.3),
    "stairs": lambda: trimesh.util.concatenate(
        [trimesh.creation.box((1, 1, 0.1), transform=_shift(0, 0, z)) for z in (0, 0.5, 1)]
    ),
}


def _shift(*offset):
    return trimesh.transformations.translation_matrix(offset)


@pytest.fixture(params=MESHES)
def shape(request):
    mesh = MESHES[request.param]()
    return np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)


def overlap(atlas, size=700):
    """Share of covered texels that more than one face covers."""
    hits = np.zeros((size, size), dtype=int)
    for texels in rasterize(atlas.uv[atlas.faces], size):
        np.add.at(hits, (texels.rows, texels.columns), 1)
    return (hits > 1).sum() / (hits > 0).sum()


def uv_areas(atlas):
    a, b, c = np.moveaxis(atlas.uv[atlas.faces].astype(float), 1, 0)
    u, v = (b - a).T, (c - a).T
    return (u[0] * v[1] - u[1] * v[0]) / 2


def num_charts(atlas):
    pairs = np.concatenate([atlas.faces[:, :2], atlas.faces[:, 1:]])
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(atlas.uv),) * 2)
    return connected_components(graph, directed=False)[0]


def test_atlas_is_the_same_mesh_laid_flat(shape):
    vertices, faces = shape
    atlas = unwrap(vertices, faces)
    np.testing.assert_array_equal(atlas.vertex_map[atlas.faces], faces)
    assert len(np.unique(atlas.faces)) == len(atlas.uv) == len(atlas.vertex_map)
    assert atlas.uv.min() >= 0
    assert atlas.uv.max() <= 1
    assert overlap(atlas) == 0


def test_faces_keep_a_fair_and_unmirrored_share_of_the_square(shape):
    vertices, faces = shape
    atlas = unwrap(vertices, faces)
    a, b, c = np.moveaxis(vertices[faces].astype(float), 1, 0)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    share = uv_areas(atlas) / area
    assert share.min() > 0.3 * share.max()
    assert uv_areas(atlas).sum() > 0.3


def test_charts_are_few(shape):
    vertices, faces = shape
    bodies = trimesh.Trimesh(vertices, faces, process=False).body_count
    assert num_charts(unwrap(vertices, faces)) <= 16 * bodies


def test_box_gets_its_six_sides():
    mesh = trimesh.creation.box()
    assert num_charts(unwrap(np.asarray(mesh.vertices), np.asarray(mesh.faces))) == 6


def test_surface_above_itself_is_split():
    # a ramp that winds twice about the z axis: one smooth piece, twice above itself
    angle = np.linspace(0, 4 * np.pi, 200)
    rim = [np.stack([r * np.cos(angle), r * np.sin(angle), angle / 8], axis=1) for r in (0.5, 1.0)]
    vertices = np.stack(rim, axis=1).reshape(-1, 3)
    inner = np.arange(0, len(vertices) - 2, 2)
    faces = np.concatenate(
        [
            np.stack([inner, inner + 1, inner + 3], axis=1),
            np.stack([inner, inner + 3, inner + 2], axis=1),
        ]
    )
    atlas = unwrap(vertices, faces)
    assert overlap(atlas) == 0
    assert 2 <= num_charts(atlas) <= 8


def test_result_is_the_same_every_time(shape):
    first, second = unwrap(*shape), unwrap(*shape)
    np.testing.assert_array_equal(first.uv, second.uv)


def test_noise_and_degenerate_faces_are_laid_out():
    rng = np.random.default_rng(0)
    mesh = trimesh.creation.icosphere(subdivisions=2)
    vertices = mesh.vertices + rng.normal(0, 0.1, mesh.vertices.shape)
    faces = np.concatenate([mesh.faces, [[0, 0, 1], [2, 2, 2]]])
    atlas = unwrap(vertices, faces)
    assert np.isfinite(atlas.uv).all()
    np.testing.assert_array_equal(atlas.vertex_map[atlas.faces], faces)
    assert overlap(atlas) < 0.01
