import numpy as np
import pytest

pytest.importorskip("manifold3d")

from lrm_core.household import electronics, toy_animals
from lrm_core.modeling.assembly import join
from lrm_core.modeling.materials import product_palette


def _extent(pieces) -> np.ndarray:
    return np.ptp(join(pieces).vertices, axis=0)


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
