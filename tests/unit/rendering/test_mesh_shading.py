"""Joined surfaces and the colors of hits, against glTF's rules and Lambert's law written out."""

import math
from typing import Any

import numpy as np
import pytest
import trimesh

from lrm_core.imaging.color import srgb_to_linear
from lrm_core.rendering.mesh_raycasting import Hits
from lrm_core.rendering.mesh_shading import (
    STUDIO_LIGHTS,
    UNLIT,
    SceneSurface,
    ShadedHits,
    Shading,
    build_surface,
    normals_towards,
    shade,
)
from lrm_core.structures.scene import Material, Scene, ScenePart

CORNERS = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], dtype=np.float32)
UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)
FORWARD = np.array([0.0, 1.0, 0.0])
BACKWARD = -FORWARD
SHARP = 1e-6  # a pixel far smaller than a texel
# weights of the second and third corner of a square's first face at u = 4.5 / 8, v = 3.5 / 8
MIDDLE_OF_A_TEXEL = (1.0 / 8.0, 3.5 / 8.0)


def quad(
    *,
    offset: float = 0.0,
    uv: np.ndarray | None = UV,
    vertex_colors: np.ndarray | None = None,
    **material: Any,
) -> ScenePart:
    """A square of side 2 in the plane y = offset that faces -y."""
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    return ScenePart(CORNERS + np.float32([0, offset, 0]), faces, Material(**material), uv,
                     vertex_colors)  # fmt: skip


def flat_texture(red: int, alpha: int = 255, size: int = 4) -> np.ndarray:
    return np.tile(np.array([red, 0, 255, alpha], dtype=np.uint8), (size, size, 1))


def hit(
    surface: SceneSurface,
    faces: list[int],
    weights: tuple[float, float] = (0.25, 0.25),
    *,
    direction: np.ndarray = FORWARD,
    width: float = SHARP,
    shading: Shading = UNLIT,
) -> ShadedHits:
    """One hit on each face, with these weights of the second and third corner."""
    count = len(faces)
    u, v = (np.full(count, weight, dtype=np.float32) for weight in weights)
    hits = Hits(np.array(faces), u, v, np.ones(count, dtype=np.float32))
    directions = np.tile(direction.astype(np.float32), (count, 1))
    return shade(surface, hits, directions, np.full(count, width, dtype=np.float32), shading)


def test_parts_are_joined_in_order_each_with_its_material() -> None:
    texture = flat_texture(200)
    surface = build_surface(
        Scene(
            (
                quad(uv=None, base_color=(0.1, 0.2, 0.3, 0.4)),
                quad(offset=1.0, texture=texture, alpha_mode="MASK", alpha_cutoff=0.3),
                quad(offset=2.0, texture=texture, alpha_mode="BLEND", double_sided=False),
            )
        )
    )
    assert surface.parts.tolist() == [0, 0, 1, 1, 2, 2]
    places = surface.vertices[surface.faces]
    for part, offset in enumerate((0.0, 1.0, 2.0)):
        np.testing.assert_array_equal(places[2 * part], CORNERS[[0, 1, 2]] + [0, offset, 0])
        np.testing.assert_array_equal(places[2 * part + 1], CORNERS[[0, 2, 3]] + [0, offset, 0])
    np.testing.assert_allclose(surface.normals, np.tile([0.0, -1.0, 0.0], (6, 1)), atol=1e-6)
    np.testing.assert_array_equal(surface.corner_uv[:2], 0.0)
    np.testing.assert_array_equal(surface.corner_uv[3], UV[[0, 2, 3]])
    np.testing.assert_allclose(surface.base_color[0], [0.1, 0.2, 0.3, 0.4], atol=1e-6)
    assert surface.corner_colors is None
    assert surface.part_texture.tolist() == [-1, 0, 0]  # the same image, kept once
    np.testing.assert_allclose(surface.alpha_cutoff, [-np.inf, 0.3, np.inf])
    assert surface.blended.tolist() == [False, False, True]
    assert surface.double_sided.tolist() == [True, True, False]
    assert not surface.is_opaque
    assert build_surface(Scene((quad(), quad(offset=1.0)))).is_opaque
    assert not build_surface(Scene((quad(double_sided=False),))).is_opaque


def test_a_face_without_area_has_no_normal() -> None:
    point = ScenePart(CORNERS, np.array([[0, 0, 1], [0, 1, 2]], dtype=np.int32), Material())
    np.testing.assert_array_equal(build_surface(Scene((point,))).normals, [[0, 0, 0], [0, -1, 0]])


