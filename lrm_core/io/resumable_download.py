"""Files over HTTP that arrive whole: continued where they broke off, checked, tried again."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import tenacity

from lrm_core.errors import InputError
from lrm_core.io.file_hash import sha256_of

T = TypeVar("T")

_TRY_LATER = (408, 425, 429, 500, 502, 503, 504)
_MOST_JSON_BYTES = 2**25
_LONGEST_RETRY_AFTER = 300.0  # seconds
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
_TIMEOUT = httpx.Timeout(60.0, connect=20.0)


class _TransientError(Exception):
    """An attempt failed and the next one may not.

    Args:
        reason: what happened, for the message should all attempts fail.
        retry_after: seconds that the server asks to wait.
    """

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class HttpSource:
    """An HTTP client with patience; threads may share one.

    Attributes:
        client: see `open_client`.
        attempts: attempts of each request.
        first_wait: seconds before the second attempt, doubled before each further one, with jitter;
            a server's Retry-After can make them longer.
        longest_wait: in seconds.
        sleep: waits for so many seconds; None: until `stopped` is set, at most.
        stopped: set to end every request soon.
    """

    client: httpx.Client
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    sleep: Callable[[float], None] | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def get_json(
        self, url: str, params: Mapping[str, str | int] | None = None
    ) -> tuple[Any, Mapping[str, str]] | None:
        """A JSON document and the headers that it came with; None where there is none (404).

        Raises:
            InputError: refused, not JSON, or no attempt succeeded.
        """

        def attempt() -> tuple[Any, Mapping[str, str]] | None:
            content = bytearray()
            with _connection_errors(), self.client.stream("GET", url, params=params) as response:
                if response.status_code == 404:
                    return None
                _check_redirections(response)
                _check_status(response)
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > _MOST_JSON_BYTES:
                        raise InputError(
                            f"{url}: the answer is larger than {_MOST_JSON_BYTES:,} bytes"
                        )
            try:
                return json.loads(content), response.headers
            except ValueError as error:
                raise InputError(f"{url}: the answer is not a JSON document") from error

        return self._with_patience(url, attempt)

    def download(self, url: str, path: Path, *, max_bytes: int) -> str:
        """Fetch a file, continuing `PATH.part` where an earlier call or run left one.

        A part is continued only if the server says that the file is still the one it belongs to
        (If-Range); otherwise, and where the server knows no ranges, it starts over. The length, and
        the SHA-256 where the server names one, must be what was announced.

        Args:
            url: URL of the file.
            path: where it is kept; replaced.
            max_bytes: refuse larger files.

        Returns:
            SHA-256 of the file, hexadecimal.

        Raises:
            InputError: refused, too large, or no attempt succeeded; the part remains.
        """
        part = path.with_name(path.name + ".part")
        announced = self._with_patience(url, lambda: self._download_part(url, part, max_bytes))
        digest = sha256_of(part)
        if announced not in (None, digest):
            _discard(part)
            raise InputError(f"{url}: its SHA-256 is {digest}, the server announced {announced}")
        part.replace(path)
        _discard(part)
        return digest

    def _download_part(self, url: str, part: Path, max_bytes: int) -> str | None:
        """Bring the part to its full length in one request; the SHA-256 that the server names."""
        start, validator = _state_of(part)
        headers = {"Accept-Encoding": "identity"}  # lengths and ranges of the file itself
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        with _connection_errors(), self.client.stream("GET", url, headers=headers) as response:
            _check_redirections(response)
            if response.status_code in (206, 416):
                first, total = _parse_content_range(response.headers.get("Content-Range", ""))
                if response.status_code == 416 and total == start:
                    return _announced_sha256(response.headers)  # it was complete already
                if response.status_code == 416 or first != start:
                    _discard(part)
                    raise _TransientError("the server answered with another range")
            else:
                _check_status(response)
                start, total = 0, _parse_length(response.headers.get("Content-Length", ""))
                _validator_file(part).write_text(_validator(response.headers), "utf-8")
            if total is not None and total > max_bytes:
                raise InputError(f"{url}: {total:,} bytes; at most {max_bytes:,} are allowed")
            with part.open("ab" if start else "wb") as file:
                for chunk in response.iter_raw():  # as they come: none is lost with the connection
                    self._check_running(url)
                    if file.tell() + len(chunk) > max_bytes:
                        raise InputError(f"{url}: more than the {max_bytes:,} bytes allowed")
                    file.write(chunk)
            size = part.stat().st_size
            if total is not None and size != total:
                if size > total:
                    _discard(part)
                raise _TransientError(f"{size:,} of {total:,} bytes came")
            return _announced_sha256(response.headers)

    def _with_patience(self, url: str, attempt: Callable[[], T]) -> T:
        """Call `attempt` until it succeeds or raises something that will not go away."""
        backoff = tenacity.wait_exponential(self.first_wait, self.longest_wait)
        jitter = tenacity.wait_random(0.0, self.first_wait)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, _TransientError) else 0.0
            return max(asked, backoff(state) + jitter(state))

        def checked() -> T:
            self._check_running(url)
            return attempt()

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TransientError),
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=wait,
            sleep=self.sleep or tenacity.sleep_using_event(self.stopped),
            reraise=True,
        )
        try:
            return retrying(checked)
        except _TransientError as error:
            raise InputError(
                f"{url}: {error} ({self.attempts} attempts)",
                hint="try again later: what has come so far is kept",
            ) from error

    def _check_running(self, url: str) -> None:
        if self.stopped.is_set():
            raise InputError(f"{url}: stopped")


def open_client(user_agent: str) -> httpx.Client:
    """A client that follows redirections, as Gazebo Fuel and the Hugging Face hub use them."""
    return httpx.Client(follow_redirects=True, timeout=_TIMEOUT, headers={"User-Agent": user_agent})


@contextmanager
def _connection_errors() -> Iterator[None]:
    try:
        yield
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise _TransientError(str(error) or type(error).__name__) from error
    except (httpx.InvalidURL, httpx.TooManyRedirects) as error:
        raise InputError(f"no usable address: {error}") from error


def _check_status(response: httpx.Response) -> None:
    status = f"{response.status_code} {response.reason_phrase}".strip()
    if response.status_code in _TRY_LATER:
        raise _TransientError(status, _retry_after(response.headers.get("Retry-After", "")))
    if response.status_code != 200:
        raise InputError(f"{response.url}: the server answered {status}")


def _check_redirections(response: httpx.Response) -> None:
    if response.url.scheme == "http" and any(h.url.scheme == "https" for h in response.history):
        raise InputError(f"{response.url}: redirected from https to http")


def _retry_after(value: str) -> float:
    """Seconds of a Retry-After header, which holds seconds or a date; 0 where it holds neither."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        zoned = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (zoned - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER) if seconds == seconds else 0.0


