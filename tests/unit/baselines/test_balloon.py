import numpy as np
import pytest
import trimesh

from lrm_core.baselines.balloon import BalloonPredictor, signed_distance
from lrm_core.errors import EmptyForegroundError
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.structures.cameras import canonical_camera


@pytest.fixture(scope="module")
def balloon(picture):
    return BalloonPredictor(grid=128).predict(picture, name="x").scene


def test_signed_distance_is_that_to_the_nearest_pixel_of_the_other_kind():
    rng = np.random.default_rng(0)
    inside = rng.random((9, 9)) < 0.6
    padded = np.pad(inside, 1)
    rows, columns = np.indices(padded.shape)
    distance = signed_distance(inside)
    for row, column in np.ndindex(padded.shape):
        others = padded != padded[row, column]
        gaps = np.hypot(rows[others] - row, columns[others] - column)
        expected = gaps.min() - 0.5
        assert distance[row, column] == pytest.approx(
            expected if padded[row, column] else -expected
        )


def test_the_balloon_is_closed_and_outward(balloon):
    (part,) = balloon.parts
    solid = trimesh.Trimesh(part.vertices, part.faces, process=False)
    assert solid.is_watertight
    assert solid.volume > 0


def test_the_balloon_looks_like_the_picture(balloon, picture):
    view = render_scene(balloon, canonical_camera(256), channels=("rgb", "alpha"))
    seen, alpha = view.opacity[0].numpy() > 0.5, picture[..., 3] > 127
    assert (seen & alpha).sum() / (seen | alpha).sum() > 0.97
    color = view.rgb[0].numpy()[seen & alpha] * 255.0 - picture[seen & alpha, :3]
    assert np.median(np.abs(color)) < 2
    assert (view.rgb[0].numpy()[..., 1] < 0.9)[seen].all()  # the hidden green stays hidden


def test_the_back_has_the_colors_of_the_front(balloon):
    from lrm_core.geometry.trajectories import orbit

    back = render_scene(balloon, orbit(2, size=64, radius=3.0, elevation_degrees=0.0)[1])
    rgb = back.rgb[0].numpy()[back.opacity[0].numpy() > 0.99]
    red, blue = rgb[:, 0] > rgb[:, 2], rgb[:, 2] > rgb[:, 0]
    assert red.mean() > 0.2
    assert blue.mean() > 0.2


def test_a_disc_is_as_thick_as_it_is_wide():
    """Radius R pixels around the middle: R pixels to the front and R to the back."""
    rows, columns = np.mgrid[:128, :128] + 0.5
    rgba = np.zeros((128, 128, 4), dtype=np.uint8)
    rgba[np.hypot(rows - 64, columns - 64) < 30] = 255
    scene = BalloonPredictor(grid=128).predict(rgba, name="disc").scene
    radius = 30 * 2.0 / (0.75 * 128)  # at depth 2
    low, high = scene.bounds
    pixel = 2.0 / (0.75 * 128)
    assert high[1] == pytest.approx(radius, abs=1.5 * pixel)
    assert low[1] == pytest.approx(-radius, abs=1.5 * pixel)
    assert (low + high)[0] == pytest.approx(0, abs=1e-4)
    # half thickness falls linearly with the distance from the middle, along each ray
    vertices = scene.parts[0].vertices.astype(np.float64)
    across = np.hypot(vertices[:, 0], vertices[:, 2]) * 2.0 / (2.0 + vertices[:, 1])
    assert np.abs(np.abs(vertices[:, 1]) - (radius - across)).max() < 1.5 * pixel


def test_an_object_that_fills_the_picture_is_closed_at_its_edge():
    rgba = np.full((64, 64, 4), 255, dtype=np.uint8)
    (part,) = BalloonPredictor(grid=32).predict(rgba, name="full").scene.parts
    assert trimesh.Trimesh(part.vertices, part.faces, process=False).is_watertight


def test_too_little_object(picture):
    empty = picture.copy()
    empty[..., 3] = 0
    with pytest.raises(EmptyForegroundError):
        BalloonPredictor().predict(empty, name="x")
    empty[3, 3, 3] = 40
    prediction = BalloonPredictor().predict(empty, name="x")
    assert prediction.scene is None
    assert "half covered" in prediction.notes[0]
