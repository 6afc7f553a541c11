"""Placing objects by their silhouettes: balls and boxes whose silhouettes are known exactly."""

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull, Delaunay
from scipy.spatial.transform import Rotation

from lrm_core.errors import InputError
from lrm_core.sources.object_placement import place_object
from lrm_core.structures.cameras import Cameras, look_at

SIZE, FOCAL = 128, 150.0


def orbit(count=12, *, arc=360.0, elevation=20.0, distance=4.0):
    azimuths = np.radians(np.linspace(0.0, arc, count, endpoint=arc < 360.0))
    flat, height = np.cos(np.radians(elevation)), np.sin(np.radians(elevation))
    places = distance * np.stack(
        [flat * np.sin(azimuths), -flat * np.cos(azimuths), np.full(count, height)], axis=-1
    )
    lens = torch.tensor([[FOCAL, FOCAL, SIZE / 2, SIZE / 2]]).double().repeat(count, 1)
    return Cameras(look_at(torch.from_numpy(places)), lens, SIZE, SIZE)


def box_silhouettes(cameras, half, middle=(0.0, 0.0, 0.0)):
    """Convex hulls of the projected corners of a box."""
    signs = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3)
    corners, _ = cameras.project(torch.from_numpy(signs * half + middle))
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    pixels = np.stack([x, y], axis=-1).reshape(-1, 2)
    masks = []
    for view in corners.numpy():
        outline = view[ConvexHull(view).vertices]
        masks.append(Delaunay(outline).find_simplex(pixels).reshape(SIZE, SIZE) >= 0)
    return np.stack(masks).astype(np.uint8) * 255


def box_points(half, middle=(0.0, 0.0, 0.0), count=300):
    random = np.random.default_rng(0)
    points = random.uniform(-1.0, 1.0, (count, 3))
    faces = random.integers(0, 3, count)
    points[np.arange(count), faces] = np.sign(points[np.arange(count), faces])
    return points * half + middle


def place(cameras, masks, points=None):
    return place_object(masks, cameras.c2w.numpy(), cameras.intrinsics.numpy(), points)


HALF, MIDDLE = np.array([0.8, 0.5, 0.4]), np.array([0.0, -0.2, 0.15])


@pytest.mark.parametrize("arc", [360.0, 180.0])
@pytest.mark.parametrize("elevation", [10.0, 40.0])
def test_points_and_masks_together_find_the_box(arc, elevation):
    cameras = orbit(12, arc=arc, elevation=elevation)
    outside = np.random.default_rng(1).uniform(-8, 8, (2000, 3))
    outside = outside[np.abs(outside).max(axis=1) > 2.5]
    points = np.concatenate([box_points(HALF, MIDDLE), outside])
    placement = place(cameras, box_silhouettes(cameras, HALF, MIDDLE), points)
    np.testing.assert_allclose(placement.center, MIDDLE, atol=0.03)
    assert placement.scale * HALF.max() == pytest.approx(0.95, abs=0.04)
    np.testing.assert_allclose(placement.bounds[1], placement.scale * HALF, atol=0.06)
    np.testing.assert_array_equal(placement.bounds[0], -placement.bounds[1])
    assert placement.trusted.all()


def test_masks_bound_what_points_leave_out():
    """Texture on a belt around the middle only: the masks tell the height."""
    cameras = orbit(12, elevation=20.0)
    belt = box_points(HALF)
    belt = belt[np.abs(belt[:, 2]) < 0.15]
    assert len(belt) > 50
    placement = place(cameras, box_silhouettes(cameras, HALF), belt)
    height = placement.bounds[1, 2] / placement.scale
    assert height == pytest.approx(HALF[2], abs=0.04)


@pytest.mark.parametrize("elevation", [0.0, 15.0, 40.0])
def test_without_points_the_object_is_inside(elevation):
    cameras = orbit(12, elevation=elevation)
    placement = place(cameras, box_silhouettes(cameras, HALF, MIDDLE))
    signs = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3)
    corners = signs * HALF + MIDDLE
    placed = placement.scale * (corners - placement.center) @ placement.rotation.T
    assert (np.abs(placed) <= placement.bounds[1] + 0.03).all()
    if elevation == 0.0:  # nothing is hidden from cameras on the horizon
        np.testing.assert_allclose(placement.center, MIDDLE, atol=0.07)


