import math
from collections.abc import Iterator

import pytest

from lrm_core.errors import InputError, MissingDependencyError
from lrm_core.parallel import JobFailed, run_here, run_job, run_on_ray


def test_results_come_in_the_order_of_the_jobs() -> None:
    # math.sqrt can be found by any process
    jobs = [float(value) for value in range(40)]
    expected = [value**0.5 for value in jobs]
    assert list(run_here(math.sqrt, jobs, workers=1)) == expected
    assert list(run_here(math.sqrt, jobs, workers=2)) == expected


def test_jobs_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def jobs() -> Iterator[float]:
        for value in range(1000):
            taken.append(value)
            yield float(value)

    results = run_here(math.sqrt, jobs(), workers=2)
    assert [next(results) for _ in range(3)] == [0.0, 1.0, 2.0**0.5]
    assert len(taken) < 20
    results.close()  # stops the processes


def test_failures_are_words_and_cost_one_job() -> None:
    def inverse(value: int) -> float:
        if value == 3:
            raise InputError("three\nis not\twelcome")
        return 1 / value

    assert list(run_here(inverse, [1, 0, 2, 3], workers=1)) == [
        1.0,
        JobFailed("ZeroDivisionError: division by zero"),
        0.5,
        JobFailed("three is not welcome"),
    ]


def test_a_missing_package_ends_everything() -> None:
    def lacking(value: int) -> int:
        raise MissingDependencyError("no such package")

    with pytest.raises(MissingDependencyError):
        run_job(lacking, 1)


def test_ray_gives_the_same_results() -> None:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    try:
        results = list(run_on_ray(math.sqrt, [4.0, -1.0, 9.0], time_limit=60.0))
    finally:
        ray.shutdown()
    assert results[0] == 2.0
    assert isinstance(results[1], JobFailed)
    assert "ValueError" in results[1].reason
    assert results[2] == 3.0
