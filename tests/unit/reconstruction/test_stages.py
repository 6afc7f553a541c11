"""Stage times add up; memory is that of this process."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from lrm_core.errors import StoppedError
from lrm_core.reconstruction.stages import StageClock, peak_memory_mb, seconds_of_process


def test_stages_add_up_in_order_even_when_one_fails():
    clock = StageClock()
    with clock.stage("first"):
        time.sleep(0.02)
    with pytest.raises(ValueError, match="inside"), clock.stage("second"):
        raise ValueError("inside")
    with clock.stage("first"):
        time.sleep(0.02)
    assert list(clock.seconds) == ["first", "second"]
    assert clock.seconds["first"] >= 0.04


def test_peak_memory_grows_by_what_is_touched():
    before = peak_memory_mb()
    block = np.ones(60_000_000, dtype=np.uint8)
    assert peak_memory_mb() >= before
    assert peak_memory_mb() > 60
    assert block.sum() == 60_000_000


def test_a_job_is_followed_and_stopped_from_outside():
    told: list[tuple[str, float | None]] = []
    clock = StageClock(lambda stage, done: told.append((stage, done)))
    passes = threading.Barrier(2, timeout=10.0)
    outcome: list[Exception] = []

    def work() -> None:
        try:
            with clock.stage("first", on_device=False):
                clock.between_passes()
                clock.between_passes(0.5)
            with clock.stage("second", on_device=False):
                passes.wait()  # the owner stops the job here
                passes.wait()
                clock.between_passes(0.25)
                told.append(("went on", None))
        except StoppedError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    passes.wait()
    clock.stop()
    passes.wait()
    thread.join(10.0)
    assert len(outcome) == 1
    assert told == [("first", None), ("first", 0.5), ("second", None)]
    assert list(clock.seconds) == ["first", "second"]
    with pytest.raises(StoppedError), clock.stage("late"):
        pytest.fail("this stage must not begin")


def test_seconds_of_a_process_begin_before_its_first_import():
    program = (
        "import time; started = time.perf_counter(); time.sleep(0.2)\n"
        "from lrm_core.reconstruction.stages import seconds_of_process\n"
        "print(seconds_of_process(), time.perf_counter() - started)"
    )
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    passed = time.perf_counter() - begun
    seconds, since_import = map(float, done.stdout.split())
    # /proc counts in hundredths
    assert since_import - 0.02 <= seconds <= passed + 0.02
    assert seconds_of_process() > passed
