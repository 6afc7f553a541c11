import numpy as np
import pytest

pytest.importorskip("manifold3d")

from lrm_core.procedural.sets import procedural_set
from lrm_core.structures.scene import Scene


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [procedural_set(4, index) for index in range(10)]


def corners(scene: Scene) -> np.ndarray:
    return np.concatenate([part.vertices for part in scene.parts])


def test_same_seed_and_index_give_the_same_object_in_any_order(scenes):
    for index in (6, 1):
        again = procedural_set(4, index)
        np.testing.assert_array_equal(corners(again), corners(scenes[index]))
        for ours, theirs in zip(again.parts, scenes[index].parts, strict=True):
            np.testing.assert_array_equal(ours.material.texture, theirs.material.texture)
    assert not np.array_equal(corners(procedural_set(5, 1))[:3], corners(scenes[1])[:3])


def test_objects_are_centred_with_longest_side_two_and_mostly_wide_and_low(scenes):
    sides = []
    for scene in scenes:
        vertices = corners(scene)
        np.testing.assert_allclose(vertices.min(axis=0), -vertices.max(axis=0), atol=1e-5)
        sides.append(np.ptp(vertices, axis=0))
        assert sides[-1].max() == pytest.approx(2.0, abs=1e-5)
    low = [side[2] < 0.6 * max(side[0], side[1]) for side in sides]
    assert np.mean(low) > 0.5


def test_layouts_stand_on_one_floor_side_by_side(scenes):
    layouts = [scene for scene in scenes if len(scene.parts) > 1]
    assert layouts
    for scene in layouts:
        floors = [part.vertices[:, 2].min() for part in scene.parts]
        np.testing.assert_allclose(floors, floors[0], atol=1e-4)
        # the centers of the parts are further apart than half of the smaller one's width
        boxes = [(part.vertices.min(axis=0), part.vertices.max(axis=0)) for part in scene.parts]
        for i, (low, high) in enumerate(boxes):
            for other_low, other_high in boxes[:i]:
                gap = np.linalg.norm(((low + high) - (other_low + other_high))[:2] / 2)
                width = min((high - low)[:2].max(), (other_high - other_low)[:2].max())
                assert gap > 0.5 * width
