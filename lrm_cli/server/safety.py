"""Who may ask, how much, and what every answer says about itself.

A web page of anyone can send requests to servers on a visitor's machine: a form needs no
permission, and a name can be made to resolve to 127.0.0.1. So the names under which this server
is asked are a fixed list, requests that other pages started are refused, and there is no CORS.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lrm_cli.server.errors import Problem
from lrm_cli.server.settings import ServerSettings
from lrm_cli.server.site import TOKEN_FORM

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_SAFE_METHODS = ("GET", "HEAD")
_BODY_SECONDS = 60.0
"""Longest pause between two parts of a body."""
_BASE64_OVERHEAD = 1.4
_COOKIE = "lrm_token"
_HEALTH, _GENERATE = "/healthz", "/generate"


class Safety:
    """Wraps an application; refuses what must not reach it.

    Args:
        app: what is protected.
        settings: names, token and sizes.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        scope = {**scope, "root_path": self._settings.root_path}
        send = _with_headers(send)
        headers = Headers(scope=scope)
        refusal = None
        if _path(scope) != _HEALTH:
            refusal = (
                _as_response(self._wrong_host(headers))
                or _as_response(_from_elsewhere(scope, headers, self._settings.allowed_hosts))
                or self._without_token(scope, headers)
            )
        limit = self._settings.max_upload_bytes
        if _path(scope) == _GENERATE:
            limit = int(limit * _BASE64_OVERHEAD)
        refusal = refusal or _as_response(_too_large(scope, headers, limit))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await _Body(receive, send, limit).run(self._app, scope)

    def _wrong_host(self, headers: Headers) -> Problem | None:
        name = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if self._settings.is_known_as(name):
            return None
        return Problem(
            "HostError",
            "this server is not known under the name that was asked for",
            "its operator can add a name with --allow-host",
            421,
        )

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        token = self._settings.token
        if not token:
            return None
        query = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        at_door = scope["method"] == "GET" and _path(scope) == "/"
        if at_door and _equal(query, token):
            door = RedirectResponse("./", status_code=303)
            secure = scope.get("scheme") == "https"
            door.set_cookie(_COOKIE, token, httponly=True, samesite="strict", secure=secure)
            return door
        shown = (_authorization(headers), _cookie(headers))
        if any(_equal(value, token) for value in shown):
            return None
        if at_door and self._settings.page:
            return HTMLResponse(TOKEN_FORM, status_code=401)
        problem = Problem(
            "TokenError", "a token is needed", "send it as 'Authorization: Bearer TOKEN'", 401
        )
        answer = _respond(problem)
        answer.headers["WWW-Authenticate"] = 'Bearer realm="lrm"'
        return answer


class _Body:
    """Passes the body of one request on, and counts it."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._limit = receive, send, limit
        self._size = 0
        self._whole = False
        self._answered = False
        self._problem: Problem | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self.receive, self.send)
        finally:
            if self._problem is not None and not self._answered:
                await _respond(self._problem)(scope, self._receive, self._send)

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), _BODY_SECONDS)
        except TimeoutError:
            self._problem = Problem("RequestError", "the body did not arrive in time", "", 408)
            raise
        self._size += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._size > self._limit:
            self._problem = _size_problem(self._limit)
            raise ValueError(self._problem.message)
        return message

    async def send(self, message: Message) -> None:
        if self._problem is not None and not self._answered:
            return  # what the application makes of a body that was cut off
        self._answered = True
        await self._send(message)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers


def _from_elsewhere(
    scope: Scope, headers: Headers, allowed_hosts: tuple[str, ...]
) -> Problem | None:
    """Why a request that another page started is refused; links to the page itself are not."""
    problem = Problem(
        "OriginError",
        "requests of other web pages are refused",
        "open the page of this server, or ask it from a program",
        403,
    )
    safe = scope["method"] in _SAFE_METHODS
    site = headers.get("sec-fetch-site", "none")
    is_link = safe and headers.get("sec-fetch-mode") == "navigate" and _path(scope) == "/"
    if site not in ("none", "same-origin") and not is_link:
        return problem
    origin = headers.get("origin")
    if origin is None or (safe and is_link):
        return None
    parts = urlsplit(origin)
    same = parts.netloc.lower() == headers.get("host", "").lower()
    # a proxy may ask under another name than the visitor did
    known = (parts.hostname or "") in allowed_hosts
    return None if same or known else problem


def _too_large(scope: Scope, headers: Headers, limit: int) -> Problem | None:
    if scope["method"] in _SAFE_METHODS or scope["method"] == "DELETE":
        return None
    length = headers.get("content-length", "")
    if not length.isascii() or not length.isdigit() or "transfer-encoding" in headers:
        return Problem("RequestError", "a body needs a Content-Length", "", 411)
    return _size_problem(limit) if int(length) > limit else None


def _size_problem(limit: int) -> Problem:
    return Problem(
        "RequestError",
        f"the request is larger than {limit / 1e6:g} MB",
        "send a smaller photo: no model sees more than a few megapixels",
        413,
    )


def _path(scope: Scope) -> str:
    """The path below the prefix of a reverse proxy, whether the proxy strips it or not."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/")) or "/"


def _authorization(headers: Headers) -> str:
    """The token of a bearer, or the password of basic authentication (from a URL)."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""


def _cookie(headers: Headers) -> str:
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == _COOKIE:
            return value.strip('"')
    return ""


def _equal(shown: str, token: str) -> bool:
    return hmac.compare_digest(shown.encode(), token.encode())


def _respond(problem: Problem) -> Response:
    return JSONResponse({"error": problem.document()}, status_code=problem.status)


def _as_response(problem: Problem | None) -> Response | None:
    return None if problem is None else _respond(problem)
