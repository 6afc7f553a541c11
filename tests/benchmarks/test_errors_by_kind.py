"""Means by kind against sums done by hand."""

import pandas as pd
import pytest


def test_means_by_kind_worst_first(load_benchmark):
    scores = pd.DataFrame(
        {
            "object": ["DRAGON_W", "REEF_BANTU", "MOSAIC", "a new scan"],
            "chamfer_distance": [0.1, 0.2, 0.4, 0.3],
            "psnr": [20.0, 21.0, 15.0, 18.0],
        }
    )
    with load_benchmark("errors_by_kind") as module:
        found = module.errors_by_kind(scores)
    assert list(found.index) == ["groups", "not in the list", "shoes"]
    assert list(found["objects"]) == [1, 1, 2]
    assert found.loc["shoes", "chamfer_distance"] == pytest.approx(0.15)
    assert found.loc["shoes", "psnr"] == pytest.approx(20.5)


def test_the_worst_of_each_kind_in_the_order_of_the_kinds(load_benchmark):
    scores = pd.DataFrame(
        {
            "object": ["DRAGON_W", "REEF_BANTU", "MOSAIC", "NUTS_BOLTS", "a new scan"],
            "chamfer_distance": [0.3, 0.2, 0.4, 0.1, 0.9],
        }
    )
    with load_benchmark("errors_by_kind") as module:
        assert module.worst_of_each_kind(scores) == ["MOSAIC", "DRAGON_W"]