def test_up_is_found_from_an_arc_of_cameras_that_look_down():
    for arc in (60.0, 180.0, 360.0):
        cameras = orbit(6, arc=arc, elevation=40.0)
        turn = Rotation.random(random_state=3).as_matrix()
        c2w = cameras.c2w.numpy().copy()
        c2w[:, :3] = turn @ c2w[:, :3]
        masks = box_silhouettes(cameras, HALF)
        placement = place_object(masks, c2w, cameras.intrinsics.numpy())
        np.testing.assert_allclose(placement.rotation @ turn @ [0, 0, 1], [0, 0, 1], atol=1e-6)
        first = placement.apply(c2w)[0, :3, 3]
        assert first[1] < 0
        assert abs(first[0]) < 0.1 * -first[1]


def test_up_is_found_from_cameras_above_one_another():
    heights = torch.linspace(-0.5, 2.5, 8).double()
    places = torch.stack([torch.zeros(8), torch.full((8,), -4.0), heights], dim=-1).double()
    lens = torch.tensor([[FOCAL, FOCAL, SIZE / 2, SIZE / 2]]).double().repeat(8, 1)
    cameras = Cameras(look_at(places), lens, SIZE, SIZE)
    placement = place(cameras, box_silhouettes(cameras, HALF))
    up = placement.rotation @ [0, 0, 1]
    assert up[2] > 0.9  # the mean of tilted cameras: not exact


def test_cameras_keep_their_relations():
    cameras = orbit(8)
    c2w = cameras.c2w.numpy()
    placement = place(cameras, box_silhouettes(cameras, HALF))
    placed = placement.apply(c2w)
    before, after = np.linalg.inv(c2w[0]) @ c2w, np.linalg.inv(placed[0]) @ placed
    np.testing.assert_allclose(after[:, :3, :3], before[:, :3, :3], atol=1e-12)
    np.testing.assert_allclose(after[:, :3, 3], placement.scale * before[:, :3, 3], atol=1e-12)
    assert np.linalg.det(placement.rotation) == pytest.approx(1.0)


def test_wrong_masks_and_poses_are_found_out():
    cameras = orbit(16)
    masks = box_silhouettes(cameras, HALF)
    truth = place(cameras, masks, box_points(HALF))
    masks[3] = np.roll(masks[3], 45, axis=1)
    masks[9] = np.roll(masks[9], -40, axis=0)
    c2w = cameras.c2w.numpy().copy()
    c2w[12, :3, :3] = c2w[12, :3, :3] @ Rotation.from_euler("y", 25, degrees=True).as_matrix()
    placement = place_object(masks, c2w, cameras.intrinsics.numpy(), box_points(HALF))
    np.testing.assert_array_equal(np.flatnonzero(~placement.trusted), [3, 9, 12])
    np.testing.assert_allclose(placement.center, truth.center, atol=0.03)
    assert placement.scale == pytest.approx(truth.scale, rel=0.03)


def test_what_cannot_be_placed_is_refused():
    cameras = orbit(8, arc=2.0)
    with pytest.raises(InputError, match="one side"):
        place(cameras, box_silhouettes(cameras, HALF))
    cameras = orbit(8)
    masks = box_silhouettes(cameras, HALF)
    away = cameras.c2w.numpy().copy()
    away[:, :3, 0] *= -1.0  # half a turn about y
    away[:, :3, 2] *= -1.0
    with pytest.raises(InputError, match="look away"):
        place_object(masks, away, cameras.intrinsics.numpy())
    scattered = np.stack(
        [np.roll(mask, shift, axis=(0, 1)) for mask, shift in zip(
            masks, [(40, 40), (-40, 40), (40, -40), (-40, -40)] * 2, strict=True)]
    )  # fmt: skip
    with pytest.raises(InputError, match="do not agree"):
        place(cameras, scattered // 255 * 255)


def test_a_flat_object_seen_edge_on_keeps_its_views():
    half = np.array([0.9, 0.03, 0.5])
    cameras = orbit(24, elevation=10.0)
    placement = place(cameras, box_silhouettes(cameras, half), box_points(half))
    assert placement.trusted.all()
    assert placement.scale * half[0] == pytest.approx(0.95, abs=0.03)
