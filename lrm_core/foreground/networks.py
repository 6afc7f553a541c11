"""Background removal by larger networks, through the optional package rembg.

rembg's own default model is not free for every use, and some of its models upload the picture to a
paid service: only those named here are ever used. All run locally.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from lrm_core.errors import MissingDependencyError
from lrm_core.optional import require

_RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"


@dataclass(frozen=True)
class RembgModel:
    """A network that rembg runs.

    Attributes:
        name: rembg's name of it.
        side: pixels per side of its input.
        licence: what its authors say about code and weights.
    """

    name: str
    side: int
    licence: str


REMBG_MODELS = {
    model.name: model
    for model in (
        RembgModel("u2net", 320, "Apache-2.0, code and weights"),
        RembgModel("isnet-general-use", 1024, "Apache-2.0 for the code; none stated for weights"),
        RembgModel("birefnet-general", 1024, "MIT, code and weights"),
        RembgModel("birefnet-general-lite", 1024, "MIT, code and weights"),
    )
}
"""The models that are ever used, by name; the first is the preferred one."""


def rembg_installed() -> bool:
    """Whether rembg and the ONNX runtime it needs are installed (without importing them)."""
    return all(importlib.util.find_spec(name) for name in ("rembg", "onnxruntime"))


def preferred_model() -> RembgModel:
    """The first model whose file is on disk, otherwise the first of all."""
    for model in REMBG_MODELS.values():
        if any(file.is_file() for file in _model_files(model.name)):
            return model
    return next(iter(REMBG_MODELS.values()))


def rembg_alpha(rgb: UInt8[np.ndarray, "H W 3"], model: RembgModel) -> Float[np.ndarray, "H W"]:
    """Foreground probability by a network.

    A model that is not on disk (u2net: 176 MB) is downloaded, once; a download that fails is not
    tried again by this process.

    Args:
        rgb: (H, W, 3).
        model: one of `REMBG_MODELS`.

    Returns:
        (H, W) in [0, 1].

    Raises:
        MissingDependencyError: rembg is not installed, or its model is neither on disk nor
            downloadable.

    Source: paper, appendix E, footnote 12.
    """
    rembg = _import_rembg()
    session = _session(rembg, model.name)
    try:
        if isinstance(session, Exception):
            raise session
        mask = rembg.remove(Image.fromarray(rgb), session=session, only_mask=True)
    except Exception as error:  # network, checksum, file system and runtime errors of many kinds
        kind = type(error).__name__  # of requests, which need not be installed
        offline = kind in ("ConnectionError", "ConnectTimeout", "ReadTimeout")
        reason = "no network to download it" if offline else f"{kind}: {error}".splitlines()[0]
        raise MissingDependencyError(
            f"rembg cannot use its model '{model.name}' ({reason:.160})",
            hint=f"download {_RELEASE}/{model.name}.onnx to {_model_files(model.name)[0]}, "
            "or choose --background-removal u2netp",
        ) from error
    return np.asarray(mask.convert("L"), dtype=np.float32) / 255.0


@functools.cache
def _session(rembg: ModuleType, model: str) -> Any:
    """A session per process and model (0.6 s to make), or the error that making it gave."""
    try:
        return rembg.new_session(model, providers=["CPUExecutionProvider"])
    except Exception as error:
        return error


def _import_rembg() -> ModuleType:
    """Import rembg without compiling what is not used.

    rembg imports pymatting, which compiles itself by numba as it is imported: for minutes the first
    time. None of it runs here, so numba's compiler stays off during the import.
    """
    before = os.environ.get("NUMBA_DISABLE_JIT")
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    try:
        return require("rembg", extra="rembg", purpose="--background-removal rembg")
    finally:
        if before is None:
            del os.environ["NUMBA_DISABLE_JIT"]
        else:
            os.environ["NUMBA_DISABLE_JIT"] = before
        if "numba" in sys.modules:
            sys.modules["numba"].config.reload_config()


def _model_files(name: str) -> list[Path]:
    """Where rembg looks for a model file; the first is where it would download to."""
    data_home = os.environ.get("XDG_DATA_HOME")
    homes = [
        os.environ.get("U2NET_HOME"),
        os.environ.get("REMBG_HOME"),
        Path(data_home) / "rembg" if data_home else None,
        Path.home() / ".rembg",
    ]
    home = next(Path(folder) for folder in homes if folder)
    # older versions keep the bare file in U2NET_HOME or ~/.u2net
    legacy = Path(os.environ.get("U2NET_HOME") or Path.home() / ".u2net")
    return [home / "models" / name / f"{name}.onnx", legacy / f"{name}.onnx"]
