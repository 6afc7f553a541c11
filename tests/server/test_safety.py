"""Who may ask: every line of the tables is a request of its own against a real application."""

import asyncio
import base64
from typing import Any

import pytest
from starlette.testclient import TestClient

from lrm_cli.server.application import create_application
from lrm_cli.server.safety import Safety
from lrm_cli.server.settings import ServerSettings, is_loopback

HOME = "http://127.0.0.1:8000"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def client_of(**settings: Any) -> TestClient:
    """A client of a server whose model is never loaded."""
    app, _ = create_application(ServerSettings(**settings))
    return TestClient(app, base_url=HOME, follow_redirects=False)


@pytest.fixture(scope="module")
def client() -> TestClient:
    return client_of(allowed_hosts=("lrm.example.org",))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("[::1]:8000", 200),
        ("lrm.example.org", 200),
        ("evil.example.org", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8000", 421),
        ("evil@127.0.0.1.example", 421),
        ("", 421),
    ],
)
def test_names_of_the_server(client: TestClient, host: str, status: int) -> None:
    assert client.get("/api/v1/info", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("host", "name", "status"),
    [
        ("127.0.0.1", "192.168.1.7:8000", 421),
        ("0.0.0.0", "192.168.1.7:8000", 200),
        ("0.0.0.0", "[fe80::1]:8000", 200),
        ("0.0.0.0", "0.0.0.0.evil.example", 421),
        ("0.0.0.0", "evil.example", 421),
        ("", "", 421),
        ("my.machine", "my.machine", 200),
    ],
)
def test_addresses_of_a_server_on_every_address(host: str, name: str, status: int) -> None:
    assert client_of(host=host).get("/api/v1/info", headers={"Host": name}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"Origin": HOME, "Sec-Fetch-Site": "same-origin"}, 404),
        ({"Origin": "https://lrm.example.org"}, 404),  # behind a proxy that asks under our address
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
    ],
)
def test_pages_that_ask(client: TestClient, headers: dict[str, str], status: int) -> None:
    """A DELETE that is let through finds no job: 404."""
    answer = client.delete("/api/v1/jobs/" + "0" * 32, headers=headers)
    assert answer.status_code == status
    # reading is refused to other pages too, but a link to the page is a link
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get("/api/v1/info", headers=elsewhere).status_code == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    assert client.get("/api/v1/info", headers=link).status_code == 403


def test_no_answer_allows_other_pages_to_read_it(client: TestClient) -> None:
    answers = [
        client.get("/"),
        client.get("/api/v1/info", headers={"Origin": HOME}),
        client.options(
            "/api/v1/jobs",
            headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
        ),
        client.get("/nothing"),
        client.get("/healthz"),
    ]
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answers[2].status_code in (403, 405)


def test_pages_that_load_scripts_from_elsewhere_are_off(client: TestClient) -> None:
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404
    assert client.get("/openapi.json").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer right"}, 200),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "right"}, 401),
        ({"Authorization": "Basic " + base64.b64encode(b"me:right").decode()}, 200),
        ({"Authorization": "Basic %%%"}, 401),
        ({"Cookie": "other=1; lrm_token=right"}, 200),
        ({"Cookie": "lrm_token=rig"}, 401),
    ],
)
def test_tokens(headers: dict[str, str], status: int) -> None:
    client = client_of(token="right")
    assert client.get("/api/v1/info", headers=headers).status_code == status
    assert client.get("/healthz").status_code == 200


def test_the_page_asks_for_a_token_and_keeps_it_from_scripts() -> None:
    client = client_of(token="right")
    assert "token" in client.get("/").text
    assert client.get("/?token=wrong").status_code == 401
    answer = client.get("/?token=right")
    assert (answer.status_code, answer.headers["Location"]) == (303, "./")
    cookie = answer.headers["Set-Cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict"))
    assert client.get("/").status_code == 200, "the cookie is shown"
    # a token in the address of anything else is not one
    assert client_of(token="right").get("/api/v1/info?token=right").status_code == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    assert ServerSettings(host=host).with_token().token == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "my.machine", ""])
def test_other_machines_need_one(host: str) -> None:
    assert not is_loopback(host)
    drawn = {ServerSettings(host=host).with_token().token for _ in range(20)}
    assert len(drawn) == 20
    assert min(map(len, drawn)) >= 20
    assert ServerSettings(host=host, token="mine").with_token().token == "mine"


def test_a_body_needs_a_length_and_must_not_be_too_large(client: TestClient) -> None:
    small = client_of(max_upload_bytes=1000)
    assert small.post("/api/v1/jobs", content=iter([b"x"])).status_code == 411
    answer = small.post("/api/v1/jobs", content=b"x" * 1001, headers=FORM)
    assert answer.status_code == 413
    assert answer.json()["error"]["hint"]
    assert small.post("/api/v1/jobs", content=b"x" * 900, headers=FORM).status_code == 422


def test_bytes_are_counted_whatever_the_length_says() -> None:
    """A server in front of us might pass on more than it announced."""
    read: list[int] = []

    async def reads_all(_scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            read.append(len(message["body"]))
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"all read"})

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 400, "more_body": True}

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/jobs", "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-length", b"500")],
    }  # fmt: skip
    safety = Safety(reads_all, ServerSettings(max_upload_bytes=1000))
    with pytest.raises(ValueError, match="larger than"):
        asyncio.run(safety(scope, receive, send))
    assert sum(read) <= 1000
    assert sent[0]["status"] == 413


def test_a_prefix_of_a_reverse_proxy(client: TestClient) -> None:
    behind = client_of(root_path="/lrm", token="right")
    shown = {"Authorization": "Bearer right"}
    for path in ("/api/v1/info", "/lrm/api/v1/info"):  # stripped by the proxy, or not
        assert behind.get(path, headers=shown).status_code == 200
    assert behind.get("/lrm/healthz").status_code == 200
    door = behind.get("/lrm/?token=right")
    assert door.status_code == 303
    assert "Path=/lrm/" in door.headers["Set-Cookie"], "not shown to its neighbors"
    assert behind.get("/openapi.json", headers=shown).json()["servers"] == [{"url": "/lrm"}]
