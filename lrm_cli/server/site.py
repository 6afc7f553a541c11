"""The page: its files, all of them from this package."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, Response

from lrm_cli.server.errors import Problem, RequestError

_PAGE = resources.files("lrm_cli.server") / "page"
_VIEWER = resources.files("lrm_core.reporting") / "html" / "mesh-view.js"

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
}
_FILES = {path.name: path for path in _PAGE.iterdir()} | {"mesh-view.js": _VIEWER}

TOKEN_FORM = (_PAGE / "token.html").read_text("utf-8")

router = APIRouter(include_in_schema=False)


@router.head("/")
@router.get("/")
def index() -> Response:
    """The page itself."""
    return _answer("index.html")


@router.get("/static/{name}")
def static(name: str) -> Response:
    """A script, a style sheet or a picture of the page."""
    return _answer(name)


def _answer(name: str) -> Response:
    path = _FILES.get(name)
    if path is None:
        raise RequestError(Problem("RequestError", "there is no such page", "", 404))
    media_type = _MEDIA_TYPES[name.rpartition(".")[2]]
    # asked for anew after an update of the package
    return Response(path.read_bytes(), media_type=media_type, headers={"Cache-Control": "no-cache"})
