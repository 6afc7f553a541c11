"""Where and in which number format a model computes, when the user leaves it open."""

import time
from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F

from lrm_core.errors import ConfigError

# Parameters. lrm-mini has 6 million, and the numbers that it is scored by are float32's.
_LARGE_MODEL = 50_000_000

_PROBE_TOKENS, _PROBE_WIDTH, _PROBE_TURNS = 128, 1024, 4

# Where there are bfloat16 units they multiply at least twice as fast; the rest gains less.
_LEAST_GAIN = 1.5


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


def choose_dtype(name: str, device: str, num_parameters: int) -> torch.dtype:
    """Number format of a model's weights.

    Args:
        name: `auto`, or a format as it says. `auto` is bfloat16 on CUDA, and on a CPU whose
            bfloat16 units make a large model faster; else float32.
        device: as `choose_device` returns it.
        num_parameters: size of the model.
    """
    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    if device == "cpu" and num_parameters < _LARGE_MODEL:
        return torch.float32
    chosen: torch.dtype = getattr(torch, fast_precision(device))
    return chosen


def fast_precision(device: str) -> Literal["bfloat16", "float32"]:
    """Number format that products of matrices are fast in: float32 where bfloat16 gains little.

    Args:
        device: as `choose_device` returns it.
    """
    if device == "cuda" or (device == "cpu" and bfloat16_is_faster()):
        return "bfloat16"
    return "float32"


@cache
@torch.inference_mode()
def bfloat16_is_faster() -> bool:
    """Whether this CPU multiplies matrices clearly faster in bfloat16 than in float32.

    A probe of some milliseconds: one product of a decoder's width in both formats, in turns.
    """
    shapes = (_PROBE_TOKENS, _PROBE_WIDTH), (_PROBE_WIDTH, _PROBE_WIDTH)
    pairs = [
        [torch.ones(shape, dtype=dtype) for shape in shapes]
        for dtype in (torch.float32, torch.bfloat16)
    ]
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(1 + _PROBE_TURNS):
        for (tokens, weight), times in zip(pairs, seconds, strict=True):
            started = time.perf_counter()
            F.linear(tokens, weight)
            if turn:  # the first product of a format prepares its kernel
                times.append(time.perf_counter() - started)
    single, half = map(min, seconds)
    return single > _LEAST_GAIN * half
