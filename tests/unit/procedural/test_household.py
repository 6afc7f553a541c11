import hashlib
import subprocess
import sys

import numpy as np
import pytest
import trimesh

pytest.importorskip("manifold3d")

from lrm_core.procedural import household
from lrm_core.procedural.household import FAMILIES, build
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


@pytest.mark.parametrize("family", sorted(FAMILIES.kinds))
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
    drawn = {household.FAMILIES.draw(np.random.default_rng([0, k])) for k in range(1500)}
    assert drawn == set(FAMILIES.kinds)
