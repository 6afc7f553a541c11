"""A real browser, and `lrm serve` as a process of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("needs the browser chromium")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    arguments = [
        "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    ]  # fmt: skip
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium, args=arguments)
        yield opened
        opened.close()


class ServerProcess:
    """A running `lrm serve`; `url` ends in a slash and holds no token."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "lrm_cli", "serve", "--port", "0", "--json", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        text = ""
        assert self.process.stdout is not None
        while not text.endswith("}\n"):
            line = self.process.stdout.readline()
            assert line, f"the server ended: {text} {self.process.stderr.read()}"  # type: ignore[union-attr]
            text += line
        document: dict[str, Any] = json.loads(text)
        self.token: str = document["token"]
        self.url: str = document["url"].partition("?")[0]

    def stop(self) -> str:
        """End it and return what it wrote to stderr."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.communicate(timeout=60)[1]


@pytest.fixture(scope="module")
def start_server() -> Iterator[Callable[..., ServerProcess]]:
    pytest.importorskip("fastapi", reason="needs the extra serve (fastapi)")
    started: list[ServerProcess] = []

    def start(*arguments: str) -> ServerProcess:
        started.append(ServerProcess(*arguments))
        return started[-1]

    yield start
    said = [server.stop() for server in started]
    assert [text for text in said if "Traceback" in text] == []
