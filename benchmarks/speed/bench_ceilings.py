"""The device itself: the fastest matrix product and the fastest copy, of which floors are made."""

from typing import Any

import pytest
import torch
from ceilings import bytes_per_second, flops_per_second


@pytest.mark.parametrize("number_format", ["float32", "bfloat16"])
def bench_matrix_product(number_format: str, device: str, benchmark: Any) -> None:
    """Floating-point operations per second."""
    dtype = getattr(torch, number_format)
    flops_per_second.cache_clear()
    rate = benchmark.pedantic(lambda: flops_per_second(device, dtype), rounds=1)
    benchmark.extra_info.update(gflop_per_s=rate / 1e9)


def bench_copy(device: str, benchmark: Any) -> None:
    """Bytes per second."""
    bytes_per_second.cache_clear()
    rate = benchmark.pedantic(lambda: bytes_per_second(device), rounds=1)
    benchmark.extra_info.update(gb_per_s=rate / 1e9)
