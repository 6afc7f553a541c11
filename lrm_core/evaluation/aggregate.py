"""From the scores of objects to the report of a method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32

from lrm_core.baselines.predictor import Predictor
from lrm_core.config import config_to_dict
from lrm_core.evaluation.collection import Collection
from lrm_core.evaluation.protocol import Protocol
from lrm_core.evaluation.runner import EvaluationResult, ObjectScores
from lrm_core.evaluation.setups import Setup
from lrm_core.metrics.fid import FeatureStatistics, feature_statistics, frechet_distance
from lrm_core.metrics.registry import find_metric
from lrm_core.reporting.intervals import mean_interval
from lrm_core.reporting.metric_report import MetricReport, MetricSummary, in_utf8

_BLOCK = 64  # objects whose features are held in float64 at once


def summarize(
    values: Sequence[float], *, metric: str, backend: str, unavailable: str | None = None
) -> MetricSummary:
    """One metric over objects, with the 95 % interval of its mean (`mean_interval`).

    Args:
        values: one per object that has a value.
        metric: name of the metric.
        backend: what computed it.
        unavailable: why there is no value, where there is none.
    """
    direction = find_metric(metric).direction
    if not values:
        return MetricSummary(direction=direction, backend=backend, unavailable=unavailable)
    data = np.asarray(values, dtype=np.float64)
    low, high = mean_interval(data) or (None, None)
    return MetricSummary(
        direction=direction,
        num=len(data),
        mean=float(data.mean()),
        low=low,
        high=high,
        median=float(np.median(data)),
        std=float(data.std(ddof=1)) if len(data) > 1 else None,
        backend=backend,
    )


def summarize_fid(
    scores: Sequence[ObjectScores], *, unavailable: str | None = None
) -> MetricSummary:
    """The FID between all predicted and all reference views of all objects.

    It is one number of the whole set: there is no median, and an interval would need thousands.

    Args:
        scores: one per object; those without features are left out.
        unavailable: why there is no value, where there is none.
    """
    direction = find_metric("fid").direction
    known = [(one.features, one.backends["fid"]) for one in scores if one.features is not None]
    pairs = [features for features, _ in known]
    num_views = sum(len(predicted) for predicted, _ in pairs)
    if num_views < 2:
        reason = "needs 2 views or more" if pairs else unavailable
        return MetricSummary(direction=direction, backend="", unavailable=reason)
    distance = frechet_distance(*(_statistics(side) for side in zip(*pairs, strict=True)))
    backend = ", ".join(sorted({backend for _, backend in known}))
    return MetricSummary(direction=direction, num=len(pairs), mean=distance, backend=backend)


def build_report(
    protocol: Protocol,
    collection: Collection,
    predictor: Predictor,
    result: EvaluationResult,
    setup: Setup,
    provenance: dict[str, Any],
    *,
    metrics: Sequence[str],
    unavailable: dict[str, str],
) -> tuple[MetricReport, pd.DataFrame]:
    """The report of a method and the table of its per-object scores.

    Args:
        protocol: what was followed.
        collection: the objects.
        predictor: the method.
        result: scores of all setups.
        setup: the method and how it was scored.
        provenance: see `reporting.provenance`.
        metrics: names to report.
        unavailable: metric -> why it could not be computed at all.
    """
    scored = result.scores[setup.label]
    table = pd.DataFrame({"object": list(scored)})
    objects = [collection.object_of(name) for name in scored]
    if objects != list(scored):  # several inputs of one object are not independent
        table["cluster"] = objects
    summaries = {}
    for name in metrics:
        column = [scores.values.get(name) for scores in scored.values()]
        table[name] = pd.array(column, dtype="Float64")
        reasons = {scores.undefined.get(name) for scores in scored.values()} - {None}
        reason = unavailable.get(name) or (sorted(map(str, reasons))[0] if reasons else None)
        if name == "fid":
            summaries[name] = summarize_fid(
                list(scored.values()), unavailable=reason or "not computed"
            )
            continue
        values = mean_by_object(table[name], objects)
        backends = {scores.backends.get(name) for scores in scored.values()} - {None}
        summaries[name] = summarize(
            values,
            metric=name,
            backend=", ".join(sorted(map(str, backends))),
            unavailable=None if values else reason or "not computed",
        )
    table["seconds"] = [scores.seconds for scores in scored.values()]
    failures = {
        name: scores.failure for name, scores in scored.items() if scores.failure is not None
    }
    return (
        MetricReport(
            protocol={
                "name": protocol.name,
                "version": protocol.version,
                "sha256": protocol.sha256,
                "content": config_to_dict(protocol),
            },
            dataset=_dataset(collection, scored),
            method={
                "name": in_utf8(setup.label),
                "licence": predictor.licence,
                "source": in_utf8(predictor.source),
                "fingerprint": predictor.fingerprint,
                "alignment": predictor.alignment,
                "views": setup.views,
                "iso_level": predictor.iso_level,
                "photo_colors": predictor.photo_colors and setup.views == "mesh",
                "aligned": None if setup.fit is None else setup.fit.description,
            },
            metrics=summaries,
            failures=failures | result.unusable,
            notes={name: list(scores.notes) for name, scores in scored.items() if scores.notes},
            provenance=provenance,
            sampling_floor=_mean_floor(scored),
        ),
        table,
    )


def mean_by_object(values: pd.Series, objects: Sequence[str]) -> list[float]:
    """The mean over the inputs of each object that have a value; one number per object.

    Args:
        values: (N,) by input.
        objects: (N,) whose input it is.
    """
    means = values.dropna().astype("float64").groupby(pd.Series(objects), sort=False).mean()
    return [float(mean) for mean in means]


def _dataset(collection: Collection, scored: Iterable[str]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": collection.dataset,
        "licence": collection.licence,
        "objects": list(dict.fromkeys(collection.object_of(name) for name in scored)),
        "missing": list(collection.missing),
    }
    if collection.skipped:
        content["skipped"] = dict(collection.skipped)
    return content


def _mean_floor(scored: Mapping[str, ObjectScores]) -> dict[str, float]:
    floors = [scores.floor for scores in scored.values() if scores.floor]
    names = dict.fromkeys(name for floor in floors for name in floor)
    return {name: float(np.mean([floor[name] for floor in floors])) for name in names}


def _statistics(features: Sequence[Float32[np.ndarray, "_ D"]]) -> FeatureStatistics:
    blocks = (features[start : start + _BLOCK] for start in range(0, len(features), _BLOCK))
    parts = (feature_statistics(np.concatenate(block)) for block in blocks)
    return reduce(FeatureStatistics.merged, parts)
