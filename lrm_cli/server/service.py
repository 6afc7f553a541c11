"""Everything behind the routes: queue, results and model of one server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from lrm_cli.server.jobs import ENDED, JobQueue, Order, Status
from lrm_cli.server.reconstruction import Reconstructor
from lrm_cli.server.results import ResultFolder
from lrm_cli.server.settings import ServerSettings

_HEARTBEAT_SECONDS = 15.0
_SWEEP_SECONDS = 10.0
_MAX_CUTOUTS = 4
"""Cut-outs that are made or wait; each holds a decoded photo."""


class Service:
    """One server's state.

    Args:
        settings: of the operator.
        failed: called, from another thread, when the model cannot be loaded.
    """

    def __init__(self, settings: ServerSettings, failed: Callable[[], None] = lambda: None) -> None:
        self.settings = settings
        self.queue = JobQueue(max_waiting=settings.max_waiting, keep_seconds=settings.keep_seconds)
        self.results = ResultFolder()
        self.reconstructor = Reconstructor(settings, self.queue, self.results, failed)
        self.cutouts = asyncio.Semaphore(1)
        self.cutouts_wanted = 0

    def start(self) -> None:
        """Begin to load the model."""
        self.reconstructor.start()

    def stop(self) -> None:
        """Take no more jobs and stop the one that runs; streams of events end."""
        self.queue.close()

    def close(self) -> None:
        """Stop, and delete every result."""
        self.stop()
        self.reconstructor.join(10.0)
        self.results.close()

    @property
    def cutouts_full(self) -> bool:
        """Whether no more cut-outs are accepted now."""
        return self.cutouts_wanted >= _MAX_CUTOUTS

    async def sweep_forever(self) -> None:
        """Forget jobs whose time is over, again and again."""
        while True:
            self.sweep()
            await asyncio.sleep(min(_SWEEP_SECONDS, max(0.5, self.settings.keep_seconds / 4)))

    def sweep(self) -> None:
        """Forget jobs whose time is over, with their files."""
        for job_id in self.queue.expired():
            self.remove(job_id)
        self.results.renew()

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended, with its files."""
        if self.queue.forget(job_id):
            self.results.remove(job_id)

    def submit(self, order: Order) -> Status:
        """Queue a job; see `JobQueue.submit`."""
        return self.queue.submit(order)

    async def follow(self, job_id: str) -> AsyncIterator[Status | None]:
        """Every status of a job until it has ended; None now and then while nothing happens."""
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(changed.set)

        last: Status | None = None
        with self.queue.watching(wake):
            while not self.queue.closed:
                changed.clear()
                status = self.queue.status(job_id)
                if status is None:
                    return
                if status != last:
                    last = status
                    yield status
                if status.state in ENDED:
                    return
                try:
                    await asyncio.wait_for(changed.wait(), _HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield None
