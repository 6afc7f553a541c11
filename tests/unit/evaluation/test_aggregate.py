import numpy as np
import pytest

from lrm_core.evaluation.aggregate import summarise


def test_the_interval_covers_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        summary = summarise(rng.normal(3.0, 1.0, 40).tolist(), metric="psnr", backend="")
        assert summary.low is not None
        assert summary.high is not None
        hits += summary.low <= 3.0 <= summary.high
    assert 180 <= hits <= 198


def test_the_numbers_are_those_of_numpy() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    summary = summarise(values, metric="chamfer_distance", backend="b")
    assert summary.mean == pytest.approx(np.mean(values))
    assert summary.median == pytest.approx(3.0)
    assert summary.std == pytest.approx(np.std(values, ddof=1))
    assert (summary.num, summary.direction, summary.backend) == (4, "lower", "b")
    assert summarise(values, metric="chamfer_distance", backend="b") == summary


def test_few_and_equal_values_have_a_point_for_an_interval() -> None:
    for values in ([2.5], [2.5, 2.5, 2.5]):
        summary = summarise(values, metric="psnr", backend="")
        assert summary.low == summary.mean == summary.high == 2.5
    nothing = summarise([], metric="psnr", backend="", unavailable="no weights")
    assert nothing.mean is None
    assert nothing.unavailable == "no weights"
