"""Objects that a page shows of a method: its best, its median and its worst."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from lrm_core.reporting.metric_report import MetricReport

Rank = Literal["best", "median", "worst"]


@dataclass(frozen=True)
class ChosenObject:
    """An object that stands for others.

    Attributes:
        name: the object's name.
        rank: why it was chosen.
        metric: by which metric.
    """

    name: str
    rank: Rank
    metric: str


@dataclass(frozen=True)
class ObjectPictures:
    """What is shown of an object.

    Attributes:
        name: the object's name.
        picture: the input picture, WebP.
        labels: where views are from, such as `54°, 20°` (azimuth from the input view, elevation).
        views: the object from there, WebP.
        mesh: the object for a 3D viewer, GLB; None where it cannot be shown.
    """

    name: str
    picture: bytes
    labels: tuple[str, ...]
    views: tuple[bytes, ...]
    mesh: bytes | None


@dataclass(frozen=True)
class Example:
    """What a method made of one object.

    Attributes:
        chosen: which object, and why.
        pictures: the object itself.
        views: the prediction from the same places, WebP; none where there is no prediction.
        mesh: the prediction for a 3D viewer, GLB, or None.
        remark: why something is missing, or empty.
    """

    chosen: ChosenObject
    pictures: ObjectPictures
    views: tuple[bytes, ...]
    mesh: bytes | None
    remark: str = ""


def choose_objects(
    report: MetricReport, scores: pd.DataFrame, metric: str
) -> tuple[ChosenObject, ...]:
    """The best, the median and the worst object of a method; fewer where there are fewer.

    Of an even number of objects the better one of the middle is the median. A method without any
    value of the metric is judged by its PSNR, which every prediction has; with neither, nothing is
    chosen.

    Args:
        report: the method's report.
        scores: its per-object table.
        metric: name of the metric to judge by.
    """
    for name in (metric, "psnr"):
        if name in report.metrics and name in scores:
            values = scores.set_index("object")[name].dropna().astype("float64")
            if len(values):
                break
    else:
        return ()
    lower_first = report.metrics[name].direction == "lower"
    ranked = values.sort_values(ascending=lower_first, kind="stable").index
    places: dict[int, Rank] = {0: "best"}
    places.setdefault(len(ranked) - 1, "worst")
    places.setdefault((len(ranked) - 1) // 2, "median")
    return tuple(ChosenObject(str(ranked[at]), places[at], name) for at in sorted(places))
