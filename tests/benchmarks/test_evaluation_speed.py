"""The profile of an evaluation: its stages are what is called, and they add up to the whole."""

import cProfile
import pstats
from collections.abc import Iterator
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def speed(load_benchmark) -> Iterator[ModuleType]:
    with load_benchmark("evaluation_speed") as module:
        yield module


def _work() -> int:
    return sum(range(100_000))


def _once() -> None:
    _work()


def _twice() -> None:
    _work()
    _work()


def test_seconds_of_a_function_are_told_apart_by_its_callers(speed: ModuleType) -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    _once()
    _twice()
    profiler.disable()
    stats = pstats.Stats(profiler).stats
    in_once, in_twice = (speed.seconds_of(stats, _work, caller) for caller in (_once, _twice))
    assert in_once > 0.0
    assert speed.seconds_of(stats, _work) == pytest.approx(in_once + in_twice)
    assert 0.0 < in_twice <= speed.seconds_of(stats, _twice)
    assert speed.seconds_of(stats, test_medians_and_table) == 0.0


def test_every_object_is_profiled_and_scored(speed: ModuleType) -> None:
    profile = speed.profile(speed.scorer("procedural", 1, "balloon"))
    assert profile["seconds"].keys() == {*speed.STAGES, *speed.PARTS, speed.TOTAL}
    # shape checks stand between callers and what they call while tests run
    for stage in ("read the object", "the method", "image metrics", "point metrics", "rendering"):
        assert 0.0 < profile["seconds"][stage] < profile["seconds"][speed.TOTAL]
    assert profile["values"]["0"]["balloon"]["psnr"] > 5.0


def test_scores_are_compared_one_by_one(speed: ModuleType) -> None:
    first = {"values": {"0": {"blank": {"psnr": 10.0, "ssim": 0.5}}}}
    second = {"values": {"0": {"blank": {"psnr": 10.0, "ssim": 0.75}}}}
    assert speed.largest_difference(first, first) == 0.0
    assert speed.largest_difference(first, second) == 0.25
    del second["values"]["0"]["blank"]["ssim"]
    assert speed.largest_difference(first, second) == float("inf")


def test_medians_and_table(speed: ModuleType) -> None:
    runs = [{"seconds": {"SSIM": s, speed.TOTAL: 2.0 * s}} for s in (3.0, 1.0, 2.0)]
    medians = speed.median_seconds(runs)
    assert medians == {"SSIM": 2.0, speed.TOTAL: 4.0}
    table = speed.as_markdown({"seconds_per_object": medians, "before": {"SSIM": 8.0}})
    assert "| of these: SSIM | 2.000 | 50% | 8.000 | 4.00 |" in table
