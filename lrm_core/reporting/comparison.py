"""Two reports side by side: what moved on average, and on which objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from lrm_core.errors import NotComparableError
from lrm_core.reporting.metric_report import MetricReport

_RESAMPLES = 2000


@dataclass(frozen=True)
class PairedDifference:
    """Second minus first, over the objects that both have a value of.

    Attributes:
        metric: its name.
        direction: whether higher or lower values are better.
        num: objects.
        mean: of the differences.
        low: lower end of the 95 % bootstrap interval of the mean.
        high: upper end.
        better: share of the objects on which the second is better; ties count half.
        objects: (name, first, second) from the greatest loss to the greatest gain.
    """

    metric: str
    direction: Literal["higher", "lower"]
    num: int
    mean: float
    low: float
    high: float
    better: float
    objects: tuple[tuple[str, float, float], ...]


def compare(
    reports: Sequence[MetricReport], scores: Sequence[pd.DataFrame]
) -> list[PairedDifference]:
    """Compare two reports of one protocol object by object.

    Pairing takes out what all methods find hard, so that small differences show on few objects.

    Args:
        reports: first and second.
        scores: their per-object tables.

    Raises:
        NotComparableError: they followed other protocols, or share no object.
    """
    first, second = reports
    if first.protocol["sha256"] != second.protocol["sha256"]:
        raise NotComparableError(
            f"{first.protocol['name']} version {first.protocol['version']} and "
            f"{second.protocol['name']} version {second.protocol['version']} are not one protocol",
            hint="evaluate both under the same one",
        )
    tables = [table.set_index("object") for table in scores]
    shared = tables[0].index.intersection(tables[1].index)
    if len(shared) == 0:
        raise NotComparableError("the two reports share no object")
    differences = []
    for metric, summary in first.metrics.items():
        if metric not in tables[0] or metric not in tables[1]:
            continue
        pair = pd.DataFrame(
            {"a": tables[0].loc[shared, metric], "b": tables[1].loc[shared, metric]}
        )
        pair = pair.dropna().astype("float64")
        if len(pair):
            differences.append(_difference(metric, summary.direction, pair))
    return differences


def _difference(
    metric: str, direction: Literal["higher", "lower"], pair: pd.DataFrame
) -> PairedDifference:
    delta = (pair["b"] - pair["a"]).to_numpy()
    gain = delta if direction == "higher" else -delta
    rng = np.random.default_rng(0)
    means = delta[rng.integers(0, len(delta), (_RESAMPLES, len(delta)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    order = np.argsort(gain, kind="stable")
    return PairedDifference(
        metric,
        direction,
        len(delta),
        float(delta.mean()),
        float(low),
        float(high),
        float(np.mean((gain > 0) + 0.5 * (gain == 0))),
        tuple(
            (str(pair.index[row]), float(pair["a"].iloc[row]), float(pair["b"].iloc[row]))
            for row in order
        ),
    )
