import hashlib
import subprocess
import sys

import numpy as np
import pytest
import trimesh

pytest.importorskip("manifold3d")

from lrm_core.procedural import cartons, electronics, footwear, household, toy_animals
from lrm_core.procedural.assembly import join
from lrm_core.procedural.household import FAMILIES, build
from lrm_core.procedural.materials import product_palette
from lrm_core.structures.scene import Scene


def digest(scene: Scene) -> str:
    hashed = hashlib.sha256()
    for part in scene.parts:
        for array in (part.vertices, part.faces, part.uv, part.material.texture):
            hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()


def welded(scene: Scene) -> trimesh.Trimesh:
    """The part with vertices merged by exact position: an independent view of the topology."""
    (part,) = scene.parts
    unique, inverse = np.unique(part.vertices, axis=0, return_inverse=True)
    return trimesh.Trimesh(unique, inverse.reshape(-1)[part.faces], process=False)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [household.procedural_household(3, index) for index in range(24)]


def test_same_seed_and_index_give_the_same_bytes_in_any_order(scenes):
    again = [digest(household.procedural_household(3, k)) for k in (7, 2, 0)]
    assert again == [digest(scenes[k]) for k in (7, 2, 0)]


def test_another_process_gives_the_same_bytes(scenes):
    code = (
        "import hashlib\n"
        "from lrm_core.procedural.household import procedural_household\n"
        "part = procedural_household(3, 5).parts[0]\n"
        "print(hashlib.sha256(part.vertices.tobytes() + part.material.texture.tobytes())"
        ".hexdigest())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    part = scenes[5].parts[0]
    here = hashlib.sha256(part.vertices.tobytes() + part.material.texture.tobytes()).hexdigest()
    assert printed.stdout.strip() == here, printed.stderr


def test_indices_and_seeds_differ(scenes):
    assert len({digest(scene) for scene in scenes}) == len(scenes)
    assert digest(household.procedural_household(4, 0)) != digest(scenes[0])


def test_centred_with_longest_side_two_finite_and_with_uv_in_range(scenes):
    for scene in scenes:
        low, high = scene.bounds
        np.testing.assert_allclose(low + high, 0.0, atol=1e-5)
        assert (high - low).max() == pytest.approx(2.0, abs=1e-5)
        (part,) = scene.parts
        assert np.isfinite(part.vertices).all()
        assert part.faces.max() == len(part.vertices) - 1
        assert part.uv.min() >= 0.0
        assert part.uv.max() <= 1.0
        assert part.material.texture.dtype == np.uint8
        assert part.material.texture.shape[2] == 4


def test_colors_vary_within_and_between_objects(scenes):
    means = []
    for scene in scenes:
        texture = scene.parts[0].material.texture
        texels = texture[texture[..., 3] == 255][:, :3] / 255.0
        means.append(texels.mean(axis=0))
        assert len(np.unique((texels * 15).astype(int), axis=0)) > 2
    assert np.std(means, axis=0).min() > 0.1


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_makes_one_closed_solid(family):
    closed = 0
    for index in range(6):
        scene = build(family, np.random.default_rng([1, index]))
        mesh = welded(scene)
        components = trimesh.graph.connected_components(mesh.edges_unique, min_len=1)
        assert max(len(component) for component in components) == len(mesh.vertices)
        closed += bool(mesh.is_watertight)
        # where two surfaces touch along a line four triangles meet: still no hole
        _, sharing = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
        assert (sharing % 2 == 0).all()
        assert mesh.volume > 0
        assert scene.num_faces < 30_000
    assert closed >= 5


def test_every_family_is_drawn():
    drawn = {household.pick_family(np.random.default_rng([0, k])) for k in range(1500)}
    assert drawn == set(FAMILIES)


def _extent(pieces) -> np.ndarray:
    return np.ptp(join(pieces).vertices, axis=0)


@pytest.mark.parametrize("kind", ["sneaker", "loafer", "slipper"])
def test_low_shoes_have_the_proportions_of_shoes(kind):
    # a grown-up's: 26 to 32 cm long, 9 to 12 cm wide, 7 cm high or, with high tops, up to 21 cm
    for index in range(8):
        rng = np.random.default_rng([2, index])
        width, length, height = _extent(footwear.shoe(rng, product_palette(rng), kind))
        shoes = 1 if width / length < 0.5 else 2
        assert 0.28 < width / shoes / length < 0.48
        assert 1.4 < length / height < 4.5


def test_boots_are_taller_than_pumps_and_pumps_than_sandals():
    heights = {}
    for kind in ("boot", "pump", "sandal"):
        ratios = []
        for index in range(8):
            rng = np.random.default_rng([2, index])
            _, length, height = _extent(footwear.shoe(rng, product_palette(rng), kind))
            ratios.append(height / length)
        heights[kind] = np.median(ratios)
    assert heights["boot"] > 0.6 > heights["pump"] > heights["sandal"]


def test_a_carton_is_printed_in_front_and_behind():
    rng = np.random.default_rng(0)
    (piece, *_) = cartons.carton(rng, product_palette(rng), "carton")
    low, high = piece.shape.rest.min(axis=0), piece.shape.rest.max(axis=0)
    spots = np.random.default_rng(1).uniform(0.9 * low, 0.9 * high, size=(400, 3))
    for sign, edge in ((-1.0, low[1]), (1.0, high[1])):
        spots[:, 1] = edge
        colors = piece.paint(spots, np.tile([0.0, sign, 0.0], (400, 1)))
        assert colors.std(axis=0).max() > 0.05


def test_whales_are_long_giraffes_tall_and_keyboards_flat():
    def side_view(make, kind):
        ratios = []
        for index in range(6):
            rng = np.random.default_rng([5, index])
            _, length, height = _extent(make(rng, product_palette(rng), kind))
            ratios.append(length / height)
        return np.median(ratios)

    assert side_view(toy_animals.toy_animal, "swimmer") > 2.0
    assert side_view(toy_animals.toy_animal, "elephant") < 2.0
    assert side_view(toy_animals.toy_animal, "horse") < 1.3
    assert side_view(electronics.device, "keyboard") > 2.5


def test_things_stand_on_their_feet_with_their_front_towards_minus_y():
    # four legs of the same length: the lowest tenth has points in front and behind
    rng = np.random.default_rng([5, 1])
    vertices = join(toy_animals.toy_animal(rng, product_palette(rng), "horse")).vertices
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    feet = vertices[vertices[:, 2] < low[2] + 0.1 * (high[2] - low[2])]
    middle = (low[1] + high[1]) / 2
    assert (feet[:, 1] < middle).any()
    assert (feet[:, 1] > middle).any()
    # the head is the highest part, and it is in front
    assert vertices[vertices[:, 2].argmax(), 1] < middle
