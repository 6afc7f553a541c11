import hashlib
import subprocess
import sys

import numpy as np
import pytest
import trimesh

pytest.importorskip("manifold3d")

from lrm_core.procedural import assembly, deformations, objects, paints, palettes, shapes
from lrm_core.procedural.objects import FAMILIES, build, procedural_object
from lrm_core.structures.scene import Scene

BLACK, WHITE = paints.plain(np.zeros(3)), paints.plain(np.ones(3))


def welded(scene: Scene) -> trimesh.Trimesh:
    """All parts with vertices merged by exact position: an independent view of the topology."""
    vertices = np.concatenate([part.vertices for part in scene.parts])
    offsets = np.cumsum([0, *(len(part.vertices) for part in scene.parts)])
    faces = np.concatenate(
        [part.faces + start for part, start in zip(scene.parts, offsets, strict=False)]
    )
    unique, inverse = np.unique(vertices, axis=0, return_inverse=True)
    return trimesh.Trimesh(unique, inverse.reshape(-1)[faces], process=False)


def digest(scene: Scene) -> str:
    hashed = hashlib.sha256()
    for part in scene.parts:
        for array in (part.vertices, part.faces, part.uv, part.material.texture):
            hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [procedural_object(3, index) for index in range(16)]


def test_same_seed_and_index_give_the_same_bytes_in_any_order(scenes):
    assert [digest(procedural_object(3, k)) for k in (7, 2, 0)] == [
        digest(scenes[k]) for k in (7, 2, 0)
    ]


def test_another_process_gives_the_same_bytes(scenes):
    code = (
        "import hashlib\n"
        "from lrm_core.procedural.objects import procedural_object\n"
        "part = procedural_object(3, 5).parts[0]\n"
        "print(hashlib.sha256(part.vertices.tobytes() + part.material.texture.tobytes())"
        ".hexdigest())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    part = scenes[5].parts[0]
    here = hashlib.sha256(part.vertices.tobytes() + part.material.texture.tobytes()).hexdigest()
    assert printed.stdout.strip() == here, printed.stderr


def test_indices_and_seeds_differ(scenes):
    assert len({digest(scene) for scene in scenes}) == len(scenes)
    assert digest(procedural_object(4, 0)) != digest(scenes[0])


def test_centred_with_longest_side_two(scenes):
    for scene in scenes:
        low, high = scene.bounds
        np.testing.assert_allclose(low + high, 0.0, atol=1e-5)
        assert (high - low).max() == pytest.approx(2.0, abs=1e-5)


def test_parts_are_finite_with_uv_and_texture_in_range(scenes):
    for scene in scenes:
        assert 0 < scene.num_faces < 20_000
        for part in scene.parts:
            assert part.vertices.dtype == np.float32
            assert np.isfinite(part.vertices).all()
            assert part.faces.min() == 0
            assert part.faces.max() == len(part.vertices) - 1
            assert part.uv.min() >= 0.0
            assert part.uv.max() <= 1.0
            assert part.material.texture.dtype == np.uint8
            assert part.material.texture.shape[2] == 4


def test_closed_outward_and_not_degenerate(scenes):
    closed = 0
    for scene in scenes:
        mesh = welded(scene)
        closed += bool(mesh.is_watertight)
        # where two surfaces touch along a line four triangles meet: still no hole
        _, sharing = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
        assert (sharing % 2 == 0).all()
        assert mesh.volume > 0
        assert (mesh.area_faces > 0).mean() > 0.995
    assert closed >= 15


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_makes_one_connected_solid(family):
    scene = build(family, np.random.default_rng([1, 1]))
    mesh = welded(scene)
    components = trimesh.graph.connected_components(mesh.edges_unique, min_len=1)
    assert max(len(component) for component in components) == len(mesh.vertices)
    assert scene.num_faces < 20_000


def test_coplanar_cuts_leave_no_collapsed_triangles():
    # arches, pillars and their mirror images meet in planes: thin slivers come out of the cuts
    for index in range(4):
        mesh = welded(build("car", np.random.default_rng([9, index])))
        first, second, third = mesh.faces.T
        assert not ((first == second) | (second == third) | (third == first)).any()


def test_every_family_is_drawn():
    drawn = {objects.pick_family(np.random.default_rng([0, k])) for k in range(1500)}
    assert drawn == set(FAMILIES)


def test_union_volume_follows_inclusion_and_exclusion():
    first, second = shapes.box([1.0, 1.0, 1.0]), shapes.box([1.0, 1.0, 1.0]).moved(x=0.5)
    pieces = [assembly.Piece(first, WHITE), assembly.Piece(second, BLACK)]
    surface = assembly.join(pieces)
    mesh = trimesh.Trimesh(*_weld(surface))
    assert mesh.volume == pytest.approx(1.0 + 1.0 - 0.5)
    cut = assembly.join([pieces[0], assembly.Piece(second, BLACK, cut=True)])
    assert trimesh.Trimesh(*_weld(cut)).volume == pytest.approx(0.5)


def _weld(surface: assembly.Surface) -> tuple[np.ndarray, np.ndarray]:
    unique, inverse = np.unique(surface.vertices, axis=0, return_inverse=True)
    return unique, inverse.reshape(-1)[surface.faces]


def test_nothing_left_is_an_error():
    from lrm_core.errors import InputError

    cube = shapes.box([1.0, 1.0, 1.0])
    everything = shapes.box([3.0, 3.0, 3.0])
    with pytest.raises(InputError, match="no solid"):
        assembly.join([assembly.Piece(cube, WHITE), assembly.Piece(everything, BLACK, cut=True)])


def test_texture_shows_the_paint_at_every_surface_point():
    # the paint is linear in position, so bilinear lookup must return it exactly, up to 8 bits
    def paint(points, normals):
        return np.clip(points / 2.0 + 0.5, 0.0, 1.0)

    pieces = [
        assembly.Piece(shapes.ellipsoid([0.9, 0.7, 0.8], divisions=6), paint),
        assembly.Piece(shapes.box([0.4, 1.9, 0.3]), paint),
    ]
    surface = assembly.join(pieces)
    # already within [-1, 1]: rest positions are final positions
    scene = assembly.bake(surface, [paint, paint], 60_000)
    part = scene.parts[0]
    rng = np.random.default_rng(0)
    face = rng.integers(len(part.faces), size=4000)
    weights = rng.dirichlet(np.ones(3), size=4000)
    points = np.einsum("pk,pkd->pd", weights, part.vertices[part.faces[face]])
    uv = np.einsum("pk,pkd->pd", weights, part.uv[part.faces[face]])
    image = part.material.texture
    x, y = uv[:, 0] * image.shape[1] - 0.5, (1.0 - uv[:, 1]) * image.shape[0] - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    seen = (
        image[top, left, :3] * (1 - fx) * (1 - fy)
        + image[top, left + 1, :3] * fx * (1 - fy)
        + image[top + 1, left, :3] * (1 - fx) * fy
        + image[top + 1, left + 1, :3] * fx * fy
    )
    error = np.abs(seen / 255.0 - paint(points, None))
    # at the rim of a chart the nearest point of a triangle stands in: up to a texel away
    assert (error < 1.5 / 255.0).mean() > 0.995
    assert error.max() < 5.0 / 255.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            assert (image[row, column, 3] == 255).all()


@pytest.mark.parametrize(
    ("shape", "volume"),
    [
        (shapes.box([1.0, 2.0, 0.5]), 1.0),
        (shapes.ellipsoid([0.5, 0.6, 0.7], divisions=40), 4 / 3 * np.pi * 0.5 * 0.6 * 0.7),
        (shapes.lathe(np.array([[0.5, 0.0], [0.5, 2.0]]), segments=256), np.pi * 0.25 * 2.0),
        (shapes.torus(1.0, 0.25, 128, 64), 2 * np.pi**2 * 1.0 * 0.25**2),
        (shapes.extrude(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 0.4), 0.2),
        (shapes.tube(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), 0.3, sides=256), np.pi * 0.09),
        (
            shapes.blend([shapes.Limb((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.4, 0.4))], 0.01, 60),
            np.pi * 0.16 + 4 / 3 * np.pi * 0.064,
        ),
    ],
)
def test_shapes_are_closed_with_the_volume_of_the_formula(shape, volume):
    for solid in (shape, shape.mirrored(), shape.rotated("x", 70).moved(0.1, 0.2, 0.3)):
        mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
        assert mesh.is_watertight
        assert mesh.volume == pytest.approx(volume, rel=0.01)


