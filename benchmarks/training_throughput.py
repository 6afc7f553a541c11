"""Training steps of the presets: samples per second and memory, and what loading data costs.

    python benchmarks/training_throughput.py [--report reports/benchmarks/training_throughput.json]

Forward, backward, clipping and AdamW on random batches that lie in memory, with the recipe's own
views, crops, losses (no perceptual network) and precision; every case in a process of its own, one
warm-up step and then `--steps`. On a CPU a sample costs what the cores spent on it, which other
programs on the machine change little, and memory is the largest resident set of the process; on a
GPU it is wall time, and what the allocator handed out at most. Cases that need more memory than is
free are left out. With `--recipes` the cases of other recipes keep what the report says of them.

MFU is the share of the device's rate for matrix products, in the recipe's precision, that the
model's operations reach (`training_flops.py`). With `--views RECIPE DATASET` and `--layers RECIPE
MESHES` (a folder, beside the recipe's procedural objects) the loading of samples is timed too,
apart from training, in one worker. How many workers the recipe's fastest case keeps busy is
measured; how many a GPU would is predicted from the operations of a sample and a rate that GPUs
reach.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from training_flops import layer_flops, matmul_ceiling, rendering_flops

from lrm_core.device import fast_precision
from lrm_core.io.atomic_write import replacing
from lrm_core.models.lrm import LRM
from lrm_core.structures.cameras import Cameras, canonical_camera, look_at
from lrm_core.training.config import TrainingConfig, model_config, read_training_config
from lrm_core.training.data.layer_samples import LayerBatch, collate_layers, draw_sample
from lrm_core.training.data.object_stream import ObjectStream, training_objects
from lrm_core.training.data.view_samples import ViewBatch, ViewSamples
from lrm_core.training.objectives.layer_objective import LayerObjective
from lrm_core.training.objectives.perceptual_loss import build_perceptual_loss
from lrm_core.training.objectives.rendering_objective import RenderingObjective
from lrm_core.training.run.optimizer import build_optimizer
from lrm_core.training.view_config import ViewSource

_GIB = 2**30
_OPTIONS = ("recipe", "micro_batch", "deferred", "checkpointing")
_PREDICTED_RATE = 4e14  # operations per second: some 40 % of an H200's 989e12 in bfloat16


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        recipe: bundled recipe.
        micro_batch: samples per pass.
        deferred: deferred back-propagation; None for recipes that render nothing.
        checkpointing: activation checkpointing.
        needs_gib: free memory without which it is left out, estimated.
    """

    recipe: str
    micro_batch: int
    deferred: bool | None
    checkpointing: bool
    needs_gib: float = 2.0


CPU_CASES = (
    Case("lrm-mini", 4, None, False),
    Case("lrm-mini", 4, None, True),
    Case("lrm-tiny", 8, False, False),
    Case("lrm-tiny", 8, True, False),
    Case("lrm-tiny", 8, True, True),
    Case("lrm-small", 1, False, False, 14.0),
    Case("lrm-small", 1, True, False, 9.0),
    Case("lrm-small", 1, True, True, 9.0),
    Case("lrm-large", 1, True, False, 15.0),
    Case("lrm-large", 1, True, True, 13.0),
)
GPU_CASES = (
    *CPU_CASES[:5],
    Case("lrm-small", 8, False, False),
    Case("lrm-small", 8, True, False),
    Case("lrm-small", 8, True, True),
    Case("lrm-large", 1, True, False),
    Case("lrm-large", 8, True, False),
    Case("lrm-large", 8, True, True),
)


def case_config(case: Case) -> TrainingConfig:
    """The recipe with the case's options, and without what needs a download."""
    config = read_training_config(
        case.recipe,
        {
            "micro_batch": case.micro_batch,
            "global_batch": case.micro_batch,
            "encoder_init": None,
            "activation_checkpointing": case.checkpointing,
        },
    )
    if case.deferred is None:
        return config
    perceptual = "none" if config.rendering.perceptual == "lpips" else config.rendering.perceptual
    rendering = replace(config.rendering, deferred=case.deferred, perceptual=perceptual)
    return replace(config, rendering=rendering)


def precision_of(case: Case, device: str) -> str:
    """The number format that the case is computed in, as `lrm train` chooses it."""
    configured = case_config(case).precision
    return fast_precision(device) if configured == "auto" else configured


def random_views(config: TrainingConfig, model: LRM) -> ViewBatch:
    """A batch of the sizes that the recipe asks for."""
    size, crop = config.micro_batch, config.views.crop
    num_views = 1 + config.views.num_side_views
    side = model.config.encoder.image_size
    origins = nn.functional.normalize(torch.randn(size * num_views, 3), dim=-1) * 2.0
    lens = canonical_camera(crop, num_cameras=size * num_views).intrinsics
    return ViewBatch(
        object_ids=tuple(map(str, range(size))),
        images=torch.rand(size, 4, side, side),
        cameras=canonical_camera(side, num_cameras=size),
        target_cameras=Cameras(look_at(origins), lens, crop, crop),
        rgb=torch.rand(size, num_views, crop, crop, 3),
        alpha=torch.rand(size, num_views, crop, crop),
        background=config.views.background,
        seeds=tuple(range(size)),
    )


