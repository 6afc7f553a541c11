"""Checkpoints of a run: whole files, the newest and the best, and the way back.

`OUT/checkpoints/step-00001000.pt` holds everything that the next step depends on. Samples and the
renderer's jitter are pure functions of the seed and the step, and the learning rate is one of the
step: neither random states nor a position in the data need to be kept, and a run can be resumed
with another number of processes.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lrm_core.config import changed_settings
from lrm_core.errors import CheckpointError, TrainingError
from lrm_core.io.atomic_write import replacing
from lrm_core.io.checkpoint_files import read_tensors

_FOLDER = "checkpoints"
_BEST = "best.pt"
_NAME = re.compile(r"step-\d{8,}\.pt")

# Settings that give the steps so far their meaning: with others a checkpoint is another run's.
_FIXED_SETTINGS = ("objective", "optimizer", "global_batch", "seed")

# A rate that was constant so far may fall whenever the run is to end.
_END_OF_RUN = re.compile(r"optimizer\.decay_steps was \d+, is \d+")

# Settings that change neither samples nor losses, or that the comparison of models covers.
_FREE_SETTINGS = frozenset(
    {
        "micro_batch", "activation_checkpointing", "compile", "num_workers", "log_every",
        "checkpoint_every", "keep_last", "validate_every", "validation_objects", "spike_factor",
        "tensorboard", "wandb", "init", "encoder_init", "model", "model_settings",
    }
)  # fmt: skip


@dataclass(frozen=True)
class TrainingState:
    """A run between two steps.

    Attributes:
        step: optimizer steps done.
        model: state dict of the model.
        average: state dict of the averaged weights, or None without an average.
        optimizer: state dict of the optimizer.
        recent_losses: total losses of the last steps, by which spikes are found.
        num_high: how many of the last steps in a row were spikes.
        best_score: best score of the validations so far, or None; higher is better.
        configuration: configuration of the run, nested plain values: `model`, `training` and what
            its `data` is (`data_binding.py`).
    """

    step: int
    model: dict[str, Tensor]
    average: dict[str, Tensor] | None
    optimizer: dict[str, Any]
    recent_losses: list[float]
    num_high: int
    best_score: float | None
    configuration: dict[str, Any]


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the state after `step` steps of the run in `folder` is kept."""
    return folder / _FOLDER / f"step-{step:08d}.pt"


def save_checkpoint(
    folder: Path, state: TrainingState, *, keep_last: int, is_best: bool = False
) -> Path:
    """Write a state atomically, and remove all but the newest.

    Args:
        folder: folder of the run.
        state: what to write.
        keep_last: checkpoints that stay, this one included.
        is_best: keep it as `best.pt` too, until a better one comes.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    path = checkpoint_path(folder, state.step)
    with replacing(path) as temporary:
        torch.save(vars(state), temporary)
    if is_best:
        _replace_with(path, path.with_name(_BEST))
    for old in [old for old in checkpoints_of(folder) if old.name <= path.name][keep_last:]:
        old.unlink(missing_ok=True)
    return path


def checkpoints_of(folder: Path) -> list[Path]:
    """The checkpoints of a run by step, newest first."""
    found = [path for path in (folder / _FOLDER).glob("*.pt") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem.removeprefix("step-")), reverse=True)


def newest_state(folder: Path) -> tuple[TrainingState | None, list[str]]:
    """The newest checkpoint of a run that can be read.

    Returns:
        the state, or None where the run has none; and why newer files were passed over.

    Raises:
        TrainingError: there are checkpoints, and none of them can be read.
    """
    damaged: list[str] = []
    for path in checkpoints_of(folder):
        try:
            return read_checkpoint(path), damaged
        except CheckpointError as error:
            damaged.append(error.message)
    if damaged:
        raise TrainingError(
            f"none of the {len(damaged)} checkpoints can be read; the newest: {damaged[0]}",
            hint=f"remove {folder / _FOLDER} to start again",
        )
    return None, damaged


def read_checkpoint(path: Path) -> TrainingState:
    """Read one checkpoint, without running anything it contains.

    Raises:
        CheckpointError: damaged, or not a training state.
    """
    values = read_tensors(path)
    try:
        state = TrainingState(**values)
    except TypeError as error:
        raise CheckpointError(f"{path}: not a training state ({error})") from error
    return state


def compare_configurations(before: dict[str, Any], now: dict[str, Any], folder: Path) -> list[str]:
    """Refuse checkpoints of another run.

    Args:
        before: configuration of the checkpoint.
        now: configuration of the run that would resume from it.
        folder: folder of the run, for the message.

    Returns:
        settings that have changed and may, one line each.

    Raises:
        TrainingError: the model, or a setting that gives the steps so far their meaning, differs.
    """
    differences = _differences(before["model"], now["model"], "model")
    old, new = before["training"], now["training"]
    for name in _FIXED_SETTINGS:
        differences += _differences(old.get(name), new[name], name)
    differences = [line for line in differences if not _END_OF_RUN.fullmatch(line)]
    if differences:
        raise TrainingError(
            f"the checkpoints of {folder} belong to another configuration: {differences[0]}",
            hint="choose another output folder; --init starts a new run from weights",
        )
    changed = [
        line
        for name in sorted(new.keys() - _FREE_SETTINGS)
        for line in _differences(old.get(name), new[name], name)
    ]
    return [f"changed since the checkpoint: {line}" for line in changed]


def _differences(before: Any, now: Any, place: str) -> list[str]:
    """Settings that differ, one line each."""
    changed = changed_settings(before, now, place)
    return [f"{name} was {then!r}, is {value!r}" for name, then, value in changed]


def _replace_with(source: Path, target: Path) -> None:
    """`target` becomes another name of the file `source`, or a copy where disks cannot do that."""
    with replacing(target) as temporary:
        temporary.unlink()  # a link needs a name that is free
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
