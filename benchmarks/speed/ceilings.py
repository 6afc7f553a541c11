"""What a device can do at most, measured, and how long a piece of work must take at least.

The floor of a stage is the longer of two times: its floating-point operations at the speed of the
device's best matrix product in the same number format, and the bytes that must cross its memory
at the speed of its best copy. Operations are those of products, convolutions and attention, as
torch counts them; what is computed point by point is not in the floor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from measuring import seconds_of
from torch.utils.flop_counter import FlopCounterMode

# Side of the square matrices, and bytes copied: large against caches and the start of a kernel.
_SIDE = {"cuda": 8192, "cpu": 2048}
_COPIED = {"cuda": 2**31, "cpu": 2**28}
_ROUNDS = 5


@cache
def flops_per_second(device: str, dtype: torch.dtype) -> float:
    """Floating-point operations per second of a large matrix product, the best of a few."""
    side = _SIDE.get(device, 2048)
    a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    out = a @ b
    best = min(seconds_of(lambda: torch.mm(a, b, out=out), device) for _ in range(_ROUNDS))
    return 2.0 * side**3 / best


@cache
def bytes_per_second(device: str) -> float:
    """Bytes read and written per second by a large copy, the best of a few."""
    source = torch.ones(_COPIED.get(device, 2**28), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = min(seconds_of(lambda: target.copy_(source), device) for _ in range(1 + _ROUNDS))
    return 2.0 * source.numel() / best


def floor(
    work: Callable[[], object], *, moved: int, dtype: torch.dtype, device: str
) -> dict[str, float]:
    """The least time of a piece of work on this device.

    Args:
        work: is run once, and its operations are counted.
        moved: bytes that it has to read from memory and write there.
        dtype: number format of its products.
        device: where it computes.

    Returns:
        `gflop`, `moved_mb` and `floor_s`.
    """
    with FlopCounterMode(display=False) as counter:
        work()
    operations = counter.get_total_flops()
    seconds = max(operations / flops_per_second(device, dtype), moved / bytes_per_second(device))
    return {"gflop": operations / 1e9, "moved_mb": moved / 1e6, "floor_s": seconds}
