import numpy as np
import pytest
import torch
import trimesh
from scipy.ndimage import binary_erosion

from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.reconstruction.photo_colors import SeveralPhotoColors, photo_colors
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.structures.cameras import Cameras, canonical_camera
from lrm_core.structures.mesh import Mesh

GRAY = 0.5


@pytest.fixture(scope="module")
def two_balls():
    """A ball of radius 0.4 in front of a larger one: the camera sees parts of both."""
    parts = []
    for radius, y in ((0.4, -0.45), (0.55, 0.4)):
        part = trimesh.creation.icosphere(subdivisions=5, radius=radius)
        part.apply_translation([0.0, y, 0.0])
        parts.append(part)
    mesh = trimesh.util.concatenate(parts)
    return np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)


@pytest.fixture(scope="module")
def photo(two_balls):
    """(1, 4, S, S): the balls in colors that follow from the position."""
    vertices, faces = two_balls
    mesh = Mesh(vertices, faces, stripes(vertices))
    view = render_scene(scene_from_mesh(mesh), canonical_camera(256), background=0.0)
    alpha = view.opacity[0]
    straight = view.rgb[0] / alpha.clamp_min(1e-3)[..., None]
    return torch.cat([straight, alpha[..., None]], dim=-1).permute(2, 0, 1)[None]


def stripes(points):
    """A smooth pattern of the object, sRGB in [0.1, 0.9]."""
    return (0.5 + 0.4 * np.sin(8.0 * points + [0.0, 1.0, 2.0])).astype(np.float32)


def blended(two_balls, photo):
    vertices, faces = two_balls
    colors = photo_colors(photo, canonical_camera(128), vertices, faces)
    normals = trimesh.Trimesh(vertices, faces, process=False).vertex_normals
    return colors.blend(vertices, normals, np.full_like(vertices, GRAY)), normals


def analytic_visibility(vertices, normals):
    """(visible, cosine): by the formula of ray and sphere, no renderer involved."""
    origin = np.array([0.0, -2.0, 0.0])
    direction = vertices - origin
    length = np.linalg.norm(direction, axis=1)
    direction /= length[:, None]
    cosine = -(normals * direction).sum(axis=1)
    to_centre = np.array([0.0, -0.45, 0.0]) - origin
    along = direction @ to_centre
    beside = np.linalg.norm(direction * along[:, None] - to_centre, axis=1)
    behind_the_small_ball = (beside < 0.4) & (length > along + 0.1)
    return (cosine > 0) & ~behind_the_small_ball, cosine, beside


def test_what_faces_the_camera_takes_the_photo_and_nothing_else_does(two_balls, photo):
    vertices, _ = two_balls
    colors, normals = blended(two_balls, photo)
    visible, cosine, beside = analytic_visibility(vertices, normals)
    sharp = visible & (cosine > 0.45) & (np.abs(beside - 0.4) > 0.03)
    assert sharp.sum() > 1500
    assert np.abs(colors - stripes(vertices))[sharp].max() < 0.01
    hidden = ~visible & (np.abs(beside - 0.4) > 0.03)
    assert hidden.sum() > 2000
    np.testing.assert_array_equal(colors[hidden], np.float32(GRAY))


def test_the_photo_fades_out_towards_the_outline(two_balls, photo):
    vertices, _ = two_balls
    colors, normals = blended(two_balls, photo)
    _, cosine, _ = analytic_visibility(vertices, normals)
    in_front = vertices[:, 1] < -0.06  # of the small ball
    grazing = in_front & (cosine > 0) & (cosine < 0.1)
    assert grazing.sum() > 50
    # at a cosine of 0.1 a third of the photo, of at most 0.4 above or below gray
    assert np.abs(colors - GRAY)[grazing].max() < 0.4 / 3 + 0.01


