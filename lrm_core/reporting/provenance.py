"""With what a report was made: versions, machine, state of the code. No dates, no paths."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = (
    "lrm-toolkit", "torch", "torchvision", "numpy", "scipy", "scikit-image", "trimesh", "embreex",
    "fast-simplification", "timm", "lpips", "open-clip-torch", "pytorch-fid", "kaolin", "diffusers",
)  # fmt: skip


def provenance(device: str) -> dict[str, Any]:
    """What may explain a number that changed.

    Args:
        device: where the methods ran, such as `cpu`.
    """
    return {
        "packages": {name: found for name in _PACKAGES if (found := _version(name)) is not None},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "device": device,
        "gpu": _gpu(device),
        "git": _git_state(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _gpu(device: str) -> str | None:
    """Name of the GPU that a device stands for; None for any other device."""
    if not device.startswith("cuda"):
        return None
    import torch

    return str(torch.cuda.get_device_name(device))


def _git_state() -> dict[str, Any] | None:
    """Commit of the code, and whether it was changed since; None for an installed package."""
    here = Path(__file__).resolve().parent
    if not (here.parents[1] / ".git").exists():
        return None
    try:
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--", "../../lrm_core", "../../lrm_cli")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": bool(changed)}


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