def _parse_length(value: str) -> int | None:
    return int(value) if value.isdecimal() else None


def _parse_content_range(value: str) -> tuple[int | None, int | None]:
    """First byte and length of the whole file, None where the header does not say."""
    match = _CONTENT_RANGE.fullmatch(value)
    first, total = match.groups(default="") if match else ("", "")
    return _parse_length(first), _parse_length(total)


def _announced_sha256(headers: Mapping[str, str]) -> str | None:
    """SHA-256 of the whole file, where a header gives it (RFC 9530, RFC 3230, Amazon S3)."""
    fields = f"{headers.get('Repr-Digest', '')},{headers.get('Digest', '')}"
    match = re.search(r"sha-256=:?([A-Za-z0-9+/]{43}=)", fields, re.IGNORECASE)
    encoded = match[1] if match else headers.get("x-amz-checksum-sha256", "")
    try:
        digest = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None
    return digest.hex() if len(digest) == 32 else None


def _validator(headers: Mapping[str, str]) -> str:
    """What tells this version of the file from another: a strong ETag or the date; or nothing."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _state_of(part: Path) -> tuple[int, str]:
    """How many bytes there are, and the version they belong to; (0, "") starts over."""
    version = _validator_file(part)
    if not part.is_file() or not version.is_file():
        return 0, ""
    validator = version.read_text("utf-8")
    return (part.stat().st_size, validator) if validator else (0, "")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)
