"""How far the mean over other objects of the same kind may lie from the one that was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import stats

FEW = 30
"""Below so many values the interval is Student's."""

_LEVEL = 0.95
_RESAMPLES = 2000


def mean_interval(
    values: Sequence[float] | Float[np.ndarray, "N"],
) -> tuple[float, float] | None:
    """The 95 % interval of a mean of N independent values.

    Student's below 30 values, percentiles of 2000 bootstrap resamples from there on. On skewed
    data (log-normal, sigma 0.8) percentiles cover the true mean in 78 % of the cases at N = 5 and
    in 85 % at N = 12, BCa in 80 and 86 %, Student's in 89 and 89 %
    (`tests/unit/reporting/test_intervals.py` simulates it).

    Args:
        values: (N,) one per object.

    Returns:
        both ends, or None of fewer than two values, which say nothing about their spread.
    """
    data = np.asarray(values, dtype=np.float64)
    if len(data) < 2:
        return None
    mean, deviation = float(data.mean()), float(data.std(ddof=1))
    if deviation == 0.0:
        return mean, mean
    if len(data) < FEW:
        reach = stats.t.ppf((1 + _LEVEL) / 2, len(data) - 1) * deviation / len(data) ** 0.5
        return mean - float(reach), mean + float(reach)
    interval = stats.bootstrap(
        (data,),
        np.mean,
        confidence_level=_LEVEL,
        n_resamples=_RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)
