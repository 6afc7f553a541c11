"""The ASGI application: routes, errors, and the safety around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser

from lrm_cli.server import api, blender, site
from lrm_cli.server.api import error_answer
from lrm_cli.server.errors import INTERNAL, Problem, RequestError, describe
from lrm_cli.server.safety import Safety
from lrm_cli.server.service import Service
from lrm_cli.server.settings import ServerSettings
from lrm_core.errors import LrmError
from lrm_core.version import __version__

_LOADING_DELAY = 0.2
"""Seconds from the start of the server to the start of loading the model."""


def create_application(
    settings: ServerSettings, failed: Callable[[], None] = lambda: None
) -> tuple[FastAPI, Service]:
    """An application and the state behind it.

    Args:
        settings: of the operator.
        failed: called, from another thread, when the model cannot be loaded.
    """
    service = Service(settings, failed)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.results.open()
        # not before requests are answered: what it imports takes seconds of every core
        asyncio.get_running_loop().call_later(_LOADING_DELAY, service.start)
        sweeping = asyncio.create_task(service.sweep_forever())
        yield
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        await asyncio.to_thread(service.close)

    # the pages of /docs and /redoc would load their scripts from other machines
    app = FastAPI(
        title="lrm",
        summary="One photo to a textured 3D mesh.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.include_router(api.router)
    app.include_router(blender.router)
    if settings.page:
        app.include_router(site.router)
    app.add_api_route("/healthz", _health, response_class=PlainTextResponse)
    app.add_api_route("/healthz", _health, methods=["HEAD"], include_in_schema=False)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(LrmError, _known_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unknown_error)
    app.add_middleware(Safety, settings=settings)
    # photos stay in memory: parts of a form that are larger than this go to disk
    MultiPartParser.spool_max_size = settings.max_upload_bytes + 1
    return app, service


def _health(request: Request) -> Response:
    """200 while jobs are taken, also while the model is loaded; 503 otherwise."""
    service: Service = request.app.state.service
    well = service.reconstructor.state != "failed" and not service.queue.closed
    return PlainTextResponse("ok\n" if well else "no\n", 200 if well else 503)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_answer(error.problem, error.headers)


def _known_error(_request: Request, error: Exception) -> Response:
    return error_answer(describe(error))


def _unknown_error(_request: Request, _error: Exception) -> Response:
    return error_answer(INTERNAL)


def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = Problem("RequestError", str(error.detail).lower(), "", error.status_code)
    return error_answer(problem, dict(error.headers or {}))


def _invalid(_request: Request, error: Exception) -> Response:
    """The first field that is wrong, in words."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    words, hint = first["msg"].lower(), "see /openapi.json"
    if isinstance(first.get("input"), str) and "uploadfile" in words:
        words, hint = "text was sent, expected a file", f"with curl: -F {field}=@FILE"
    return error_answer(Problem("RequestError", f"{field}: {words}", hint))
