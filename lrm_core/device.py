"""Where and in which number format a model computes, when the user leaves it open."""

import torch

from lrm_core.errors import ConfigError


def choose_device(name: str) -> str:
    """`auto` -> the fastest device at hand; other names are checked.

    Raises:
        ConfigError: the device is not there.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, there in available.items() if there)
    if not available.get(name, False):
        at_hand = ", ".join(device for device, there in available.items() if there)
        raise ConfigError(f"device '{name}' is not available", hint=f"available: {at_hand}")
    return name


def choose_dtype(name: str, device: str) -> torch.dtype:
    """`auto` -> bfloat16 on CUDA, float32 elsewhere; other names as they say."""
    if name == "auto":
        return torch.bfloat16 if device == "cuda" else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype
