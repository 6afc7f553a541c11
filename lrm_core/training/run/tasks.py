"""What a run trains on and for, by the name of its objective.

A kind of training is a class of samples and an objective (`objectives/objective.py`), and a
function here that builds both from the configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lrm_core.errors import TrainingError
from lrm_core.metrics.metric_weights import locate_weights
from lrm_core.models.lrm import LRM
from lrm_core.training.config import TrainingConfig
from lrm_core.training.data.layer_samples import LayerSamples
from lrm_core.training.data.object_stream import ObjectStream, TrainingObject, training_objects
from lrm_core.training.data.view_samples import ViewSamples
from lrm_core.training.objectives.layer_objective import LayerObjective
from lrm_core.training.objectives.objective import Objective, Samples
from lrm_core.training.objectives.perceptual_loss import build_perceptual_loss
from lrm_core.training.objectives.rendering_objective import RenderingObjective


@dataclass(frozen=True)
class Task:
    """What a run trains on and for.

    Attributes:
        objective: model and losses.
        samples: to train on.
        held_out: to validate on; None where the run does not validate.
        loss: the losses in words.
    """

    objective: Objective[Any]
    samples: Samples[Any, Any]
    held_out: Samples[Any, Any] | None
    loss: str


def build_task(config: TrainingConfig, model: LRM, data: Path, device: torch.device) -> Task:
    """The task that a configuration names.

    Args:
        config: configuration of the run.
        model: to be trained.
        data: folder of what is made while training.
        device: where perceptual networks compute.

    Raises:
        ConfigError: the model cannot be trained so.
        TrainingError: no data, or no perceptual network.
    """
    return _TASKS[config.objective](config, model, data, device)


def _rendering_task(config: TrainingConfig, model: LRM, data: Path, device: torch.device) -> Task:
    """Views against photos (section 3.4)."""
    views, settings = config.views, config.rendering
    samples = ViewSamples(views, model.config, split=views.split, seed=config.seed)
    held_out: ViewSamples | None = None
    if config.validate_every is not None:
        held_out = ViewSamples(views, model.config, split=views.validation_split, fixed=True)
    words = f"{settings.mse_weight:g} MSE"
    if settings.mask_weight > 0.0:
        words += f" + {settings.mask_weight:g} mask"
    if settings.perceptual == "none" or settings.perceptual_weight == 0.0:
        objective = RenderingObjective(model, settings, None)
        return Task(objective, samples, held_out, f"{words}, no perceptual loss")
    perceptual = build_perceptual_loss(settings.perceptual, device=str(device))
    words += f" + {settings.perceptual_weight:g} {settings.perceptual}"
    if settings.perceptual == "lpips":
        words += f" (VGG weights: {locate_weights('lpips/vgg')})"
    return Task(RenderingObjective(model, settings, perceptual), samples, held_out, words)


def _layer_task(config: TrainingConfig, model: LRM, data: Path, device: torch.device) -> Task:
    """What rays meet; objects are photographed while training, and some are held out."""
    layers = config.layers
    objects, held_out = _split(training_objects(layers.data), config)
    stream = ObjectStream(
        objects, layers.data.views, config.seed, data, keep=2 * layers.data.window
    )
    fixed: LayerSamples | None = None
    if held_out:
        place = data / "validation"
        held_out_stream = ObjectStream(
            held_out, layers.data.views, config.seed, place, keep=len(held_out)
        )
        fixed = LayerSamples(held_out_stream, layers, seed=config.seed, fixed=len(held_out))
    return Task(
        LayerObjective(model, layers),
        LayerSamples(stream, layers, seed=config.seed),
        fixed,
        "depths and colors of what rays meet",
    )


def _split(
    objects: list[TrainingObject], config: TrainingConfig
) -> tuple[list[TrainingObject], list[TrainingObject]]:
    """Objects to train on, and those that validation holds out: spread evenly over all."""
    if config.validate_every is None:
        return objects, []
    count = config.validation_objects
    if count >= len(objects):
        raise TrainingError(
            f"{count} objects for validation of {len(objects)} leave none for training",
            hint="lower validation_objects, or set validate_every=null",
        )
    chosen = {round(place * len(objects) / count) for place in range(count)}
    return (
        [item for index, item in enumerate(objects) if index not in chosen],
        [replace(objects[index], weight=1.0) for index in sorted(chosen)],
    )


_TASKS: dict[str, Callable[[TrainingConfig, LRM, Path, torch.device], Task]] = {
    "rendering": _rendering_task,
    "layers": _layer_task,
}
