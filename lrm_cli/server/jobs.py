"""The queue of `lrm serve`: jobs in the order in which they came, one of them running.

Requests are answered in one thread, jobs are done in another: everything here may be called from
both. Photos are kept in memory until their job ends, and never written to disk.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lrm_cli.server.errors import Problem
from lrm_core.foreground.methods import BackgroundRemoval, KeepObjects
from lrm_core.reconstruction.progress_estimate import ProgressEstimate
from lrm_core.reconstruction.stages import StageClock
from lrm_core.structures.photo_camera import PhotoCamera

State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset(("done", "failed", "cancelled"))

_EXPECTED_SECONDS = 5.0
"""Of a job, before one is done."""
_SMOOTHING = 0.2
"""Weight of the last job in the mean duration."""


@dataclass(frozen=True)
class Order:
    """What a client asks for.

    Attributes:
        photos: direction -> file as it came, the front first.
        mask: image of the mask of the front as it came, or None.
        background_removal: how the background is removed.
        keep: which of several objects.
        camera: what is known of the camera.
        ground: put the mesh on the flat side that it stands on.
        keep_seconds: how long the result is kept; None for the server's own time.
        mesh: keyword arguments of `MeshOptions`.
    """

    photos: dict[str, bytes] = field(repr=False)
    mask: bytes | None = field(repr=False, default=None)
    background_removal: BackgroundRemoval = "auto"
    keep: KeepObjects = "largest"
    camera: PhotoCamera = PhotoCamera()
    ground: bool = False
    keep_seconds: float | None = None
    mesh: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """A job at one moment.

    Attributes:
        job_id: 128 random bits, in hexadecimal.
        state: what has become of it.
        position: place in the queue, 1 for the next to run; 0 when it does not wait.
        stage: what is being done, in words.
        progress: share that is done, 0 to 1.
        seconds: since it was started, until it ended.
        created: seconds since the epoch.
        started: seconds since the epoch, or None.
        expires: when an ended job is forgotten, in seconds since the epoch, or None.
        record: what is known about the result.
        warning: what to look at in the result, or None.
        problem: why it failed, or None.
    """

    job_id: str
    state: State = "waiting"
    position: int = 0
    stage: str = ""
    progress: float = 0.0
    seconds: float = 0.0
    created: float = field(default_factory=time.time)
    started: float | None = None
    expires: float | None = None
    record: dict[str, Any] | None = None
    warning: str | None = None
    problem: Problem | None = None


class Job:
    """One order, its status, and the clock that publishes and stops it; `JobQueue` changes them."""

    def __init__(
        self, order: Order, keep_seconds: float, report: Callable[[Job, str, float | None], None]
    ) -> None:
        self.order: Order | None = order
        self.status = Status(secrets.token_hex(16))
        self.clock = StageClock(lambda stage, done: report(self, stage, done))
        self.started = 0.0
        self.ended = 0.0
        self.keep_seconds = keep_seconds


class QueueFullError(Exception):
    """As many jobs wait as may wait.

    Args:
        retry_seconds: when it is worth asking again.
    """

    def __init__(self, retry_seconds: int) -> None:
        super().__init__(f"try again in {retry_seconds} s")
        self.retry_seconds = retry_seconds


class JobQueue:
    """Jobs of one server.

    Args:
        max_waiting: jobs that may wait.
        keep_seconds: how long a job is remembered after its end, unless its order says otherwise.
    """

    def __init__(self, *, max_waiting: int, keep_seconds: float) -> None:
        self.max_waiting = max_waiting
        self.keep_seconds = keep_seconds
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._lock = threading.RLock()
        self._more = threading.Condition(self._lock)
        self._watchers: set[Callable[[], None]] = set()
        self._mean_seconds = _EXPECTED_SECONDS
        self._progress = ProgressEstimate()
        self._closed = False

    def submit(self, order: Order) -> Status:
        """Append a job.

        Raises:
            QueueFullError: too many wait.
        """
        with self._lock:
            if self._closed or len(self._waiting) >= self.max_waiting:
                ahead = len(self._waiting) + (self._running is not None)
                raise QueueFullError(max(1, round(self._mean_seconds * max(1, ahead / 2))))
            keep = self.keep_seconds if order.keep_seconds is None else order.keep_seconds
            job = Job(order, keep, self._report)
            self._jobs[job.status.job_id] = job
            self._waiting.append(job)
            self._number_places()
            self._more.notify()
            self._tell()
            return job.status

    def status(self, job_id: str) -> Status | None:
        """A job as it is now, or None where it is not known."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                return None
            if job.status.state == "running":
                return replace(job.status, seconds=time.monotonic() - job.started)
            return job.status

    def counts(self) -> tuple[int, int]:
        """Jobs that wait, and jobs that run."""
        with self._lock:
            return len(self._waiting), int(self._running is not None)

    def cancel(self, job_id: str) -> Status | None:
        """Stop a job that waits or runs; a running one ends with the pass that it is in."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                return None
            job.clock.stop()
            if job.status.state == "waiting":
                self._waiting.remove(job)
                self._end(job, state="cancelled")
            return job.status

    def forget(self, job_id: str) -> bool:
        """Drop a job that has ended; whether there was one."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or job.status.state not in ENDED:
                return False
            del self._jobs[job_id]
            return True

    def expired(self) -> list[str]:
        """Jobs that ended longer ago than they are kept."""
        now = time.monotonic()
        with self._lock:
            return [
                job_id
                for job_id, job in self._jobs.items()
                if job.status.state in ENDED and job.ended + job.keep_seconds < now
            ]

    def take(self) -> Job | None:
        """The next job, now running; waits for one, and gives None once the queue is closed."""
        with self._more:
            self._more.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            job = self._running = self._waiting.popleft()
            job.started = time.monotonic()
            job.status = replace(
                job.status, state="running", position=0, stage="starting", started=time.time()
            )
            self._number_places()
            self._tell()
            return job

    def finish(self, job: Job, record: dict[str, Any], warning: str | None) -> None:
        """Note that the running job is done and its files are written."""
        with self._lock:
            seconds = time.monotonic() - job.started
            self._mean_seconds += _SMOOTHING * (seconds - self._mean_seconds)
            self._progress.learn(job.clock.seconds)
            self._end(job, state="done", progress=1.0, record=record, warning=warning)

    def fail(self, job: Job, problem: Problem | None) -> None:
        """Note that the running job failed; without a problem it was cancelled."""
        with self._lock:
            self._end(job, state="failed" if problem else "cancelled", problem=problem)

    @contextmanager
    def watching(self, changed: Callable[[], None]) -> Iterator[None]:
        """Have `changed` called, from any thread, whenever a job may have changed."""
        with self._lock:
            self._watchers.add(changed)
        try:
            yield
        finally:
            with self._lock:
                self._watchers.discard(changed)

    def close(self) -> None:
        """Stop what runs, drop what waits, take no more."""
        with self._more:
            self._closed = True
            for job in [*self._waiting]:
                self.cancel(job.status.job_id)
            if self._running is not None:
                self._running.clock.stop()
            self._more.notify_all()
            self._tell()

    @property
    def closed(self) -> bool:
        """Whether the server is shutting down."""
        return self._closed

    def _report(self, job: Job, stage: str, done: float | None) -> None:
        with self._lock:
            # never backwards, whatever a stage takes this time
            progress = max(job.status.progress, self._progress.share(stage, done))
            job.status = replace(job.status, stage=stage, progress=progress)
            self._tell()

    def _end(self, job: Job, *, state: State, **changes: Any) -> None:
        """The one way out of waiting and running; the photo is dropped here."""
        job.order = None
        job.ended = time.monotonic()
        seconds = job.ended - job.started if job.started else 0.0
        job.status = replace(
            job.status,
            state=state,
            position=0,
            stage="",
            seconds=seconds,
            expires=time.time() + job.keep_seconds,
            **changes,
        )
        if self._running is job:
            self._running = None
        self._number_places()
        self._tell()

    def _number_places(self) -> None:
        for place, job in enumerate(self._waiting, start=1):
            if job.status.position != place:
                job.status = replace(job.status, position=place)

    def _tell(self) -> None:
        for changed in self._watchers:
            changed()
