"""The thread that owns the model: loads it, then works through the queue, one job at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lrm_cli.server.errors import describe, in_form_words
from lrm_cli.server.jobs import Job, JobQueue
from lrm_cli.server.results import MESH, ResultFolder
from lrm_cli.server.settings import ServerSettings
from lrm_core.errors import StoppedError
from lrm_core.reconstruction.named_photos import FRONT

if TYPE_CHECKING:
    from lrm_core.reconstruction.pipeline import ReconstructionModel

_LOG = logging.getLogger("lrm.serve")


class Reconstructor:
    """Does the jobs of a queue.

    Args:
        settings: which model, and where.
        queue: the jobs.
        results: where meshes go.
        failed: called once, from the thread, when the model cannot be loaded.
    """

    def __init__(
        self,
        settings: ServerSettings,
        queue: JobQueue,
        results: ResultFolder,
        failed: Callable[[], None],
    ) -> None:
        self.state: Literal["loading", "ready", "failed"] = "loading"
        self.error: Exception | None = None
        self.model: ReconstructionModel | None = None
        self._settings = settings
        self._queue = queue
        self._results = results
        self._failed = failed
        self._thread = threading.Thread(target=self._run, name="lrm-serve", daemon=True)

    def start(self) -> None:
        """Begin to load the model."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, but not longer than so many seconds."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self._load()
        except Exception as error:
            self.error, self.state = error, "failed"
            self._failed()
            return
        while (job := self._queue.take()) is not None:
            self._do(job)

    def _load(self) -> None:
        from lrm_core.device import choose_device
        from lrm_core.reconstruction.pipeline import load_model

        device = choose_device(self._settings.device)
        self.model = load_model(self._settings.model, device=device, dtype=self._settings.dtype)
        self.state = "ready"

    def _do(self, job: Job) -> None:
        try:
            record, warning = self._reconstruct(job)
        except StoppedError:
            self._queue.fail(job, None)
        except Exception as error:
            problem = describe(error)
            if problem.status >= 500:
                _LOG.exception("job %s failed", job.status.job_id)
            self._queue.fail(job, problem)
        else:
            self._queue.finish(job, record, warning)

    def _reconstruct(self, job: Job) -> tuple[dict[str, Any], str | None]:
        from lrm_core.io.image_files import read_mask
        from lrm_core.reconstruction.batch import FileOptions, write_reconstruction
        from lrm_core.reconstruction.reconstruction import MeshOptions
        from lrm_core.reconstruction.several_photos import describe_views

        order, model, clock = job.order, self.model, job.clock
        assert order is not None, "a running job has its photo"
        assert model is not None, "jobs are taken when the model is loaded"
        reconstruction = model.reconstruct(
            order.photos,
            mask=None if order.mask is None else {FRONT: read_mask(order.mask)},
            background_removal=order.background_removal,
            keep=order.keep,
            camera=order.camera,
            clock=clock,
        )
        options, files = MeshOptions(**order.mesh), FileOptions(ground=order.ground)
        views = describe_views(reconstruction, order.photos)
        notes = {"views": views} if views else None

        def write(folder: Path) -> tuple[dict[str, Any], str | None]:
            return write_reconstruction(
                reconstruction, folder / MESH, options, files, clock=clock, notes=notes
            )[1:]

        record, warning = self._results.add(job.status.job_id, write)
        return record, warning and in_form_words(warning)