def test_a_white_background_does_not_bleed_into_the_object(two_balls, photo):
    """Half-covered pixels are not believed: with white under them nothing changes."""
    spoiled = photo.clone()
    edge = (photo[:, 3:] < 0.9).expand(-1, 3, -1, -1)
    spoiled[:, :3][edge] = 1.0
    clean, _ = blended(two_balls, photo)
    again, _ = blended(two_balls, spoiled)
    np.testing.assert_array_equal(again, clean)


def test_the_outermost_pixels_are_not_believed_whatever_alpha_says(two_balls, photo):
    """A mask a pixel too wide has the background's color under it."""
    inside = photo[0, 3].numpy() > 0.98
    outermost = inside & ~binary_erosion(inside)
    assert outermost.sum() > 100
    spoiled = photo.clone()
    spoiled[0, :3, torch.from_numpy(outermost)] = 1.0
    clean, _ = blended(two_balls, photo)
    again, _ = blended(two_balls, spoiled)
    np.testing.assert_array_equal(again, clean)


def test_a_faint_photo_is_used_as_it_is(two_balls, photo):
    """An object that is nowhere opaque has colors all the same."""
    faint = photo.clone()
    faint[:, 3:] *= 0.5
    colors, _ = blended(two_balls, faint)
    assert np.isfinite(colors).all()
    assert (np.abs(colors - GRAY) > 0.1).any()


def test_of_several_photos_the_most_frontal_one_counts_most():
    """A ball between two cameras at right angles, one picture red and one blue."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    vertices = np.asarray(ball.vertices, np.float32)
    faces = np.asarray(ball.faces, np.int32)
    normals = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    laid = []
    for azimuth, color in ((0.0, (1.0, 0.0, 0.0)), (90.0, (0.0, 0.0, 1.0))):
        camera = orbited(canonical_camera(128), azimuth)
        picture = torch.ones(1, 4, 128, 128)
        picture[0, :3] = torch.tensor(color)[:, None, None]
        laid.append(photo_colors(picture, camera, vertices, faces))
    seen = SeveralPhotoColors(tuple(laid)).blend(vertices, normals, np.full_like(vertices, GRAY))
    front, right = vertices @ [0.0, -2.0, 0.0], vertices @ [2.0, 0.0, 0.0]
    # cosines towards the cameras: each is 2 - 0.5 units away at the nearest point
    frontal = front - right
    only_hidden = (front < 0.2) & (right < 0.2)
    np.testing.assert_allclose(seen[only_hidden], GRAY)
    for chosen, color in ((frontal > 0.7, [1.0, 0.0, 0.0]), (frontal < -0.7, [0.0, 0.0, 1.0])):
        chosen = chosen & (np.maximum(front, right) > 0.7)
        assert chosen.sum() > 50
        np.testing.assert_allclose(seen[chosen], np.tile(color, (chosen.sum(), 1)), atol=0.12)
    # both see it well: two to one in cosines is sixteen to one in colors
    towards = [np.array([0.0, -2.0, 0.0]) - vertices, np.array([2.0, 0.0, 0.0]) - vertices]
    cosines = [(v / np.linalg.norm(v, axis=1)[:, None] * normals).sum(axis=1) for v in towards]
    twice = (np.minimum(*cosines) > 0.32) & (np.abs(cosines[0] / cosines[1] - 2.0) < 0.2)
    assert twice.sum() > 5
    ratio = (cosines[0] / cosines[1])[twice] ** 4
    np.testing.assert_allclose(seen[twice, 2], 1.0 / (1.0 + ratio), atol=0.01)
    middle = np.abs(frontal) < 0.02
    middle &= front > 0.5
    np.testing.assert_allclose(seen[middle, 0], seen[middle, 2], atol=0.1)


def orbited(camera: Cameras, azimuth: float) -> Cameras:
    """The camera carried around the vertical."""
    turn = torch.from_numpy(trimesh.transformations.rotation_matrix(np.radians(azimuth), [0, 0, 1]))
    c2w = (turn @ camera.c2w.double()).float()
    return Cameras(c2w, camera.intrinsics, camera.width, camera.height)
