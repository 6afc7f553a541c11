"""One self-contained HTML page of an evaluation: tables, distributions, pictures, 3D models.

The page asks nothing of the network and works from a file: pictures and meshes are part of it, the
3D viewer (`html/mesh-view.js`) is started when somebody asks for it. A content security policy in
the page forbids everything else, so that a name which slipped through the escaping could load and
run nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from lrm_core.errors import InputError, NotComparableError
from lrm_core.io.atomic_write import replacing
from lrm_core.reporting.comparison import PairedDifference, compare
from lrm_core.reporting.examples import Example
from lrm_core.reporting.html_charts import BarChart, StripChart, bar_chart, strip_chart
from lrm_core.reporting.metric_report import MetricReport
from lrm_core.reporting.published import MARK, PublishedTable
from lrm_core.reporting.templates import html_templates

_ARROWS = {"higher": "↑", "lower": "↓"}


@dataclass(frozen=True)
class _Cell:
    """One number of the table of scores; `note` is the number of a footnote, 0 for none."""

    mean: str
    interval: str
    num: int | None
    best: bool
    reason: str
    note: int


@dataclass(frozen=True)
class _Pair:
    """The second method against the first."""

    first: str
    second: str
    differences: list[PairedDifference]
    bars: list[tuple[PairedDifference, BarChart]]


def write_page(
    path: Path,
    reports: Sequence[MetricReport],
    scores: Sequence[pd.DataFrame],
    *,
    metric: str = "chamfer_distance",
    examples: Sequence[Sequence[Example]] = (),
    published: Mapping[str, PublishedTable] | None = None,
) -> None:
    """Write the page of some methods under one protocol; an older page is replaced.

    The first method is the one that every other is compared with object by object.

    Args:
        path: the file.
        reports: one per method.
        scores: their per-object tables.
        metric: the one whose gains are drawn object by object.
        examples: pictures for each method, or none at all.
        published: tables of papers on the same dataset, shown apart.

    Raises:
        InputError: no report.
        NotComparableError: the reports do not share one protocol.
        OutputError: the file cannot be written.
    """
    page = render_page(reports, scores, metric=metric, examples=examples, published=published)
    with replacing(path) as temporary:
        temporary.write_text(page, "utf-8", errors="backslashreplace")


def render_page(
    reports: Sequence[MetricReport],
    scores: Sequence[pd.DataFrame],
    *,
    metric: str = "chamfer_distance",
    examples: Sequence[Sequence[Example]] = (),
    published: Mapping[str, PublishedTable] | None = None,
) -> str:
    """The page as text; see `write_page`."""
    require_one_protocol(reports)
    labels = _labels(reports)
    metrics = {
        name: summary.direction for report in reports for name, summary in report.metrics.items()
    }
    tables = [table.set_index("object") for table in scores]
    charts: dict[str, StripChart | None] = {
        name: strip_chart(
            [(label, table[name]) for label, table in zip(labels, tables, strict=True)
             if name in table]
        )
        for name in metrics
    }  # fmt: skip
    rows, notes = _score_rows(reports, list(metrics))
    shown, meshes = _shown_examples(examples, labels, tables, list(metrics))
    files = resources.files("lrm_core.reporting") / "html"
    names = ("mesh-view.js", "page.js") if meshes else ("page.js",)
    scripts = [(files / name).read_text("utf-8") for name in names]
    environment = html_templates("lrm_core.reporting")
    environment.filters |= {
        "number": _number,
        "data_uri": _data_uri,
        "json_text": lambda value: json.dumps(value, indent=1, ensure_ascii=False),
    }
    return environment.get_template("page.html.j2").render(
        protocol=reports[0].protocol,
        dataset=reports[0].dataset["name"],
        objects=_object_counts(reports),
        licences=list(dict.fromkeys(report.dataset["licence"] for report in reports)),
        methods=[
            {
                "label": label,
                "report": report,
                "cells": cells,
                "count": report.count,
                "scored_as": report.scored_as,
            }
            for label, report, cells in zip(labels, reports, rows, strict=True)
        ],
        metrics={name: _ARROWS[direction] for name, direction in metrics.items()},
        notes=notes,
        backends=_backends(reports, labels, list(metrics)),
        charts={name: chart for name, chart in charts.items() if chart is not None},
        examples=shown,
        meshes=meshes,
        pairs=_pairs(reports, scores, labels, metric),
        published=published or {},
        published_mark=MARK,
        arrows=_ARROWS,
        floors={
            name: value
            for report in reports
            for name, value in report.sampling_floor.items()
            if name in metrics
        },
        provenance=_grouped_provenance(reports, labels),
        style=(files / "page.css").read_text("utf-8"),
        scripts=scripts,
        script_hashes=[_csp_hash(text) for text in scripts],
    )


def require_one_protocol(reports: Sequence[MetricReport]) -> None:
    """Check that numbers of these reports may stand in one table.

    Raises:
        InputError: no report.
        NotComparableError: the reports follow different protocols.
    """
    if not reports:
        raise InputError("a page needs at least one report")
    if len({report.protocol["sha256"] for report in reports}) > 1:
        names = (
            f"{one.protocol['name']} v{one.protocol['version']} ({one.protocol['sha256'][:8]})"
            for one in reports
        )
        raise NotComparableError(
            f"the reports follow different protocols: {', '.join(dict.fromkeys(names))}",
            hint="make a page of each",
        )


def _labels(reports: Sequence[MetricReport]) -> list[str]:
    """Names of the methods; numbered where two reports are of one method."""
    names = [str(report.method["name"]) for report in reports]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: at + 1].count(name)})"
        for at, name in enumerate(names)
    ]


def _object_counts(reports: Sequence[MetricReport]) -> dict[str, Any]:
    """How many objects, and which of the protocol's list are not among them."""
    evaluated = dict.fromkeys(name for report in reports for name in report.dataset["objects"])
    listed = reports[0].protocol["content"].get("objects", [])
    missing = dict.fromkeys(
        [name for name in listed if name not in evaluated]
        + [name for report in reports for name in report.dataset["missing"]]
    )
    return {
        "num": len(evaluated),
        "listed": len(listed),
        "missing": list(missing),
        "extra": [name for name in evaluated if listed and name not in listed],
    }


