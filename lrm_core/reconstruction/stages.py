"""The clock of a job, with which it can be followed and stopped; time and memory of the process."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lrm_core.errors import StoppedError

_LOADED = time.perf_counter()


class StageClock:
    """The stages of one job: how long each took, which one runs, and whether to continue.

    Whoever starts a job makes its clock and passes it to every function that works on the job; it
    reads the clock, or stops the job, from any thread.

    Args:
        on_progress: called in the job's own thread with the name of the current stage and the share
            of it that is done, in [0, 1]; None where that is unknown.

    Attributes:
        seconds: stage name -> wall-clock seconds, in the order in which stages first ran.
    """

    def __init__(self, on_progress: Callable[[str, float | None], None] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._on_progress = on_progress
        self._stopped = threading.Event()
        self._current = ""

    def stop(self) -> None:
        """End the job: its own thread raises `StoppedError` before the next pass."""
        self._stopped.set()

    def between_passes(self, done: float | None = None) -> None:
        """Publish progress, and leave the job if it was stopped.

        Args:
            done: share of the current stage, in [0, 1]; None publishes nothing.

        Raises:
            StoppedError: the job was stopped.
        """
        if self._stopped.is_set():
            raise StoppedError
        if done is not None and self._on_progress is not None:
            self._on_progress(self._current, done)

    @contextmanager
    def stage(self, name: str, *, on_device: bool = True) -> Iterator[None]:
        """Time the block as part of stage `name`, including the work that it leaves to a GPU.

        Args:
            name: what the block does, in a word or two.
            on_device: whether it uses torch at all; a stage that does not can run while torch is
                still being imported.

        Raises:
            StoppedError: the job was stopped.
        """
        self.between_passes()
        self._current = name
        if self._on_progress is not None:
            self._on_progress(name, None)
        started = time.perf_counter()
        try:
            yield
        finally:
            if on_device:
                _wait_for_device()
            elapsed = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed


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
