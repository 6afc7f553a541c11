"""Views and photos against Cameras, ball formulas and the framing that they promise."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.scene import Material, Scene, ScenePart
from lrm_core.training.data.training_photos import (
    LayeredPhotos,
    TrainingView,
    draw_view,
    take_photos,
)
from lrm_core.training.layer_config import ViewSampling

KINDS = {
    "canonical": ViewSampling(canonical_share=1.0),
    "framed": ViewSampling(canonical_share=0.0, framed_share=1.0),
    "free": ViewSampling(canonical_share=0.0, framed_share=0.0),
}


def painted_ball(*, subdivisions: int = 4) -> Scene:
    """A ball of radius 1 whose linear color is 0.5 + normal / 4."""
    ball = trimesh.creation.icosphere(subdivisions)
    colors = np.ones((len(ball.vertices), 4), dtype=np.float32)
    colors[:, :3] = 0.5 + ball.vertices / 4
    vertices = np.float32(ball.vertices)
    return Scene((ScenePart(vertices, np.int32(ball.faces), Material(), vertex_colors=colors),))


@pytest.fixture(scope="module")
def ball() -> Scene:
    return painted_ball()


@pytest.fixture(scope="module")
def boxes() -> Scene:
    """Two boxes of different colors, longest side 2: no symmetry hides a flipped axis."""
    parts = []
    for extents, offset, color in (
        ((2.0, 0.7, 0.9), (0.0, -0.1, -0.4), (1.0, 0.1, 0.1, 1.0)),
        ((0.6, 0.9, 1.0), (-0.6, 0.2, 0.3), (0.1, 0.1, 1.0, 1.0)),
    ):
        box = trimesh.creation.box(extents=extents).apply_translation(offset)
        parts.append(
            ScenePart(np.float32(box.vertices), np.int32(box.faces), Material(base_color=color))
        )
    return Scene(tuple(parts))


def vertices_of(scene: Scene) -> np.ndarray:
    return np.concatenate([part.vertices for part in scene.parts])


def views_of(kind: str, scene: Scene, num: int = 40) -> list[TrainingView]:
    vertices = vertices_of(scene)
    return [draw_view(KINDS[kind], vertices, np.random.default_rng(seed)) for seed in range(num)]


def world_camera(view: TrainingView, size: int):
    return canonical_camera(size, distance=view.distance, focal=view.focal)


@pytest.mark.parametrize("kind", KINDS)
def test_places_are_where_the_camera_projects_to(kind: str, boxes: Scene):
    points = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    for view in views_of(kind, boxes, 10):
        size = 64
        pixels, depth = view.camera(size).project(torch.from_numpy(points).float())
        places = view.place(points)
        right, up = 2 * pixels[0, :, 0] / size - 1, 1 - 2 * pixels[0, :, 1] / size
        np.testing.assert_allclose(places[:, 0], right, atol=1e-4)
        np.testing.assert_allclose(places[:, 2], up, atol=1e-4)
        # the camera's own depth is in the object's units
        y = (depth[0].numpy() * view.scale - view.distance) * view.press
        np.testing.assert_allclose(places[:, 1], y, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_camera_in_the_object_s_frame_sees_what_the_world_s_camera_sees(
    kind: str, boxes: Scene
):
    for view in views_of(kind, boxes, 3):
        moved = tuple(
            replace(
                part,
                vertices=np.float32(view.scale * part.vertices @ view.rotation.T + view.shift),
            )
            for part in boxes.parts
        )
        ours = render_scene(boxes, view.camera(40), antialias=False)
        theirs = render_scene(Scene(moved), world_camera(view, 40), antialias=False)
        same = (ours.rgb - theirs.rgb).abs().amax(-1) < 1e-3
        assert same.float().mean() > 0.995  # but for rounding at edges


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_survives_its_row_of_numbers(kind: str, boxes: Scene):
    for view in views_of(kind, boxes, 5):
        again = TrainingView.from_array(view.to_array())
        for one in fields(TrainingView):
            np.testing.assert_allclose(getattr(again, one.name), getattr(view, one.name), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_turned_and_never_mirrored(kind: str, boxes: Scene):
    for view in views_of(kind, boxes):
        np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(view.rotation) == pytest.approx(1.0)


def test_canonical_photos_have_the_canonical_camera_and_half_are_level(boxes: Scene):
    views = views_of("canonical", boxes, 60)
    told = {(v.distance, v.focal, v.scale, v.press, v.told_distance, v.told_focal) for v in views}
    assert told == {(2.0, 0.75, 0.9, 1.0, 2.0, 0.75)}
    assert not np.any([view.shift for view in views])
    level = [abs(view.rotation[2, 2] - 1.0) < 1e-12 for view in views]
    assert 0.3 < np.mean(level) < 0.8  # a lying object is not


def test_free_photos_tell_their_camera_and_keep_the_object_s_size(boxes: Scene):
    sampling = KINDS["free"]
    views = views_of("free", boxes, 200)
    for view in views:
        assert (view.told_distance, view.told_focal) == (view.distance, view.focal)
        assert view.press == 1.0
        assert np.abs(view.shift).max() <= sampling.shift
    distances = np.array([view.distance for view in views])
    assert distances.min() >= 1.8
    assert distances.max() <= 3.2
    assert np.ptp(distances) > 1.2
    focal_at_2 = np.array([view.focal for view in views]) * 2.0 / distances
    assert focal_at_2.min() >= 0.7 - 1e-9
    assert focal_at_2.max() <= 0.8 + 1e-9
    scales = [view.scale for view in views]
    assert 0.65 <= min(scales) < 0.7
    assert 0.9 < max(scales) <= 0.95


def test_kinds_come_as_often_as_their_shares_say(boxes: Scene):
    sampling = ViewSampling(canonical_share=0.5, framed_share=0.3, lying_share=0.0)
    vertices = vertices_of(boxes)
    counts = {"canonical": 0, "framed": 0, "free": 0}
    for seed in range(600):
        view = draw_view(sampling, vertices, np.random.default_rng([seed, 1]))
        if view.told_distance != 2.0:
            counts["free"] += 1
        else:
            counts["canonical" if view.scale == 0.9 and view.distance == 2.0 else "framed"] += 1
    assert counts["canonical"] / 600 == pytest.approx(0.5, abs=0.07)
    assert counts["framed"] / 600 == pytest.approx(0.3, abs=0.07)
    assert counts["free"] / 600 == pytest.approx(0.2, abs=0.07)


def test_lying_objects_are_tipped_by_a_right_angle(boxes: Scene):
    sampling = ViewSampling(canonical_share=1.0, elevation_degrees=(0.0, 0.0), lying_share=1.0)
    for seed in range(8):
        rotation = draw_view(
            sampling, vertices_of(boxes), np.random.default_rng(seed)
        ).rotation  # fmt: skip
        assert np.linalg.det(rotation) == pytest.approx(1.0)
        # what was up lies in the ground plane now
        assert abs(rotation[2, 2]) < 1e-12


def test_elevated_cameras_look_down_on_the_object(boxes: Scene):
    sampling = ViewSampling(
        canonical_share=0.0, framed_share=0.0, elevation_degrees=(30.0, 30.0), lying_share=0.0
    )
    view = draw_view(sampling, vertices_of(boxes), np.random.default_rng(0))
    height = (
        np.float64(view.camera(8).c2w[0, 2, 3]) + (view.rotation.T @ view.shift / view.scale)[2]
    )
    assert height * view.scale == pytest.approx(view.distance * np.sin(np.radians(30.0)), abs=1e-4)


def rod() -> Scene:
    mesh = trimesh.creation.cylinder(radius=0.06, height=2.0).subdivide().subdivide()
    return Scene((ScenePart(np.float32(mesh.vertices), np.int32(mesh.faces), Material()),))


@pytest.mark.parametrize("shape", ["boxes", "ball", "rod"])
def test_framed_photos_show_the_outline_centered_and_of_one_size(
    shape: str, boxes: Scene, ball: Scene
):
    scene = {"boxes": boxes, "ball": ball, "rod": rod()}[shape]
    # a lying rod seen from its end would come too close
    size, sampling = 128, replace(KINDS["framed"], lying_share=0.0)
    vertices, distances = vertices_of(scene), []
    for seed in range(25):
        view = draw_view(sampling, vertices, np.random.default_rng(seed))
        assert (view.told_distance, view.told_focal) == (2.0, 0.75)
        assert view.focal == pytest.approx(0.75 * view.distance / 2.0)
        distances.append(view.distance)
        alpha = render_scene(scene, view.camera(size)).opacity[0].numpy() > 0.5
        rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
        sides = np.array([np.ptp(rows) + 1, np.ptp(columns) + 1])
        centers = np.array([rows[0] + rows[-1] + 1, columns[0] + columns[-1] + 1]) / 2
        assert abs(sides.max() - sampling.framed_ratio * size) <= 2.0  # a pixel at either end
        assert np.abs(centers - size / 2).max() <= 1.0
    assert min(distances) >= 1.6
    assert max(distances) <= 6.0
    assert np.ptp(distances) > 1.5


def test_framed_objects_are_pressed_into_the_cube(boxes: Scene):
    """A long box seen from its end: deep, and as wide as its end in the photo."""
    mesh = trimesh.creation.box(extents=(0.4, 2.0, 0.4)).subdivide()
    vertices = np.float32(mesh.vertices)
    sampling = replace(
        KINDS["framed"], elevation_degrees=(0.0, 0.0), lying_share=0.0, roll_degrees=0.0,
        framed_distance=(4.0, 6.0),
    )  # fmt: skip
    pressed = 0
    for seed in range(40):
        view = draw_view(sampling, vertices, np.random.default_rng(seed))
        turned = view.scale * vertices @ view.rotation.T + view.shift
        deepest = np.abs(turned[:, 1]).max()
        assert view.press == pytest.approx(min(1.0, 0.97 / deepest), rel=1e-3)
        assert np.abs(view.place(vertices)[:, 1]).max() <= 0.9701
        # nothing comes closer to the camera than a third of its distance
        assert turned[:, 1].min() + view.distance > view.distance / 3 - 1e-6
        pressed += view.press < 1.0
    assert pressed > 3


@pytest.mark.parametrize("kind", KINDS)
def test_depths_of_a_ball_are_those_of_its_formula(kind: str):
    sampling = replace(KINDS[kind], num_views=2, size=48)
    photos = take_photos(
        painted_ball(subdivisions=6), sampling, np.random.default_rng(3), num_surface=64
    )
    for row, depths, albedo in zip(photos.views, photos.depths, photos.albedo, strict=True):
        view = TrainingView.from_array(row)
        line = ((np.arange(48) + 0.5) / 48 - 0.5) / view.focal
        x, z = np.meshgrid(line, -line)
        # |(0, -d, 0) + t (x, 1, z) - shift| = scale
        start = np.array([0.0, -view.distance, 0.0]) - view.shift
        a = x**2 + 1 + z**2
        b = x * start[0] + start[1] + z * start[2]
        discriminant = b**2 - a * (start @ start - view.scale**2)
        root = np.sqrt(np.maximum(discriminant, 0))
        clear = discriminant > 0.05
        for depth, t in ((depths[0], (-b - root) / a), (depths[1], (-b + root) / a)):
            expected = ((t - view.distance) * view.press).clip(-0.97, 0.97)
            np.testing.assert_allclose(depth[clear], expected[clear], atol=2e-3)
        outside = discriminant < -0.2
        assert np.isnan(depths[:, outside]).all()
        np.testing.assert_array_equal(np.isnan(depths[0]), np.isnan(depths[1]))
        assert not albedo[outside][:, 3].any()
        assert (albedo[clear][:, 3] == 255).all()


@pytest.mark.parametrize("kind", KINDS)
def test_colors_and_normals_of_a_ball_are_those_of_its_surfaces(kind: str, ball: Scene):
    """The ball's color tells its normal in the object's frame."""
    sampling = replace(KINDS[kind], num_views=2, size=48)
    photos = take_photos(ball, sampling, np.random.default_rng(4), num_surface=64)
    for index, row in enumerate(photos.views):
        view = TrainingView.from_array(row)
        known = np.isfinite(photos.depths[index, 0])
        line = ((np.arange(48) + 0.5) / 48 - 0.5) / view.focal
        x, z = np.meshgrid(line, -line)
        for layer, colors, normals, sign in (
            (0, photos.albedo[index][..., :3], photos.normals[index], 1.0),
            (1, photos.behind[index], photos.behind_normals[index], 1.0),
        ):
            t = photos.depths[index, layer].astype(float) / view.press + view.distance
            points = np.stack([x * t, t - view.distance, z * t], axis=-1) - view.shift
            normal = points / view.scale
            inner = known & (np.abs(photos.depths[index, layer]) < 0.969)
            facing = np.abs((normal * np.stack([x, np.ones_like(x), z], -1)).sum(-1)) > 0.3
            inner &= facing
            assert inner.sum() > 200
            error = normals[inner] / 127.0 - sign * normal[inner]
            assert np.abs(error).max() < 0.08  # facets
            linear = 0.5 + normal @ view.rotation / 4
            expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
            assert np.abs(colors[inner] - expected[inner]).max() < 6.0


def test_the_surface_is_sampled_in_the_object_s_frame(ball: Scene):
    sampling = ViewSampling(num_views=1, size=16)
    photos = take_photos(ball, sampling, np.random.default_rng(5), num_surface=500)
    assert photos.surface.shape == (500, 3)
    np.testing.assert_allclose(np.linalg.norm(photos.surface.astype(float), axis=1), 1, atol=5e-3)
    np.testing.assert_allclose(photos.surface_normals / 127.0, photos.surface, atol=0.06)
    linear = 0.5 + photos.surface.astype(float) / 4
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(photos.surface_colors, expected, atol=2.0)


def test_rays_through_holes_have_no_depth():
    """A texture with alpha 0 cuts a hole that the caster alone does not see."""
    texture = np.full((2, 2, 4), 255, dtype=np.uint8)
    texture[:, 1, 3] = 0
    square = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], dtype=np.float32)
    part = ScenePart(
        square,
        np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32),
        Material(texture=texture, alpha_mode="MASK"),
        uv=np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32),
    )
    sampling = ViewSampling(
        num_views=6, size=32, canonical_share=1.0, elevation_degrees=(0.0, 0.0), lying_share=0.0
    )
    photos = take_photos(Scene((part,)), sampling, np.random.default_rng(6), num_surface=16)
    seen = photos.albedo[..., 3] > 128
    known = np.isfinite(photos.depths[:, 0])
    assert seen.any()
    assert (seen == known).mean() > 0.98
    gap = np.abs(photos.depths[:, 0] - photos.depths[:, 1])
    assert np.nanmax(gap) < 2e-3


def test_photos_survive_their_file(boxes: Scene, tmp_path):
    photos = take_photos(
        boxes, ViewSampling(num_views=2, size=16), np.random.default_rng(7), num_surface=32
    )
    path = tmp_path / "photos" / "one.npz"
    photos.save(path)
    again = LayeredPhotos.load(path)
    for one in fields(LayeredPhotos):
        expected, found = getattr(photos, one.name), getattr(again, one.name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert [p.name for p in path.parent.iterdir()] == ["one.npz"]


def test_photos_follow_from_the_generator_alone(boxes: Scene):
    first, second = (
        take_photos(
            boxes, ViewSampling(num_views=2, size=16), np.random.default_rng(8), num_surface=32
        )
        for _ in range(2)
    )
    for one in fields(LayeredPhotos):
        np.testing.assert_array_equal(getattr(first, one.name), getattr(second, one.name))
