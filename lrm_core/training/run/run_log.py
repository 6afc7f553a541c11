"""What a run writes down: `metrics.jsonl`, TensorBoard and, if wanted, Weights & Biases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch.utils.tensorboard import SummaryWriter

from lrm_core.io.atomic_write import replacing
from lrm_core.optional import require

METRICS = "metrics.jsonl"
_TENSORBOARD = "tensorboard"
_WANDB_ID = "wandb-id.txt"


class RunLog:
    """The log of a run; only the main process has one.

    `metrics.jsonl` has one JSON object per line: `step`, and either the losses of that step or
    `validation` with its scores. A run that is resumed from a checkpoint drops what came after it,
    so that no step is listed twice.

    Args:
        folder: folder of the run.
        step: the log continues after this step.
        configuration: configuration of the run, for Weights & Biases.
        tensorboard: write TensorBoard events to `folder/tensorboard`.
        wandb: log to Weights & Biases; its own environment variables say where and as whom.

    Raises:
        MissingDependencyError: `wandb` without the package.
    """

    def __init__(
        self,
        folder: Path,
        *,
        step: int,
        configuration: dict[str, Any],
        tensorboard: bool,
        wandb: bool,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / METRICS
        _forget_after(self._path, step)
        self._tensorboard: SummaryWriter | None = None
        if tensorboard:
            # events of steps that are done again are purged by TensorBoard itself
            self._tensorboard = SummaryWriter(str(folder / _TENSORBOARD), purge_step=step + 1)
        self._wandb: Any = None
        if wandb:
            self._wandb = _start_wandb(folder, configuration)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Losses, rate and speed of a step."""
        self._append({"step": step, **values})
        self._scalars(step, {f"train/{name}": value for name, value in values.items()})

    def validation(
        self, step: int, scores: Mapping[str, float], sheet: UInt8[np.ndarray, "H W 3"] | None
    ) -> None:
        """Scores of a validation and, where something was rendered, its pictures."""
        self._append({"step": step, "validation": dict(scores)})
        self._scalars(step, {f"validation/{name}": value for name, value in scores.items()})
        if sheet is None:
            return
        if self._tensorboard is not None:
            self._tensorboard.add_image("validation", sheet, step, dataformats="HWC")
        if self._wandb is not None:
            image = require("wandb", extra="wandb", purpose="pictures").Image(sheet)
            self._wandb.log({"validation/pictures": image}, step=step)

    def close(self) -> None:
        """Write out what is pending."""
        if self._tensorboard is not None:
            self._tensorboard.close()
        if self._wandb is not None:
            self._wandb.finish()

    def _append(self, entry: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        if self._tensorboard is not None:
            for name, value in values.items():
                self._tensorboard.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(dict(values), step=step)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's `metrics.jsonl`; a line that a crash cut off is left out."""
    path = folder / METRICS
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            entries.append(entry)
    return entries


def _forget_after(path: Path, step: int) -> None:
    """Keep the lines up to a step, and whole ones only."""
    if not path.is_file():
        return
    kept = [entry for entry in read_metrics(path.parent) if entry["step"] <= step]
    with replacing(path) as temporary:
        temporary.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")


def _start_wandb(folder: Path, configuration: dict[str, Any]) -> Any:
    """A run of Weights & Biases, the same one when training is resumed."""
    wandb = require("wandb", extra="wandb", purpose="logging to Weights & Biases")
    id_path = folder / _WANDB_ID
    run_id = id_path.read_text(encoding="utf-8").strip() if id_path.is_file() else None
    run = wandb.init(
        project="lrm",
        name=folder.resolve().name,
        dir=str(folder),
        id=run_id,
        resume="allow",
        config=configuration,
    )
    id_path.write_text(run.id + "\n", encoding="utf-8")
    return run
