"""Models by name, folder, file or Hugging Face id; and saving them.

Our own format is a folder with `config.json` ("format": "lrm", then the fields of `ModelConfig`)
and `model.safetensors`, whose header repeats the configuration so that the file can travel alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lrm_core.config import (
    ModelConfig,
    config_to_dict,
    parse_config,
    preset_names,
    read_yaml,
)
from lrm_core.device import choose_dtype
from lrm_core.errors import CheckpointError, ConfigError, InputError, first_line
from lrm_core.io.checkpoint_files import (
    read_metadata,
    read_tensors,
    require_finite,
    require_tensors,
    write_safetensors,
)
from lrm_core.io.json_files import read_json, write_json
from lrm_core.models.external_layouts import detect_family
from lrm_core.models.external_weights import import_weights
from lrm_core.models.lrm import LRM
from lrm_core.models.model_sources import (
    HUB_ID,
    WEIGHT_FILES,
    bundled_folder,
    download,
    weights_in,
)

_FORMAT = "lrm"
_FORMAT_VERSION = 1
_METADATA_KEY = "lrm_config"
_TRAINING_STATE = {"step", "model", "average", "optimizer", "configuration"}


# The MLP is a thousandth of the work, and the surface is where its rounding errors would show.
_ALWAYS_FLOAT32 = "nerf_mlp."

ModelType = TypeVar("ModelType", bound=LRM)


def load_lrm(
    source: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | str = torch.float32,
    model_class: type[ModelType] = LRM,  # type: ignore[assignment]
) -> ModelType:
    """A model ready for reconstruction: in evaluation mode, its weights frozen.

    Args:
        source: name of a bundled model; a folder; a file of weights with its configuration inside
            or beside it; or a Hugging Face id "org/name" or "org/name@revision". A name goes before
            a folder of the same name ("./name" is the folder). Our own format, checkpoints
            of `lrm train`, OpenLRM 1.1 and 1.0, and TripoSR are distinguished by their content.
        device: where the weights go.
        dtype: type of the weights, or its name; those of the NeRF MLP stay float32. "auto" is the
            fastest that is safe for a model of this size on this device.
        model_class: `LRM` or a child of it.

    Raises:
        CheckpointError: nothing there, unreadable, or not a model of a known layout.
    """
    weights, name = _locate(source)
    config, tensors = _read(weights, name)
    return _build(model_class, config, tensors, str(weights), device=device, dtype=dtype)


def model_without_values(
    config: ModelConfig,
    model_class: type[ModelType] = LRM,  # type: ignore[assignment]
) -> ModelType:
    """A model on the meta device: names, shapes and sizes of its tensors, no memory.

    Args:
        config: what the model is made of.
        model_class: `LRM` or a child of it.

    Raises:
        ValueError: sizes that do not fit together.
        RuntimeError: likewise.
    """
    with torch.device("meta"), _WithoutInitialisation():
        return model_class(config)


def save_lrm(model: LRM, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write `config.json` and `model.safetensors`, from which `load_lrm` restores the model.

    Args:
        model: weights on any device.
        folder: made where it is missing; files of these names are replaced.
        dtype: type of the stored floats.

    Raises:
        OutputError: a weight does not fit into `dtype`, or the folder cannot be written.
    """
    folder = Path(folder)
    values = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        **config_to_dict(model.config),
    }
    write_safetensors(
        folder / "model.safetensors",
        model.state_dict(),
        dtype=dtype,
        metadata={_METADATA_KEY: json.dumps(values)},
    )
    write_json(folder / "config.json", values)


def _locate(source: str | Path) -> tuple[Path, str]:
    """The file of weights, and what the model is called where its format does not say."""
    if isinstance(source, str):
        bundled = bundled_folder(source)
        if bundled is not None:
            return weights_in(bundled), source
    path = Path(source).expanduser()
    if path.is_dir():
        return weights_in(path), path.resolve().name
    if path.is_file():
        return path, path.stem
    if isinstance(source, str):
        if source in preset_names():
            raise CheckpointError(
                f"'{source}' is an architecture without weights",
                hint=f"train it with 'lrm train {source}', or pick one of 'lrm models'",
            )
        if HUB_ID.fullmatch(source):
            return weights_in(download(source, WEIGHT_FILES)), source
    raise CheckpointError(
        f"no model '{source}': no bundled name, no file or folder, no Hugging Face id",
        hint="'lrm models' lists what can be loaded",
    )


