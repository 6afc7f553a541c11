"""Seconds and memory of one piece of work."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def synchronise(device: str) -> None:
    """Wait for what the device still has to do."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object], device: str = "cpu") -> float:
    """Wall-clock seconds of one call."""
    synchronise(device)
    started = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - started


def peak_memory(work: Callable[[], object], device: str) -> dict[str, int]:
    """Megabytes (10^6 bytes) that one call adds at its peak, and what was there before it.

    On CUDA memory of the device, else of this process; empty where the system cannot tell.
    """
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before, peak_of = torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated
    elif os.access(_CLEAR_REFS, os.W_OK):
        _give_back_freed_memory()
        _CLEAR_REFS.write_text("5")  # the peak becomes what is in use now
        before, peak_of = _status_bytes("VmRSS"), lambda: _status_bytes("VmHWM")
    else:
        work()
        return {}
    work()
    synchronise(device)
    return {
        "added_memory_mb": round((peak_of() - before) / 1e6),
        "memory_before_mb": round(before / 1e6),
    }


def free_memory(device: str) -> int:
    """Bytes that can still be had on the device."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{meminfo} names no available memory")


def forget_file(path: Path) -> None:
    """Make the system read a file from its disk the next time."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _give_back_freed_memory() -> None:
    """Else memory that the process has freed but kept would not be seen being used again."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


def _status_bytes(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{_STATUS} has no {field}")
