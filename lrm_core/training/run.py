"""One training run from a configuration: data, model, training, released weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from lrm_core.config import load_preset, parse_config, read_yaml
from lrm_core.errors import ConfigError, TrainingError
from lrm_core.io.mesh_files import SCENE_SUFFIXES, read_scene
from lrm_core.models.loading import save_lrm
from lrm_core.models.lrm import LRM
from lrm_core.preprocessing.procedural_objects import procedural_object
from lrm_core.structures.scene import Scene
from lrm_core.training.point_dataset import prepare_objects
from lrm_core.training.point_training import (
    DataConfig,
    PointTrainer,
    PointTrainingConfig,
    load_objects,
)


def read_training_config(source: str, overrides: dict[str, Any]) -> PointTrainingConfig:
    """A training configuration from a file or the name of a bundled recipe.

    Args:
        source: path of a YAML file, or a name such as `"lrm-mini"`.
        overrides: dotted keys with values that replace the file's.

    Raises:
        ConfigError: no such recipe, unknown key or bad value.
    """
    bundled = resources.files("lrm_core") / "presets" / "training"
    path: Any = Path(source)
    if not path.is_file():
        names = sorted(item.name.removesuffix(".yaml") for item in bundled.iterdir())
        if source not in names:
            raise ConfigError(
                f"'{source}' is neither a file nor a bundled recipe",
                hint=f"recipes: {', '.join(names)}",
            )
        path = bundled / f"{source}.yaml"
    values = read_yaml(path, origin=source)
    for key, value in overrides.items():
        *parents, last = key.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{source}: '{key}': '{parent}' holds no settings of its own")
        place[last] = value
    return parse_config(PointTrainingConfig, values, origin=source)


def training_scenes(config: DataConfig) -> Iterator[tuple[str, Callable[[], Scene]]]:
    """Ids of all training objects with functions that load or make them.

    Raises:
        TrainingError: a mesh folder does not exist.
    """
    for source in config.meshes:
        folder = Path(os.path.expandvars(source.folder)).expanduser()
        if not folder.is_dir():
            raise TrainingError(
                f"data.meshes: '{source.folder}' is no folder",
                hint="set the variable, or train on procedural objects alone: data.meshes=[]",
            )
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SCENE_SUFFIXES):
            name = "-".join(path.relative_to(folder).with_suffix("").parts)
            yield name, partial(read_scene, path, up=source.up)
    for index in range(config.num_procedural):
        yield (
            f"procedural-{config.seed}-{index:06d}",
            partial(procedural_object, config.seed, index),
        )


def prepare_data(
    config: PointTrainingConfig, folder: Path, on_object: Callable[[str, str], None]
) -> list[Path]:
    """Write the training data of every object that is not there yet.

    Args:
        config: the run.
        folder: where the `.npz` files go.
        on_object: receives every object's id and, where it had to be skipped, the reason.

    Returns:
        the files of this configuration's objects.
    """
    paths = []
    for object_id, reason in prepare_objects(
        training_scenes(config.data), folder, config.data.views, seed=config.data.seed
    ):
        on_object(object_id, reason)
        if not reason:
            paths.append(folder / f"{object_id}.npz")
    return paths


def build_trainer(
    config: PointTrainingConfig, paths: list[Path], folder: Path, *, device: str
) -> PointTrainer:
    """Model, data and optimiser of a run; goes on where an earlier run of the folder stopped."""
    torch.manual_seed(config.seed)
    model = LRM(load_preset(config.model)).to(device)
    trainer = PointTrainer(model, config, list(load_objects(paths)), folder)
    trainer.resume()
    return trainer


def release(trainer: PointTrainer, folder: Path) -> None:
    """Write the averaged weights as a model folder that `load_model` reads."""
    save_lrm(trainer.averaged_model(), folder, torch.float16)
