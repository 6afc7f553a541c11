import numpy as np
import pytest

pytest.importorskip("manifold3d")

from lrm_core.household import footwear
from lrm_core.modeling.assembly import join
from lrm_core.modeling.materials import product_palette


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
