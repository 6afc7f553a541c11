"""Where objects are prepared: a process pool on this machine, or a Ray cluster.

Both call the same function on the same objects and hand every shard's results over in the order of
its objects, so that a dataset does not depend on the engine or the number of workers.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lrm_core.errors import LrmError, MissingDependencyError
from lrm_core.io.view_set_files import EncodedViewSet, encode_view_set
from lrm_core.optional import require
from lrm_core.structures.view_set import ObjectJob, ViewSet

MakeViews = Callable[[ObjectJob], ViewSet]


@dataclass(frozen=True)
class Failed:
    """An object that could not be prepared.

    Attributes:
        object_id: of the object.
        reason: one line.
    """

    object_id: str
    reason: str


Outcome = EncodedViewSet | Failed
# index of a shard and its outcomes -> what the shard's record says
WriteShard = Callable[[int, Sequence[Outcome]], dict[str, Any]]


@dataclass(frozen=True)
class Shard:
    """Objects that end up in one tar."""

    index: int
    jobs: tuple[ObjectJob, ...]


def prepare_object(make_views: MakeViews, job: ObjectJob) -> Outcome:
    """Prepare one object; what goes wrong with it becomes its reason.

    Raises:
        MissingDependencyError: every object would fail for the same reason.
    """
    try:
        return encode_view_set(make_views(job))
    except MissingDependencyError:
        raise
    except LrmError as error:
        return Failed(job.object_id, _one_line(error.message))
    except MemoryError:
        return Failed(job.object_id, "does not fit into memory")
    # one object of a million must not end the run, whatever its parser raises
    except Exception as error:
        return Failed(job.object_id, _one_line(f"{type(error).__name__}: {error}"))


def run_here(
    shards: Iterable[Shard],
    make_views: MakeViews,
    write: WriteShard,
    *,
    workers: int,
    time_limit: float | None,
    on_object: Callable[[int], None],
) -> Iterator[tuple[Shard, dict[str, Any]]]:
    """Prepare shards on this machine.

    Args:
        shards: to be made, in order.
        make_views: picklable; see `prepare_object`.
        write: writes a shard, in this process.
        workers: processes; with one and no time limit the work is done in this process.
        time_limit: seconds per object, after which its process is killed and the object given up.
        on_object: called with the number of objects done since the last call.

    Yields:
        each shard with its record.
    """
    shards = iter(shards)
    if workers == 1 and time_limit is None:
        for shard in shards:
            outcomes = []
            for job in shard.jobs:
                outcomes.append(prepare_object(make_views, job))
                on_object(1)
            yield shard, write(shard.index, outcomes)
        return
    pool = _process_pool(workers)
    # enough ahead that no worker waits while an object of an earlier one takes long
    window = 4 * workers
    pending: deque[tuple[Shard, list[Future[Outcome]]]] = deque()
    try:
        while True:
            while sum(len(futures) for _, futures in pending) < window:
                following = next(shards, None)
                if following is None:
                    break
                futures = [
                    pool.schedule(prepare_object, (make_views, job), timeout=time_limit)
                    for job in following.jobs
                ]
                pending.append((following, futures))
            if not pending:
                break
            shard, futures = pending.popleft()
            outcomes = []
            for job, future in zip(shard.jobs, futures, strict=True):
                outcomes.append(_outcome(job, future, time_limit))
                on_object(1)
            yield shard, write(shard.index, outcomes)
        pool.close()
    finally:
        pool.stop()  # at once where the loop was left early
        pool.join()


def run_on_ray(
    shards: Iterable[Shard],
    make_views: MakeViews,
    write: WriteShard,
    *,
    time_limit: float | None,
    on_object: Callable[[int], None],
) -> Iterator[tuple[Shard, dict[str, Any]]]:
    """Prepare shards on the Ray cluster that `RAY_ADDRESS` names, or on one started here.

    Objects are tasks, and so are shards: a shard is written by a worker from the objects' results,
    which never pass through this process. Arguments are those of `run_here`.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    ray = require("ray", extra="ray", purpose="--engine ray")
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    # a worker that dies takes its object with it, not the run: no second try of a hostile asset
    prepare = ray.remote(max_retries=0)(_prepare_in_task)
    gather = ray.remote(max_retries=3)(_write_in_task)
    shared_make_views = ray.put(make_views)
    shared_write = ray.put(write)
    cores = int(ray.cluster_resources().get("CPU", 1))
    pending: deque[tuple[Shard, Any]] = deque()
    shards = iter(shards)
    exhausted = False
    while pending or not exhausted:
        while not exhausted and sum(len(shard.jobs) for shard, _ in pending) < 4 * cores:
            following = next(shards, None)
            if following is None:
                exhausted = True
                break
            outcomes = [
                prepare.remote(shared_make_views, job, time_limit) for job in following.jobs
            ]
            # in a list: Ray must not fail the shard when an object's task failed
            pending.append((following, gather.remote(shared_write, following, outcomes)))
        if pending:
            shard, record = pending.popleft()
            yield shard, ray.get(record)
            on_object(len(shard.jobs))


def _prepare_in_task(make_views: MakeViews, job: ObjectJob, time_limit: float | None) -> Outcome:
    """A Ray task: one object, in a process of its own where it must be stopped in time."""
    if time_limit is None:
        return prepare_object(make_views, job)
    future = _pool_of_task().schedule(prepare_object, (make_views, job), timeout=time_limit)
    return _outcome(job, future, time_limit)


def _write_in_task(write: WriteShard, shard: Shard, references: list[Any]) -> dict[str, Any]:
    """A Ray task: one shard from its objects' results."""
    import ray

    outcomes: list[Outcome] = []
    for job, reference in zip(shard.jobs, references, strict=True):
        try:
            outcomes.append(ray.get(reference))
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, MissingDependencyError):
                raise error.cause from error
            outcomes.append(Failed(job.object_id, _one_line(str(error.cause))))
        except ray.exceptions.RayError as error:
            outcomes.append(Failed(job.object_id, _one_line(f"its worker died ({error})")))
    return write(shard.index, outcomes)


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


def _outcome(job: ObjectJob, future: Future[Outcome], time_limit: float | None) -> Outcome:
    from pebble import ProcessExpired

    try:
        return future.result()
    except TimeoutError:
        return Failed(job.object_id, f"took longer than {time_limit:g} s")
    except ProcessExpired as error:
        return Failed(job.object_id, f"its process died (exit code {error.exitcode})")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
