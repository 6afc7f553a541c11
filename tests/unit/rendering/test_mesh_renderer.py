"""The mesh renderer against formulas, naive loops and glTF's rules."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.imaging.color import linear_to_srgb, srgb_to_linear
from lrm_core.rendering import mesh_renderer
from lrm_core.rendering.mesh_renderer import SceneTracer, render_scene
from lrm_core.rendering.mesh_shading import STUDIO_LIGHTS, Shading
from lrm_core.structures.cameras import Cameras, canonical_camera, look_at
from lrm_core.structures.scene import Material, Scene, ScenePart

RED, GREEN, BLUE = (1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1)
QUAD_UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)


def quad(
    y=0.0,
    half=0.75,
    flipped=False,
    uv=QUAD_UV,
    vertex_colors=None,
    base_color=(1, 1, 1, 1),
    **material,
):
    """A square in the plane y, seen by the canonical camera; its front faces -y."""
    corners = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]]) * half + [0, y, 0]
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    return ScenePart(
        corners.astype(np.float32),
        faces[:, ::-1].copy() if flipped else faces,
        Material(base_color=tuple(map(float, base_color)), **material),
        uv=uv,
        vertex_colors=vertex_colors,
    )


def straight_on(size, y=0.0, half=0.75, distance=2.0):
    """A camera in which a `quad` of the same y and half fills the image."""
    camera = canonical_camera(size, distance=distance, focal=(distance + y) / (2 * half))
    return camera


def sphere_scene(subdivisions=4, radius=0.6):
    ball = trimesh.creation.icosphere(subdivisions, radius=radius)
    return Scene(
        (ScenePart(ball.vertices.astype(np.float32), ball.faces.astype(np.int32), Material()),)
    )


def views_around(count):
    angles = torch.arange(count) * 1.1
    origins = 2.0 * torch.stack([angles.cos(), angles.sin(), 0.2 * angles], dim=1)
    return look_at(origins), canonical_camera(32, num_cameras=count).intrinsics


def pixel_rays(camera):
    """Unit-depth directions of one camera in the world, written out from the definition."""
    fx, fy, cx, cy = camera.intrinsics[0].double().numpy()
    c2w = camera.c2w[0].double().numpy()
    rays = np.zeros((camera.height, camera.width, 3))
    for row in range(camera.height):
        for column in range(camera.width):
            local = [(column + 0.5 - cx) / fx, -(row + 0.5 - cy) / fy, -1.0]
            rays[row, column] = c2w[:3, :3] @ local
    return c2w[:3, 3], rays


def tilted_camera(size):
    c2w = look_at(torch.tensor([[1.2, -1.5, 0.8]]), target=(0.05, 0.0, -0.1))
    return Cameras(c2w, torch.tensor([[0.9, 0.8, 0.47, 0.55]]) * size, size, size)


def center_rgb(output):
    _, height, width, _ = output.rgb.shape
    return output.rgb[0, height // 2, width // 2].numpy()


# geometry


def test_sphere_agrees_with_its_formula():
    radius, camera = 0.6, tilted_camera(96)
    output = render_scene(sphere_scene(5, radius), camera)
    origin, rays = pixel_rays(camera)
    a, b, c = (rays**2).sum(-1), rays @ origin, origin @ origin - radius**2
    discriminant = b**2 - a * c
    inside = discriminant > 0
    hard = render_scene(sphere_scene(5, radius), camera, antialias=False)
    hit = hard.opacity[0].numpy() == 1
    assert (hit & inside).sum() / (hit | inside).sum() > 0.998

    depth = (-b - np.sqrt(np.maximum(discriminant, 0))) / a
    clear = discriminant > 0.05  # away from the silhouette, where facets tilt away
    np.testing.assert_allclose(output.depth[0].numpy()[clear], depth[clear], atol=1e-3)
    normals = (origin + depth[..., None] * rays) / radius
    cosines = (output.normals[0].numpy() * normals).sum(-1)
    assert cosines[clear].min() > 0.999


def test_opacity_at_silhouettes_is_the_covered_area():
    output = render_scene(sphere_scene(), canonical_camera(64))
    # the outline of a sphere at distance d is a circle of radius f r / sqrt(d^2 - r^2)
    radius = 0.75 * 64 * 0.6 / np.sqrt(2.0**2 - 0.6**2)
    assert output.opacity.sum().item() == pytest.approx(np.pi * radius**2, rel=3e-3)
    partial = (output.opacity > 0) & (output.opacity < 1)
    assert partial.sum() > 60
    hard = render_scene(sphere_scene(), canonical_camera(64), antialias=False)
    assert set(hard.opacity.unique().tolist()) == {0.0, 1.0}


def test_seen_pixels_and_only_those_have_depth_and_normals():
    output = render_scene(sphere_scene(), tilted_camera(64))
    seen = output.opacity > 0
    assert torch.equal(torch.isfinite(output.depth), seen)
    lengths = output.normals.norm(dim=-1)
    np.testing.assert_allclose(lengths, seen, atol=1e-5)


def test_random_triangles_agree_with_a_naive_loop():
    rng = np.random.default_rng(3)
    centers = rng.uniform(-0.7, 0.7, (16, 1, 3))
    triangles = (centers + rng.uniform(-0.4, 0.4, (16, 3, 3))).astype(np.float32)
    colors = rng.uniform(0.1, 1.0, (48, 4)).astype(np.float32)
    part = ScenePart(
        triangles.reshape(-1, 3),
        np.arange(48, dtype=np.int32).reshape(-1, 3),
        Material(),
        vertex_colors=colors,
    )
    camera = tilted_camera(20)
    output = render_scene(Scene((part,)), camera, antialias=False, background=0.0)
    origin, rays = pixel_rays(camera)
    for row in range(20):
        for column in range(20):
            best, color, normal = np.inf, np.zeros(3), np.zeros(3)
            direction = rays[row, column]
            for index, (a, b, c) in enumerate(triangles.astype(np.float64)):
                # Moeller and Trumbore, 1997
                p = np.cross(direction, c - a)
                determinant = (b - a) @ p
                u = (origin - a) @ p / determinant
                q = np.cross(origin - a, b - a)
                v, t = direction @ q / determinant, (c - a) @ q / determinant
                if u >= 0 and v >= 0 and u + v <= 1 and 0 < t < best:
                    best = t
                    weights = np.array([1 - u - v, u, v])
                    color = linear_to_srgb(weights @ colors[3 * index : 3 * index + 3, :3])
                    normal = np.cross(b - a, c - a)
                    normal *= -np.sign(normal @ direction) / np.linalg.norm(normal)
            np.testing.assert_allclose(output.depth[0, row, column], best, rtol=1e-5)
            np.testing.assert_allclose(output.rgb[0, row, column], color, atol=1e-4)
            np.testing.assert_allclose(output.normals[0, row, column], normal, atol=1e-5)


def test_vertices_render_where_the_camera_projects_them():
    camera = tilted_camera(200)
    places = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 3))
    balls = [trimesh.creation.icosphere(2, radius=0.02).apply_translation(p) for p in places]
    colors = [tuple(c) for c in np.eye(3)] + [(1, 1, 0), (1, 0, 1), (0, 1, 1)]
    parts = tuple(
        ScenePart(
            ball.vertices.astype(np.float32),
            ball.faces.astype(np.int32),
            Material(base_color=(*map(float, color), 1.0)),
        )
        for ball, color in zip(balls, colors, strict=True)
    )
    output = render_scene(Scene(parts), camera, antialias=False)
    pixels, depth = camera.project(torch.tensor(places, dtype=torch.float32))
    for index, color in enumerate(colors):
        same = (output.rgb[0] - torch.tensor(color, dtype=torch.float32)).abs().amax(-1) < 1e-3
        rows, columns = torch.nonzero(same, as_tuple=True)
        assert len(rows) > 5
        assert columns.float().mean().item() + 0.5 == pytest.approx(
            pixels[0, index, 0].item(), abs=0.3
        )
        assert rows.float().mean().item() + 0.5 == pytest.approx(
            pixels[0, index, 1].item(), abs=0.3
        )
        nearest = output.depth[0][same].min().item()
        assert nearest == pytest.approx(depth[0, index].item() - 0.02, abs=2e-3)


def test_the_nearest_part_is_seen_whatever_the_order():
    near, far = quad(y=-0.3, half=0.3, base_color=RED), quad(y=0.4, base_color=GREEN)
    for parts in ((near, far), (far, near)):
        output = render_scene(Scene(parts), canonical_camera(64))
        np.testing.assert_allclose(center_rgb(output), RED[:3], atol=1e-6)
        assert output.depth[0, 32, 32].item() == pytest.approx(1.7, abs=1e-5)
        np.testing.assert_allclose(output.rgb[0, 32, 19], GREEN[:3], atol=1e-6)


def test_no_holes_between_triangles():
    # every vertex and edge of this grid lies exactly on rays through pixel centers
    steps = np.linspace(-0.75, 0.75, 33)
    x, z = np.meshgrid(steps, steps)
    grid = trimesh.Trimesh(
        np.stack([x, 0 * x, z], -1).reshape(-1, 3),
        [
            corner
            for i in range(32)
            for j in range(32)
            for corner in (
                [33 * i + j, 33 * i + j + 1, 33 * i + j + 34],
                [33 * i + j, 33 * i + j + 34, 33 * i + j + 33],
            )
        ],
        process=False,
    )
    part = ScenePart(grid.vertices.astype(np.float32), grid.faces.astype(np.int32), Material())
    camera = straight_on(64)
    camera = Cameras(camera.c2w, camera.intrinsics + torch.tensor([0, 0, 0.5, 0.5]), 64, 64)
    output = render_scene(Scene((part,)), camera, antialias=False)
    assert (output.opacity[0, 1:, 1:] == 1).all()


def test_views_of_any_size_are_rendered_in_pieces(monkeypatch):
    camera = tilted_camera(48)
    whole = render_scene(sphere_scene(3), camera)
    monkeypatch.setattr("lrm_core.rendering.mesh_renderer._RAYS_AT_ONCE", 500)
    pieces = render_scene(sphere_scene(3), camera)
    for name in ("rgb", "opacity", "depth", "normals"):
        assert torch.equal(getattr(whole, name), getattr(pieces, name))


def moved_sphere(shift, radii):
    ball = sphere_scene(3, 1.0).parts[0]
    return Scene((replace(ball, vertices=ball.vertices * np.float32(radii) + np.float32(shift)),))


@pytest.mark.parametrize(
    ("shift", "radii"),
    [
        ((0, 0, 0), 0.2),
        ((0.3, 0, 0.4), 0.05),
        ((1.2, 0, 0), 0.3),  # cut by the border of the image
        ((0, -1.9, 0), 0.5),  # around the camera
        ((0.3, 0.5, 0), (0.1, 2.52, 0.1)),  # passing beside the camera
        ((0, -2.5, 0), 0.2),  # behind it
        ((9, 0, 0), 0.3),  # out of sight
    ],
)
def test_nothing_is_lost_where_only_the_window_of_the_object_is_rendered(monkeypatch, shift, radii):
    scene, camera = moved_sphere(shift, radii), canonical_camera(48)
    found = render_scene(scene, camera)
    whole = (slice(0, 48), slice(0, 48))
    monkeypatch.setattr(mesh_renderer._View, "window", lambda self, bounds, size: whole)
    expected = render_scene(scene, camera)
    for field in fields(expected):
        assert torch.equal(getattr(found, field.name), getattr(expected, field.name))


def test_a_scene_far_from_the_origin_looks_like_one_at_it():
    place = np.array([389512.0, 5819012.0, 40.0])  # UTM, meters
    near, (c2w, intrinsics) = sphere_scene(radius=0.5), views_around(3)
    moved = [
        replace(part, vertices=part.vertices.astype(np.float64) + place) for part in near.parts
    ]
    expected = render_scene(near, Cameras(c2w, intrinsics, 32, 32))
    far = c2w.double()
    far[:, :3, 3] += torch.from_numpy(place)
    found = render_scene(Scene(tuple(moved)), Cameras(far, intrinsics, 32, 32))
    torch.testing.assert_close(found.opacity, expected.opacity, atol=0.07, rtol=0.0)
    assert float((found.opacity - expected.opacity).abs().mean()) < 1e-4
    seen = expected.depth.isfinite() & found.depth.isfinite()
    assert float((found.depth - expected.depth)[seen].abs().max()) < 1e-4
    torch.testing.assert_close(found.normals[seen], expected.normals[seen], atol=1e-3, rtol=0.0)


def test_the_window_of_a_small_object_is_small():
    view = mesh_renderer._View(
        canonical_camera(100).c2w[0].double().numpy(), 75.0, 75.0, 50.0, 50.0
    )
    rows, columns = view.window(np.array([[-0.1, -0.1, -0.1], [0.1, 0.1, 0.1]]), (100, 100))
    # 0.1 at depth 1.9 is 3.95 pixels; two more are left on every side
    assert (rows.start, rows.stop) == (columns.start, columns.stop) == (44, 56)


def test_views_rendered_in_threads_are_the_same(monkeypatch):
    scene, cameras = sphere_scene(), Cameras(*views_around(5), 32, 32)
    views = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        views.append(render_scene(scene, cameras))
    for field in fields(views[0]):
        assert torch.equal(*(getattr(view, field.name) for view in views))


def test_views_are_independent_and_a_tracer_is_reused():
    tracer = SceneTracer(sphere_scene(3))
    cameras = Cameras(
        torch.cat([canonical_camera(32).c2w, tilted_camera(32).c2w]),
        torch.cat([canonical_camera(32).intrinsics, tilted_camera(32).intrinsics]),
        32,
        32,
    )
    both = render_scene(tracer, cameras)
    assert torch.equal(both.rgb[1:], render_scene(tracer, tilted_camera(32)).rgb)
    assert render_scene(tracer, cameras, channels=("rgb",)).normals is None


# color


def test_texels_straight_on_are_exact():
    texels = np.random.default_rng(1).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    texels[..., 3] = 255
    output = render_scene(Scene((quad(texture=texels),)), straight_on(16), antialias=False)
    seen = np.rint(output.rgb[0].numpy() * 255).astype(np.uint8)
    np.testing.assert_array_equal(seen, texels[..., :3])


def test_between_texels_light_is_mixed_linearly():
    texels = np.zeros((2, 2, 4), dtype=np.uint8)
    texels[:, 1, :3] = 200
    texels[..., 3] = 255
    output = render_scene(Scene((quad(texture=texels),)), straight_on(8), antialias=False)
    bright = srgb_to_linear(np.array(200 / 255))
    # pixel x lies at (x + 0.5) / 4 - 0.5 texels; between 0 and 1 both take part
    for pixel in (2, 3, 4, 5):
        share = (pixel + 0.5) / 4 - 0.5
        expected = linear_to_srgb(np.array(share * bright))
        np.testing.assert_allclose(output.rgb[0, 4, pixel], expected, atol=1e-5)


def test_minified_texture_is_its_mean_light():
    """Black and white noise far finer than the pixels is an even gray, 0.5 in linear light."""
    noise = np.random.default_rng(2).integers(0, 2, (1024, 1024, 1), dtype=np.uint8) * 255
    texels = np.concatenate([noise, noise, noise, np.full_like(noise, 255)], axis=-1)
    for size in (64, 50):
        output = render_scene(Scene((quad(texture=texels),)), straight_on(size))
        light = srgb_to_linear(output.rgb[0].numpy())
        assert light.mean() == pytest.approx(0.5, abs=0.01)
        # the mean of 16 x 16 texels strays by 0.5 / 16; a few of them would by 0.25
        assert light.std() < 0.06


def test_base_color_and_vertex_colors_are_linear():
    texels = np.full((4, 4, 4), 255, dtype=np.uint8)
    texels[..., :3] = (188, 90, 40)
    base, vertex = np.array([0.5, 0.25, 1.0]), np.array([0.8, 0.6, 0.3])
    part = quad(
        texture=texels,
        base_color=(*base, 1.0),
        vertex_colors=np.tile([*vertex, 1.0], (4, 1)).astype(np.float32),
    )
    output = render_scene(Scene((part,)), straight_on(8))
    expected = linear_to_srgb(srgb_to_linear(np.array([188, 90, 40]) / 255) * base * vertex)
    np.testing.assert_allclose(center_rgb(output), expected, atol=1e-5)


def test_textured_and_plain_parts_keep_their_own_materials():
    texels = np.full((4, 4, 4), 255, dtype=np.uint8)
    texels[..., :3] = (255, 128, 0)
    left = quad(half=0.3, texture=texels)
    right = quad(half=0.3, base_color=BLUE, uv=None)
    shift = np.array([0.35, 0, 0], dtype=np.float32)
    parts = (
        ScenePart(left.vertices - shift, left.faces, left.material, uv=left.uv),
        ScenePart(right.vertices + shift, right.faces, right.material),
    )
    output = render_scene(Scene(parts), canonical_camera(64))
    np.testing.assert_allclose(output.rgb[0, 32, 24], [1, 128 / 255, 0], atol=1e-5)
    np.testing.assert_allclose(output.rgb[0, 32, 40], BLUE[:3], atol=1e-6)
    np.testing.assert_allclose(output.rgb[0, 2, 2], [1, 1, 1])


def test_background_and_opacity_give_back_straight_colors():
    scene = sphere_scene(3)
    on_white = render_scene(scene, canonical_camera(48), background=1.0)
    on_black = render_scene(scene, canonical_camera(48), background=0.0)
    alpha = on_white.opacity[..., None]
    np.testing.assert_allclose(
        on_white.rgb - on_black.rgb, (1 - alpha).expand(-1, -1, -1, 3), atol=1e-6
    )
    seen = alpha[..., 0] > 0
    np.testing.assert_allclose((on_black.rgb / alpha)[seen], 1.0, atol=1e-6)


# alpha and sides


def holed_texture():
    texels = np.full((8, 8, 4), 255, dtype=np.uint8)
    texels[2:6, 2:6] = (0, 0, 0, 0)
    return texels


def test_mask_shows_what_is_behind_and_does_not_bleed():
    front = quad(y=-0.2, half=0.5, texture=holed_texture(), alpha_mode="MASK")
    scene = Scene((front, quad(y=0.3, base_color=GREEN)))
    output = render_scene(scene, canonical_camera(128))
    np.testing.assert_allclose(center_rgb(output), GREEN[:3], atol=1e-6)
    assert output.depth[0, 64, 64].item() == pytest.approx(2.3, abs=1e-5)
    # the rim between hole and frame mixes white and green only: black texels stay hidden
    assert output.rgb[0, 40:88, 40:88, 1].min().item() > 0.999
    assert output.rgb[0, 64, 40, 0].item() == pytest.approx(1.0)  # the frame


def test_opaque_ignores_alpha():
    part = quad(texture=holed_texture(), base_color=(1, 1, 1, 0.2))
    output = render_scene(Scene((part,)), straight_on(32))
    assert (output.opacity == 1).all()
    np.testing.assert_allclose(center_rgb(output), [0, 0, 0], atol=1e-6)


def test_mask_keeps_alpha_at_its_cutoff():
    for alpha, seen in ((0.29, 0.0), (0.31, 1.0)):
        part = quad(base_color=(1, 1, 1, alpha), alpha_mode="MASK", alpha_cutoff=0.3)
        assert render_scene(Scene((part,)), straight_on(8)).opacity[0, 4, 4].item() == seen


def test_blend_mixes_half_and_half():
    glass = quad(y=-0.2, base_color=(1, 0, 0, 0.5), alpha_mode="BLEND")
    output = render_scene(Scene((quad(y=0.2, base_color=BLUE), glass)), canonical_camera(64))
    half = linear_to_srgb(np.array(0.5))
    np.testing.assert_allclose(center_rgb(output), [half, 0, half], atol=1e-5)
    assert output.opacity[0, 32, 32].item() == pytest.approx(1.0)
    assert output.depth[0, 32, 32].item() == pytest.approx(1.8, abs=1e-5)

    alone = render_scene(Scene((glass,)), canonical_camera(64), background=1.0)
    assert alone.opacity[0, 32, 32].item() == pytest.approx(0.5)
    np.testing.assert_allclose(center_rgb(alone), [1, 0.5, 0.5], atol=1e-6)


def test_many_thin_layers_add_up():
    layers = tuple(
        quad(y=0.01 * i, base_color=(1, 1, 1, 0.1), alpha_mode="BLEND") for i in range(10)
    )
    output = render_scene(Scene(layers), canonical_camera(32))
    assert output.opacity[0, 16, 16].item() == pytest.approx(1 - 0.9**10, abs=1e-5)


def test_back_faces():
    behind = quad(y=0.3, base_color=GREEN)
    for double_sided, color, y in ((True, RED, -0.2), (False, GREEN, 0.3)):
        away = quad(y=-0.2, flipped=True, base_color=RED, double_sided=double_sided)
        output = render_scene(Scene((away, behind)), canonical_camera(64))
        np.testing.assert_allclose(center_rgb(output), color[:3], atol=1e-6)
        assert output.depth[0, 32, 32].item() == pytest.approx(2 + y, abs=1e-5)
        np.testing.assert_allclose(output.normals[0, 32, 32], [0, -1, 0], atol=1e-6)


# light


def test_lambert_light_on_a_quad():
    direction = np.array([1.0, -2.0, 2.0])  # cosine 2/3 with the normal -y
    shading = Shading(
        ambient=(0.1, 0.1, 0.1), directions=(tuple(direction * 5),), colors=((0.6, 0.3, 0.9),)
    )
    albedo = np.array([0.5, 0.8, 0.2])
    output = render_scene(
        Scene((quad(base_color=(*albedo, 1.0)),)), straight_on(8), shading=shading
    )
    expected = linear_to_srgb(albedo * (0.1 + np.array([0.6, 0.3, 0.9]) * 2 / 3))
    np.testing.assert_allclose(center_rgb(output), expected, atol=1e-5)


def test_smooth_surfaces_are_lit_smoothly_and_edges_stay_hard():
    light = Shading(
        ambient=(0.0, 0.0, 0.0), directions=((0.0, -1.0, 0.0),), colors=((1.0, 1.0, 1.0),)
    )
    camera = canonical_camera(65)
    output = render_scene(sphere_scene(4), camera, shading=light, antialias=False)
    origin, rays = pixel_rays(camera)
    points = origin + output.depth[0, 24:41, 24:41, None].numpy() * rays[24:41, 24:41]
    cosines = -points[..., 1] / np.linalg.norm(points, axis=-1)
    lit = srgb_to_linear(output.rgb[0, 24:41, 24:41, 0].numpy())
    np.testing.assert_allclose(lit, cosines, atol=2e-3)  # facets alone would be off by 0.02

    box = trimesh.creation.box((0.8, 0.8, 0.8))
    part = ScenePart(box.vertices.astype(np.float32), box.faces.astype(np.int32), Material())
    output = render_scene(Scene((part,)), camera, shading=light)
    assert output.rgb[0, 24:41, 24:41].min().item() == pytest.approx(1.0)


def test_lights_need_colors():
    with pytest.raises(ValueError, match="1 directions, 0 colors"):
        Shading(directions=((0.0, 0.0, 1.0),))
    assert len(STUDIO_LIGHTS.directions) == 3


@pytest.mark.parametrize("wrap", ["REPEAT", "CLAMP", "MIRROR"])
@pytest.mark.parametrize("axis", [0, 1])
def test_textures_repeat_end_or_mirror(wrap, axis):
    """A texture of a red and a blue half, seen from -1 to 2 along one axis."""
    texels = np.zeros((8, 8, 4), dtype=np.uint8)
    texels[..., 3] = 255
    first = (slice(None), slice(0, 4)) if axis == 0 else (slice(4, 8), slice(None))
    texels[..., 2] = 255
    texels[first] = [255, 0, 0, 255]
    uv = QUAD_UV.copy()
    uv[:, axis] = uv[:, axis] * 3 - 1
    other: list[str] = ["REPEAT", "REPEAT"]
    other[axis] = wrap
    part = quad(uv=uv, texture=texels, wrap=tuple(other))
    rgb = render_scene(Scene((part,)), straight_on(96)).rgb[0]
    line = rgb[48] if axis == 0 else np.flip(np.asarray(rgb)[:, 48], axis=0)
    seen = ["red" if pixel[0] > 0.5 else "blue" for pixel in line[8::16]]
    expected = {
        "REPEAT": ["red", "blue"] * 3,
        "CLAMP": ["red"] * 3 + ["blue"] * 3,
        "MIRROR": ["blue", "red", "red", "blue", "blue", "red"],
    }
    assert seen == expected[wrap]


def test_a_clamped_texture_does_not_bleed_from_its_other_side():
    texels = np.zeros((1, 2, 4), dtype=np.uint8)
    texels[..., 3] = 255
    texels[0, 0, 0] = texels[0, 1, 2] = 255
    part = quad(texture=texels, wrap=("CLAMP", "CLAMP"))
    rgb = render_scene(Scene((part,)), straight_on(64)).rgb[0]
    np.testing.assert_allclose(rgb[32, 1], [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(rgb[32, -2], [0, 0, 1], atol=1e-3)
