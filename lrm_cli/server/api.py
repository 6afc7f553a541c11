"""The routes of `/api/v1`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, get_args
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from lrm_cli.server.errors import Problem, RequestError
from lrm_cli.server.jobs import ENDED, Order, QueueFullError, Status
from lrm_cli.server.orders import (
    Keep,
    Mask,
    Photo,
    Removal,
    ServiceOf,
    order_of,
    read_upload,
)
from lrm_cli.server.results import MEDIA_TYPES, MESH, SIZED
from lrm_cli.server.schemas import (
    ErrorAnswer,
    FileName,
    InfoDocument,
    JobDocument,
    MeshFormat,
    ModelDocument,
    job_document,
)
from lrm_cli.server.service import Service
from lrm_core.version import __version__

if TYPE_CHECKING:
    from lrm_core.foreground.cutout_picture import CutoutImage

router = APIRouter(
    prefix="/api/v1",
    responses={code: {"model": ErrorAnswer} for code in ("4XX", "5XX")},
)
_DISCONNECT_SECONDS = 0.5

UNKNOWN = Problem(
    "JobError", "there is no such job", "results are kept for a while only: send the photo again",
    404,
)  # fmt: skip


OrderOf = Annotated[Order, Depends(order_of)]
Size = Annotated[
    str | None,
    Query(description="Longest side of STL, 3MF and USDZ: `120mm`, `12cm`, `4.7in`."),
]


@router.get("/info")
def info(service: ServiceOf) -> InfoDocument:
    """What this server is and allows."""
    from importlib.util import find_spec

    settings, model = service.settings, service.reconstructor.model
    waiting, running = service.queue.counts()
    methods = ["auto", "alpha", "border", "u2netp", "grabcut", "none"]
    if find_spec("rembg") is not None:
        methods.insert(4, "rembg")
    return InfoDocument(
        version=__version__,
        state=service.reconstructor.state,
        model=None if model is None else ModelDocument(
            name=model.config.name,
            licence=model.config.licence,
            commercial_use=model.config.commercial_use,
        ),
        waiting=waiting,
        running=running,
        max_waiting=settings.max_waiting,
        max_upload_bytes=settings.max_upload_bytes,
        max_resolution=settings.max_resolution,
        keep_minutes=settings.keep_seconds / 60,
        max_keep_minutes=settings.longest_keep_seconds / 60,
        background_removal=methods,
        formats=list(get_args(MeshFormat)),
    )  # fmt: skip


@router.post("/jobs", status_code=202)
def create_job(
    service: ServiceOf, order: OrderOf, request: Request, response: Response
) -> JobDocument:
    """Queue a photo; `Location` names the job."""
    status = submit(service, order)
    root = _root(request)
    response.headers["Location"] = f"{root}/api/v1/jobs/{status.job_id}"
    return job_document(status, root)


@router.get("/jobs/{job_id}")
def read_job(service: ServiceOf, job_id: str, request: Request) -> JobDocument:
    """A job as it is now."""
    return job_document(_known(service, job_id), _root(request))


@router.get("/jobs/{job_id}/events", response_class=StreamingResponse)
def watch_job(service: ServiceOf, job_id: str, request: Request) -> StreamingResponse:
    """Server-sent events, named `job`, with a job as their data, until it has ended."""
    _known(service, job_id)
    root = _root(request)

    async def events() -> AsyncIterator[str]:
        async for status in service.follow(job_id):
            if status is None:
                yield ": still here\n\n"
            else:
                yield f"event: job\ndata: {job_document(status, root).model_dump_json()}\n\n"

    # a proxy that collects what it passes on would hold events back
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


@router.delete("/jobs/{job_id}", status_code=204)
def delete_job(service: ServiceOf, job_id: str) -> None:
    """Stop a job that waits or runs; forget one that has ended, with its files."""
    if _known(service, job_id).state in ENDED:
        service.remove(job_id)
    else:
        service.queue.cancel(job_id)


@router.get("/jobs/{job_id}/files/{name}", response_class=Response)
async def read_file(service: ServiceOf, job_id: str, name: FileName, size: Size = None) -> Response:
    """A file of a finished job."""
    return await file_answer(service, job_id, name, size)


@router.post("/cutout", response_class=Response)
async def cut_out(
    service: ServiceOf,
    photo: Photo,
    mask: Mask = None,
    background_removal: Removal = "auto",
    keep: Keep = "largest",
    max_side: Annotated[int, Form(ge=64, le=2048, description="Longer side of the answer.")] = 1024,
) -> Response:
    """The object of a photo as a PNG with alpha, at once, beside the queue."""
    content = await read_upload(photo, "photo")
    mask_content = None if mask is None else await read_upload(mask, "mask")
    if service.cutouts_full:
        raise _busy(2)
    service.cutouts_wanted += 1
    try:
        async with service.cutouts:
            cutout = await run_in_threadpool(
                _make_cutout, content, mask_content, background_removal, keep, max_side
            )
    finally:
        service.cutouts_wanted -= 1
    headers = {"Lrm-Background-Removal": cutout.method}
    if cutout.warning:
        headers["Lrm-Warning"] = quote(cutout.warning)
    return Response(cutout.png, media_type="image/png", headers=headers)


@router.post("/reconstruct", response_class=Response)
async def reconstruct(
    service: ServiceOf,
    order: OrderOf,
    request: Request,
    format: Annotated[MeshFormat, Query(description="`zip` holds an OBJ.")] = "glb",
    size: Size = None,
) -> Response:
    """Queue a photo, wait, and answer with the file itself: one line of curl."""
    return await reconstruct_now(service, order, request, f"mesh.{format}", size)


async def reconstruct_now(
    service: Service, order: Order, request: Request, name: str, size: str | None = None
) -> Response:
    """The file of a photo's mesh; the job is stopped when the client goes away.

    Raises:
        RequestError: the queue is full, or the job failed.
        ConfigError: the size is not one, or out of range.
    """
    millimeters(name, size)
    job_id = submit(service, order).job_id
    last = await _last_status(service, job_id, request)
    if last.problem is not None:
        raise RequestError(last.problem)
    if last.state != "done":
        raise RequestError(Problem("JobError", "the job was stopped", "", 503))
    answer = await file_answer(service, job_id, name, size)
    answer.headers["Lrm-Job"] = job_id
    return answer


async def _last_status(service: Service, job_id: str, request: Request) -> Status:
    async def follow() -> None:
        async for _ in service.follow(job_id):
            pass

    following = asyncio.ensure_future(follow())
    try:
        while not (await asyncio.wait([following], timeout=_DISCONNECT_SECONDS))[0]:
            if await request.is_disconnected():
                service.queue.cancel(job_id)
    finally:
        following.cancel()
    return _known(service, job_id)


def submit(service: Service, order: Order) -> Status:
    """Queue a job.

    Raises:
        RequestError: too many wait.
    """
    try:
        return service.queue.submit(order)
    except QueueFullError as error:
        raise _busy(error.retry_seconds) from error


async def file_answer(service: Service, job_id: str, name: str, size: str | None) -> Response:
    """A file of a finished job.

    Raises:
        RequestError: no such job, or it is not done.
        ConfigError: the size is not one, or out of range.
    """
    if _known(service, job_id).state != "done":
        raise RequestError(Problem("JobError", "the job is not done", "ask for its state", 409))
    size_mm = millimeters(name, size)
    try:
        content = await run_in_threadpool(service.results.read, job_id, name, size_mm)
    except FileNotFoundError as error:
        raise RequestError(UNKNOWN) from error
    # without a name: browsers then take the one of the link, curl the one of the address
    kind = "inline" if name in (MESH, "mesh.input.png") else "attachment"
    return Response(content, media_type=MEDIA_TYPES[name], headers={"Content-Disposition": kind})


def millimeters(name: str, size: str | None) -> float | None:
    """The size that was asked for, if the file can have one.

    Raises:
        RequestError: a file without a unit of length.
        ConfigError: not a length, or out of range.
    """
    from lrm_core.meshes.mesh_placement import check_placement, parse_length

    if size is None:
        return None
    if name not in SIZED:
        sized = ", ".join(SIZED)
        raise RequestError(Problem("ConfigError", f"{name} has no size", f"these have: {sized}"))
    size_mm = parse_length(size)
    check_placement(f".{name.partition('.')[2]}", up=None, size_mm=size_mm)
    return size_mm


def error_answer(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """The answer to a request that failed."""
    return JSONResponse({"error": problem.document()}, problem.status, headers)


def _make_cutout(*arguments: Any) -> CutoutImage:
    # what it imports takes seconds, in which other requests are answered
    from lrm_core.foreground.cutout_picture import make_cutout

    return make_cutout(*arguments)


def _busy(seconds: int) -> RequestError:
    problem = Problem("QueueFullError", "too many are waiting", f"try again in {seconds} s", 503)
    return RequestError(problem, {"Retry-After": str(seconds)})


def _known(service: Service, job_id: str) -> Status:
    status = service.queue.status(job_id)
    if status is None:
        raise RequestError(UNKNOWN)
    return status


def _root(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")
