import numpy as np
import pytest

from lrm_core.reporting import intervals
from lrm_core.reporting.intervals import mean_interval

LOG_NORMAL_MEAN = np.exp(0.8**2 / 2)


def coverage(num: int, repeats: int = 400) -> float:
    """How often the interval holds the true mean of skewed data."""
    rng = np.random.default_rng(num)
    ends = [mean_interval(rng.lognormal(0.0, 0.8, num)) for _ in range(repeats)]
    return float(np.mean([low <= LOG_NORMAL_MEAN <= high for low, high in ends]))


@pytest.mark.parametrize("num", [5, 12])
def test_few_skewed_values_are_covered_better_than_by_percentiles(num, monkeypatch) -> None:
    ours = coverage(num)
    monkeypatch.setattr(intervals, "FEW", 0)
    monkeypatch.setattr(intervals, "_RESAMPLES", 300)
    assert ours > 0.84
    assert ours > coverage(num) + 0.02


def test_the_width_is_that_of_the_textbook() -> None:
    # Student's t of 4 degrees of freedom: 2.776 (table), standard error sqrt(2.5 / 5)
    low, high = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (low + high) / 2 == pytest.approx(3.0)
    assert (high - low) / 2 == pytest.approx(2.776 * 0.5**0.5, abs=1e-3)
    # of 1 degree of freedom: 12.706, the standard error is 1
    assert mean_interval([1.0, 3.0]) == pytest.approx((2.0 - 12.706, 2.0 + 12.706), abs=1e-3)
    # many values: 1.96 standard errors, whichever the method
    values = np.random.default_rng(0).normal(size=400)
    low, high = mean_interval(values)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.06)


def test_one_value_has_no_interval_and_equal_ones_a_point() -> None:
    assert mean_interval([]) is None
    assert mean_interval([2.5]) is None
    assert mean_interval([2.5, 2.5, 2.5]) == (2.5, 2.5)
