"""Where weights come from: the package itself and the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from math import prod
from pathlib import Path
from typing import Literal

from lrm_core.config import ModelConfig, load_preset, preset_names
from lrm_core.errors import CheckpointError, first_line

_CONFIG_FILES = ("config.json", "config.yaml")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
"""What a Hugging Face repository is called, with a revision or without."""
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "model.ckpt", "model.pth")
"""In a folder with several files of weights the first of these is read."""
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".ckpt", ".pth", ".pt")
_HUB_TIMEOUT = 20.0  # seconds


@dataclass(frozen=True)
class ModelEntry:
    """One line of `lrm models`.

    Attributes:
        name: what to pass to `load_lrm`.
        source: where the weights come from.
        licence: SPDX id of the weights' license.
        commercial_use: whether that licence allows it.
        num_parameters: None where it is not known without loading.
        availability: "bundled" with the package; "cached" on this disk; "download" from the
            Hugging Face hub on first use; "train" for an architecture without weights.
    """

    name: str
    source: str
    licence: str
    commercial_use: bool
    num_parameters: int | None
    availability: Literal["bundled", "cached", "download", "train"]


@dataclass(frozen=True)
class _HubModel:
    name: str
    licence: str
    commercial_use: bool
    num_parameters: int
    weights: str


# Parameters as the checkpoints hold them. Only for the list: loading looks nothing up here.
_HUB_MODELS = (
    *(
        _HubModel(
            f"zxhezexin/openlrm-{data}-{size}-1.1",
            "CC-BY-NC-4.0",
            False,
            count,
            "model.safetensors",
        )
        for data in ("obj", "mix")
        for size, count in (("small", 111390948), ("base", 260201972), ("large", 452138004))
    ),
    _HubModel("stabilityai/TripoSR", "MIT", True, 419275628, "model.ckpt"),
)


def list_models() -> list[ModelEntry]:
    """What can be loaded by name or id, bundled models first, and the presets to train."""
    entries = [_preset_entry(load_preset(name)) for name in preset_names()]
    entries.extend(
        ModelEntry(
            model.name,
            f"https://huggingface.co/{model.name}",
            model.licence,
            model.commercial_use,
            model.num_parameters,
            "cached" if _is_cached(model) else "download",
        )
        for model in _HUB_MODELS
    )
    order = ("bundled", "cached", "download", "train")
    return sorted(entries, key=lambda entry: order.index(entry.availability))


def bundled_folder(name: str) -> Path | None:
    """The folder of a model that ships with the package, or None."""
    if name not in preset_names():
        return None
    folder = Path(str(resources.files("lrm_core"))) / "weights" / name
    return folder if (folder / "config.json").is_file() else None


def local_model_files(source: str) -> list[Path]:
    """The user's own files that loading a model reads; none of one that ships or is downloaded.

    Args:
        source: see `load_lrm`.
    """
    path = Path(source).expanduser()
    if bundled_folder(source) is not None or not path.exists():
        return []
    if path.is_file():
        return [path, path.parent / "config.json"]
    suffixes = (*_WEIGHT_SUFFIXES, ".json")
    return [file for file in path.iterdir() if file.suffix in suffixes]


def weights_in(folder: Path) -> Path:
    """The file of weights in a folder.

    Raises:
        CheckpointError: there is none, or there are several and none has a usual name.
    """
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    found = [path for path in sorted(folder.iterdir()) if path.suffix in _WEIGHT_SUFFIXES]
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found) or "none"
    raise CheckpointError(
        f"{folder}: expected one file of weights, found {names}",
        hint=f"name the file itself, or call it {' or '.join(WEIGHT_FILES)}",
    )


def download(source: str, weight_files: tuple[str, ...]) -> Path:
    """The folder on this disk with configuration and weights of a Hugging Face repository.

    Only these files are fetched, once; without a network an earlier download is used.

    Args:
        source: "org/name" or "org/name@revision".
        weight_files: names of weights, best first; one of them is fetched.

    Raises:
        CheckpointError: no such repository or revision, no weights in it, or no network and nothing
            on this disk.
    """
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    repository, _, revision = source.partition("@")
    pinned = revision or None
    try:
        info = huggingface_hub.HfApi().model_info(repository, revision=pinned, timeout=_HUB_TIMEOUT)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise CheckpointError(
            f"'{source}' is neither a file or folder here nor a public repository or revision on "
            "Hugging Face",
            hint="'lrm models' lists known ids; gated repositories need 'hf auth login'",
        ) from error
    # no network, or offline mode; the client lets whatever its HTTP library raises through
    except Exception as error:
        return _cached_folder(source, repository, pinned, error)
    files = {sibling.rfilename for sibling in info.siblings or ()}
    weights = next((name for name in weight_files if name in files), None)
    if weights is None:
        raise CheckpointError(
            f"'{source}' on Hugging Face has none of {', '.join(weight_files)}",
            hint="download the file and name it, or pick one of 'lrm models'",
        )
    try:
        for name in (*(name for name in _CONFIG_FILES if name in files), weights):
            path = huggingface_hub.hf_hub_download(repository, name, revision=info.sha)
    except Exception as error:
        raise _unreachable(source, error) from error
    return Path(path).parent


def _cached_folder(source: str, repository: str, revision: str | None, cause: Exception) -> Path:
    import huggingface_hub

    try:
        folder = huggingface_hub.snapshot_download(
            repository, revision=revision, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise _unreachable(source, cause) from error
    return Path(folder)


def _unreachable(source: str, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"'{source}' is not a file or folder here, and Hugging Face cannot be reached "
        f"({first_line(error)})",
        hint="check the network, or pass the path of a downloaded copy",
    )


def _preset_entry(config: ModelConfig) -> ModelEntry:
    folder = bundled_folder(config.name)
    return ModelEntry(
        config.name,
        config.source,
        config.licence,
        config.commercial_use,
        None if folder is None else _stored_parameters(folder / "model.safetensors"),
        "train" if folder is None else "bundled",
    )


def _stored_parameters(path: Path) -> int:
    """Parameters of a safetensors file, from its header alone."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


def _is_cached(model: _HubModel) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(model.name, model.weights), str)
