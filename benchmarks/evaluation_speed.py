"""Where the seconds of `lrm evaluate` go, and what they were in another copy of the source tree.

    python benchmarks/evaluation_speed.py [--objects 10] [--against OLDER_TREE] [--report FILE]

Every `rounds` both trees score the same objects in turns, each in a process of its own without a
cache, after one object that loads libraries and weights. A stage costs its median over the rounds;
a stage is a function, timed by cProfile in the main thread, which waits for the others. Scores of
both trees are compared. At last the objects are scored twice with an empty cache: the second run
finds everything there.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lrm_core.baselines.loading import PredictorOptions
from lrm_core.evaluation import (
    alignment,
    collection,
    observation,
    predictions,
    reference,
    runner,
    scoring,
)
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.evaluation.setups import Setup
from lrm_core.io.json_files import write_json
from lrm_core.metrics.ssim import ssim
from lrm_core.models.lrm import LRM
from lrm_core.reconstruction.reconstruction import Reconstruction
from lrm_core.reporting.provenance import provenance

# stage -> functions, with the one that calls them where it matters; stages do not overlap
STAGES: dict[str, tuple[tuple[Callable[..., Any], Callable[..., Any] | None], ...]] = {
    "read the object": ((collection.Collection.load, None),),
    "the method": ((predictions.predict, None),),
    "alignment": ((alignment.find_alignment, None),),
    "look at the reference": (
        (observation.observe, reference.make_reference),
        (reference.render_scene, reference.make_reference),
    ),
    "look at the prediction": ((observation.observe, runner._Measuring.observe),),
    "image metrics": ((scoring.score_views, None),),
    "point metrics": ((scoring._point_scores, None),),
    "volume IoU": ((scoring.volume_iou, scoring.score_surface),),
}
# within the stages above
PARTS: dict[str, Any] = {
    "image to triplane": ((LRM.predict_triplane, None),),
    "mesh of the field": ((Reconstruction.extract_mesh, None),),
    "rendering": ((observation.render_scene, None),),
    "surface points": ((observation.sample_surface, None),),
    "SSIM": ((ssim, None),),
}
TOTAL = "all"


def objects(dataset: str, count: int) -> collection.Collection:
    """`count` objects, spread over the dataset."""
    protocol = load_protocol(f"{dataset}-v1")
    names = ["all"] if dataset == "gso" else None
    found = collection.find_objects(protocol, names=names)
    step = max(1, len(found.locations) // count)
    return replace(found, locations=found.locations[::step][:count])


def scorer(dataset: str, count: int, method: str, cache: Path | None = None) -> runner.ScoreObject:
    """What `lrm evaluate` does with one object."""
    return runner.ScoreObject(
        load_protocol(f"{dataset}-v1"),
        objects(dataset, count),
        (Setup(method),),
        PredictorOptions(),
        cache,
    )


def seconds_of(
    stats: Any, function: Callable[..., Any], caller: Callable[..., Any] | None = None
) -> float:
    """Cumulative seconds of a function in a profile, all or those of one caller."""
    _, _, _, total, callers = stats.get(_key(function), (0, 0, 0.0, 0.0, {}))
    return float(total if caller is None else callers.get(_key(caller), (0, 0, 0.0, 0.0))[3])


def _key(function: Any) -> tuple[str, int, str]:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = function.__code__
    return (code.co_filename, code.co_firstlineno, code.co_name)


def profile(score: runner.ScoreObject) -> dict[str, Any]:
    """Seconds per object and stage, and the scores."""
    names = score.collection.names
    score(names[0])
    profiler = cProfile.Profile()
    started = time.perf_counter()
    profiler.enable()
    scores = {name: score(name) for name in names}
    profiler.disable()
    elapsed = time.perf_counter() - started
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    seconds = {
        stage: sum(seconds_of(stats, *function) for function in functions) / len(names)
        for stage, functions in (STAGES | PARTS).items()
    }
    values = {n: {m: s.values for m, s in by_method.items()} for n, by_method in scores.items()}
    return {"seconds": seconds | {TOTAL: elapsed / len(names)}, "values": values}


def profile_in(tree: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The same in a process that imports another source tree."""
    command = [sys.executable, __file__, "--child", "--objects", str(arguments.objects)]
    command += ["--dataset", arguments.dataset, "--method", arguments.method]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{tree}: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def median_seconds(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Stage -> median over runs."""
    return {
        stage: round(statistics.median(run["seconds"][stage] for run in runs), 4)
        for stage in runs[0]["seconds"]
    }


def largest_difference(first: dict[str, Any], second: dict[str, Any]) -> float:
    """Of any score of any object; infinite where one has a score that the other lacks."""
    differences = [0.0]
    for name, by_method in first["values"].items():
        for method, values in by_method.items():
            others = second["values"][name][method]
            if values.keys() != others.keys():
                return float("inf")
            differences += [abs(values[metric] - others[metric]) for metric in values]
    return max(differences)


def cached_runs(arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds per object with an empty cache, and with what that run left there."""
    with tempfile.TemporaryDirectory() as folder:
        score = scorer(arguments.dataset, arguments.objects, arguments.method, Path(folder))
        seconds = {}
        for run in ("first run", "second run"):
            started = time.perf_counter()
            for name in score.collection.names:
                score(name)
            seconds[run] = (time.perf_counter() - started) / arguments.objects
    return {run: round(value, 4) for run, value in seconds.items()}


def as_markdown(report: dict[str, Any]) -> str:
    """Seconds per object and shares, before and now."""
    now, before = report["seconds_per_object"], report.get("before", {})
    lines = ["| stage | s per object | share | before, s | times faster |", "|" + "---|" * 5]
    for stage, seconds in now.items():
        name = f"of these: {stage}" if stage in PARTS else stage
        cells = [name, f"{seconds:.3f}", f"{seconds / now[TOTAL]:.0%}"]
        older = before.get(stage)
        cells += (
            ["", ""] if older is None else [f"{older:.3f}", f"{older / max(seconds, 1e-9):.2f}"]
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure both trees in turns and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=["gso", "procedural"], default="gso")
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--method", default="lrm-mini")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, default=None, help="an older source tree")
    parser.add_argument("--report", type=Path, default=None)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(profile(scorer(arguments.dataset, arguments.objects, arguments.method))))
        return
    here = Path(__file__).resolve().parents[1]
    trees = {"seconds_per_object": here}
    if arguments.against is not None:
        trees = {"before": arguments.against.resolve()} | trees
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in trees}
    for _ in range(arguments.rounds):
        for name, tree in trees.items():
            runs[name].append(profile_in(tree, arguments))
    report: dict[str, Any] = {
        "made_with": provenance("cpu") | {"threads": torch.get_num_threads()},
        "dataset": arguments.dataset,
        "objects": arguments.objects,
        "method": arguments.method,
        "rounds": arguments.rounds,
        **{name: median_seconds(of_tree) for name, of_tree in runs.items()},
    }
    if arguments.against is not None:
        before, now = report["before"], report["seconds_per_object"]
        report["times_faster"] = {
            stage: round(before[stage] / now[stage], 2) for stage in now if now[stage]
        }
        report["largest_difference_of_scores"] = largest_difference(
            runs["before"][0], runs["seconds_per_object"][0]
        )
    report["with_cache"] = cached_runs(arguments)
    print(as_markdown(report))
    print(json.dumps({key: report[key] for key in report if key != "made_with"}))
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        write_json(arguments.report, report)


if __name__ == "__main__":
    main()
