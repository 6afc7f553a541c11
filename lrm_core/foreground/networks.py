"""Background removal by a network, through the optional package rembg.

rembg's own default model is not free for every use, and some of its models upload the picture to a
paid service: only the two named here are ever used. Both are Apache-2.0 and run locally.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from lrm_core.errors import MissingDependencyError
from lrm_core.optional import require

RembgModel = Literal["u2net", "isnet-general-use"]
REMBG_MODELS: tuple[RembgModel, ...] = ("u2net", "isnet-general-use")
_RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"


def rembg_installed() -> bool:
    """Whether rembg and the ONNX runtime it needs are installed (without importing them)."""
    return all(importlib.util.find_spec(name) for name in ("rembg", "onnxruntime"))


def preferred_model() -> RembgModel:
    """The first allowed model whose file is on disk, otherwise the first one."""
    for name in REMBG_MODELS:
        if any(file.is_file() for file in _model_files(name)):
            return name
    return REMBG_MODELS[0]


def rembg_alpha(rgb: UInt8[np.ndarray, "H W 3"], model: RembgModel) -> Float[np.ndarray, "H W"]:
    """Foreground probability by a network.

    A model that is not on disk (176 MB) is downloaded.

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
    try:
        session = rembg.new_session(model, providers=["CPUExecutionProvider"])
        mask = rembg.remove(Image.fromarray(rgb), session=session, only_mask=True)
    except Exception as error:  # network, checksum, file system and runtime errors of many kinds
        kind = type(error).__name__  # of requests, which need not be installed
        offline = kind in ("ConnectionError", "ConnectTimeout", "ReadTimeout")
        reason = "no network to download it" if offline else f"{kind}: {error}".splitlines()[0]
        raise MissingDependencyError(
            f"rembg cannot use its model '{model}' ({reason:.160})",
            hint=f"download {_RELEASE}/{model}.onnx to {_model_files(model)[0]}, "
            "or choose --background-removal grabcut",
        ) from error
    return np.asarray(mask.convert("L"), dtype=np.float32) / 255.0


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
