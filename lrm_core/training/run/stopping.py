"""Reasons to end a run before its end: spikes of the loss, signals, no memory left."""

from __future__ import annotations

import signal
import statistics
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

import torch

from lrm_core.errors import TrainingError, first_line
from lrm_core.training.config import TrainingConfig

_WINDOW = 100
_LASTING = 20


class SpikeWatch:
    """Distinguishes a loss that stays high from single bad batches.

    Args:
        factor: a loss above this many times the median of the last 100 is high; None for never.
        recent: the last losses of a checkpoint.
        num_high: how many of the last losses of a checkpoint in a row were high.

    Attributes:
        recent: the last losses, at most 100.
        num_high: how many of them in a row were high.
    """

    def __init__(
        self, factor: float | None, recent: Iterable[float] = (), num_high: int = 0
    ) -> None:
        self.factor = factor
        self.recent = deque(recent, maxlen=_WINDOW)
        self.num_high = num_high

    @property
    def is_lasting(self) -> bool:
        """Whether the last 20 losses were all high."""
        return self.num_high >= _LASTING

    def see(self, loss: float) -> None:
        """Take in the loss of a step."""
        # a median of a few losses says little
        high = (
            self.factor is not None
            and len(self.recent) >= _LASTING
            and loss > self.factor * statistics.median(self.recent)
        )
        self.num_high = self.num_high + 1 if high else 0
        self.recent.append(loss)


class StopSignal:
    """While it is entered, Ctrl-C, SIGTERM and SIGHUP ask the run to stop after its step.

    Schedulers and `torchrun` send SIGTERM. A second Ctrl-C interrupts at once. Signals reach only
    the main thread of a program; elsewhere nothing changes.

    Attributes:
        asked: whether a signal has come.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            numbers = [signal.SIGINT, signal.SIGTERM]
            # the terminal was closed; not under nohup, nor on Windows
            hangup = getattr(signal, "SIGHUP", None)
            if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
                numbers.append(hangup)
            for number in numbers:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True


def ignore_interrupts(worker: int) -> None:
    """Let the main process alone decide what Ctrl-C means; for workers that load data."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def explain_out_of_memory(config: TrainingConfig) -> Iterator[None]:
    """Turn a failed allocation into an error that says which settings need less.

    Raises:
        TrainingError: the block ran out of memory.
    """
    try:
        yield
    except RuntimeError as error:
        # the CPU's allocator has no error of its own
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(
            error
        ):
            raise
        raise TrainingError(
            f"out of memory ({first_line(error)})", hint=_what_needs_less(config)
        ) from error


def _what_needs_less(config: TrainingConfig) -> str:
    """The settings that memory depends on, the cheapest change first."""
    settings = [f"micro_batch (now {config.micro_batch})"]
    if config.objective == "rendering":
        settings.append(f"rendering.chunk_rays (now {config.rendering.chunk_rays})")
        if not config.rendering.deferred:
            settings.append("rendering.deferred=true (now false)")
    if not config.activation_checkpointing:
        settings.append("activation_checkpointing=true (now false)")
    if config.objective == "rendering":
        settings.append(f"views.crop (now {config.views.crop})")
    else:
        settings.append(f"layers.num_points (now {config.layers.num_points})")
    return "lower, in this order: " + ", ".join(settings)
