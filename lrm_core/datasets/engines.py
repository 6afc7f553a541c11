"""Objects of a dataset prepared shard by shard, on this machine or on a Ray cluster.

Both call the same function on the same objects and hand every shard's results over in the order of
its objects, so that a dataset does not depend on the engine or the number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lrm_core.io.view_set_files import EncodedViewSet, encode_view_set
from lrm_core.parallel import (
    JobFailed,
    connect_ray,
    in_order,
    ray_window,
    result_of_ray,
    run_here,
    submit_to_ray,
)
from lrm_core.sources.source import Source
from lrm_core.structures.view_set import ObjectJob

Outcome = EncodedViewSet | JobFailed


@dataclass(frozen=True)
class Shard:
    """Objects that end up in one tar."""

    index: int
    jobs: tuple[ObjectJob, ...]


# a shard and the outcomes of its jobs -> what the shard's record says
WriteShard = Callable[[Shard, Sequence[Outcome]], dict[str, Any]]


def build_here(
    shards: Sequence[Shard],
    source: Source,
    write: WriteShard,
    *,
    workers: int,
    time_limit: float | None,
    on_object: Callable[[int], None],
) -> Iterator[tuple[Shard, dict[str, Any]]]:
    """Prepare shards on this machine.

    Args:
        shards: to be made, in order.
        source: makes the views of one object; picklable where there are several workers.
        write: writes a shard, in this process.
        workers: see `run_here`.
        time_limit: seconds per object; see `run_here`.
        on_object: called with the number of objects done since the last call.

    Yields:
        each shard with its record.
    """
    jobs = (job for shard in shards for job in shard.jobs)
    results = run_here(partial(_prepare, source), jobs, workers=workers, time_limit=time_limit)
    for shard in shards:
        outcomes = []
        for _ in shard.jobs:
            outcomes.append(next(results))
            on_object(1)
        yield shard, write(shard, outcomes)


def build_on_ray(
    shards: Sequence[Shard],
    source: Source,
    write: WriteShard,
    *,
    time_limit: float | None,
    on_object: Callable[[int], None],
) -> Iterator[tuple[Shard, dict[str, Any]]]:
    """Prepare shards on the Ray cluster that `RAY_ADDRESS` names, or on one started here.

    Objects are tasks, and so are shards: a shard is written by a worker from the objects' results,
    which never pass through this process. Arguments are those of `build_here`.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    ray = connect_ray()
    gather = ray.remote(max_retries=3)(_write_in_task)
    prepare = ray.put(partial(_prepare, source))
    shared_write = ray.put(write)

    def submit(shard: Shard) -> tuple[Shard, Any]:
        # in a list: Ray must not fail the shard when an object's task failed
        outcomes = [submit_to_ray(ray, prepare, job, time_limit=time_limit) for job in shard.jobs]
        return shard, gather.remote(shared_write, shard, outcomes)

    def result(pending: tuple[Shard, Any]) -> tuple[Shard, dict[str, Any]]:
        return pending[0], ray.get(pending[1])

    largest = max((len(shard.jobs) for shard in shards), default=1)
    window = math.ceil(ray_window(ray) / largest)
    for shard, record in in_order(submit, shards, result, window=window):
        yield shard, record
        on_object(len(shard.jobs))


def _prepare(source: Source, job: ObjectJob) -> EncodedViewSet:
    return encode_view_set(source(job))


def _write_in_task(write: WriteShard, shard: Shard, references: list[Any]) -> dict[str, Any]:
    """A Ray task: one shard from its objects' results."""
    import ray

    return write(shard, [result_of_ray(ray, reference) for reference in references])
