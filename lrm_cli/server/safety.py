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
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import parse_qs, quote, unquote_to_bytes, urlsplit

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
_PAUSE_SECONDS = 60.0
"""Longest pause between two parts of a body."""
_BODY_SECONDS = 300.0
"""Longest time for a whole body."""
_DRAIN_SECONDS = 10.0
_DRAIN_FACTOR = 2
"""How much of a body that is refused is taken, in seconds and in limits of its size."""
_FURTHER_BODIES = 8
"""Bodies that may arrive at a time beside those of the jobs that may wait; each fills memory."""
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
        self._arriving = 0

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
        if not _has_body(scope):
            await (refusal or self._app)(scope, receive, send)
            return
        refusal = refusal or self._too_many()
        if refusal is not None:
            await _Body(receive, send, limit).run(refusal, scope)
            return
        self._arriving += 1
        await _Body(receive, send, limit, self._arrived).run(self._app, scope)

    def _arrived(self) -> None:
        self._arriving -= 1

    def _too_many(self) -> Response | None:
        if self._arriving < self._settings.max_waiting + _FURTHER_BODIES:
            return None
        problem = Problem("QueueFullError", "too many send photos now", "try again in 5 s", 503)
        answer = _respond(problem)
        answer.headers["Retry-After"] = "5"
        return answer

    def _wrong_host(self, headers: Headers) -> Problem | None:
        name = _host_of(f"//{headers.get('host', '')}")
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
        if at_door and _equal(query.encode(), token):
            door = RedirectResponse("./", status_code=303)
            door.set_cookie(
                _COOKIE,
                quote(token, safe=""),
                path=f"{self._settings.root_path}/",
                httponly=True,
                samesite="strict",
                secure=scope.get("scheme") == "https",
            )
            return door
        shown = (_authorization(headers), unquote_to_bytes(_cookie(headers)))
        if any(_equal(value, token) for value in shown):
            return None
        if at_door and self._settings.page:
            wrong = "That was not the token." if query else ""
            return HTMLResponse(TOKEN_FORM.replace("<!--wrong-->", wrong), status_code=401)
        problem = Problem(
            "TokenError", "a token is needed", "send it as 'Authorization: Bearer TOKEN'", 401
        )
        answer = _respond(problem)
        answer.headers["WWW-Authenticate"] = 'Bearer realm="lrm"'
        return answer


class _Body:
    """Passes the body of one request on, and counts it."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        limit: int,
        arrived: Callable[[], None] = lambda: None,
    ) -> None:
        self._receive, self._send, self._limit, self._arrived = receive, send, limit, arrived
        self._deadline = asyncio.get_running_loop().time() + _BODY_SECONDS
        self._size = 0
        self._whole = False
        self._answered = False
        self._problem: Problem | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self.receive, self.send)
        finally:
            self._end()
            if self._problem is not None and not self._answered:
                await _respond(self._problem)(scope, self._receive, self._send)

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            left = self._deadline - asyncio.get_running_loop().time()
            message = await asyncio.wait_for(self._receive(), min(_PAUSE_SECONDS, max(0.0, left)))
        except TimeoutError:
            self._problem = Problem("RequestError", "the body did not arrive in time", "", 408)
            raise
        self._size += len(message.get("body", b""))
        if not message.get("more_body", False):
            self._end()
        if self._size > self._limit:
            self._problem = _size_problem(self._limit)
            raise ValueError(self._problem.message)
        return message

    def _end(self) -> None:
        """Nothing more of the body arrives."""
        if not self._whole:
            self._whole = True
            self._arrived()

    async def send(self, message: Message) -> None:
        if self._problem is not None and not self._answered:
            return  # what the application makes of a body that was cut off
        if not self._answered:
            await self._drain()
        self._answered = True
        await self._send(message)

    async def _drain(self) -> None:
        """Take the rest of a body that nobody reads, for a while.

        A connection that is closed over bytes that were not taken is reset, and the client sees
        no answer.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._whole and self._size <= _DRAIN_FACTOR * self._limit:
                    message = await self._receive()
                    self._size += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        self._end()


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
    same = origin.partition("://")[2].lower() == headers.get("host", "").lower()
    # a proxy may ask under another name than the visitor did
    known = _host_of(origin) in allowed_hosts
    return None if same or known else problem


def _host_of(url: str) -> str:
    """The name in an address, lower case; empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # brackets that are no address
        return ""


def _has_body(scope: Scope) -> bool:
    return scope["method"] not in (*_SAFE_METHODS, "DELETE")


def _too_large(scope: Scope, headers: Headers, limit: int) -> Problem | None:
    if not _has_body(scope):
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


def _authorization(headers: Headers) -> bytes:
    """The token of a bearer, or the password of basic authentication (from a URL)."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


def _cookie(headers: Headers) -> str:
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == _COOKIE:
            return value.strip('"')
    return ""


def _equal(shown: bytes, token: str) -> bool:
    return hmac.compare_digest(shown, token.encode())


def _respond(problem: Problem) -> Response:
    return JSONResponse({"error": problem.document()}, status_code=problem.status)


def _as_response(problem: Problem | None) -> Response | None:
    return None if problem is None else _respond(problem)