def test_texel_density_counts_texels_per_world_unit() -> None:
    """64 x 16 texels on a square of side 2: 32 x 8 per unit, 2^4 as a geometric mean."""
    texture = np.zeros((16, 64, 4), dtype=np.uint8)
    surface = build_surface(Scene((quad(texture=texture), quad(offset=1.0, uv=None))))
    np.testing.assert_allclose(surface.texel_density, [4.0, 4.0, 0.0, 0.0], atol=1e-5)
    half = build_surface(Scene((quad(texture=texture, uv=UV / 2),)))
    np.testing.assert_allclose(half.texel_density, [3.0, 3.0], atol=1e-5)


def test_color_is_texture_times_factor_times_vertex_color_in_linear_light() -> None:
    colors = np.random.default_rng(0).uniform(0.2, 1.0, (4, 4)).astype(np.float32)
    factor = (0.5, 0.25, 0.75, 1.0)
    part = quad(vertex_colors=colors, base_color=factor, texture=flat_texture(186))
    plain = quad(offset=1.0, base_color=factor)  # white corners beside a part that has colors
    found = hit(build_surface(Scene((part, plain))), [0, 1, 2], (0.2, 0.3))
    texel = np.array([srgb_to_linear(np.array(186 / 255)).item(), 0.0, 1.0])
    for index, corners in enumerate(([0, 1, 2], [0, 2, 3])):
        mixed = 0.5 * colors[corners[0]] + 0.2 * colors[corners[1]] + 0.3 * colors[corners[2]]
        expected = texel * factor[:3] * mixed[:3]
        np.testing.assert_allclose(found.rgb[index], expected, atol=1e-4)
    np.testing.assert_allclose(found.rgb[2], factor[:3], atol=1e-6)
    np.testing.assert_array_equal(found.alpha, 1.0)  # OPAQUE ignores the colors' alpha


def test_wide_pixels_see_the_mean_of_the_texture() -> None:
    """A chessboard: black and white one texel wide, gray in linear light from far away."""
    board = np.zeros((8, 8, 4), dtype=np.uint8)
    board[..., 3] = 255
    board[(np.indices((8, 8)).sum(axis=0) % 2) == 0, :3] = 255  # row 4, column 4 is white
    surface = build_surface(Scene((quad(texture=board),)))
    near = hit(surface, [0], MIDDLE_OF_A_TEXEL)
    np.testing.assert_allclose(near.rgb[0], 1.0, atol=1e-3)
    far = hit(surface, [0], MIDDLE_OF_A_TEXEL, width=2.0)
    np.testing.assert_allclose(far.rgb[0], 0.5, atol=5e-3)


def test_slant_widens_what_a_pixel_covers() -> None:
    """At 60 degrees to the normal a pixel covers twice the area: half a level more."""
    steps = np.zeros((8, 8, 4), dtype=np.uint8)
    steps[..., 3], steps[:, ::2, :3] = 255, 255
    surface = build_surface(Scene((quad(texture=steps),)))
    width = 2.0 / 8.0  # as wide as a texel
    slanted = np.array([math.tan(math.radians(60.0)), 1.0, 0.0]) * 0.5
    direct = hit(surface, [0], MIDDLE_OF_A_TEXEL, width=width * math.sqrt(2.0))
    oblique = hit(surface, [0], MIDDLE_OF_A_TEXEL, width=width, direction=slanted)
    np.testing.assert_allclose(oblique.rgb, direct.rgb, atol=1e-3)
    unslanted = hit(surface, [0], MIDDLE_OF_A_TEXEL, width=width)
    assert abs(unslanted.rgb[0, 0] - direct.rgb[0, 0]) > 0.05


@pytest.mark.parametrize(
    ("mode", "cutoff", "alpha", "expected"),
    [
        ("OPAQUE", 0.5, 0.0, 1.0),
        ("MASK", 0.5, 0.5, 1.0),
        ("MASK", 0.5, 0.49, 0.0),
        ("MASK", 0.3, 0.4, 1.0),
        ("BLEND", 0.5, 0.25, 0.25),
        ("BLEND", 0.5, 1.0, 1.0),
    ],
)
def test_alpha_modes(mode: str, cutoff: float, alpha: float, expected: float) -> None:
    part = quad(base_color=(1.0, 1.0, 1.0, alpha), alpha_mode=mode, alpha_cutoff=cutoff)
    assert hit(build_surface(Scene((part,))), [0]).alpha[0] == pytest.approx(expected, abs=1e-6)


