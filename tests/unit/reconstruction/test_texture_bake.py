import numpy as np
import pytest
import torch
import trimesh
from scipy.ndimage import distance_transform_edt

from lrm_core.reconstruction.texture_bake import bake_texture, field_colors
from lrm_core.reconstruction.uv_atlas import unwrap
from lrm_core.reconstruction.uv_raster import rasterize


def expected_rgb(points):
    """The color of `shape_field` at points well inside the box: a known function of position."""
    return 1 / (1 + np.exp(-points))


@pytest.fixture
def unwrapped_ball():
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=0.6)
    vertices, faces = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
    atlas = unwrap(vertices, faces, texture_size=256)
    return vertices[atlas.vertex_map], atlas.faces, atlas.uv


def test_texels_hold_the_color_of_their_point(shape_field, unwrapped_ball):
    vertices, faces, uv = unwrapped_ball
    texture = bake_texture(shape_field("ball"), vertices, faces, uv, size=256)
    assert texture.shape == (256, 256, 3)
    assert texture.dtype == np.uint8
    # an independent way from uv to the surface: trimesh's barycentric coordinates
    rng = np.random.default_rng(0)
    covered = 0
    flat = np.concatenate([uv[faces], np.zeros((*faces.shape, 1))], axis=-1)
    for face in rng.choice(len(faces), 200, replace=False):
        center = (np.floor(uv[faces[face]].mean(axis=0) * 256) + 0.5) / 256
        weights = trimesh.triangles.points_to_barycentric(flat[face][None], [[*center, 0.0]])[0]
        if weights.min() < 1e-6:
            continue
        color = expected_rgb(weights @ vertices[faces[face]])
        column, row = (center * 256).astype(int)
        assert np.abs(texture[255 - row, column] - 255 * color).max() <= 0.51
        covered += 1
    assert covered > 150


def test_texture_looked_up_on_the_surface_gives_the_field(shape_field, unwrapped_ball):
    """Bilinear look-ups, as a viewer does them, see no background at the seams."""
    vertices, faces, uv = unwrapped_ball
    texture = bake_texture(shape_field("ball"), vertices, faces, uv, size=256).astype(float)
    rng = np.random.default_rng(0)
    face, weights = rng.integers(0, len(faces), 20_000), rng.dirichlet((1, 1, 1), 20_000)
    points = np.einsum("nc,ncd->nd", weights, vertices[faces[face]])
    u, v = np.einsum("nc,ncd->dn", weights, uv[faces[face]])
    x, y = u * 256 - 0.5, (1 - v) * 256 - 0.5
    left, up = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - left)[:, None], (y - up)[:, None]
    above = texture[up, left] * (1 - fx) + texture[up, left + 1] * fx
    below = texture[up + 1, left] * (1 - fx) + texture[up + 1, left + 1] * fx
    error = np.abs(above * (1 - fy) + below * fy - 255 * expected_rgb(points)).max(axis=1)
    assert error.max() < 4  # a texel of the ball's rim spans up to 2 levels
    assert error.mean() < 0.5


def test_empty_texels_take_the_color_of_a_nearest_covered_one(shape_field, unwrapped_ball):
    vertices, faces, uv = unwrapped_ball
    texture = bake_texture(shape_field("ball"), vertices, faces, uv, size=64)
    covered = np.zeros((64, 64), dtype=bool)
    for texels in rasterize(uv[faces], 64):
        covered[63 - texels.rows, texels.columns] = True
    assert 0.2 < covered.mean() < 0.9
    distance = distance_transform_edt(~covered)
    inside = np.argwhere(covered)
    for row, column in np.argwhere(~covered)[::29]:
        to_all = np.hypot(*(inside - [row, column]).T)
        nearest = inside[to_all <= 1.04 * distance[row, column]]
        assert (texture[tuple(nearest.T)] == texture[row, column]).all(axis=1).any()


def test_row_zero_is_the_top(shape_field):
    # a square in the x-z plane whose v runs along z
    vertices = np.array([[-0.5, 0, -0.5], [0.5, 0, -0.5], [0.5, 0, 0.5], [-0.5, 0, 0.5]])
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    texture = bake_texture(shape_field("ball"), vertices, faces, uv.astype(float), size=32)
    assert texture[0, 0, 2] > 150 > 105 > texture[-1, 0, 2]  # z is high at the top
    assert texture[0, -1, 0] > 150 > 105 > texture[0, 0, 0]  # x is high at the right


def test_vertex_colors_are_the_fields_clamped(shape_field, random_field):
    points = np.random.default_rng(0).uniform(-0.6, 0.6, (500, 3)).astype(np.float32)
    colors = field_colors(shape_field("ball"), points)
    np.testing.assert_allclose(colors, expected_rgb(points), atol=1e-3)
    field = random_field()
    object.__setattr__(field.nerf_mlp.config, "rgb_padding", 0.4)  # rgb in [-0.4, 1.4]
    raw = field(torch.from_numpy(points))[1].numpy()
    assert raw.min() < 0
    np.testing.assert_allclose(field_colors(field, points), raw.clip(0, 1), atol=1e-6)
