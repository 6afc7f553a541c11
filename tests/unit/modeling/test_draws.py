import numpy as np
import pytest
from scipy.stats import chisquare

from lrm_core.modeling.draws import draw


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (2.0, 1.0, 5.0), (0.5, 0.2, 0.3)])
def test_items_come_as_often_as_their_weights_say(weights):
    rng = np.random.default_rng(0)
    items = list(zip("abc", weights, strict=True))
    drawn = [draw(rng, items) for _ in range(4000)]
    expected = 4000 * np.array(weights) / sum(weights)
    assert chisquare([drawn.count(item) for item in "abc"], expected).pvalue > 1e-3


@pytest.mark.parametrize(
    ("weights", "p"), [((1.0, 1.0, 1.0), None), ((2.0, 1.0, 5.0), [0.25, 0.125, 0.625])]
)
def test_the_draws_are_those_of_numpy(weights, p):
    # datasets record seeds: even odds take an integer of the generator, uneven ones a fraction
    rng, twin = np.random.default_rng(7), np.random.default_rng(7)
    for _ in range(20):
        assert draw(rng, list(zip("abc", weights, strict=True))) == twin.choice(list("abc"), p=p)
    assert rng.random() == twin.random()
