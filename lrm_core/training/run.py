"""One training run from a configuration: data, model, training, released weights."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import yaml
from accelerate import Accelerator, InitProcessGroupKwargs

from lrm_core.config import ModelConfig, config_to_dict, parse_config
from lrm_core.errors import TrainingError
from lrm_core.io.atomic_write import replacing
from lrm_core.io.mesh_files import SCENE_SUFFIXES, read_scene
from lrm_core.metrics.metric_weights import locate_weights
from lrm_core.models.encoder_weights import load_encoder_weights
from lrm_core.models.loading import load_lrm, save_lrm
from lrm_core.models.lrm import LRM
from lrm_core.preprocessing.procedural_objects import procedural_object
from lrm_core.preprocessing.procedural_sets import procedural_set
from lrm_core.structures.scene import Scene
from lrm_core.training.checkpoints import TrainingState, compare_configurations, newest_state
from lrm_core.training.config import TrainingConfig, model_config
from lrm_core.training.loop import Trainer
from lrm_core.training.objective import Objective, Samples
from lrm_core.training.perceptual_loss import build_perceptual_loss
from lrm_core.training.point_dataset import prepare_objects
from lrm_core.training.point_objective import (
    PointDataConfig,
    PointObjective,
    PointSamples,
    load_objects,
)
from lrm_core.training.rendering_objective import RenderingObjective
from lrm_core.training.view_samples import ViewSamples

# One process prepares point data while the others wait for it.
_LONGEST_WAIT = timedelta(hours=6)


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
    on_object: Callable[[str, str], None] = lambda name, reason: None,
) -> RunStart:
    """Data, model and optimiser of a run; it goes on where an earlier run of the folder stopped.

    Under `torchrun` every process calls this.

    Args:
        config: the run.
        folder: of checkpoints, logs, validation pages and the released model.
        device: "cpu", "cuda" or "mps".
        data: where prepared point data lies; None for `folder/data`.
        on_object: receives the id of every object that is prepared, and the reason where it had to
            be skipped.

    Raises:
        ConfigError: the configuration does not fit the model or the processes.
        TrainingError: no data, no perceptual network, or checkpoints of another configuration.
        CheckpointError: the weights to start from cannot be loaded.
    """
    timeout = InitProcessGroupKwargs(timeout=_LONGEST_WAIT)
    accelerator = Accelerator(cpu=device == "cpu", kwargs_handlers=[timeout])
    state, warnings = newest_state(folder)
    _require_same_step(state, accelerator)
    model, encoder = _build_model(config, state)
    samples, held_out = _build_samples(
        config, model.config, data or folder / "data", accelerator, on_object
    )
    objective, perceptual = _build_objective(config, model, accelerator.device)
    num_steps = config.num_steps
    if num_steps is None:
        assert config.epochs is not None
        num_steps = math.ceil(config.epochs * len(samples) / config.global_batch)
    trainer = Trainer(
        objective,
        samples,
        held_out,
        config,
        num_steps=num_steps,
        folder=folder,
        accelerator=accelerator,
    )
    if state is not None:
        warnings += compare_configurations(state.configuration, trainer.configuration, folder)
        trainer.restore(state)
    if trainer.is_main:
        write_config(config, folder / "config.yaml")
    facts = {
        "model": f"{model.config.name}, {model.num_parameters:,} parameters; {encoder}",
        "loss": perceptual,
        "data": _data_in_words(samples, held_out),
        "steps": _steps_in_words(trainer),
        "device": f"{accelerator.device}, {accelerator.num_processes} "
        f"process{'es' if accelerator.num_processes > 1 else ''}, {config.precision}",
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
        temporary.write_text(
            yaml.safe_dump(config_to_dict(config), sort_keys=False), encoding="utf-8"
        )


def training_scenes(config: PointDataConfig) -> Iterator[tuple[str, Callable[[], Scene]]]:
    """Ids of all training objects with functions that load or make them.

    Raises:
        TrainingError: a mesh folder does not exist.
    """
    for source in config.meshes:
        folder = Path(os.path.expandvars(source.folder)).expanduser()
        if not folder.is_dir():
            raise TrainingError(
                f"points.data.meshes: '{source.folder}' is no folder",
                hint="set the variable, or train on procedural objects alone: "
                "points.data.meshes=[]",
            )
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SCENE_SUFFIXES):
            name = "-".join(path.relative_to(folder).with_suffix("").parts)
            yield name, partial(read_scene, path, up=source.up)
    for kind, make, count in (
        ("procedural", procedural_object, config.num_procedural),
        ("set", procedural_set, config.num_sets),
    ):
        for index in range(count):
            yield f"{kind}-{config.seed}-{index:06d}", partial(make, config.seed, index)


def prepare_data(
    config: PointDataConfig, folder: Path, on_object: Callable[[str, str], None]
) -> list[Path]:
    """Write the point data of every object that is not there yet.

    Args:
        config: the objects.
        folder: where the `.npz` files go.
        on_object: receives every object's id and, where it had to be skipped, the reason.

    Returns:
        the files of this configuration's objects.
    """
    paths = []
    for object_id, reason in prepare_objects(
        training_scenes(config), folder, config.views, seed=config.seed
    ):
        on_object(object_id, reason)
        if not reason:
            paths.append(folder / f"{object_id}.npz")
    return paths


def _build_model(config: TrainingConfig, state: TrainingState | None) -> tuple[LRM, str]:
    """The model, and in words where the weights of its image encoder come from."""
    torch.manual_seed(config.seed)
    if state is not None:
        # its weights are in the checkpoint: what they started from need not be at hand any more
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


def _build_samples(
    config: TrainingConfig,
    model: ModelConfig,
    data: Path,
    accelerator: Accelerator,
    on_object: Callable[[str, str], None],
) -> tuple[Samples, Samples | None]:
    """What to train on and, where the run validates, what to validate on."""
    if config.objective == "points":
        return _point_samples(config, data, accelerator, on_object)
    views = config.views
    samples = ViewSamples(views, model, split=views.split, seed=config.seed)
    if config.validate_every is None:
        return samples, None
    return samples, ViewSamples(views, model, split=views.validation_split, fixed=True)


def _point_samples(
    config: TrainingConfig,
    data: Path,
    accelerator: Accelerator,
    on_object: Callable[[str, str], None],
) -> tuple[PointSamples, PointSamples | None]:
    """Point data; validation holds out objects that are spread evenly over the list."""
    # the first process of each machine prepares, the others find everything there
    with accelerator.local_main_process_first():
        paths = prepare_data(config.points.data, data, on_object)
    held_out: set[int] = set()
    if config.validate_every is not None:
        count = config.validation_objects
        if count >= len(paths):
            raise TrainingError(
                f"{count} objects for validation of {len(paths)} leave none for training",
                hint="lower validation_objects, or set validate_every=null",
            )
        held_out = {round(place * len(paths) / count) for place in range(count)}
    build = partial(
        PointSamples,
        config=config.points,
        seed=config.seed,
        global_batch=config.global_batch,
    )
    objects = list(load_objects(paths))
    training = [one for index, one in enumerate(objects) if index not in held_out]
    if not held_out:
        return build(training), None
    return build(training), build([objects[index] for index in sorted(held_out)], fixed=True)


def _build_objective(
    config: TrainingConfig, model: LRM, device: torch.device
) -> tuple[Objective, str]:
    """Model and losses, and the losses in words."""
    if config.objective == "points":
        return PointObjective(model, config.points), "occupancy, colour and silhouette at points"
    settings = config.rendering
    words = f"{settings.mse_weight:g} MSE"
    if settings.perceptual == "none" or settings.perceptual_weight == 0.0:
        return RenderingObjective(model, settings, None), f"{words}, no perceptual loss"
    perceptual = build_perceptual_loss(settings.perceptual, device=str(device))
    words += f" + {settings.perceptual_weight:g} {settings.perceptual}"
    if settings.perceptual == "lpips":
        words += f" (VGG weights: {locate_weights('lpips/vgg')})"
    if settings.mask_weight > 0.0:
        words += f" + {settings.mask_weight:g} mask"
    return RenderingObjective(model, settings, perceptual), words


def _require_same_step(state: TrainingState | None, accelerator: Accelerator) -> None:
    """Every process must go on from the same checkpoint."""
    step = torch.tensor([-1 if state is None else state.step], device=accelerator.device)
    steps = accelerator.gather(step).tolist()
    if min(steps) != max(steps):
        raise TrainingError(
            f"the processes found checkpoints of different steps: {sorted(set(steps))}",
            hint="every machine must see the same output folder",
        )


def _data_in_words(samples: Samples, held_out: Samples | None) -> str:
    words = f"{len(samples):,} samples per epoch"
    return words if held_out is None else f"{words}, {len(held_out):,} objects for validation"


def _steps_in_words(trainer: Trainer) -> str:
    config = trainer.config
    epochs = trainer.num_steps * config.global_batch / len(trainer.samples)
    return (
        f"{trainer.step:,} of {trainer.num_steps:,} done ({epochs:.3g} epochs), "
        f"{config.global_batch:,} samples each: {trainer.passes} passes x "
        f"{trainer.accelerator.num_processes} processes x {config.micro_batch} samples"
    )
