"""One training run from a configuration: data, model, training, released weights."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import yaml
from accelerate import Accelerator

from lrm_core.config import ModelConfig, config_to_dict, parse_config
from lrm_core.device import fast_precision
from lrm_core.errors import LrmError, TrainingError
from lrm_core.io.atomic_write import check_replaceable, replacing
from lrm_core.models.encoder_weights import load_encoder_weights
from lrm_core.models.loading import load_lrm, save_lrm
from lrm_core.models.lrm import LRM
from lrm_core.models.model_sources import local_model_files
from lrm_core.training.config import TrainingConfig, model_config, read_training_config
from lrm_core.training.run.checkpoints import (
    TrainingState,
    checkpoint_path,
    compare_configurations,
    newest_state,
)
from lrm_core.training.run.data_binding import LISTING, require_same_data, write_listing
from lrm_core.training.run.loop import Trainer
from lrm_core.training.run.run_log import METRICS
from lrm_core.training.run.tasks import Task, build_task

MODEL = "model"
"""Where the released model lies in the folder of a run."""

_CONFIG = "config.yaml"
_ANOTHER_FOLDER = "name another folder with -o, or move the file"


@dataclass(frozen=True)
class RunStart:
    """A run that is ready, and what should be said about it first.

    Attributes:
        trainer: at step 0 or where an earlier run of the folder stopped.
        facts: device, sizes, weights and data in words, by name.
        warnings: damaged checkpoints, settings that have changed.
    """

    trainer: Trainer
    facts: dict[str, str]
    warnings: list[str]


def start_run(
    config: TrainingConfig,
    folder: Path,
    *,
    device: str,
    data: Path | None = None,
) -> RunStart:
    """Data, model and optimizer of a run, which continues an earlier run of the folder.

    Under `torchrun` every process calls this.

    Args:
        config: the run.
        folder: folder of checkpoints, logs, validation pages and the released model.
        device: "cpu", "cuda" or "mps".
        data: where photos of objects are kept while they are used; None for `folder/data`.

    Raises:
        ConfigError: the configuration does not fit the model or the processes.
        TrainingError: no data, no perceptual network, or checkpoints of another configuration or
            of other data.
        OutputError: the folder holds files that no run wrote, or the model to start from.
        CheckpointError: the weights to start from cannot be loaded.
    """
    accelerator = Accelerator(cpu=device == "cpu")
    state, warnings = newest_state(folder)
    _require_same_step(state, accelerator)
    if accelerator.is_main_process:
        _check_folder(folder, config, resumed=state is not None)
    model, encoder = _build_model(config, state)
    task = build_task(config, model, data or folder / "data", accelerator.device)
    contents = task.samples.contents()
    num_steps = config.num_steps
    if num_steps is None:
        assert config.epochs is not None
        num_steps = math.ceil(config.epochs * len(task.samples) / config.global_batch)
    precision = _resolve_precision(config, accelerator)
    if precision == "bfloat16" and fast_precision(accelerator.device.type) == "float32":
        warnings.append(
            f"bfloat16 gains little here ({accelerator.device}) and can be many times slower: "
            "precision=float32, or auto"
        )
    trainer = Trainer(
        task.objective,
        task.samples,
        task.held_out,
        replace(config, precision=precision),
        num_steps=num_steps,
        folder=folder,
        accelerator=accelerator,
    )
    if state is not None:
        warnings += compare_configurations(state.configuration, trainer.configuration, folder)
        checkpoint = checkpoint_path(folder, state.step)
        require_same_data(state.configuration.get("data"), contents, folder, checkpoint)
        trainer.restore(state)
    if trainer.is_main:
        if not _holds(folder / _CONFIG, config):  # before all else: it marks the folder as a run's
            write_config(config, folder / _CONFIG)
        write_listing(folder, contents)
    facts = {
        "model": f"{model.config.name}, {model.num_parameters:,} parameters; {encoder}",
        "loss": task.loss,
        "data": _data_in_words(task, config),
        "steps": _steps_in_words(trainer),
        "device": f"{accelerator.device}, {accelerator.num_processes} "
        f"process{'es' if accelerator.num_processes > 1 else ''}, {precision}"
        f"{' (auto)' if config.precision == 'auto' else ''}",
    }
    if config.tensorboard:
        facts["watch"] = f"tensorboard --logdir {folder / 'tensorboard'}"
    return RunStart(trainer, facts, warnings if trainer.is_main else [])


def release(trainer: Trainer, folder: Path) -> None:
    """Write the averaged weights in float16 as a model folder that `load_model` reads.

    Only the main process writes.
    """
    if not trainer.is_main:
        return
    model = LRM(trainer.objective.model.config)
    average = trainer.average
    model.load_state_dict(
        trainer.objective.model.state_dict() if average is None else average.state
    )
    save_lrm(model, folder, torch.float16)


def finish_run(trainer: Trainer) -> None:
    """Let go of the other processes."""
    trainer.accelerator.end_training()


def is_main_process() -> bool:
    """Whether this process is the one that speaks, before the others are known (`torchrun`)."""
    return os.environ.get("RANK", "0") == "0"


def write_config(config: TrainingConfig, path: Path) -> None:
    """Write a configuration as a recipe that `read_training_config` reads."""
    with replacing(path) as temporary:
        temporary.write_text(_as_text(config), encoding="utf-8")


def _as_text(config: TrainingConfig) -> str:
    text: str = yaml.safe_dump(config_to_dict(config), sort_keys=False)
    return text


def _check_folder(folder: Path, config: TrainingConfig, *, resumed: bool) -> None:
    """Refuse, before the work, to write over what no run of this folder has written."""
    weights = [folder / MODEL / name for name in ("model.safetensors", "config.json")]
    if config.init is not None and not resumed:
        check_replaceable(*weights, overwrite=True, inputs=local_model_files(config.init))
    recipe = folder / _CONFIG
    if not _is_of_run(recipe) and not _holds(recipe, config):
        check_replaceable(recipe, overwrite=False, hint=_ANOTHER_FOLDER)
    if not resumed and not recipe.exists():
        others = [folder / name for name in (LISTING, METRICS)]
        check_replaceable(*others, *weights, overwrite=False, hint=_ANOTHER_FOLDER)


def _is_of_run(path: Path) -> bool:
    """Whether a configuration stands as `write_config` writes it, not as people do."""
    try:
        return path.read_text(encoding="utf-8") == _as_text(read_training_config(str(path), {}))
    except (LrmError, OSError, UnicodeDecodeError):
        return False


def _holds(path: Path, config: TrainingConfig) -> bool:
    try:
        return path.is_file() and read_training_config(str(path), {}) == config
    except LrmError:
        return False


def _build_model(config: TrainingConfig, state: TrainingState | None) -> tuple[LRM, str]:
    """The model, and in words where the weights of its image encoder come from."""
    torch.manual_seed(config.seed)
    if state is not None:
        # its weights are in the checkpoint: what they started from need not exist any more
        if config.init is None:
            sizes = model_config(config)
        else:
            sizes = parse_config(ModelConfig, state.configuration["model"], origin="checkpoint")
        return LRM(sizes), "weights of the checkpoint"
    if config.init is not None:
        model: LRM = load_lrm(config.init)
        return model.train().requires_grad_(True), f"weights of {config.init}"
    model = LRM(model_config(config))
    if config.encoder_init is None:
        return model, "the image encoder starts from random weights too (encoder_init: null)"
    load_encoder_weights(model.image_encoder, config.encoder_init)
    return model, f"image encoder from {config.encoder_init}, the others random"


def _resolve_precision(
    config: TrainingConfig, accelerator: Accelerator
) -> Literal["bfloat16", "float32"]:
    """What `precision: auto` means on the machines of this run, the same for every process."""
    if config.precision != "auto":
        return config.precision
    is_half = fast_precision(accelerator.device.type) == "bfloat16"
    found = torch.tensor([int(is_half)], device=accelerator.device)
    # all processes wait for the one to which bfloat16 is slow
    return "bfloat16" if min(accelerator.gather(found).tolist()) else "float32"


def _require_same_step(state: TrainingState | None, accelerator: Accelerator) -> None:
    """Every process must resume from the same checkpoint."""
    step = torch.tensor([-1 if state is None else state.step], device=accelerator.device)
    steps = accelerator.gather(step).tolist()
    if min(steps) != max(steps):
        raise TrainingError(
            f"the processes found checkpoints of different steps: {sorted(set(steps))}",
            hint="every machine must see the same output folder",
        )


def _data_in_words(task: Task, config: TrainingConfig) -> str:
    words = f"{len(task.samples):,} samples per epoch"
    if task.held_out is None:
        return words
    count = min(config.validation_objects, len(task.held_out))
    return f"{words}, {count:,} objects for validation"


def _steps_in_words(trainer: Trainer) -> str:
    config = trainer.config
    epochs = trainer.num_steps * config.global_batch / len(trainer.samples)
    return (
        f"{trainer.step:,} of {trainer.num_steps:,} done ({epochs:.3g} epochs), "
        f"{config.global_batch:,} samples each: {trainer.passes} passes x "
        f"{trainer.accelerator.num_processes} processes x {config.micro_batch} samples"
    )
