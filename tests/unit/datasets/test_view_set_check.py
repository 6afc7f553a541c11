"""Views of an ellipsoid, whose silhouette and depth follow from a quadratic equation."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from lrm_core.datasets.view_set_check import check_cameras, check_views
from lrm_core.structures.cameras import Cameras, look_at
from lrm_core.structures.view_set import ObjectSource, ViewSet

AXES = np.array([0.9, 0.35, 0.5])
SIZE = 64  # a focal length of 0.75 is 48 pixels


def ellipsoid(num_views=6, axes=AXES, seed=0) -> ViewSet:
    rng = np.random.default_rng(seed)
    origins = rng.normal(size=(num_views, 3))
    origins *= rng.uniform(1.9, 3.0, (num_views, 1)) / np.linalg.norm(origins, axis=1)[:, None]
    c2w = look_at(torch.from_numpy(origins).float())
    lens = torch.tensor([[0.75, 0.75, 0.5, 0.5]]).repeat(num_views, 1) * SIZE
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    local = np.stack([x - SIZE / 2, SIZE / 2 - y, np.full_like(x, -0.75 * SIZE)], -1) / 48
    images = np.zeros((num_views, SIZE, SIZE, 4), np.uint8)
    depth = np.full((num_views, SIZE, SIZE), np.inf, np.float32)
    for view in range(num_views):
        # |(origin + t * direction) / axes|^2 = 1, depth t along the viewing axis
        direction = local @ c2w[view, :3, :3].double().numpy().T / axes
        origin = c2w[view, :3, 3].double().numpy() / axes
        a, b = (direction**2).sum(-1), (direction * origin).sum(-1)
        root = b * b - a * ((origin**2).sum() - 1)
        hit = root >= 0
        depth[view][hit] = (-b[hit] - np.sqrt(root[hit])) / a[hit]
        images[view][hit] = (200, 100, 50, 255)
    bounds = np.stack([-axes, axes]).astype(np.float32)
    source = ObjectSource("ellipsoids", "CC0", "0" * 64, bounds)
    return ViewSet("ellipsoid", images, Cameras(c2w, lens, SIZE, SIZE), source, depth)


def with_cameras(views: ViewSet, **changes) -> ViewSet:
    return dataclasses.replace(views, cameras=dataclasses.replace(views.cameras, **changes))


def with_bounds(views: ViewSet, bounds) -> ViewSet:
    return dataclasses.replace(views, source=dataclasses.replace(views.source, bounds=bounds))


def test_true_views_pass():
    for seed in range(5):
        assert check_views(ellipsoid(seed=seed)) == []


def test_cameras_of_other_views_are_found_by_their_depths():
    views = ellipsoid()
    for first, second in [(0, 1), (2, 5), (3, 4)]:
        order = list(range(6))
        order[first], order[second] = second, first
        problems = check_views(with_cameras(views, c2w=views.cameras.c2w[order]))
        assert {f"view {first}", f"view {second}"} == {text.split(":")[0] for text in problems}


def test_an_object_beyond_its_box_is_found_without_depth():
    views = dataclasses.replace(ellipsoid(), depth=None)
    assert check_views(views) == []
    smaller = views.source.bounds * np.array([0.5, 1, 1], np.float32)
    problems = check_views(with_bounds(views, smaller))
    assert problems
    assert all("pixels beyond its projected box" in text for text in problems)
    # half a pixel of antialiasing is no reason
    assert check_views(with_bounds(views, views.source.bounds * np.float32(0.99))) == []
    # no box, nothing to compare with
    assert check_views(with_bounds(views, None)) == []


def test_intrinsics_of_another_size_are_found():
    views = ellipsoid()
    assert check_views(with_cameras(views, intrinsics=views.cameras.intrinsics * 1.2))
    shifted = views.cameras.intrinsics + torch.tensor([0.0, 0.0, 8.0, 0.0])
    assert check_views(with_cameras(views, intrinsics=shifted))


def test_an_object_that_is_never_seen_is_found():
    views = ellipsoid()
    empty = views.images.copy()
    empty[:-1] = 0
    assert check_views(dataclasses.replace(views, images=empty)) == []
    empty[-1, ..., 3] = 0
    (problem,) = check_views(dataclasses.replace(views, images=empty))
    assert "invisible in every view" in problem


def test_a_camera_inside_the_box_is_no_problem():
    views = ellipsoid()
    room = np.array([[-5.0] * 3, [5.0] * 3], np.float32)
    assert check_views(with_bounds(views, room)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c2w, lens: c2w[1, :3, :3].mul_(1.01), "view 1: its camera-to-world .* not rigid"),
        (lambda c2w, lens: c2w[1, :3, 0].mul_(-1), "view 1: .* not rigid"),
        (lambda c2w, lens: c2w[1, 3, 0].fill_(0.1), "view 1: .* not rigid"),
        (lambda c2w, lens: c2w[1, 0, 3].fill_(torch.nan), "view 1: its camera is not finite"),
        (lambda c2w, lens: lens[1, 2].fill_(torch.inf), "view 1: its camera is not finite"),
        (lambda c2w, lens: lens[1, 1].mul_(-1), "view 1: its focal length is not positive"),
    ],
)
def test_broken_cameras_are_named(change, words):
    cameras = ellipsoid(3).cameras
    assert check_cameras(cameras) == []
    change(cameras.c2w, cameras.intrinsics)
    problems = check_cameras(cameras)
    assert len(problems) == 1
    assert re.match(words, problems[0])
