import hashlib
import subprocess
import sys

import numpy as np
import pytest
import trimesh

pytest.importorskip("manifold3d")

from lrm_core.procedural import objects
from lrm_core.procedural.objects import FAMILIES, build, procedural_object
from lrm_core.structures.scene import Scene


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


@pytest.mark.parametrize("family", sorted(FAMILIES.kinds))
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
    drawn = {objects.FAMILIES.draw(np.random.default_rng([0, k])) for k in range(1500)}
    assert drawn == set(FAMILIES.kinds)
