"""The server of `lrm serve`, asked in this process; everything here needs the extra `serve`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve (fastapi)")
pytest.importorskip("python_multipart", reason="needs the extra serve (python-multipart)")

from starlette.testclient import TestClient

from lrm_cli.server.application import create_application
from lrm_cli.server.settings import ServerSettings

PHOTO = Path(__file__).parents[2] / "examples" / "teapot.png"
QUICK = {"resolution": "32", "texture_size": "64", "background_removal": "border"}


@pytest.fixture(scope="session")
def photo() -> bytes:
    return PHOTO.read_bytes()


@pytest.fixture(scope="session")
def quick() -> dict[str, str]:
    """Options of a job that is done in a second."""
    return QUICK


@pytest.fixture
def open_client() -> Iterator[Callable[..., TestClient]]:
    """Clients of servers of their own, by settings."""
    opened: list[Any] = []

    def start(**settings: Any) -> TestClient:
        app, _ = create_application(ServerSettings(**settings))
        client = TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
        opened.append(client)
        return client.__enter__()

    yield start
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """One server with the bundled model."""
    app, _ = create_application(ServerSettings())
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as one:
        yield one
