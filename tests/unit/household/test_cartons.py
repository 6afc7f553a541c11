import numpy as np
import pytest

pytest.importorskip("manifold3d")

from lrm_core.household import cartons
from lrm_core.modeling.materials import product_palette


def test_a_carton_is_printed_in_front_and_behind():
    rng = np.random.default_rng(0)
    (piece, *_) = cartons.carton(rng, product_palette(rng), "carton")
    low, high = piece.shape.rest.min(axis=0), piece.shape.rest.max(axis=0)
    spots = np.random.default_rng(1).uniform(0.9 * low, 0.9 * high, size=(400, 3))
    for sign, edge in ((-1.0, low[1]), (1.0, high[1])):
        spots[:, 1] = edge
        colors = piece.paint(spots, np.tile([0.0, sign, 0.0], (400, 1)))
        assert colors.std(axis=0).max() > 0.05
