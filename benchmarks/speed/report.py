"""What pytest-benchmark measured, reduced to what is needed: JSON for programs, tables for people.

Cases that were not measured this time keep their last numbers, so that a long suite can be run in
parts; every case names the commit that it was measured at.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrm_core.io.json_files import read_json, write_json
from lrm_core.reporting.provenance import provenance

Case = dict[str, Any]

_RESULTS, _TABLES = "results.json", "tables.md"

# Columns in the order of the tables; what a stage has none of is left out.
_COLUMNS = {
    "median_s": "median, s",
    "min_s": "fastest, s",
    "first_s": "first, s",
    "rounds": "rounds",
    "added_memory_mb": "memory added, MB",
    "process_peak_mb": "peak of the process, MB",
    "views_per_s": "views per second",
    "gflop": "GFLOP",
    "floor_s": "floor, s",
    "floors": "times the floor",
    "gflop_per_s": "GFLOP/s",
    "gb_per_s": "GB/s",
    "faces": "faces",
    "photos_per_minute": "photos per minute",
    "reference_s": "peers' way, s",
    "ratio": "times faster",
    "gap_cells": "largest gap, cells",
}
_PARAMETERS = ("model_name", "resolution", "batch", "dtype")


def device_slug(device: str) -> str:
    """`nvidia-h200`, `amd-epyc-9654-2-cores`: the folder of a device's results."""
    if device == "cuda":
        name = torch.cuda.get_device_name()
    else:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        name = f"{provenance(device)['processor'] or 'cpu'} {cores} cores"
        name = name if device == "cpu" else f"{name} {device}"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def update_report(folder: Path, benchmarks: Iterable[Mapping[str, Any]], *, device: str) -> Path:
    """Merge measured cases into the device's results and write its tables anew.

    Args:
        folder: of all devices, `reports/speed`.
        benchmarks: as pytest-benchmark's JSON holds them.
        device: where the cases computed.

    Returns:
        the device's folder.
    """
    made_with = provenance(device)
    commit = made_with.pop("git")
    folder = folder / device_slug(device)
    path = folder / _RESULTS
    known = {case["case"]: case for case in read_json(path)["cases"]} if path.is_file() else {}
    for benchmark in benchmarks:
        case = reduced(benchmark)
        known[case["case"]] = {**case, "git": commit}
    folder.mkdir(parents=True, exist_ok=True)
    made_with["threads"] = torch.get_num_threads()
    cases = sorted(known.values(), key=lambda case: case["case"])
    write_json(path, {"made_with": made_with, "cases": cases})
    (folder / _TABLES).write_text(tables(cases), encoding="utf-8")
    return folder


def reduced(benchmark: Mapping[str, Any]) -> Case:
    """One case: stage, parameters, seconds, and what it said about itself."""
    stats = benchmark["stats"]
    return {
        "case": benchmark["name"],
        "stage": benchmark["name"].partition("[")[0].removeprefix("bench_"),
        "parameters": benchmark["params"] or {},
        "median_s": _rounded(stats["median"]),
        "min_s": _rounded(stats["min"]),
        "rounds": stats["rounds"],
        **{name: _rounded(value) for name, value in benchmark["extra_info"].items()},
    }


def tables(cases: Iterable[Case]) -> str:
    """Markdown: one table per stage, and how the seconds grow with the resolution."""
    stages: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        stages[case["stage"]].append(case)
    parts = ["# Speed", "Written by `nox -s speed`; do not edit. `results.json` holds the same."]
    for stage, rows in stages.items():
        rows.sort(key=lambda case: [_sortable(v) for v in case["parameters"].values()])
        names = sorted({name for case in rows for name in case["parameters"]}, key=_position)
        columns = {key: words for key, words in _COLUMNS.items() if any(key in c for c in rows)}
        lines = [[_shown(name) for name in names] + list(columns.values())]
        lines += [
            [str(case["parameters"].get(name, "")) for name in names]
            + [_number(case.get(key)) for key in columns]
            for case in rows
        ]
        parts += [f"## {stage.replace('_', ' ')}", _markdown(lines)]
        growth = _growth(rows)
        if growth:
            parts.append(growth)
    return "\n\n".join(parts) + "\n"


def _growth(rows: list[Case]) -> str:
    """The power of the resolution that the seconds grow with, by a straight line of logarithms."""
    groups: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for case in rows:
        others = {k: v for k, v in case["parameters"].items() if k != "resolution"}
        if "resolution" in case["parameters"]:
            point = int(case["parameters"]["resolution"]), float(case["median_s"])
            groups[" ".join(map(str, others.values()))].append(point)
    powers = [
        f"{name or 'all'} {np.polyfit(*np.log(np.array(points)).T, 1)[0]:.1f}"
        for name, points in groups.items()
        if len(points) > 1
    ]
    return f"Seconds grow with this power of the resolution: {', '.join(powers)}." if powers else ""


def _markdown(lines: list[list[str]]) -> str:
    rule = ["---"] * len(lines[0])
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _number(value: Any) -> str:
    return "" if value is None else f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def _position(name: str) -> tuple[int, str]:
    return (_PARAMETERS.index(name) if name in _PARAMETERS else len(_PARAMETERS), name)


def _shown(name: str) -> str:
    return name.removesuffix("_name")


def _sortable(value: Any) -> tuple[bool, Any]:
    return (isinstance(value, str), value)