def _read(weights: Path, name: str) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Configuration and tensors in our terms, whatever the layout."""
    content = read_tensors(weights)
    values = _settings(weights)
    if isinstance(content, Mapping) and {"weights", "kwargs"} <= content.keys():
        values = _openlrm_1_0_settings(content["kwargs"])  # it carries its own
        content = content["weights"]
    origin = str(weights)
    if isinstance(content, Mapping) and content.keys() >= _TRAINING_STATE:
        return _of_training(content, origin)
    tensors = require_tensors(content, origin=origin)
    if values.get("format") == _FORMAT:
        return _own_config(values, origin), tensors
    family = detect_family(tensors)
    if family is None:
        raise CheckpointError(
            f"{origin}: tensors of no known layout (first: '{next(iter(tensors))}')",
            hint="known: lrm (with its config.json), OpenLRM 1.1 and 1.0, TripoSR",
        )
    return import_weights(family, values, tensors, name=name, origin=origin)


def _settings(weights: Path) -> dict[str, Any]:
    """The configuration beside the weights, or in their header; empty when there is none."""
    beside: dict[str, Any] = {}
    json_file, yaml_file = (weights.parent / f"config.{suffix}" for suffix in ("json", "yaml"))
    try:
        if json_file.is_file():
            beside = read_json(json_file)
        elif yaml_file.is_file():
            beside = read_yaml(yaml_file, origin=str(yaml_file))
    except (ConfigError, InputError) as error:
        raise CheckpointError(error.message, hint=error.hint) from error
    if beside.get("format") == _FORMAT:
        return beside
    header = read_metadata(weights).get(_METADATA_KEY)
    if header is None:
        return beside
    try:
        values = json.loads(header)
    except ValueError as error:
        raise CheckpointError(f"{weights}: the configuration in its header is damaged") from error
    return values if isinstance(values, dict) else beside


def _openlrm_1_0_settings(kwargs: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if isinstance(kwargs, Mapping):
        for part in (kwargs.get("model"), kwargs.get("infer")):
            values.update(part if isinstance(part, Mapping) else {})
    return values


def _of_training(content: Mapping[str, Any], origin: str) -> tuple[ModelConfig, dict[str, Tensor]]:
    """The averaged weights in a checkpoint of `lrm train`, or the last ones without an average."""
    configuration = content["configuration"]
    values = configuration.get("model") if isinstance(configuration, Mapping) else None
    if not isinstance(values, dict):
        raise CheckpointError(
            f"{origin}: a checkpoint of a training run that does not say what its model is made of",
            hint="use an earlier checkpoint of the run",
        )
    tensors = content["model"] if content["average"] is None else content["average"]
    try:
        config = parse_config(ModelConfig, values, origin=origin)
    except ConfigError as error:
        raise CheckpointError(error.message, hint=error.hint) from error
    return config, require_tensors(tensors, origin=origin)


def _own_config(values: dict[str, Any], origin: str) -> ModelConfig:
    version = values.get("format_version")
    if version != _FORMAT_VERSION:
        raise CheckpointError(
            f"{origin}: format version {version!r}, this release reads {_FORMAT_VERSION}",
            hint="update lrm-toolkit",
        )
    fields = {key: values[key] for key in values.keys() - {"format", "format_version"}}
    try:
        return parse_config(ModelConfig, fields, origin=origin)
    except ConfigError as error:
        raise CheckpointError(error.message, hint=error.hint) from error


class _WithoutInitialisation(TorchFunctionMode):
    """Leaves new tensors as they are.

    On the meta device there are no values to draw, but drawing normal numbers there imports
    torch's compiler, which takes longer than the whole of loading a small model.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        drawn = func in (Tensor.normal_, Tensor.uniform_)
        if drawn or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _build(
    model_class: type[ModelType],
    config: ModelConfig,
    tensors: dict[str, Tensor],
    origin: str,
    *,
    device: str | torch.device,
    dtype: torch.dtype | str,
) -> ModelType:
    """The model with exactly these tensors; nothing is initialized or copied twice."""
    try:
        model = model_without_values(config, model_class)
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{origin}: no model can be built from its sizes: {first_line(error)}",
            hint="correct the configuration beside the weights",
        ) from error
    _require_match(model.state_dict(), tensors, origin)
    require_finite(tensors, origin=origin)
    if isinstance(dtype, str):
        dtype = choose_dtype(dtype, torch.device(device).type, model.num_parameters)
    placed = {}
    for name, tensor in tensors.items():
        kind = torch.float32 if name.startswith(_ALWAYS_FLOAT32) else dtype
        placed[name] = tensor.to(device, kind if tensor.is_floating_point() else None)
    model.load_state_dict(placed, assign=True)
    return model.eval().requires_grad_(False)


def _require_match(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], origin: str
) -> None:
    """Every tensor of the model is in the checkpoint, in its shape, and no other."""
    missing = sorted(expected.keys() - found.keys())
    unexpected = sorted(found.keys() - expected.keys())
    hint = "the configuration does not belong to these weights, or they are incomplete"
    if missing:
        raise CheckpointError(
            f"{origin}: {len(missing)} of the model's {len(expected)} tensors are missing "
            f"(first: '{missing[0]}')",
            hint=hint,
        )
    if unexpected:
        raise CheckpointError(
            f"{origin}: {len(unexpected)} tensors do not belong to the model "
            f"(first: '{unexpected[0]}')",
            hint=hint,
        )
    for name, tensor in expected.items():
        if tensor.shape != found[name].shape:
            raise CheckpointError(
                f"{origin}: tensor '{name}' has shape {tuple(found[name].shape)}, the model's "
                f"configuration makes it {tuple(tensor.shape)}",
                hint=hint,
            )
