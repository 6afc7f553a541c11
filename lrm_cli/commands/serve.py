"""`lrm serve`: a page to drop a photo on, and an API that other programs call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from lrm_cli.errors import flush_stdout
from lrm_cli.option_groups import expand_options
from lrm_cli.options import JsonOption, ModelOptions, QuietOption
from lrm_cli.output import Output


@dataclass(frozen=True, kw_only=True)
class AddressOptions:
    """Where the server is found, and who may ask."""

    panel: ClassVar[str] = "Address"

    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for every machine.")
    ] = "127.0.0.1"
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="TCP port; 0 takes a free one.")
    ] = 8000
    token: Annotated[
        str,
        typer.Option(
            "--token",
            envvar="LRM_SERVE_TOKEN",
            help="What requests must show [default: none on this machine, else drawn].",
        ),
    ] = ""
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Further name of the server, such as behind a proxy."),
    ] = None
    root_path: Annotated[
        str, typer.Option("--root-path", help="Path prefix of a reverse proxy, such as /lrm.")
    ] = ""


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """How much the server takes on."""

    panel: ClassVar[str] = "Limits"

    max_upload_mb: Annotated[
        float, typer.Option("--max-upload-mb", min=0.1, max=1000, help="Size of a request.")
    ] = 20.0
    max_waiting: Annotated[
        int, typer.Option("--max-waiting", min=1, help="Jobs that may wait; more are refused.")
    ] = 8
    max_resolution: Annotated[
        int, typer.Option("--max-resolution", min=16, max=2048, help="Most grid points per axis.")
    ] = 512
    keep_minutes: Annotated[
        float, typer.Option("--keep-minutes", min=0.1, help="How long results are kept.")
    ] = 60.0
    max_keep_minutes: Annotated[
        float,
        typer.Option("--max-keep-minutes", min=0.1, help="How long a client may have them kept."),
    ] = 1440.0


_MODEL = ModelOptions()
_ADDRESS = AddressOptions()
_LIMITS = LimitOptions()


@expand_options
def serve(
    address: AddressOptions = _ADDRESS,
    model: ModelOptions = _MODEL,
    limits: LimitOptions = _LIMITS,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = False,
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Serve the page, or the API alone.")
    ] = True,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Serve a page and an API that turn photos into meshes.

    One model in memory, one job at a time, the others wait. Nothing leaves this machine.
    """
    output = Output(as_json=as_json, quiet=quiet)
    from lrm_core.optional import require

    for package in ("fastapi", "uvicorn", "python_multipart"):
        require(package, extra="serve", purpose="lrm serve")
    from lrm_cli.server.running import run_server
    from lrm_cli.server.settings import MEGABYTE, ServerSettings

    settings = ServerSettings(
        host=address.host,
        port=address.port,
        token=address.token,
        allowed_hosts=tuple(name.lower() for name in address.allow_host or ()),
        root_path=address.root_path.rstrip("/"),
        model=model.model,
        device=model.device,
        dtype=model.dtype,
        max_upload_bytes=round(limits.max_upload_mb * MEGABYTE),
        max_waiting=limits.max_waiting,
        max_resolution=limits.max_resolution,
        keep_seconds=60.0 * limits.keep_minutes,
        max_keep_seconds=60.0 * limits.max_keep_minutes,
        page=page,
    ).with_token()

    def ready(url: str) -> None:
        output.success(f"{url}  (Ctrl+C ends it)")
        output.result({"url": url, "token": settings.token, "model": model.model})
        flush_stdout()  # a program may wait for the address

    run_server(settings, ready=ready, open_browser=open_browser)
