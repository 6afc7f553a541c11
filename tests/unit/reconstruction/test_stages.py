"""Stage times add up; memory is that of this process."""

import time

import numpy as np
import pytest

from lrm_core.reconstruction.stages import StageClock, peak_memory_mb


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
