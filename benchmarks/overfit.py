"""Can the training code learn at all? Eight objects, learned by heart on one CPU core.

    python benchmarks/overfit.py [-o runs/overfit]

Prepares eight procedural objects as `lrm preprocess procedural` does, trains the recipe lrm-tiny on
them as `lrm train` does, and draws PSNR against steps and minutes beside targets and renders of all
eight: `docs/images/overfit.png`, `reports/benchmarks/overfit.json`. A run that was stopped goes on.
The PSNR is that of the views that the model is trained on, rendered whole; nothing is held out.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrm_core.datasets.building import BuildOptions, build_dataset
from lrm_core.io.atomic_write import replacing
from lrm_core.models.loading import load_lrm
from lrm_core.sources.object_views import ViewSettings
from lrm_core.sources.procedural import ProceduralSource
from lrm_core.training.config import read_training_config
from lrm_core.training.data.view_samples import ViewSamples, collate_views
from lrm_core.training.objectives.rendering_objective import RenderingObjective, ValidationResult
from lrm_core.training.run.start import release, start_run

NUM_OBJECTS = 8
NUM_VIEWS = 4
SIZE = 64
RADIUS = 2.5
SCORED_SIZE = 32
TARGET_PSNR = 28.0


def prepare(out: Path) -> None:
    """The dataset that the comment of the recipe makes."""
    settings = ViewSettings(num_views=NUM_VIEWS, size=SIZE, radius=(RADIUS, RADIUS))
    source = ProceduralSource(NUM_OBJECTS, 0, settings)
    build_dataset(
        str(out),
        source,
        source.jobs(),
        options=BuildOptions(resume=True, splits=(("train", 1.0),)),
    )


class Curve:
    """PSNR of the validations, with the time that training took until then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.points: list[dict[str, float]] = []
        if path.is_file():
            self.points = json.loads(path.read_text())
        self._cpu = self._before("cpu_seconds") - time.process_time()
        self._wall = self._before("seconds") - time.perf_counter()

    def _before(self, clock: str) -> float:
        return self.points[-1][clock] if self.points else 0.0

    def on_step(self, step: int, values: dict[str, float]) -> None:
        """Nothing: `metrics.jsonl` has it."""

    def on_validation(self, step: int, scores: dict[str, float]) -> None:
        """Note a point; steps that are done again replace what was noted of them."""
        self.points = [point for point in self.points if point["step"] < step]
        self.points.append({
            "step": step,
            "seconds": round(self._wall + time.perf_counter(), 1),
            "cpu_seconds": round(self._cpu + time.process_time(), 1),
            **scores,
        })  # fmt: skip
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(self.points))
        print(self.points[-1], flush=True)

    def on_warning(self, message: str) -> None:
        """Pass it on."""
        print(f"warning: {message}", flush=True)


def draw(
    path: Path, points: list[dict[str, float]], result: ValidationResult, *, size: int
) -> None:
    """PSNR over steps (and minutes above), and target and render of every object."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(13.0, 3.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.0, 2.4))
    axes = left.subplots()
    steps = [point["step"] for point in points]
    axes.plot(steps, [point["psnr"] for point in points], color="#2a6f97")
    axes.axhline(TARGET_PSNR, color="0.6", linewidth=0.8, linestyle="--")
    axes.set_xlabel("optimizer steps")
    axes.set_ylabel(f"PSNR (dB), training views at {size} px")
    minutes = points[-1]["cpu_seconds"] / 60.0 / steps[-1]
    upper = axes.secondary_xaxis("top", functions=(lambda x: x * minutes, lambda x: x / minutes))
    upper.set_xlabel("minutes of one core")
    grid = right.subplots(2, len(result.rows))
    for column, (_, target, render, _) in enumerate(result.rows):
        for row, picture in enumerate((target, render)):
            grid[row, column].imshow(picture)
            grid[row, column].set_xticks([])
            grid[row, column].set_yticks([])
    grid[0, 0].set_ylabel("target")
    grid[1, 0].set_ylabel("render")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def score(model_folder: Path, views: Path, size: int) -> ValidationResult:
    """The released model on all views of all objects, each reconstructed from its first view."""
    recipe = read_training_config(
        "lrm-tiny",
        {
            "views.sources": [{"url": str(views)}],
            "views.crop": size,
            "views.target_resolution": [size, size],
            "views.num_side_views": NUM_VIEWS - 1,
        },
    )
    model = load_lrm(model_folder)
    samples = ViewSamples(recipe.views, model.config, split="train", fixed=True)
    batch = collate_views([samples[index] for index in range(NUM_OBJECTS)])
    return RenderingObjective(model, recipe.rendering, None).validate(batch)


def main() -> None:
    """Prepare, train, score, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/overfit"))
    parser.add_argument("--report", type=Path, default=Path("reports/benchmarks/overfit.json"))
    parser.add_argument("--plot", type=Path, default=Path("docs/images/overfit.png"))
    parser.add_argument("--size", type=int, default=SCORED_SIZE, help="of the scored views")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="override the recipe")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    views = arguments.out / "views"
    prepare(views)
    overrides: dict[str, Any] = {"views.sources": [{"url": str(views)}]}
    for setting in arguments.settings:
        key, _, value = setting.partition("=")
        overrides[key] = json.loads(value)
    config = read_training_config("lrm-tiny", overrides)
    curve = Curve(arguments.out / "curve.json")
    trainer = start_run(config, arguments.out, device="cpu").trainer
    trainer.run(curve)
    release(trainer, arguments.out / "model")
    passed = next((point for point in curve.points if point["psnr"] > TARGET_PSNR), None)
    result = score(arguments.out / "model", views, arguments.size)
    draw(arguments.plot, curve.points, result, size=config.views.crop)
    report = {
        "objects": NUM_OBJECTS,
        "views": NUM_VIEWS,
        "parameters": trainer.objective.model.num_parameters,
        "steps": trainer.step,
        "samples": trainer.step * config.global_batch,
        "scored_at": arguments.size,
        "scores": {name: round(value, 4) for name, value in result.scores.items()},
        "target_psnr": TARGET_PSNR,
        "reached": bool(result.scores["psnr"] > TARGET_PSNR),
        "machine": f"{platform.machine()}, 1 thread, shared with other programs",
        "torch": torch.__version__,
        "numpy": np.__version__,
        "passed_target": passed,
        "curve_at": config.views.crop,
        "curve": curve.points,
    }
    with replacing(arguments.report) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({key: report[key] for key in ("steps", "scores", "reached")}))


if __name__ == "__main__":
    main()
