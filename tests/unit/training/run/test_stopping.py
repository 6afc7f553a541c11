"""Spikes that last, signals that ask, and errors of memory that say what to lower."""

import os
import signal
import threading
from dataclasses import replace

import pytest
import torch

from lrm_core.errors import TrainingError
from lrm_core.training.config import TrainingConfig
from lrm_core.training.run.stopping import SpikeWatch, StopSignal, explain_out_of_memory


def test_twenty_high_losses_in_a_row_are_lasting():
    watch = SpikeWatch(3.0)
    for _ in range(30):
        watch.see(1.0)
    for count in range(19):
        watch.see(3.5)
        assert (watch.num_high, watch.is_lasting) == (count + 1, False)
    watch.see(3.5)
    assert watch.is_lasting


def test_single_spikes_and_falling_losses_are_normal():
    watch = SpikeWatch(3.0)
    for step in range(300):
        watch.see(50.0 if step % 5 == 0 else 10.0 / (1 + step))
        assert not watch.is_lasting
    assert len(watch.recent) == 100


def test_nothing_is_a_spike_without_a_factor_or_a_past():
    watch = SpikeWatch(None)
    for step in range(100):
        watch.see(10.0**step)
    assert watch.num_high == 0
    early = SpikeWatch(3.0)
    for loss in (1.0, 100.0, 100.0):
        early.see(loss)
    assert early.num_high == 0


def test_a_watch_goes_on_from_a_checkpoint():
    losses = [1.0] * 25 + [9.0] * 12
    whole = SpikeWatch(3.0)
    for loss in losses:
        whole.see(loss)
    part = SpikeWatch(3.0)
    for loss in losses[:30]:
        part.see(loss)
    again = SpikeWatch(3.0, list(part.recent), part.num_high)
    for loss in losses[30:]:
        again.see(loss)
    assert (again.num_high, list(again.recent)) == (12, list(whole.recent))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_ask_and_handlers_come_back(number: signal.Signals):
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
    assert signal.getsignal(number) is before


def test_a_second_interrupt_does_not_wait():
    with StopSignal() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # torchrun may send two
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_have_no_signals():
    seen: list[bool] = []

    def enter() -> None:
        with StopSignal() as stop:
            seen.append(stop.asked)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_memory_errors_name_the_settings_in_order(error: RuntimeError):
    config = TrainingConfig(num_steps=1, micro_batch=8)
    with (
        pytest.raises(TrainingError, match="out of memory") as caught,
        explain_out_of_memory(config),
    ):
        raise error
    assert "\n" not in caught.value.message
    names = ["micro_batch (now 8)", "rendering.chunk_rays (now 4096)",
             "activation_checkpointing=true", "views.crop (now 128)"]  # fmt: skip
    places = [caught.value.hint.index(name) for name in names]
    assert places == sorted(places)
    layers = replace(config, objective="layers")
    with pytest.raises(TrainingError) as caught, explain_out_of_memory(layers):
        raise error
    assert caught.value.hint.endswith("layers.num_points (now 256)")
    assert "rendering" not in caught.value.hint


def test_the_allocator_of_this_machine_is_recognised():
    config = TrainingConfig(num_steps=1)
    with pytest.raises(TrainingError, match="out of memory"), explain_out_of_memory(config):
        torch.empty(2**60, dtype=torch.uint8)


def test_other_errors_pass():
    config = TrainingConfig(num_steps=1)
    with pytest.raises(RuntimeError, match="shape"), explain_out_of_memory(config):
        raise RuntimeError("shape mismatch")
