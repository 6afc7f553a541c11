"""From the scores of objects to the report of a method."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32
from scipy import stats

from lrm_core.baselines.predictor import Predictor
from lrm_core.config import config_to_dict
from lrm_core.evaluation.collection import Collection
from lrm_core.evaluation.protocol import Protocol
from lrm_core.evaluation.runner import EvaluationResult, ObjectScores
from lrm_core.metrics.fid import FeatureStatistics, feature_statistics, frechet_distance
from lrm_core.metrics.registry import find_metric
from lrm_core.reporting.metric_report import MetricReport, MetricSummary

_RESAMPLES = 2000
_BLOCK = 64  # objects whose features are held in float64 at once


def summarise(
    values: Sequence[float], *, metric: str, backend: str, unavailable: str | None = None
) -> MetricSummary:
    """One metric over objects, with the 95 % bootstrap interval of its mean (percentiles).

    Args:
        values: of the objects that have one.
        metric: its name.
        backend: what computed it.
        unavailable: why there is no value, where there is none.
    """
    direction = find_metric(metric).direction
    if not values:
        return MetricSummary(direction, 0, None, None, None, None, None, backend, unavailable)
    data = np.asarray(values, dtype=np.float64)
    low = high = float(data.mean())
    if len(data) > 1 and data.std() > 0:
        interval = stats.bootstrap(
            (data,),
            np.mean,
            n_resamples=_RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    return MetricSummary(
        direction,
        len(data),
        float(data.mean()),
        low,
        high,
        float(np.median(data)),
        float(data.std(ddof=1)) if len(data) > 1 else 0.0,
        backend,
    )


def summarise_fid(
    scores: Sequence[ObjectScores], *, unavailable: str | None = None
) -> MetricSummary:
    """The FID between all predicted and all reference views of all objects.

    One number of all objects: it has no median, and an interval would need thousands of it.

    Args:
        scores: of the objects; those without features are left out.
        unavailable: why there is no value, where there is none.
    """
    direction = find_metric("fid").direction
    pairs = [one.features for one in scores if one.features is not None]
    backends = {one.backends["fid"] for one in scores if one.features is not None}
    num_views = sum(len(predicted) for predicted, _ in pairs)
    if num_views < 2:
        reason = "needs 2 views or more" if pairs else unavailable
        return MetricSummary(direction, 0, None, None, None, None, None, "", reason)
    distance = frechet_distance(*(_statistics(side) for side in zip(*pairs, strict=True)))
    backend = ", ".join(sorted(backends))
    return MetricSummary(direction, len(pairs), distance, None, None, None, None, backend)


def build_report(
    protocol: Protocol,
    collection: Collection,
    predictor: Predictor,
    result: EvaluationResult,
    method: str,
    provenance: dict[str, Any],
    *,
    metrics: Sequence[str],
    unavailable: dict[str, str],
) -> tuple[MetricReport, pd.DataFrame]:
    """The report of a method and the table of its per-object scores.

    Args:
        protocol: that was followed.
        collection: the objects.
        predictor: the method.
        result: scores of all methods.
        method: whose report is wanted.
        provenance: see `reporting.provenance`.
        metrics: names to report.
        unavailable: metric -> why it could not be computed at all.
    """
    scored = result.scores[method]
    table = pd.DataFrame({"object": list(scored)})
    summaries = {}
    for name in metrics:
        column = [scores.values.get(name) for scores in scored.values()]
        table[name] = pd.array(column, dtype="Float64")
        values = [value for value in column if value is not None]
        reasons = {scores.undefined.get(name) for scores in scored.values()} - {None}
        reason = unavailable.get(name) or (sorted(map(str, reasons))[0] if reasons else None)
        if name == "fid":
            summaries[name] = summarise_fid(
                list(scored.values()), unavailable=reason or "not computed"
            )
            continue
        backends = {scores.backends.get(name) for scores in scored.values()} - {None}
        summaries[name] = summarise(
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
            dataset={
                "name": collection.dataset,
                "licence": collection.licence,
                "objects": list(scored),
                "missing": list(collection.missing),
            },
            method={
                "name": method,
                "licence": predictor.licence,
                "source": predictor.source,
                "fingerprint": predictor.fingerprint,
                "alignment": predictor.alignment,
            },
            metrics=summaries,
            failures=failures | result.unusable,
            notes={name: list(scores.notes) for name, scores in scored.items() if scores.notes},
            provenance=provenance,
        ),
        table,
    )


def _statistics(features: Sequence[Float32[np.ndarray, "_ D"]]) -> FeatureStatistics:
    blocks = (features[start : start + _BLOCK] for start in range(0, len(features), _BLOCK))
    parts = (feature_statistics(np.concatenate(block)) for block in blocks)
    return reduce(FeatureStatistics.merged, parts)
