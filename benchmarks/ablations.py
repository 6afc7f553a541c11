"""The paper's ablations (tables 3 to 10 and D.6) at any scale: train, score, write the table.

    python benchmarks/ablations.py table5 --scale tiny
    torchrun --nproc-per-node 8 benchmarks/ablations.py all --scale paper
    LRM_METRIC_WEIGHTS=DIR python benchmarks/ablations.py d6   # DIR of benchmarks/lpips_weights.py

Rows are overrides of the recipe lrm-small in `benchmarks/ablations/*.yaml`, next to the paper's own
numbers; `ablations/scales/` says how it is shrunk. Every row is trained with every seed by the code
of `lrm train`, into a folder of its own: what was interrupted goes on, and what is finished is only
scored again. Scores are those of views of held-out objects. Reports go to
`reports/benchmarks/ablations/`, as Markdown and JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from held_out_views import EvaluationSettings, ViewScores, evaluate

from lrm_core.config import parse_config, read_yaml
from lrm_core.datasets.building import BuildOptions, build_dataset
from lrm_core.device import choose_device
from lrm_core.io.atomic_write import replacing
from lrm_core.models.loading import load_lrm
from lrm_core.sources.object_views import ViewSettings
from lrm_core.sources.procedural import ProceduralSource
from lrm_core.training.config import TrainingConfig, read_training_config
from lrm_core.training.run.loop import Trainer
from lrm_core.training.run.start import is_main_process, release, start_run

_FOLDER = Path(__file__).with_suffix("")
_RECIPE = "lrm-small"
_HEADINGS = {"psnr": "PSNR", "clip_similarity": "CLIP", "ssim": "SSIM", "lpips": "LPIPS"}


@dataclass(frozen=True, kw_only=True)
class PaperScores:
    """What the paper prints: PSNR in dB, the others times 100; None where it gives no number."""

    psnr: float | None
    clip_similarity: float | None
    ssim: float | None
    lpips: float | None


@dataclass(frozen=True, kw_only=True)
class RowAtScale:
    """A row as it is run at one scale; in a table, what takes its place at the scale tiny."""

    name: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    model_settings: dict[str, Any] = field(default_factory=dict)
    skip: str | None = None
    """Why it is not run at all."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table: overrides of the recipe and of its model, by dotted keys."""

    name: str
    paper: PaperScores
    printed: str | None = None
    """Where the paper's numbers stand, if not in the row of this name."""
    baseline: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    model_settings: dict[str, Any] = field(default_factory=dict)
    tiny: RowAtScale | None = None

    def at(self, scale: str) -> RowAtScale:
        """The row at a scale."""
        if scale == "tiny" and self.tiny is not None:
            return replace(self.tiny, name=self.tiny.name or self.name)
        return RowAtScale(
            name=self.name, settings=self.settings, model_settings=self.model_settings
        )


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of the paper."""

    title: str
    varies: str
    """Heading of the first column."""
    rows: tuple[Row, ...]
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class ProceduralData:
    """A dataset that is made where none is at hand."""

    num: int
    num_views: int
    size: int
    seed: int
    splits: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large the runs are."""

    seeds: tuple[int, ...]
    settings: dict[str, Any]
    model_settings: dict[str, Any]
    evaluation: EvaluationSettings
    procedural: ProceduralData | None = None


def table_names() -> list[str]:
    """All tables, in the paper's order."""
    names = [path.stem for path in _FOLDER.glob("*.yaml")]
    return sorted(names, key=lambda name: (name == "d6", len(name), name))


def read_table(name: str) -> Table:
    """A table by name, such as `"table5"`."""
    return parse_config(Table, read_yaml(_FOLDER / f"{name}.yaml", origin=name), origin=name)


def read_scale(name: str) -> Scale:
    """A scale by name: `"tiny"` or `"paper"`."""
    path = _FOLDER / "scales" / f"{name}.yaml"
    return parse_config(Scale, read_yaml(path, origin=name), origin=name)


def row_config(row: RowAtScale, scale: Scale, *, seed: int, data: Path | None) -> TrainingConfig:
    """The training run of a row.

    Args:
        row: as `Row.at` gives it.
        scale: the overrides that all rows share.
        seed: of the run.
        data: dataset that takes the place of all sources; None to keep them.
    """
    overrides = {**scale.settings, **row.settings, "seed": seed}
    overrides["model_settings"] = {**scale.model_settings, **row.model_settings}
    if data is not None:
        overrides["views.sources"] = [{"url": str(data)}]
    return read_training_config(_RECIPE, overrides)


def prepare_procedural(data: ProceduralData, out: Path) -> None:
    """Make the dataset, or go on with it, or find it finished."""
    settings = ViewSettings(num_views=data.num_views, size=data.size, seed=data.seed)
    source = ProceduralSource(data.num, data.seed, settings)
    build_dataset(
        str(out),
        source,
        source.jobs(),
        options=BuildOptions(resume=True, splits=data.splits),
    )


class QuietWatch:
    """Says nothing but warnings: `metrics.jsonl` of the run has the rest."""

    def on_step(self, step: int, values: dict[str, float]) -> None:
        """Nothing."""

    def on_validation(self, step: int, scores: dict[str, float]) -> None:
        """Nothing."""

    def on_warning(self, message: str) -> None:
        """Pass it on."""
        print(f"warning: {message}", flush=True)


def train(config: TrainingConfig, folder: Path, device: str) -> Trainer:
    """Train a row as `lrm train` does, or go on with it, and write its model."""
    run, watch = start_run(config, folder, device=device), QuietWatch()
    for warning in run.warnings:
        watch.on_warning(warning)
    run.trainer.run(watch)
    release(run.trainer, folder / "model")
    return run.trainer


