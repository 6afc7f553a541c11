"""Two reports side by side: what moved on average, and on which objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from lrm_core.errors import NotComparableError
from lrm_core.reporting.intervals import mean_interval
from lrm_core.reporting.metric_report import MetricReport


@dataclass(frozen=True)
class PairedDifference:
    """Second minus first, over the objects on which both have a value.

    Attributes:
        metric: its name.
        direction: whether higher or lower values are better.
        num: objects.
        mean: mean of the differences.
        low: lower end of the 95 % interval of the mean (`mean_interval`); None of one object.
        high: upper end.
        better: share of the objects on which the second is better; ties count half.
        objects: (name, first, second) from the greatest loss to the greatest gain.
    """

    metric: str
    direction: Literal["higher", "lower"]
    num: int
    mean: float
    low: float | None
    high: float | None
    better: float
    objects: tuple[tuple[str, float, float], ...]


def compare(
    reports: Sequence[MetricReport], scores: Sequence[pd.DataFrame]
) -> list[PairedDifference]:
    """Compare two reports of one protocol object by object.

    Pairing removes what all methods find hard, so that small differences show on few objects.

    Args:
        reports: first and second.
        scores: their per-object tables; several inputs of one object count as one value.

    Raises:
        NotComparableError: they followed different protocols, or share no object.
    """
    first, second = reports
    if first.protocol["sha256"] != second.protocol["sha256"]:
        raise NotComparableError(
            f"{first.protocol['name']} version {first.protocol['version']} and "
            f"{second.protocol['name']} version {second.protocol['version']} are not one protocol",
            hint="evaluate both under the same one",
        )
    tables = [_by_object(table) for table in scores]
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


def _by_object(table: pd.DataFrame) -> pd.DataFrame:
    """One row per object: the mean over its inputs where it has several."""
    if "cluster" not in table:
        return table.set_index("object")
    numbers = table.drop(columns="object").astype({"cluster": "str"})
    return numbers.groupby("cluster", sort=False).mean()


def _difference(
    metric: str, direction: Literal["higher", "lower"], pair: pd.DataFrame
) -> PairedDifference:
    delta = (pair["b"] - pair["a"]).to_numpy()
    gain = delta if direction == "higher" else -delta
    low, high = mean_interval(delta) or (None, None)
    order = np.argsort(gain, kind="stable")
    return PairedDifference(
        metric=metric,
        direction=direction,
        num=len(delta),
        mean=float(delta.mean()),
        low=low,
        high=high,
        better=float(np.mean((gain > 0) + 0.5 * (gain == 0))),
        objects=tuple(
            (str(pair.index[row]), float(pair["a"].iloc[row]), float(pair["b"].iloc[row]))
            for row in order
        ),
    )
