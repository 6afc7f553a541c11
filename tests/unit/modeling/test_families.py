import numpy as np
import pytest

from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.families import Family
from lrm_core.modeling.paints import plain
from lrm_core.modeling.palettes import random_palette
from lrm_core.modeling.shapes import box


def cube(side):
    def make(rng, palette):
        return [Piece(box([side] * 3), plain(palette[0]))]

    return make


CUBES = Family({"small": (cube(1.0), 1.0), "large": (cube(3.0), 3.0)})


def side(pieces) -> float:
    return float(np.ptp(pieces[0].shape.vertices[:, 0]))


def test_a_named_kind_is_made_and_takes_no_draw():
    rng = np.random.default_rng(0)
    palette = random_palette(rng)
    before = rng.bit_generator.state
    assert side(CUBES(rng, palette, "small")) == pytest.approx(1.0)
    assert side(CUBES(rng, palette, "large")) == pytest.approx(3.0)
    assert rng.bit_generator.state == before


def test_without_a_name_the_kind_is_drawn_by_weight():
    rng = np.random.default_rng(0)
    sides = [side(CUBES(rng, np.zeros((5, 3)))) for _ in range(400)]
    assert 0.68 < np.mean(np.array(sides) > 2.0) < 0.82
    names = [CUBES.draw(np.random.default_rng(k)) for k in range(40)]
    assert set(names) == {"small", "large"}