def run_table(name: str, scale_name: str, out: Path, device: str) -> dict[str, Any]:
    """Train and score all rows with all seeds; the report as JSON values."""
    table, scale = read_table(name), read_scale(scale_name)
    data = None if scale.procedural is None else out / "views"
    if scale.procedural is not None and data is not None:
        prepare_procedural(scale.procedural, data)
    scores = ViewScores(device, download=scale_name == "paper")
    # all rows are scored on the same objects, whatever they were trained on
    sources = row_config(RowAtScale(), scale, seed=0, data=data).views.sources
    rows = []
    for position, row in enumerate(table.rows):
        chosen = row.at(scale_name)
        runs = []
        for seed in () if chosen.skip else scale.seeds:
            config = row_config(chosen, scale, seed=seed, data=data)
            started, cpu = time.perf_counter(), time.process_time()
            folder = out / name / f"row{position}-seed{seed}"
            trainer = train(config, folder, device)
            if not trainer.is_main:
                continue
            model = load_lrm(folder / "model", device=device)
            views = replace(config.views, sources=sources)
            runs.append({
                "seed": seed,
                "scores": evaluate(model, views, scale.evaluation, scores),
                "steps": trainer.step,
                "samples": trainer.step * config.global_batch,
                "parameters": model.num_parameters,
                "seconds": round(time.perf_counter() - started, 1),
                "cpu_seconds": round(time.process_time() - cpu, 1),
            })  # fmt: skip
            print(f"{name}, {chosen.name}, seed {seed}: {runs[-1]['scores']}", flush=True)
        rows.append({
            "name": chosen.name, "baseline": row.baseline, "skipped": chosen.skip,
            "paper_name": row.printed or row.name, "paper": vars(row.paper), "runs": runs,
        })  # fmt: skip
    return {
        "table": name, "title": table.title, "varies": table.varies, "remark": table.remark,
        "scale": scale_name, "evaluation": vars(scale.evaluation), "missing": scores.missing,
        "machine": f"{platform.machine()}, {device}", "torch": torch.__version__, "rows": rows,
    }  # fmt: skip


def as_markdown(report: dict[str, Any]) -> str:
    """The report as a table: mean over seeds (and half the range between them), and the paper's."""
    headings = [report["varies"], *_HEADINGS.values()]
    headings += ["steps", "samples", "paper", *(f"paper {name}" for name in _HEADINGS.values())]
    lines = [
        f"# {report['table']}: {report['title']}, scale {report['scale']}", "",
        "| " + " | ".join(headings) + " |", "|" + "---|" * len(headings),
    ]  # fmt: skip
    for row in report["rows"]:
        mark = " (baseline)" if row["baseline"] else ""
        runs = row["runs"]
        ours = [_spread([run["scores"].get(metric) for run in runs]) for metric in _HEADINGS]
        sizes = [f"{runs[0][key]:,}" if runs else "" for key in ("steps", "samples")]
        printed = [row["paper"][metric] for metric in _HEADINGS]
        paper = [row["paper_name"], *("not given" if x is None else f"{x:.1f}" for x in printed)]
        lines.append(f"| {row['name']}{mark} | " + " | ".join([*ours, *sizes, *paper]) + " |")
    notes = [f"{row['name']}: {row['skipped']}." for row in report["rows"] if row["skipped"]]
    notes += [report["remark"], _how_to_read(report)]
    return "\n".join(lines) + "\n\n" + "\n\n".join(filter(None, notes)) + "\n"


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "not run" if not values else "n/a"
    half = (max(known) - min(known)) / 2.0
    return f"{statistics.fmean(known):.2f} ± {half:.2f}"


def _how_to_read(report: dict[str, Any]) -> str:
    settings = report["evaluation"]
    seeds = max(len(row["runs"]) for row in report["rows"])
    words = (
        f"Mean ± half the range over {seeds} seeds. Held-out objects per source: "
        f"{settings['num_objects']}; input views of each, one by one: {settings['num_inputs']}; "
        f"scored views: {settings['num_views']} of {settings['size']} px. PSNR in dB, the others "
        "times 100."
    )
    for metric, reason in report["missing"].items():
        words += f" {_HEADINGS[metric]} is n/a: {reason}."
    if report["scale"] == "tiny":
        words += (
            " The columns of the paper are of models, data and runs many thousand times as large: "
            "only the order of rows could be compared, and only where they differ by more than the "
            "spread over seeds."
        )
    return words


def main() -> None:
    """Run one table or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="+", choices=[*table_names(), "all"])
    parser.add_argument("--scale", choices=["tiny", "paper"], default="tiny")
    parser.add_argument("--out", type=Path, default=None, help="default: runs/ablations/SCALE")
    parser.add_argument("--reports", type=Path, default=Path("reports/benchmarks/ablations"))
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    if arguments.scale == "tiny" and os.environ.get("WORLD_SIZE", "1") != "1":
        parser.error("the scale tiny is for one process")
    names = table_names() if "all" in arguments.tables else arguments.tables
    out = arguments.out or Path("runs/ablations") / arguments.scale
    device = choose_device(arguments.device)
    for name in names:
        report = run_table(name, arguments.scale, out, device)
        if not is_main_process():
            continue
        text = as_markdown(report)
        print(text)
        for suffix, content in ((".json", json.dumps(report, indent=2) + "\n"), (".md", text)):
            with replacing(arguments.reports / f"{name}-{arguments.scale}{suffix}") as temporary:
                temporary.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
