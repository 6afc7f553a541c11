"""What each part of lrm-mini's design is worth: short trainings that differ in one thing.

    python benchmarks/mini_ablations.py OUT [ROW...] [--steps 400] [--report FILE.json]

Every row trains the recipe lrm-mini with the settings below and its own, on the same photos of 64
px, decayed to zero at the end, and is scored by `held_out_photos.py` (procedural objects of a seed
that no training uses, and the scans of LRM_GSO_DIR if it is set: for measuring only). Rows that are
finished are only scored again. Meshes come from LRM_TRAIN_MESH_DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch
from held_out_photos import held_out_sets, score

from lrm_core.models.loading import load_lrm
from lrm_core.training.config import read_training_config
from lrm_core.training.run.start import release, start_run

ROWS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "random backbone": {"encoder_init": None, "optimizer.backbone_factor": 1.0},
    "Lite2": {"model_settings": {"encoder.backbone": "lite2"}},
    "no smoothness loss": {"layers.smooth_weight": 0.0},
    "no shadows": {"layers.shadowed_share": 0.0},
    "no loss on distant differences": {"layers.coarse_weight": 0.0},
    "no light, no faults": {"layers.augment": False},
    "colors of a quarter of the photos": {"layers.colored_share": 0.25},
    "photos of 128 px": {"layers.data.views.size": 128, "model_settings": {}},
}


class _Silent:
    def on_step(self, step: int, values: dict[str, float]) -> None: ...

    def on_validation(self, step: int, scores: dict[str, float]) -> None: ...

    def on_warning(self, message: str) -> None:
        print(message, flush=True)


def train(name: str, out: Path, steps: int, weights: dict[str, str]) -> Path:
    """Train one row unless it is finished; the folder of its model."""
    folder = out / name.replace(" ", "-").replace(",", "")
    settings: dict[str, Any] = {
        "num_steps": steps,
        "optimizer.warmup_steps": 50,
        "optimizer.decay_steps": steps // 2,
        "ema_decay": 0.98,
        "validate_every": None,
        "checkpoint_every": 100,
        "keep_last": 1,
        "num_workers": 1,
        "tensorboard": False,
        "layers.data.window": 256,
        "layers.data.views.size": 64,
        "model_settings": {"encoder.image_size": 64},
        **ROWS[name],
    }
    if settings["layers.data.views.size"] == 64:
        settings["model_settings"] = {"encoder.image_size": 64, **settings["model_settings"]}
    if "encoder_init" not in ROWS[name]:
        variant = settings["model_settings"].get("encoder.backbone", "lite0")
        settings["encoder_init"] = weights[variant]
    config = read_training_config("lrm-mini", settings)
    size = config.layers.data.views.size
    run = start_run(config, folder, device="cpu", data=out / f"photos-{size}")
    run.trainer.run(_Silent())
    release(run.trainer, folder / "model")
    return folder / "model"


def main() -> None:
    """Train and score the rows named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], default=[])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--weights", nargs="*", default=[], metavar="VARIANT=FILE",
                        help="ImageNet weights by variant; else from Hugging Face")  # fmt: skip
    parser.add_argument("--report", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    weights = {v: f"timm/tf_efficientnet_{v}.in1k" for v in ("lite0", "lite1", "lite2")}
    weights |= dict(pair.split("=", 1) for pair in arguments.weights)
    sets = held_out_sets(os.environ.get("LRM_GSO_DIR"))
    rows = {}
    for name in arguments.rows or ROWS:
        model = load_lrm(train(name, arguments.out, arguments.steps, weights))
        rows[name] = {kind: score(model, photos) for kind, photos in sets.items()}
        print(name, json.dumps(rows[name]), flush=True)
        if arguments.report is not None:
            report = {
                "steps": arguments.steps,
                "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
                "rows": rows,
            }
            arguments.report.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