def test_the_alpha_of_an_opaque_texture_does_not_weigh_its_colors() -> None:
    texture = flat_texture(255, alpha=0)
    found = hit(build_surface(Scene((quad(texture=texture),))), [0], MIDDLE_OF_A_TEXEL)
    assert found.alpha[0] == 1.0
    np.testing.assert_allclose(found.rgb[0], [1.0, 0.0, 1.0], atol=1e-3)


def test_back_faces_of_single_sided_parts_are_holes() -> None:
    surface = build_surface(Scene((quad(double_sided=False), quad(offset=1.0))))
    assert hit(surface, [0, 2]).alpha.tolist() == [1.0, 1.0]
    assert hit(surface, [0, 2], direction=BACKWARD).alpha.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("direction", [FORWARD, BACKWARD])
def test_light_follows_lamberts_law_on_the_side_that_is_seen(direction: np.ndarray) -> None:
    lights = Shading(
        ambient=(0.1, 0.2, 0.3),
        directions=((0.0, -3.0, 0.0), (0.0, -1.0, 1.0), (0.0, 5.0, 0.0)),  # of any length
        colors=((0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5)),
    )
    surface = build_surface(Scene((quad(base_color=(0.5, 0.6, 0.8, 1.0)),)))
    found = hit(surface, [0], direction=direction, shading=lights).rgb[0]
    if direction is FORWARD:  # the side towards -y: the light from behind adds nothing
        light = [0.1 + 0.5, 0.2 + 0.5 * math.sqrt(0.5), 0.3]
    else:
        light = [0.1, 0.2, 0.3 + 0.5]
    np.testing.assert_allclose(found, np.array([0.5, 0.6, 0.8]) * light, atol=1e-6)


def test_studio_lights_light_every_side_and_unlit_means_albedo() -> None:
    cube = trimesh.creation.box()
    part = ScenePart(np.float32(cube.vertices), np.int32(cube.faces), Material())
    surface = build_surface(Scene((part,)))
    faces = list(range(12))
    np.testing.assert_array_equal(hit(surface, faces).rgb, 1.0)
    lit = hit(surface, faces, shading=STUDIO_LIGHTS).rgb
    assert lit.min() >= 0.35 - 1e-6
    assert len(np.unique(lit.round(4), axis=0)) >= 5
    with pytest.raises(ValueError, match="2 directions, 1 colors"):
        Shading(directions=((0.0, 0.0, 1.0), (0.0, 1.0, 0.0)), colors=((1.0, 1.0, 1.0),))


def test_normals_are_smooth_on_a_ball() -> None:
    ball = trimesh.creation.icosphere(3)
    part = ScenePart(np.float32(ball.vertices), np.int32(ball.faces), Material())
    surface = build_surface(Scene((part,)))
    np.testing.assert_allclose(surface.corner_normals, ball.vertices[ball.faces], atol=0.02)


@pytest.mark.parametrize("fold", [30.0, 88.0, 92.0, 150.0])
def test_folds_sharper_than_a_right_angle_stay_hard(fold: float) -> None:
    """Two triangles that share an edge: their mean normal leans half the fold from each."""
    turn, half = math.radians(fold), math.radians(fold / 2)
    vertices = np.array(
        [[0, 0, 0], [0, 1, 0], [-1, 0.5, 0], [math.cos(turn), 0.5, -math.sin(turn)]]
    )
    faces = np.array([[0, 1, 2], [1, 0, 3]], dtype=np.int32)
    surface = build_surface(Scene((ScenePart(np.float32(vertices), faces, Material()),)))
    sides = np.array([[0, 0, 1], [math.sin(turn), 0, math.cos(turn)]])
    np.testing.assert_allclose(surface.normals, sides, atol=1e-6)
    shared = np.tile([math.sin(half), 0, math.cos(half)], (2, 1))
    for corner in (0, 1):
        expected = shared if fold < 90.0 else sides
        np.testing.assert_allclose(surface.corner_normals[:, corner], expected, atol=1e-6)
    np.testing.assert_allclose(surface.corner_normals[:, 2], sides, atol=1e-6)


def test_normals_turn_towards_the_viewer() -> None:
    surface = build_surface(Scene((quad(),)))
    faces, directions = np.array([0, 0, 1]), np.array([[0, 1, 0], [0, -1, 0], [1, 2, 0]])
    found = normals_towards(surface, faces, directions.astype(np.float32))
    np.testing.assert_allclose(found, [[0, -1, 0], [0, 1, 0], [0, -1, 0]], atol=1e-6)
