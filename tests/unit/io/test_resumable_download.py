"""Downloads against a scripted transport; sockets and real faults: see test_fuel_download."""

import base64
import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from lrm_core.errors import InputError
from lrm_core.io.resumable_download import HttpSource, open_client

URL = "https://server.test/file.zip"
CONTENT = bytes(range(256)) * 40
ETAG = {"ETag": '"v1"'}


class Server:
    """Answers with one response after another and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception | Callable) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    def source(self, **options) -> HttpSource:
        transport = httpx.MockTransport(self)
        client = httpx.Client(transport=transport, follow_redirects=True)
        return HttpSource(client, **({"sleep": self.waits.append} | options))


def sent(status: int, content: bytes, **headers: str) -> httpx.Response:
    """An answer that is read from a connection."""
    length = {"Content-Length": str(len(content))}
    return httpx.Response(status, stream=httpx.ByteStream(content), headers=length | headers)


def whole(content: bytes = CONTENT, **headers: str) -> httpx.Response:
    return sent(200, content, **(ETAG | headers))


def cut(length: int, total: int = len(CONTENT), **headers: str) -> httpx.Response:
    """An answer whose connection breaks after `length` bytes."""

    def body():
        yield CONTENT[:length]
        raise httpx.ReadError("connection reset")

    return httpx.Response(200, content=body(), headers={"Content-Length": str(total)} | headers)


def rest(request: httpx.Request) -> httpx.Response:
    """The range asked for, as a server that knows ranges gives it."""
    start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    return sent(206, CONTENT[start:], **{"Content-Range": span})


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "file.zip"


def test_a_file_arrives_with_its_hash_and_nothing_beside_it(target):
    server = Server(whole())
    digest = server.source().download(URL, target, max_bytes=10**6)
    assert target.read_bytes() == CONTENT
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    assert list(target.parent.iterdir()) == [target]
    # the lengths that servers announce would be those of the compressed bytes
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_a_broken_connection_is_continued_where_it_broke(target):
    server = Server(cut(1000, **ETAG), rest)
    server.source().download(URL, target, max_bytes=10**6)
    assert target.read_bytes() == CONTENT
    assert server.requests[1].headers["Range"] == "bytes=1000-"
    assert server.requests[1].headers["If-Range"] == '"v1"'


def test_another_run_continues_what_the_first_left(target):
    first = Server(cut(1000, **{"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}))
    with pytest.raises(InputError, match="connection reset"):
        first.source(attempts=1).download(URL, target, max_bytes=10**6)
    assert not target.exists()
    second = Server(rest)
    second.source().download(URL, target, max_bytes=10**6)
    assert target.read_bytes() == CONTENT
    assert second.requests[0].headers["If-Range"] == "Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_strong_validator_nothing_is_continued(target, headers):
    server = Server(cut(1000, **headers), whole())
    server.source().download(URL, target, max_bytes=10**6)
    assert target.read_bytes() == CONTENT
    assert "Range" not in server.requests[1].headers


def test_a_file_that_changed_meanwhile_starts_over(target):
    changed = CONTENT[::-1] + b"longer"
    server = Server(cut(1000, **ETAG), whole(changed, ETag='"v2"'))
    server.source().download(URL, target, max_bytes=10**6)
    assert target.read_bytes() == changed


@pytest.mark.parametrize(
    "answer",
    [
        sent(206, b"x", **{"Content-Range": "bytes 7-7/10240"}),
        sent(206, b"x", **{"Content-Range": "nonsense"}),
        httpx.Response(416, headers={"Content-Range": "bytes */500"}),
        httpx.Response(416),
    ],
)
def test_a_range_that_was_not_asked_for_starts_over(target, answer):
    server = Server(cut(1000, **ETAG), answer, whole())
    server.source().download(URL, target, max_bytes=10**6)
    assert target.read_bytes() == CONTENT
    assert "Range" not in server.requests[2].headers


def test_a_part_that_is_complete_is_taken(target):
    """Killed between the last byte and the renaming."""
    target.with_name("file.zip.part").write_bytes(CONTENT)
    target.with_name("file.zip.part.version").write_text('"v1"')
    complete = httpx.Response(416, headers={"Content-Range": f"bytes */{len(CONTENT)}"})
    Server(complete).source().download(URL, target, max_bytes=10**6)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_failures_that_may_pass_are_waited_out(target):
    server = Server(*(httpx.Response(status) for status in (500, 502, 503, 504, 429)), whole())
    server.source(first_wait=1.0, longest_wait=8.0).download(URL, target, max_bytes=10**6)
    assert target.read_bytes() == CONTENT
    lowest, highest = [1, 2, 4, 8, 8], [2, 3, 5, 9, 9]  # doubled up to 8, a second of jitter
    assert all(
        low <= wait <= high for low, wait, high in zip(lowest, server.waits, highest, strict=True)
    )


def test_the_server_says_how_long_to_wait(target):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    answers = [
        httpx.Response(status, headers={"Retry-After": value})
        for status, value in ((429, "40"), (503, date), (429, "1e9"), (429, "soon"), (429, "nan"))
    ]
    server = Server(*answers, whole())
    server.source(first_wait=0.1, longest_wait=1.0).download(URL, target, max_bytes=10**6)
    assert server.waits[0] == 40
    assert 90 < server.waits[1] <= 100
    assert server.waits[2] == 300  # nobody waits for years
    assert max(server.waits[3:]) <= 1.1


def test_connections_that_never_come_are_reported(target):
    server = Server(*(httpx.ConnectError("no route") for _ in range(4)))
    with pytest.raises(InputError, match=r"no route \(4 attempts\)"):
        server.source(attempts=4).download(URL, target, max_bytes=10**6)
    assert len(server.requests) == 4
    assert len(server.waits) == 3


@pytest.mark.parametrize("status", [204, 301, 401, 403, 404, 410, 501])
def test_refusals_are_not_asked_twice(target, status):
    server = Server(httpx.Response(status))
    with pytest.raises(InputError, match=str(status)):
        server.source().download(URL, target, max_bytes=10**6)
    assert len(server.requests) == 1


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_that_is_too_large_is_refused(target, announced):
    answer = whole() if announced else httpx.Response(200, content=iter([CONTENT]))
    with pytest.raises(InputError, match="10,239"):
        Server(answer).source().download(URL, target, max_bytes=len(CONTENT) - 1)
    assert not target.exists()


@pytest.mark.parametrize("header", ["Repr-Digest", "Digest", "x-amz-checksum-sha256"])
def test_the_hash_that_the_server_names_is_verified(target, header):
    def named(content: bytes) -> dict[str, str]:
        encoded = base64.b64encode(hashlib.sha256(content).digest()).decode()
        form = {"Repr-Digest": f"sha-256=:{encoded}:", "Digest": f"md5=abc,SHA-256={encoded}"}
        return {header: form.get(header, encoded)}

    Server(whole(**named(CONTENT))).source().download(URL, target, max_bytes=10**6)
    target.unlink()
    with pytest.raises(InputError, match="the server announced"):
        Server(whole(**named(b"other"))).source().download(URL, target, max_bytes=10**6)
    assert list(target.parent.iterdir()) == []


def test_redirections_are_followed_but_not_out_of_https(target):
    def to(url: str) -> httpx.Response:
        return httpx.Response(302, headers={"Location": url})

    Server(to("https://storage.test/x"), whole()).source().download(URL, target, max_bytes=10**6)
    assert target.read_bytes() == CONTENT
    with pytest.raises(InputError, match="from https to http"):
        Server(to("http://storage.test/x"), whole()).source().download(URL, target, max_bytes=10**6)


def test_json_comes_with_its_headers():
    server = Server(
        httpx.Response(500),
        httpx.Response(200, json=[1, 2], headers={"X-Total-Count": "2"}),
        httpx.Response(404),
        httpx.Response(200, text="<html>"),
    )
    source = server.source()
    document, headers = source.get_json("https://server.test/models", {"page": 1})
    assert document == [1, 2]
    assert headers["x-total-count"] == "2"
    assert str(server.requests[0].url) == "https://server.test/models?page=1"
    assert source.get_json("https://server.test/models", {"page": 2}) is None
    with pytest.raises(InputError, match="not a JSON"):
        source.get_json("https://server.test/models")


def test_a_stopped_source_ends_at_once(target):
    stopped = threading.Event()
    server = Server(httpx.Response(500))

    def stop(seconds: float) -> None:
        stopped.set()

    with pytest.raises(InputError, match="stopped"):
        server.source(sleep=stop, stopped=stopped).download(URL, target, max_bytes=10**6)
    assert len(server.requests) == 1


def test_the_client_says_who_it_is_and_follows_redirections():
    with open_client("lrm-toolkit/1") as client:
        assert client.headers["User-Agent"] == "lrm-toolkit/1"
        assert client.follow_redirects