def test_rounded_box_has_the_volume_of_steiner():
    a, b, c, r = 1.0, 0.8, 0.6, 0.2
    shape = shapes.box([a, b, c], rounding=r, divisions=24)
    mesh = trimesh.Trimesh(shape.vertices, shape.faces, process=False)
    x, y, z = a - 2 * r, b - 2 * r, c - 2 * r
    steiner = x * y * z + 2 * r * (x * y + y * z + z * x)
    steiner += np.pi * r**2 * (x + y + z) + 4 / 3 * np.pi * r**3
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(steiner, rel=0.02)


def test_twist_keeps_volume_and_bend_keeps_the_length_of_the_axis():
    bar = shapes.box([0.2, 0.2, 2.0], divisions=40)
    twisted = bar.warped(deformations.twist(90.0))
    assert trimesh.Trimesh(twisted.vertices, twisted.faces).volume == pytest.approx(0.08, rel=0.01)
    axis = np.stack([np.zeros(200), np.zeros(200), np.linspace(-1, 1, 200)], axis=1)
    bent = deformations.bend(0.9)(axis)
    assert np.linalg.norm(np.diff(bent, axis=0), axis=1).sum() == pytest.approx(2.0, rel=1e-3)


def test_picture_lies_upright_on_the_face_it_is_for():
    image = np.zeros((8, 8, 4), dtype=np.uint8)
    image[..., 3] = 255
    image[:4, :4, 0] = 255  # top left is red
    paint = paints.picture(WHITE, image, (0.0, 0.0), (2.0, 2.0))
    front, back = np.array([[0.0, -1.0, 0.0]]), np.array([[0.0, 1.0, 0.0]])
    # a reader at -y sees -x on the left and +z on top
    np.testing.assert_allclose(paint(np.array([[-0.6, -1.0, 0.6]]), front), [[1, 0, 0]])
    np.testing.assert_allclose(paint(np.array([[0.6, -1.0, 0.6]]), front), [[0, 0, 0]])
    np.testing.assert_allclose(paint(np.array([[-0.6, -1.0, -0.6]]), front), [[0, 0, 0]])
    np.testing.assert_allclose(paint(np.array([[-0.6, 1.0, 0.6]]), back), [[1, 1, 1]])


def test_palettes_and_paints_stay_in_range():
    points = np.random.default_rng(0).uniform(-1, 1, size=(300, 3))
    normals = points / np.linalg.norm(points, axis=1, keepdims=True)
    for index in range(40):
        rng = np.random.default_rng(index)
        palette = palettes.random_palette(rng)
        assert palette.min() >= 0
        assert palette.max() <= 1
        colors = paints.weathered(rng, palettes.random_paint(rng, palette, 0), 0.3)(points, normals)
        assert colors.shape == (300, 3)
        assert colors.min() >= 0
        assert colors.max() <= 1
