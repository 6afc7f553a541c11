"""Many photos to many meshes, several of them under way at once.

| thread                 | on a GPU                          | on a CPU                         |
|------------------------|-----------------------------------|----------------------------------|
| `cut_out_ahead`        | reads photos, removes backgrounds | the same                         |
| one ahead of the model | frames them                       | the same                         |
| the caller's           | the model, on the next photo      | hands out photos                 |
| workers                | surface, cleaning, texture, files | the model and all that follows   |

A GPU takes one photo at a time. On a CPU whole photos side by side, each on a share of the cores,
are done sooner than one after the other on all of them: most later stages use one core.
Queues are bounded: memory holds a few photos, however many there are. The large operations of
torch, NumPy and OpenCV run side by side in threads, so that no process has to be started.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from lrm_core.errors import LrmError
from lrm_core.io.mesh_placement import UpAxis
from lrm_core.reconstruction.photo_reading import CutOut
from lrm_core.reconstruction.pipeline import FramedPhoto, ReconstructionModel
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.reconstruction.result_files import write_result, write_turntable
from lrm_core.reconstruction.scene import save_scene
from lrm_core.reconstruction.stages import StageClock

Result = TypeVar("Result")

# Each holds a mesh in the making: about half a gigabyte at 256 grid points per axis.
_MOST_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Which files a photo becomes.

    Attributes:
        up: up axis of the mesh file; None for the format's own.
        size_mm: longest side in millimeters, for formats that have a unit of length.
        overwrite: replace older files.
        scene: also write the radiance field here.
        video: also write a turntable here.
    """

    up: UpAxis | None = None
    size_mm: float | None = None
    overwrite: bool = False
    scene: Path | None = None
    video: Path | None = None


@dataclass(frozen=True)
class PhotoDone:
    """A photo whose files are written.

    Attributes:
        photo: its file.
        files: what was written, the mesh first.
        record: the content of `NAME.json`.
        clock: seconds per stage.
        warning: what the user should look at, in one line, or None.
    """

    photo: Path
    files: list[Path]
    record: dict[str, Any]
    clock: StageClock
    warning: str | None


@dataclass(frozen=True)
class PhotoFailed:
    """A photo that gave no mesh.

    Attributes:
        photo: its file.
        error: why.
    """

    photo: Path
    error: LrmError


def reconstruct_photos(
    model: ReconstructionModel,
    jobs: Sequence[tuple[Path, Path]],
    found: Iterator[Future[CutOut]],
    options: MeshOptions | None = None,
    *,
    files: FileOptions | None = None,
    workers: int | None = None,
) -> Generator[PhotoDone | PhotoFailed, None, None]:
    """Reconstruct photos and write their meshes.

    Close the generator (`contextlib.closing`) where it may be left early: what is under way then
    ends with the stage that it is in, and files are whole or absent.

    Args:
        model: on its device.
        jobs: photos and mesh files, as `plan_outputs` pairs them.
        found: the objects of these photos, of `cut_out_ahead`.
        options: how meshes are made.
        files: which files are written.
        workers: threads that finish photos; 0 does one photo after the other in the caller's
            thread; None for what is fastest here.

    Yields:
        one outcome per photo, in the order of the jobs.
    """
    options, files = options or MeshOptions(), files or FileOptions()
    if workers is None:
        workers = default_workers(len(jobs))
    on_gpu = model.decoder.triplane_tokens.device.type != "cpu"
    stop = threading.Event()

    def finish(job: tuple[Path, Path], reconstruction: Future[Reconstruction]) -> PhotoDone:
        return _finish(*job, reconstruction.result(), options, files)

    def whole(job: tuple[Path, Path], framed: Future[FramedPhoto]) -> PhotoDone:
        return _finish(*job, _reconstruct(model, framed, stop), options, files)

    # torch counts threads per calling thread
    threads = torch.get_num_threads()
    share = max(1, threads // max(workers, 1))
    # with one thread of its own: a team beside the model's would make both wait to be woken for
    # every small operation (OpenMP's threads do not spin where there are more than cores)
    ahead = ThreadPoolExecutor(1, "lrm-frame", torch.set_num_threads, (1,))
    behind = ThreadPoolExecutor(max(workers, 1), "lrm-mesh", torch.set_num_threads, (share,))
    under_way: deque[tuple[Path, Future[PhotoDone]]] = deque()
    try:
        next_framed = ahead.submit(_next_framed, model, found)
        for number, job in enumerate(jobs, start=1):
            framed = next_framed
            if number < len(jobs):
                next_framed = ahead.submit(_next_framed, model, found)
            if not workers:
                done = _run_now(whole, job, framed)
            elif on_gpu:
                done = behind.submit(finish, job, _run_now(_reconstruct, model, framed, stop))
            else:
                done = behind.submit(whole, job, framed)
            under_way.append((job[0], done))
            while under_way and (len(under_way) > workers or under_way[0][1].done()):
                yield _outcome(*under_way.popleft())
        while under_way:
            yield _outcome(*under_way.popleft())
    finally:
        stop.set()
        ahead.shutdown(cancel_futures=True)
        behind.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def default_workers(num_photos: int) -> int:
    """Threads that finish photos: one for each core that torch uses, up to a few."""
    return 0 if num_photos == 1 else min(_MOST_WORKERS, torch.get_num_threads())


def _next_framed(model: ReconstructionModel, found: Iterator[Future[CutOut]]) -> FramedPhoto:
    return model.frame(next(found).result())


def _reconstruct(
    model: ReconstructionModel, framed: Future[FramedPhoto], stop: threading.Event
) -> Reconstruction:
    started = time.perf_counter()
    photo = framed.result()
    photo.clock.waited = time.perf_counter() - started
    photo.clock.stop = stop
    return model.reconstruct_framed(photo)


def _finish(
    photo: Path,
    path: Path,
    reconstruction: Reconstruction,
    options: MeshOptions,
    files: FileOptions,
) -> PhotoDone:
    """From the planes to the files."""
    clock = reconstruction.clock
    with _own_stream(reconstruction.triplane.planes.device):
        mesh = reconstruction.extract_mesh(options=options)
        written, record = write_result(
            path,
            reconstruction,
            mesh,
            up=files.up,
            size_mm=files.size_mm,
            overwrite=files.overwrite,
        )
        if files.scene is not None:
            with clock.stage("save scene"):
                save_scene(files.scene, reconstruction)
            written.append(files.scene)
        if files.video is not None:
            with clock.stage("video"):
                camera = reconstruction.source_camera
                write_turntable(files.video, mesh, camera, overwrite=files.overwrite)
            written.append(files.video)
    return PhotoDone(photo, written, record, clock, reconstruction.warning)


def _own_stream(device: torch.device) -> AbstractContextManager[object]:
    """A queue of its own on a GPU: waiting for it is not waiting for the next photo's model."""
    if device.type != "cuda":
        return nullcontext()
    return torch.cuda.stream(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]


def _outcome(photo: Path, future: Future[PhotoDone]) -> PhotoDone | PhotoFailed:
    try:
        return future.result()
    except LrmError as error:
        return PhotoFailed(photo, error)


def _run_now(function: Callable[..., Result], *arguments: object) -> Future[Result]:
    future: Future[Result] = Future()
    try:
        future.set_result(function(*arguments))
    except LrmError as error:
        future.set_exception(error)
    return future
