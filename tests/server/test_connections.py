"""Requests as bytes on a socket, well formed or not, to a server whose model is never loaded."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lrm_cli.server import connections, safety
from lrm_cli.server.application import create_application
from lrm_cli.server.running import Server, listen
from lrm_cli.server.service import Service
from lrm_cli.server.settings import ServerSettings

PHOTO = (Path(__file__).parents[2] / "examples" / "teapot.png").read_bytes()
JOBS = "/api/v1/jobs"
PATIENCE_SECONDS = 120.0
"""After which something counts as never coming about, also on a machine that has much to do."""
Part = tuple[str, bytes]


class Running:
    """A server on a socket; jobs wait for ever."""

    def __init__(self, **settings: Any) -> None:
        chosen = ServerSettings(port=0, **settings)
        self.socket = listen(chosen.host, 0)
        self.port: int = self.socket.getsockname()[1]
        app, self.service = create_application(chosen)
        self.server = Server(app, self.service)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()
        eventually(lambda: self.server.started)

    def connect(self, host: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection((host, self.port), timeout=PATIENCE_SECONDS)

    def ask(self, content: bytes, host: str = "127.0.0.1") -> tuple[int, bytes]:
        with self.connect(host) as one:
            one.sendall(content)
            return answer_of(one)

    def stop(self) -> None:
        self.service.stop()
        self.server.should_exit = True
        self.thread.join(20)


def answer_of(one: socket.socket) -> tuple[int, bytes]:
    """Status and body; the server closes the connection at the end."""
    parts = []
    while part := one.recv(65536):
        parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def until(one: socket.socket, words: bytes) -> bytes:
    """What comes, up to some words; in how many pieces is up to the machine."""
    found = b""
    while words not in found:
        part = one.recv(65536)
        assert part, found
        found += part
    return found


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.02)


def request(line: str, *headers: str, body: bytes | None = None) -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def form(*parts: Part, kind: str = "multipart/form-data; boundary=x") -> bytes:
    """A request with parts: the line behind `Content-Disposition: form-data`, and the content."""
    body = b"".join(
        b"--x\r\nContent-Disposition: form-data" + disposition.encode() + b"\r\n\r\n" + content
        + b"\r\n" for disposition, content in parts
    )  # fmt: skip
    return request(f"POST {JOBS}", f"Content-Type: {kind}", body=body + b"--x--\r\n")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    monkeypatch.setattr(Service, "start", lambda self: None)
    running: list[Running] = []

    def begin(**settings: Any) -> Running:
        running.append(Running(**settings))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


PHOTO_PART = ('; name="photo"; filename="a.png"', PHOTO)
FIELD = ('; name="keep"', b"all")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (form(PHOTO_PART), 202),
        (form(('; name="photo"; filename="../../../etc/passwd"', PHOTO)), 202),
        (form(('; name="photo"; filename="' + "n" * 3000 + '"', PHOTO)), 202),
        (form(PHOTO_PART, kind="multipart/form-data"), 400),
        (form(PHOTO_PART, kind="multipart/form-data; boundary=other"), 400),
        (form(PHOTO_PART, kind="multipart/form-data; boundary="), 400),
        (form(PHOTO_PART, kind="text/plain"), 422),
        (form(*[PHOTO_PART] * 2), 202),
        (form(*[('; name="photo"; filename="a"', b"")] * 10_000), 400),
        (form(*[FIELD] * 10_000), 400),
        (form(('; name="' + "n" * 100_000 + '"', b"x")), 400),
        (form(PHOTO_PART, ('; name="keep"', b"k" * 2_000_000)), 400),
        (form(('; name="photo"', b"cup.jpg")), 422),
        (form(("", PHOTO)), 400),
        (form(PHOTO_PART, ('; name="resolution"', b"9" * 5000)), 422),
        (form(PHOTO_PART, ('; name="target_faces"', b"9" * 30)), 422),
        (form(PHOTO_PART, ('; name="iso_level"', b"nan")), 422),
        (form(PHOTO_PART, ('; name="keep_minutes"', b"-inf")), 422),
        (form(PHOTO_PART, ('; name="keep"', b"\xff\xfe")), 422),
        (request("POST /generate", body=b"[" * 100_000), 422),
        (request("POST /generate", "Content-Type: application/json", body=b"[" * 100_000), 400),
        (request("POST /generate", "Content-Type: application/json", body=b"\xff\xff"), 400),
        (request(f"POST {JOBS}", "Transfer-Encoding: chunked"), 411),
        (request(f"POST {JOBS}"), 411),
        (request(f"POST {JOBS}", "Content-Length: -1"), 400),
        (request(f"POST {JOBS}", "Content-Length: 1", "Content-Length: 2"), 400),
        (request(f"POST {JOBS}", "Content-Length: 99999999999999999999999999"), 400),
        (request(f"PUT {JOBS}", body=b""), 405),
        (request(f"GET {JOBS}/%2e%2e/%2e%2e/etc/passwd"), 404),
        (request("GET /static/..%2f..%2fjobs.py"), 404),
        (request("GET //etc/passwd"), 404),
        (request("GET http://evil.example/"), 404),
        (request(f"GET {JOBS}/" + "a" * 30_000), 404),
        (request("GET /healthz", "Range: bytes=0-0"), 200),
        (request("HEAD /healthz"), 200),
        (request("HEAD /"), 200),
        (request("GET /", "Upgrade: websocket", "Connection: upgrade"), 200),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nConnection: close\r\nHost: [::1\r\n\r\n", 421),
        (request("GET /healthz", "Origin: http://[::1"), 200),
        (request("GET /api/v1/info", "Origin: http://[::1"), 403),
        (b"\x16\x03\x01\x02\0\x01\0\x01", 400),
    ],
)  # fmt: skip
def test_every_request_has_an_answer(
    start: Callable[..., Running], content: bytes, status: int
) -> None:
    server = start()
    found, body = server.ask(content)
    assert found == status, body[:300]
    if content.startswith(b"POST") and status in (411, 413, 422):
        message = json.loads(body)["error"]["message"]
        assert message
        assert "class" not in message
    assert b"Traceback" not in body
    assert server.ask(request("GET /healthz"))[0] == 200


def test_connections_that_ask_for_nothing_are_closed(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    server = start()
    silent, dripping, second = (server.connect() for _ in range(3))
    second.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert until(second, b"\r\n").startswith(b"HTTP/1.1 200")
    began = time.monotonic()
    status = None
    for one in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 400:
        try:
            dripping.sendall(bytes([one]))
            second.sendall(bytes([one]))
        except OSError:
            break
        time.sleep(0.01)
    assert time.monotonic() - began < 3.5, "both were cut off"
    assert silent.recv(1) == b""
    # one that has asked is not: its job takes what it takes
    asking = server.connect()
    asking.sendall(form(PHOTO_PART).replace(b"/api/v1/jobs", b"/api/v1/reconstruct"))
    eventually(lambda: server.service.queue.counts() == (1, 0))
    asking.settimeout(1.5)
    with pytest.raises(TimeoutError):
        status = asking.recv(1)
    assert status is None
    for one in (silent, dripping, second, asking):
        one.close()


def test_bodies_must_arrive_in_time_and_few_at_a_time(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "_FURTHER_BODIES", 0)
    server = start(max_waiting=2)
    whole = form(PHOTO_PART)
    slow = [server.connect() for _ in range(2)]
    for one in slow:
        one.sendall(whole[:1000])
    eventually(lambda: server.ask(whole)[0] == 503)
    assert server.ask(request("GET /api/v1/info"))[0] == 200, "others are answered"
    slow[0].close()
    eventually(lambda: server.ask(whole)[0] == 202)
    slow[1].sendall(whole[1000:])
    assert answer_of(slow[1])[0] == 202
    slow[1].close()
    monkeypatch.setattr(safety, "_BODY_SECONDS", 0.5)
    with server.connect() as dripping:
        for one in whole[:600]:
            try:
                dripping.sendall(bytes([one]))
            except OSError:
                break
            time.sleep(0.005)
        assert answer_of(dripping)[0] == 408


def test_clients_that_go_away_leave_nothing_behind(start: Callable[..., Running]) -> None:
    server = start()
    queue = server.service.queue
    job_id = json.loads(server.ask(form(PHOTO_PART))[1])["id"]
    with server.connect() as watching:
        watching.sendall(request(f"GET {JOBS}/{job_id}/events"))
        until(watching, b"event: job")
        assert len(queue._watchers) == 1
    eventually(lambda: len(queue._watchers) == 0)
    assert queue.status(job_id).state == "waiting", "a job does not end with who looks at it"
    with server.connect() as one:
        one.sendall(form(PHOTO_PART).replace(b"/api/v1/jobs", b"/api/v1/reconstruct"))
        eventually(lambda: queue.counts() == (2, 0))
    eventually(lambda: (queue.counts(), len(queue._watchers)) == ((1, 0), 0))
    with server.connect() as cut_off:
        cut_off.sendall(form(PHOTO_PART)[:-500])
    assert server.ask(request("GET /healthz"))[0] == 200
    assert queue.counts() == (1, 0)


def test_jobs_that_come_at_the_same_instant(start: Callable[..., Running]) -> None:
    server = start(max_waiting=8)
    found: list[tuple[int, bytes]] = []
    gate = threading.Barrier(12)

    def send() -> None:
        gate.wait()
        found.append(server.ask(form(PHOTO_PART)))

    clients = [threading.Thread(target=send) for _ in range(12)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert sorted(status for status, _ in found) == [202] * 8 + [503] * 4
    jobs = [json.loads(body) for status, body in found if status == 202]
    assert len({job["id"] for job in jobs}) == 8
    places = [server.service.queue.status(job["id"]).position for job in jobs]
    assert sorted(places) == list(range(1, 9))
    for job in jobs:
        assert server.ask(request(f"DELETE {JOBS}/{job['id']}"))[0] == 204
    assert server.service.queue.counts() == (0, 0)


def test_large_bodies_that_are_refused_have_an_answer(start: Callable[..., Running]) -> None:
    """Not a connection that is reset while they are sent."""
    server = start(max_upload_bytes=3_000_000, token="right")
    shown = "Authorization: Bearer right"
    large, huge = b"x" * 2_900_000, b"x" * 5_000_000
    for headers, body, status in (((), large, 401), ((shown,), huge, 413), ((shown,), large, 422)):
        found, answer = server.ask(request(f"POST {JOBS}", *headers, body=body))
        assert (found, bool(json.loads(answer)["error"]["message"])) == (status, True)


def needs_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs IPv6")


def test_ipv6(start: Callable[..., Running]) -> None:
    needs_ipv6()
    server = start(host="::1")
    local = request("GET /api/v1/info").replace(b"localhost", f"[::1]:{server.port}".encode())
    assert server.ask(local, host="::1")[0] == 200
    every = start(host="::", token="right")
    shown = request("GET /api/v1/info", "Authorization: Bearer right")
    assert every.ask(shown, host="::1")[0] == 200
    assert every.ask(shown, host="127.0.0.1")[0] == 200, "its address is printed with 127.0.0.1"


@pytest.mark.parametrize("token", ["plain", "a b&c#d;e=f%", "schlüssel", '"quoted"'])
def test_any_token_opens_the_page(start: Callable[..., Running], token: str) -> None:
    server = start(token=token)
    query = server.server.config.app.state.service.settings.url(1).partition("/?")[2]
    with server.connect() as one:
        one.sendall(request(f"GET /?{query}"))
        answer = b""
        while part := one.recv(65536):
            answer += part
    assert b" 303 " in answer
    cookie = next(x for x in answer.split(b"\r\n") if x.lower().startswith(b"set-cookie:"))
    pair = cookie.decode().partition(":")[2].partition(";")[0].strip()
    assert server.ask(request("GET /api/v1/info", f"Cookie: {pair}"))[0] == 200
    header = f"Authorization: Bearer {token}".encode().decode("latin-1")
    assert server.ask(request("GET /api/v1/info", header))[0] == 200
    assert server.ask(request("GET /api/v1/info", f"Cookie: {pair}x"))[0] == 401
