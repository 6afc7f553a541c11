"""Means by kind against sums done by hand."""

import numpy as np
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


def test_means_of_what_the_picture_cuts_off(load_benchmark):
    scores = pd.DataFrame({"object": ["a", "b", "c"], "chamfer_distance": [0.1, 0.2, 0.6]})
    with load_benchmark("errors_by_kind") as module:
        found = module.errors_by_picture(scores, {"b", "c"})
    assert list(found.index) == ["cut off", "whole"]
    assert list(found["objects"]) == [2, 1]
    assert found.loc["cut off", "chamfer_distance"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("rows", "columns", "cut"),
    [
        (slice(2, 5), slice(1, 7), False),
        (slice(0, 5), slice(1, 7), True),
        (slice(2, 6), slice(1, 7), True),
        (slice(2, 5), slice(0, 3), True),
        (slice(2, 5), slice(1, 8), True),
    ],
)
def test_an_object_at_any_border_is_cut_off(load_benchmark, rows, columns, cut):
    picture = np.zeros((6, 8, 4))
    picture[rows, columns, 3] = 1.0
    with load_benchmark("errors_by_kind") as module:
        assert module.touches_border(picture) is cut
