"""The application on a socket, until someone ends it."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from lrm_cli.server.application import create_application
from lrm_cli.server.connections import PatientProtocol
from lrm_cli.server.service import Service
from lrm_cli.server.settings import ServerSettings
from lrm_core.errors import ConfigError

_MAX_CONNECTIONS = 256
_KEEP_ALIVE_SECONDS = 10
_GRACE_SECONDS = 5


class Server(uvicorn.Server):
    """Ends streams of events when it is told to end, so that it need not wait for them.

    Args:
        app: what is served.
        service: its state.
    """

    def __init__(self, app: FastAPI, service: Service) -> None:
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to shut down."""
        self._service.stop()
        super().handle_exit(sig, frame)


def run_server(
    settings: ServerSettings, *, ready: Callable[[str], None], open_browser: bool
) -> None:
    """Serve until interrupted.

    Args:
        settings: of the operator.
        ready: called with the address, token included, when requests are accepted.
        open_browser: show the page in this machine's browser.

    Raises:
        ConfigError: the address cannot be listened on.
        LrmError: the model cannot be loaded.
    """
    sock = listen(settings.host, settings.port)
    server: Server

    def give_up() -> None:
        server.should_exit = True

    app, service = create_application(settings, give_up)
    server = Server(app, service)
    url = settings.url(sock.getsockname()[1])
    ready(url)
    if open_browser:
        webbrowser.open(url)
    try:
        with suppress(KeyboardInterrupt):  # the usual way to end a server
            server.run(sockets=[sock])
    finally:
        service.close()
    if service.reconstructor.error is not None:
        raise service.reconstructor.error


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # :: is every address of this machine, those of the older kind too
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port} ({error.strerror or error})",
            hint="choose another with --port, or end the program that has it",
        ) from error