def _score_rows(
    reports: Sequence[MetricReport], metrics: Sequence[str]
) -> tuple[list[dict[str, _Cell]], list[str]]:
    """Cells of every method, and the footnotes that they refer to."""
    notes: list[str] = []
    rows: list[dict[str, _Cell]] = [{} for _ in reports]
    for name in metrics:
        found = [report.metrics.get(name) for report in reports]
        known = [summary for summary in found if summary is not None]
        means = [summary.mean for summary in known if summary.mean is not None]
        higher = any(summary.direction == "higher" for summary in known)
        best = (max if higher else min)(means) if len(means) > 1 else None
        for row, report, summary in zip(rows, reports, found, strict=True):
            if summary is None or summary.mean is None:
                reason = "not evaluated" if summary is None else summary.unavailable or "no value"
                text = f"{name}: {reason}"
                if text not in notes:
                    notes.append(text)
                row[name] = _Cell(
                    mean="n/a",
                    interval="",
                    num=None,
                    best=False,
                    reason=reason,
                    note=notes.index(text) + 1,
                )
            else:
                ends = (summary.low, summary.high)
                interval = "" if None in ends else " to ".join(map(_number, ends))
                row[name] = _Cell(
                    mean=_number(summary.mean),
                    interval=interval,
                    num=summary.num if summary.num < report.num_objects else None,
                    best=summary.mean == best,
                    reason="",
                    note=0,
                )
    return rows, notes


def _backends(
    reports: Sequence[MetricReport], labels: Sequence[str], metrics: Sequence[str]
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Metric -> (backend, methods it computed the metric of), for those that have values."""
    backends = []
    for name in metrics:
        methods: dict[str, list[str]] = {}
        for report, label in zip(reports, labels, strict=True):
            summary = report.metrics.get(name)
            if summary is not None and summary.mean is not None:
                methods.setdefault(summary.backend, []).append(label)
        if methods:
            labels_of = [(backend, ", ".join(names)) for backend, names in methods.items()]
            backends.append((name, labels_of))
    return backends


def _shown_examples(
    examples: Sequence[Sequence[Example]],
    labels: Sequence[str],
    tables: Sequence[pd.DataFrame],
    metrics: Sequence[str],
) -> tuple[list[tuple[str, list[dict[str, Any]]]], dict[str, str]]:
    """Examples of every method with their scores, and every mesh once: id -> GLB in base64."""
    ids: dict[bytes, str] = {}

    def mesh_id(glb: bytes | None) -> str:
        return "" if glb is None else ids.setdefault(glb, f"mesh-{len(ids)}")

    shown = [
        (
            label,
            [
                {
                    "example": one,
                    "values": _values_of(table, one.chosen.name, metrics),
                    "prediction": mesh_id(one.mesh),
                    "reference": mesh_id(one.pictures.mesh),
                }
                for one in of_method
            ],
        )
        # without pictures there are no examples of any method
        for label, table, of_method in zip(labels, tables, examples, strict=False)
    ]
    return shown, {name: base64.b64encode(glb).decode() for glb, name in ids.items()}


def _values_of(table: pd.DataFrame, name: str, metrics: Sequence[str]) -> list[tuple[str, float]]:
    """The scores of an object that it has."""
    if name not in table.index:
        return []
    values = table.loc[[name], [metric for metric in metrics if metric in table]].dropna(
        axis="columns"
    )
    return [(str(metric), float(value)) for metric, value in values.iloc[0].items()]


def _pairs(
    reports: Sequence[MetricReport],
    scores: Sequence[pd.DataFrame],
    labels: Sequence[str],
    metric: str,
) -> list[_Pair]:
    """The first method against each other one that shares objects with it."""
    pairs = []
    for at in range(1, len(reports)):
        try:
            differences = compare([reports[0], reports[at]], [scores[0], scores[at]])
        except NotComparableError:  # no object in common
            continue
        by_name = {difference.metric: difference for difference in differences}
        drawn = by_name.get(metric) or by_name.get("psnr")
        bars = [] if drawn is None else [(drawn, bar_chart(drawn))]
        pairs.append(_Pair(labels[0], labels[at], differences, bars))
    return pairs


def _grouped_provenance(
    reports: Sequence[MetricReport], labels: Sequence[str]
) -> list[tuple[str, dict[str, Any]]]:
    """Methods of equal provenance share an entry."""
    groups: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for report, label in zip(reports, labels, strict=True):
        key = json.dumps(report.provenance, sort_keys=True)
        groups.setdefault(key, ([], report.provenance))[0].append(label)
    return [(", ".join(names), content) for names, content in groups.values()]


def _number(value: float | None) -> str:
    return "n/a" if value is None or math.isnan(value) else f"{value:.4g}"


def _data_uri(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def _csp_hash(text: str) -> str:
    """How a content security policy names a script that it allows."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
