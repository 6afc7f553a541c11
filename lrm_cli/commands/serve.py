"""`lrm serve`: a page to drop a photo on, and an API that other programs call."""

from __future__ import annotations

from typing import Annotated

import typer

from lrm_cli.options import DeviceOption, DTypeOption, JsonOption, ModelOption
from lrm_cli.output import Output


def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for every machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="TCP port; 0 takes a free one.")
    ] = 8000,
    model: ModelOption = "lrm-mini",
    device: DeviceOption = "auto",
    dtype: DTypeOption = "auto",
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = False,
    token: Annotated[
        str,
        typer.Option(
            "--token",
            envvar="LRM_SERVE_TOKEN",
            help="What requests must show; drawn where other machines can reach the server.",
        ),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Further name of the server, such as behind a proxy."),
    ] = None,
    max_upload_mb: Annotated[
        float, typer.Option("--max-upload-mb", min=0.1, max=1000, help="Size of a request.")
    ] = 20.0,
    max_waiting: Annotated[
        int, typer.Option("--max-waiting", min=1, help="Jobs that may wait; more are refused.")
    ] = 8,
    max_resolution: Annotated[
        int, typer.Option("--max-resolution", min=16, max=2048, help="Most grid points per axis.")
    ] = 512,
    keep_minutes: Annotated[
        float, typer.Option("--keep-minutes", min=0.1, help="How long results are kept.")
    ] = 60.0,
    root_path: Annotated[
        str, typer.Option("--root-path", help="Path prefix that a reverse proxy strips.")
    ] = "",
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Serve the page, or the API alone.")
    ] = True,
    json_output: JsonOption = False,
) -> None:
    """Serve a page and an API that turn photos into meshes.

    One model in memory, one job at a time, the others wait. Nothing leaves this machine.
    """
    output = Output(json=json_output)
    from lrm_core.optional import require

    for package in ("fastapi", "uvicorn", "python_multipart"):
        require(package, extra="serve", purpose="lrm serve")
    from lrm_cli.server.running import run_server
    from lrm_cli.server.settings import MEGABYTE, ServerSettings

    settings = ServerSettings(
        host=host, port=port, model=model, device=device, dtype=dtype, token=token,
        allowed_hosts=tuple(name.lower() for name in allow_host or ()),
        max_upload_bytes=round(max_upload_mb * MEGABYTE), max_waiting=max_waiting,
        max_resolution=max_resolution, keep_seconds=60.0 * keep_minutes, page=page,
        root_path=root_path.rstrip("/"),
    ).with_token()  # fmt: skip

    def ready(url: str) -> None:
        output.success(f"{url}  (Ctrl+C ends it)")
        output.result({"url": url, "token": settings.token, "model": model})

    run_server(settings, ready=ready, open_browser=open_browser)
