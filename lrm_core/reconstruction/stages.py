"""Seconds per stage, of the process, and its peak memory."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_LOADED = time.perf_counter()


class StoppedError(Exception):
    """Work that nobody waits for any more was left between two stages."""


@dataclass
class StageClock:
    """Adds up wall-clock seconds by stage name.

    Attributes:
        seconds: stage name -> seconds, in the order in which stages first ran.
        beside: stages that ran beside the main thread: their seconds are not added to its own.
        waited: seconds that the main thread waited for a stage beside it.
        stop: when it is set, no further stage begins.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    beside: set[str] = field(default_factory=set)
    waited: float = 0.0
    stop: threading.Event | None = None

    @contextmanager
    def stage(self, name: str, *, on_device: bool = True) -> Iterator[None]:
        """Time the block as part of stage `name`, with what it leaves a GPU to do.

        Args:
            name: of the stage.
            on_device: whether it uses torch at all; a stage that does not can run while torch is
                still being imported.

        Raises:
            StoppedError: the work was stopped.
        """
        if self.stop is not None and self.stop.is_set():
            raise StoppedError
        started = time.perf_counter()
        try:
            yield
        finally:
            if on_device:
                _wait_for_device()
            elapsed = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed
            if threading.current_thread() is not threading.main_thread():
                self.beside.add(name)


def _wait_for_device() -> None:
    """Wait for what this thread has given a GPU to do, not for what others have."""
    import torch

    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.current_stream().synchronize()


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in megabytes (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def seconds_of_process() -> float:
    """Wall-clock seconds since this process started (off Linux: since it loaded this module)."""
    try:
        # field 22 of proc(5), counted behind the program's name, which may hold spaces
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.perf_counter() - _LOADED