def random_layers(config: TrainingConfig, model: LRM) -> LayerBatch:
    """A batch of the sizes that the recipe asks for."""
    size, points = config.micro_batch, config.layers.num_points
    side = model.config.encoder.image_size
    line = torch.arange(side) - side / 2.0 + 0.5
    disc = (line[:, None].square() + line.square() < (0.35 * side) ** 2).expand(size, 2, -1, -1)
    return LayerBatch(
        images=torch.cat([torch.rand(size, 3, side, side), disc[:, :1].float()], dim=1),
        cameras=canonical_camera(side, num_cameras=size),
        depths=torch.where(disc, torch.rand(size, 2, side, side) - 0.5, torch.nan),
        behind=torch.rand(size, 3, side, side),
        points=torch.rand(size, points, 3) * 2.0 - 1.0,
        colors=torch.rand(size, points, 3),
    )


def measure(case: Case, device: str, steps: int, *, warm_up: bool) -> dict[str, float]:
    """Seconds per sample and GiB, in this process."""
    config = case_config(case)
    torch.manual_seed(0)
    model = LRM(model_config(config)).to(device)
    for module in model.modules():
        if hasattr(module, "activation_checkpointing"):
            module.activation_checkpointing = case.checkpointing
    objective: nn.Module
    if config.objective == "layers":
        objective, batch = LayerObjective(model, config.layers), random_layers(config, model)
    else:
        perceptual = build_perceptual_loss(config.rendering.perceptual, device=device)
        objective = RenderingObjective(model, config.rendering, perceptual)
        batch = random_views(config, model)
    batch = batch.to(device)
    optimizer = build_optimizer(model, config.optimizer)
    precision = getattr(torch, precision_of(case, device))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=precision, enabled=precision != torch.float32):
            total = objective(batch)["total"]
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.gradient_clip)
        optimizer.step()

    cuda = device == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    if warm_up:
        step()
    seconds = []
    for _ in range(steps):
        if cuda:
            torch.cuda.synchronize()
        started = clock()
        step()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(clock() - started)
    # ru_maxrss counts KiB
    peak = (
        torch.cuda.max_memory_allocated()
        if cuda
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    return {
        "parameters": model.num_parameters,
        "seconds_per_sample": statistics.median(seconds) / case.micro_batch,
        "memory_gib": peak / _GIB,
    }


def flops_per_sample(case: Case) -> float:
    """Operations of the model itself, whatever the case computes twice."""
    torch.manual_seed(0)  # random cameras decide how many rays meet the cube
    config = case_config(case)
    shape = model_config(config)
    if config.objective == "layers":
        model = LRM(shape)
        return layer_flops(LayerObjective(model, config.layers), random_layers(config, model))
    with torch.device("meta"):
        model = LRM(shape)
    num_samples = config.rendering.num_samples or shape.rendering.num_samples
    return rendering_flops(shape, random_views(config, model), num_samples)


def loading_seconds(recipe: str, views: str, num_samples: int = 24) -> float:
    """Seconds of one core per sample: read, decode, resize, crop."""
    config = read_training_config(recipe, {"views.sources": [{"url": views}]})
    sources = (ViewSource(url=views),)
    split = _largest_split(views)
    samples = ViewSamples(
        replace(config.views, sources=sources), model_config(config), split=split, seed=0
    )
    return _seconds_of_a_sample(lambda index: samples.collate([samples[index]]), num_samples)


def layer_loading_seconds(recipe: str, meshes: str, num_samples: int = 24) -> float:
    """The same for layers: each object is photographed once for `uses` samples."""
    config = read_training_config(recipe, {"layers.data.meshes": [{"folder": meshes}]}).layers
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        stream = ObjectStream(
            training_objects(config.data), config.data.views, 0, Path(folder), keep=2 * num_samples
        )
        # the second time each file is read, which every sample has to
        photograph, draw = (
            _seconds_of_a_sample(
                lambda index: collate_layers([draw_sample(stream.photos(index)[0], config, rng)]),
                num_samples,
            )
            for _ in range(2)
        )
    return (photograph - draw) / config.data.uses + draw


def _seconds_of_a_sample(load: Callable[[int], object], num_samples: int) -> float:
    load(0)  # libraries load
    started = time.process_time()
    for index in range(1, 1 + num_samples):
        load(index)
    return (time.process_time() - started) / num_samples


def loading_row(recipe: str, source: str, seconds: float, rows: list[dict[str, Any]]) -> Any:
    """What loading costs beside what the recipe's fastest case consumes.

    No rate is predicted for models that render nothing: they are too small to reach what GPUs can.
    """
    of_recipe = [row for row in rows if row["recipe"] == recipe and "seconds_per_sample" in row]
    step = min((row["seconds_per_sample"] for row in of_recipe), default=None)
    renders = (r for r in rows if r["recipe"] == recipe and r["deferred"] is not None)
    flops = next((row["flops_per_sample"] for row in renders), None)
    return {
        "recipe": recipe,
        "source": source,
        "seconds_per_sample": seconds,
        "workers_busy": None if step is None else seconds / step,
        "workers_predicted_gpu": None if flops is None else seconds * _PREDICTED_RATE / flops,
    }


def _largest_split(views: str) -> str:
    from lrm_core.io.view_dataset_files import open_view_dataset

    return str(open_view_dataset(views).manifest["split"].mode()[0])


def free_memory(device: str) -> float:
    """GiB that a new process could get."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0] / _GIB
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(line for line in lines if line.startswith("MemAvailable"))
    return int(available.split()[1]) * 1024 / _GIB


def in_a_process(index: int, device: str, steps: int) -> dict[str, Any]:
    """A case's numbers, or why there are none."""
    command = [sys.executable, __file__, "--case", str(index), "--device", device]
    done = subprocess.run([*command, "--steps", str(steps)], capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"left_out": lines[-1] if lines else f"ended with code {done.returncode}"}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def as_markdown(report: dict[str, Any]) -> str:
    """The table of `docs/training.md`."""
    head = "samples/s" if report["device"] != "cpu" else "samples/s of one core"
    lines = [
        f"| recipe | parameters | micro batch | deferred | checkpointing | {head} | MFU | memory |",
        "|" + "---|" * 8,
    ]
    words = {True: "on", False: "off", None: "-"}
    for row in report["cases"]:
        cells = [row["recipe"], "", str(row["micro_batch"])]
        cells += [words[row["deferred"]], words[row["checkpointing"]]]
        if "left_out" in row:
            cells += [f"not measured: {row['left_out']}", "", ""]
        else:
            cells[1] = f"{row['parameters']:,}"
            cells += [f"{1.0 / row['seconds_per_sample']:.3g}", f"{row['mfu']:.0%}"]
            cells += [f"{row['memory_gib']:.1f} GiB"]
        lines.append("| " + " | ".join(cells) + " |")
    for row in report["loading"]:
        busy, predicted = row["workers_busy"], row["workers_predicted_gpu"]
        lines.append(
            f"\nLoading a sample of {row['recipe']} ({row['source']}): "
            f"{1000.0 * row['seconds_per_sample']:.1f} ms of one core"
            + ("" if busy is None else f"; {busy:.2g} workers feed the fastest case here")
            + ("" if predicted is None else f"; predicted for a GPU: {predicted:.2g}")
            + "."
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--recipes", nargs="*", default=None, help="only these")
    parser.add_argument("--views", nargs=2, action="append", default=[], metavar=("RECIPE", "URL"))
    parser.add_argument("--layers", nargs=2, action="append", default=[], metavar=("RECIPE", "DIR"))
    parser.add_argument("--report", type=Path, default=None)
    parser.add_argument("--case", type=int, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device = arguments.device
    cases = GPU_CASES if device == "cuda" else CPU_CASES
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if arguments.case is not None:
        case = cases[arguments.case]
        # a step of these takes minutes of a core, beside which what a first one costs is little
        warm_up = device == "cuda" or case.recipe not in ("lrm-small", "lrm-large")
        steps = arguments.steps if warm_up else 1
        print(json.dumps(measure(case, device, steps, warm_up=warm_up)))
        return
    known = json.loads(arguments.report.read_text()) if arguments.recipes is not None else {}
    older = {tuple(row[name] for name in _OPTIONS): row for row in known.get("cases", [])}
    rows = []
    ceilings: dict[str, float] = {}
    for index, case in enumerate(cases):
        row: dict[str, Any] = dict(vars(case))
        free = free_memory(device)
        if arguments.recipes is not None and case.recipe not in arguments.recipes:
            never = {"left_out": "not measured yet"}
            row |= older.get(tuple(row[name] for name in _OPTIONS), never)
        elif case.needs_gib > free:
            row["left_out"] = f"needs about {case.needs_gib:g} GiB, {free:.0f} were free"
        else:
            row |= in_a_process(index, device, arguments.steps)
        precision = precision_of(case, device)
        row |= {"precision": precision, "flops_per_sample": flops_per_sample(case)}
        if "seconds_per_sample" in row:
            rate = row["flops_per_sample"] / row["seconds_per_sample"]
            if precision not in ceilings:
                ceilings[precision] = matmul_ceiling(device, getattr(torch, precision))
            row |= {"flops_per_second": rate, "mfu": rate / ceilings[precision]}
        rows.append(row)
        print(json.dumps(row), flush=True)
    loading = [
        (recipe, source, measured(recipe, source))
        for measured, wanted in (
            (loading_seconds, arguments.views),
            (layer_loading_seconds, arguments.layers),
        )
        for recipe, source in wanted
    ]
    report = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "matmul_flops_per_second": ceilings,
        "predicted_gpu_flops_per_second": _PREDICTED_RATE,
        "cases": rows,
        "loading": [
            loading_row(recipe, Path(source).name, seconds, rows)
            for recipe, source, seconds in loading
        ],
    }
    print(as_markdown(report))
    if arguments.report:
        with replacing(arguments.report) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
