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

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch

from lrm_core.errors import LrmError
from lrm_core.foreground.mask_picture import with_mask_picture
from lrm_core.io.atomic_write import check_replaceable, replacing
from lrm_core.meshes.mesh_placement import UpAxis
from lrm_core.reconstruction.pipeline import ReconstructionModel
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.reconstruction.result_files import write_result, write_turntable
from lrm_core.reconstruction.stages import StageClock
from lrm_core.reconstruction.stored_field import save_field
from lrm_core.structures.framed_photo import FramedPhoto
from lrm_core.structures.photo import CutOut
from lrm_core.structures.photo_camera import PhotoCamera

Result = TypeVar("Result")

# Each holds a mesh in the making: about half a gigabyte at 256 grid points per axis.
_MOST_WORKERS = 4
_NO_SIDE = "it would rest on no side near the floor, so it was shifted, not turned (--ground)"
# decimation may end with a few faces more than it aims for
_NEAR_ENOUGH = 1.05


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Which files a photo becomes.

    Attributes:
        up: up axis of the mesh file; None for the format's own.
        size_mm: longest side in millimeters, for formats that have a unit of length.
        ground: put the mesh on the flat side that it stands on, the floor at height 0.
        overwrite: replace older files.
        field: also write the radiance field here.
        video: also write a turntable here.
    """

    up: UpAxis | None = None
    size_mm: float | None = None
    ground: bool = False
    overwrite: bool = False
    field: Path | None = None
    video: Path | None = None


@dataclass(frozen=True)
class PhotoDone:
    """A photo whose files are written.

    Attributes:
        photo: its file.
        files: what was written, the mesh first.
        record: the content of `NAME.json`.
        seconds: stage name -> wall-clock seconds, in order.
        overlapped: stages that ran beside other work: their seconds are not added to those of the
            thread that waits.
        waited: seconds that the model waited for the photo.
        warning: what the user should look at, in one line, or None.
    """

    photo: Path
    files: list[Path]
    record: dict[str, Any]
    seconds: Mapping[str, float]
    overlapped: frozenset[str]
    waited: float
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


@dataclass(frozen=True, eq=False)
class _Job:
    """One photo on its way.

    Attributes:
        photo: its file.
        mesh: the file to be.
        clock: its stages.
        framed: what the model takes, ready or not.
    """

    photo: Path
    mesh: Path
    clock: StageClock
    framed: Future[FramedPhoto]


@dataclass(frozen=True, eq=False)
class _Reconstructed:
    """What the model made of a photo, the stages that ran before, and the seconds it waited."""

    reconstruction: Reconstruction
    ahead: frozenset[str]
    waited: float


def reconstruct_photos(
    model: ReconstructionModel,
    jobs: Sequence[tuple[Path, Path]],
    cut_outs: Iterator[tuple[StageClock, Future[CutOut]]],
    options: MeshOptions | None = None,
    *,
    files: FileOptions | None = None,
    camera: PhotoCamera | None = None,
    workers: int | None = None,
) -> Generator[PhotoDone | PhotoFailed, None, None]:
    """Reconstruct photos and write their meshes.

    Close the generator (`contextlib.closing`) where it may be left early: what is under way then
    ends with the pass that it is in, and files are whole or absent.

    Args:
        model: on its device.
        jobs: photos and mesh files, as `plan_outputs` pairs them.
        cut_outs: the clocks and objects of these photos, from `cut_out_ahead`.
        options: how meshes are made.
        files: which files are written.
        camera: what is known of the camera of all photos.
        workers: threads that finish photos; 0 does one photo after the other in the caller's
            thread; None for what is fastest here.

    Yields:
        one outcome per photo, in the order of the jobs.
    """
    options, files = options or MeshOptions(), files or FileOptions()
    if workers is None:
        workers = default_workers(len(jobs))
    on_gpu = model.decoder.triplane_tokens.device.type != "cpu"

    def finish(job: _Job, made: Future[_Reconstructed]) -> PhotoDone:
        return _finish(job, made.result(), options, files, overlapped=workers > 0)

    def whole(job: _Job) -> PhotoDone:
        made = _reconstruct(model, job)
        return _finish(job, made, options, files, overlapped=workers > 0)

    # torch counts threads per calling thread
    threads = torch.get_num_threads()
    share = max(1, threads // max(workers, 1))
    # with one thread of its own: a team beside the model's would make both wait to be woken for
    # every small operation (OpenMP's threads do not spin where there are more than cores)
    ahead = ThreadPoolExecutor(1, "lrm-frame", torch.set_num_threads, (1,))
    behind = ThreadPoolExecutor(max(workers, 1), "lrm-mesh", torch.set_num_threads, (share,))
    begun: list[StageClock] = []

    def next_job(paths: tuple[Path, Path]) -> _Job:
        clock, cut = next(cut_outs)
        begun.append(clock)
        return _Job(*paths, clock, ahead.submit(_frame, model, clock, cut, camera))

    under_way: deque[tuple[_Job, Future[PhotoDone]]] = deque()
    paths = iter(jobs)
    try:
        framed_ahead = deque(map(next_job, islice(paths, 1)))
        while framed_ahead:
            job = framed_ahead.popleft()
            framed_ahead.extend(map(next_job, islice(paths, 1)))
            if not workers:
                done = _run_now(whole, job)
            elif on_gpu:
                done = behind.submit(finish, job, _run_now(_reconstruct, model, job))
            else:
                done = behind.submit(whole, job)
            under_way.append((job, done))
            while under_way and (len(under_way) > workers or under_way[0][1].done()):
                yield _outcome(*under_way.popleft(), overwrite=files.overwrite)
        while under_way:
            yield _outcome(*under_way.popleft(), overwrite=files.overwrite)
    finally:
        for clock in begun:
            clock.stop()
        ahead.shutdown(cancel_futures=True)
        behind.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def default_workers(num_photos: int) -> int:
    """Threads that finish photos: one for each core that torch uses, up to a few."""
    return 0 if num_photos == 1 else min(_MOST_WORKERS, torch.get_num_threads())


def _frame(
    model: ReconstructionModel,
    clock: StageClock,
    cut_out: Future[CutOut],
    camera: PhotoCamera | None,
) -> FramedPhoto:
    return model.frame(cut_out.result(), camera, clock=clock)


def _reconstruct(model: ReconstructionModel, job: _Job) -> _Reconstructed:
    started = time.perf_counter()
    photo = job.framed.result()
    waited = time.perf_counter() - started
    ahead = frozenset(job.clock.seconds)
    return _Reconstructed(model.reconstruct_framed(photo, clock=job.clock), ahead, waited)


def _finish(
    job: _Job,
    made: _Reconstructed,
    options: MeshOptions,
    files: FileOptions,
    *,
    overlapped: bool,
) -> PhotoDone:
    """From the planes to the files."""
    done = finish_photo(made.reconstruction, job.photo, job.mesh, options, files, clock=job.clock)
    ahead = frozenset(job.clock.seconds) if overlapped else made.ahead
    return replace(done, overlapped=ahead, waited=made.waited)


def finish_photo(
    reconstruction: Reconstruction,
    photo: Path,
    mesh_file: Path,
    options: MeshOptions,
    files: FileOptions,
    *,
    clock: StageClock,
    notes: Mapping[str, Any] | None = None,
) -> PhotoDone:
    """Mesh a reconstruction and write its files.

    Args:
        reconstruction: what was made of the photo.
        photo: its file.
        mesh_file: the file to be.
        options: how the mesh is made.
        files: which files are written.
        clock: of the whole job.
        notes: further entries of the record.
    """
    with _own_stream(reconstruction.triplane.planes.device):
        written, record, warning = write_reconstruction(
            reconstruction, mesh_file, options, files, photo=photo, clock=clock, notes=notes
        )
    return PhotoDone(
        photo=photo,
        files=written,
        record=record,
        seconds=clock.seconds,
        overlapped=frozenset(),
        waited=0.0,
        warning=warning,
    )


def write_reconstruction(
    reconstruction: Reconstruction,
    mesh_file: Path,
    options: MeshOptions,
    files: FileOptions,
    *,
    photo: Path | None = None,
    clock: StageClock,
    notes: Mapping[str, Any] | None = None,
) -> tuple[list[Path], dict[str, Any], str | None]:
    """Mesh a reconstruction, let it stand, and write its files.

    Args:
        reconstruction: what was made of a photo, or of several.
        mesh_file: the file to be.
        options: how the mesh is made.
        files: which files are written.
        photo: its file, for the record; None where there is none.
        clock: of the whole job.
        notes: further entries of the record.

    Returns:
        every file written, the mesh first; the record; what the user should look at, or None.
    """
    mesh = reconstruction.extract_mesh(options=options, clock=clock)
    mesh, standing = reconstruction.stand(mesh, ground=files.ground)
    further = [file for file in (files.field, files.video) if file is not None]
    check_replaceable(*further, overwrite=files.overwrite)
    with ExitStack() as stack:  # all files of a photo, or none
        if files.field is not None:
            with clock.stage("save field"):
                save_field(stack.enter_context(replacing(files.field)), reconstruction)
        if files.video is not None:
            camera = standing.move_cameras(reconstruction.source_camera)
            video = stack.enter_context(replacing(files.video))
            write_turntable(video, mesh, camera, overwrite=True, clock=clock)
        written, record = write_result(
            mesh_file,
            reconstruction,
            mesh,
            photo=photo,
            up=files.up,
            size_mm=files.size_mm,
            overwrite=files.overwrite,
            clock=clock,
            notes=notes,
            standing=standing,
        )
    written += further
    warnings = [
        reconstruction.warning,
        _too_many_faces(record, options),
        _NO_SIDE if files.ground and not standing.found_side else None,
    ]
    return written, record, "; ".join(filter(None, warnings)) or None


def _too_many_faces(record: dict[str, Any], options: MeshOptions) -> str | None:
    """A line where decimation stopped well above the faces that were asked for."""
    asked, made = options.target_faces, record["num_faces"]
    if asked is None or made <= _NEAR_ENOUGH * asked:
        return None
    return f"{made:,} faces: {asked:,} cannot be reached without losing parts of the surface"


def _own_stream(device: torch.device) -> AbstractContextManager[object]:
    """A queue of its own on a GPU: waiting for it is not waiting for the next photo's model."""
    if device.type != "cuda":
        return nullcontext()
    return torch.cuda.stream(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]


def _outcome(job: _Job, future: Future[PhotoDone], *, overwrite: bool) -> PhotoDone | PhotoFailed:
    try:
        return future.result()
    except LrmError as error:
        return PhotoFailed(job.photo, with_mask_picture(error, job.mesh, overwrite=overwrite))


def _run_now(function: Callable[..., Result], *arguments: object) -> Future[Result]:
    future: Future[Result] = Future()
    try:
        future.set_result(function(*arguments))
    except LrmError as error:
        future.set_exception(error)
    return future
