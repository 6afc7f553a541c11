"""The queue: order, places, and the one way out for every job."""

import re
import threading
import time
from dataclasses import replace

import pytest

from lrm_cli.server.errors import Problem
from lrm_cli.server.jobs import JobQueue, Order, QueueFullError
from lrm_core.errors import StoppedError

ORDER = Order(photos={"front": b"photo"})
PROBLEM = Problem("InputError", "not a photo")


def make_queue(max_waiting: int = 8, keep_seconds: float = 60.0) -> JobQueue:
    return JobQueue(max_waiting=max_waiting, keep_seconds=keep_seconds)


def test_jobs_are_taken_in_the_order_in_which_they_came_and_know_their_place() -> None:
    queue = make_queue()
    ids = [queue.submit(ORDER).job_id for _ in range(5)]
    assert [queue.status(job_id).position for job_id in ids] == [1, 2, 3, 4, 5]
    taken = []
    for number in range(5):
        job = queue.take()
        taken.append(job.status.job_id)
        assert queue.status(ids[number]).state == "running"
        assert [queue.status(job_id).position for job_id in ids] == [
            max(0, place - number) for place in range(5)
        ]
        queue.finish(job, {"number": number}, None)
    assert taken == ids
    assert [queue.status(job_id).record["number"] for job_id in ids] == [0, 1, 2, 3, 4]


def test_ids_are_128_random_bits() -> None:
    queue = make_queue(max_waiting=100)
    ids = {queue.submit(ORDER).job_id for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"[0-9a-f]{32}", job_id) for job_id in ids)


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    queue = make_queue(max_waiting=2)
    running = [queue.submit(ORDER), queue.take()][1]
    queue.submit(ORDER)
    queue.submit(ORDER)
    with pytest.raises(QueueFullError) as caught:
        queue.submit(ORDER)
    assert caught.value.retry_seconds >= 1
    queue.finish(running, {}, None)
    queue.take()
    queue.submit(ORDER)  # one place is free again
    assert queue.counts() == (2, 1)


def test_photos_are_dropped_when_their_job_ends() -> None:
    queue = make_queue()
    for end in ("finish", "fail", "cancel"):
        job_id = queue.submit(ORDER).job_id
        job = queue._jobs[job_id]
        if end == "cancel":
            queue.cancel(job_id)
        else:
            assert queue.take() is job
            assert job.order is ORDER
            queue.finish(job, {}, None) if end == "finish" else queue.fail(job, PROBLEM)
        assert job.order is None


def test_cancelling_waiting_and_running_jobs() -> None:
    queue = make_queue()
    first, second, third = (queue.submit(ORDER).job_id for _ in range(3))
    job = queue.take()
    assert queue.cancel(second).state == "cancelled"
    assert queue.status(third).position == 1, "those behind it move up"
    assert queue.cancel(first).state == "running"
    with pytest.raises(StoppedError):
        job.clock.between_passes()
    queue.fail(job, None)
    assert queue.status(first).state == "cancelled"
    assert queue.take().status.job_id == third
    assert queue.cancel("unknown") is None


def test_only_ended_jobs_are_forgotten_and_only_when_their_time_is_over() -> None:
    queue = make_queue(keep_seconds=0.05)
    job_id = queue.submit(ORDER).job_id
    assert not queue.forget(job_id)
    job = queue.take()
    time.sleep(0.1)
    assert queue.expired() == [], "it has not ended"
    queue.fail(job, PROBLEM)
    assert queue.expired() == []
    time.sleep(0.1)
    assert queue.expired() == [job_id]
    assert queue.forget(job_id)
    assert queue.status(job_id) is None


def test_an_order_may_be_kept_longer_or_shorter_than_others() -> None:
    queue = make_queue(keep_seconds=0.05)
    orders = [replace(ORDER, keep_seconds=seconds) for seconds in (60.0, None, 0.01)]
    ids = [queue.submit(order).job_id for order in orders]
    assert queue.status(ids[0]).expires is None, "it has not ended"
    for _ in ids:
        queue.fail(queue.take(), PROBLEM)
    left = [queue.status(job_id).expires - time.time() for job_id in ids]
    assert left == pytest.approx([60.0, 0.05, 0.01], abs=0.5)
    time.sleep(0.1)
    assert queue.expired() == ids[1:]


def test_watchers_hear_of_every_change_until_they_leave() -> None:
    queue, heard = make_queue(), []
    with queue.watching(lambda: heard.append(1)):
        queue.submit(ORDER)
        job = queue.take()
        with job.clock.stage("grid query", on_device=False):
            begun = queue.status(job.status.job_id)
            job.clock.between_passes(0.5)
        before = len(heard)
        assert before >= 4
        half = queue.status(job.status.job_id)
        assert half.stage == "grid query"
        assert 0.0 < begun.progress < half.progress < 1.0
        queue.finish(job, {}, None)
        assert len(heard) > before
    count = len(heard)
    queue.submit(ORDER)
    assert len(heard) == count


def test_closing_wakes_the_worker_and_ends_what_waits() -> None:
    queue = make_queue()
    taken: list[object] = []
    worker = threading.Thread(target=lambda: taken.append(queue.take()))
    worker.start()
    queue.close()
    worker.join(5)
    assert taken == [None]
    with pytest.raises(QueueFullError):
        queue.submit(ORDER)


def test_no_job_is_lost_between_many_threads() -> None:
    queue = make_queue(max_waiting=10_000)
    ids: list[str] = []
    done: list[str] = []

    def work() -> None:
        while (job := queue.take()) is not None:
            done.append(job.status.job_id)
            queue.finish(job, {}, None)

    worker = threading.Thread(target=work)
    worker.start()
    clients = [
        threading.Thread(target=lambda: ids.extend(queue.submit(ORDER).job_id for _ in range(50)))
        for _ in range(8)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    deadline = time.monotonic() + 10
    while len(done) < 400 and time.monotonic() < deadline:
        time.sleep(0.01)
    queue.close()
    worker.join(5)
    assert sorted(done) == sorted(ids)
