"""One function on many jobs, in the order of the jobs: here, in processes, or on a Ray cluster.

A job that fails, hangs or takes its process with it costs that job alone.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar

from lrm_core.errors import LrmError, MissingDependencyError
from lrm_core.optional import require

Engine = Literal["local", "ray"]
Job = TypeVar("Job")
Result = TypeVar("Result")
Pending = TypeVar("Pending")

_AHEAD = 4  # jobs per worker: none waits while an earlier job takes long


@dataclass(frozen=True)
class JobFailed:
    """A job without a result.

    Attributes:
        reason: one line.
    """

    reason: str


def run_job(function: Callable[[Job], Result], job: Job) -> Result | JobFailed:
    """Do one job; what goes wrong with it becomes its reason.

    Raises:
        MissingDependencyError: every job would fail for the same reason.
    """
    try:
        return function(job)
    except MissingDependencyError:
        raise
    except LrmError as error:
        return JobFailed(_one_line(error.message))
    except MemoryError:
        return JobFailed("does not fit into memory")
    # one job of a million must not end the run, whatever a parser of foreign files raises
    except Exception as error:
        return JobFailed(_one_line(f"{type(error).__name__}: {error}"))


def one_per_core(workers: int | None) -> int:
    """The number of workers that was chosen, or one for each core of this machine."""
    return workers or os.cpu_count() or 1


def in_order(
    submit: Callable[[Job], Pending],
    jobs: Iterable[Job],
    result: Callable[[Pending], Result],
    *,
    window: int,
) -> Iterator[Result]:
    """Results in the order of the jobs, while those that follow are worked on.

    Args:
        submit: hands a job over to whoever does it.
        jobs: taken as they are needed.
        result: waits for a job that was handed over.
        window: number of jobs that are handed over at a time.
    """
    pending: deque[Pending] = deque()
    for job in jobs:
        pending.append(submit(job))
        if len(pending) >= window:
            yield result(pending.popleft())
    while pending:
        yield result(pending.popleft())


def run_here(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    workers: int,
    time_limit: float | None = None,
) -> Iterator[Result | JobFailed]:
    """Do jobs on this machine.

    Args:
        function: picklable where there are several workers or a time limit.
        jobs: taken as they are needed.
        workers: processes; with one and no time limit the work is done in this process.
        time_limit: seconds per job, after which its process is killed and the job given up.

    Yields:
        results in the order of the jobs.
    """
    if workers == 1 and time_limit is None:
        for job in jobs:
            yield run_job(function, job)
        return
    pool = _process_pool(workers)
    try:
        yield from in_order(
            lambda job: pool.schedule(run_job, (function, job), timeout=time_limit),
            jobs,
            lambda future: _result(future, time_limit),
            window=_AHEAD * workers,
        )
        pool.close()
    finally:
        pool.stop()  # at once where the loop was left early
        pool.join()


def connect_ray() -> Any:
    """Ray, connected to the cluster that `RAY_ADDRESS` names or to one started here.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    ray = require("ray", extra="ray", purpose="--engine ray")
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    return ray


def ray_window(ray: Any) -> int:
    """Jobs to hand over to a cluster at a time; see `in_order`."""
    return _AHEAD * int(ray.cluster_resources().get("CPU", 1))


def submit_to_ray(ray: Any, function: Any, job: Any, *, time_limit: float | None = None) -> Any:
    """A Ray task that does one job; `result_of_ray` gives its result.

    Args:
        ray: of `connect_ray`.
        function: as in `run_here`, or a reference to it (`ray.put`).
        job: the job.
        time_limit: seconds.
    """
    # a worker that dies takes its job with it: no second try of a hostile file
    return ray.remote(max_retries=0)(_run_in_task).remote(function, job, time_limit)


def result_of_ray(ray: Any, reference: Any) -> Any:
    """The result of a task of `submit_to_ray`, or a `JobFailed`.

    Raises:
        MissingDependencyError: see `run_job`.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, MissingDependencyError):
            raise error.cause from error
        return JobFailed(_one_line(str(error.cause)))
    except ray.exceptions.RayError as error:
        return JobFailed(_one_line(f"its worker died ({error})"))


def run_on_ray(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    time_limit: float | None = None,
) -> Iterator[Result | JobFailed]:
    """Do jobs on a Ray cluster; results in the order of the jobs, as `run_here` gives them."""
    ray = connect_ray()
    shared = ray.put(function)
    yield from in_order(
        lambda job: submit_to_ray(ray, shared, job, time_limit=time_limit),
        jobs,
        lambda reference: result_of_ray(ray, reference),
        window=ray_window(ray),
    )


def _run_in_task(
    function: Callable[[Job], Result], job: Job, time_limit: float | None
) -> Result | JobFailed:
    """What a Ray task does; in a process of its own where it must be stopped in time."""
    if time_limit is None:
        return run_job(function, job)
    future = _pool_of_task().schedule(run_job, (function, job), timeout=time_limit)
    return _result(future, time_limit)


@lru_cache(maxsize=1)
def _pool_of_task() -> Any:
    return _process_pool(1)


def _process_pool(workers: int) -> Any:
    """Processes that outlive their jobs, and are replaced when a job kills them or must be."""
    from pebble import ProcessPool

    return ProcessPool(
        max_workers=workers,
        context=multiprocessing.get_context("spawn"),
        initializer=_one_thread_each,
    )


def _one_thread_each() -> None:
    """The processes are the parallelism: threads inside them only fight for the cores."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _result(future: Future[Result | JobFailed], time_limit: float | None) -> Result | JobFailed:
    from pebble import ProcessExpired

    try:
        return future.result()
    except TimeoutError:
        return JobFailed(f"took longer than {time_limit:g} s")
    except ProcessExpired as error:
        return JobFailed(f"its process died (exit code {error.exitcode})")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
