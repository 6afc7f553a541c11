"""`lrm render`: views of a mesh or of a reconstructed scene."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lrm_cli.options import DeviceOption, JsonOption, OverwriteOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from lrm_core.structures.cameras import Cameras
    from lrm_core.structures.render_output import RenderOutput

_ELEVATION = 20.0
_SIZE = 512
_IMAGES, _VIDEO_FRAMES = 8, 72


def render(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="Mesh (.glb .gltf .obj .ply .stl) or scene (.safetensors)."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder (a PNG per view, cameras, contact sheet), .png (contact sheet), "
            ".mp4 or .gif (turntable).",
        ),
    ],
    views: Annotated[
        int | None,
        typer.Option("--views", help="Views around the object [default: 8, in a video 72]."),
    ] = None,
    elevation: Annotated[
        float | None,
        typer.Option(
            "--elevation",
            help="Degrees above the horizon [default: 20; a video starts at the photo's view, 0].",
        ),
    ] = None,
    radius: Annotated[
        float, typer.Option("--radius", help="Distance of the cameras from the origin.")
    ] = 2.0,
    size: Annotated[
        int | None,
        typer.Option("--size", min=1, help="Longer image side [default: 512, or the cameras']."),
    ] = None,
    focal: Annotated[
        float, typer.Option("--focal", help="Focal length divided by the image width.")
    ] = 0.75,
    cameras: Annotated[
        Path | None, typer.Option("--cameras", help="Take the views of this transforms.json.")
    ] = None,
    random: Annotated[
        int | None, typer.Option("--random", help="Take this many random views, as in training.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of --random.")] = 0,
    channels: Annotated[
        str, typer.Option("--channels", help="Any of rgb,depth,normal,alpha with commas.")
    ] = "rgb",
    video: Annotated[
        Path | None, typer.Option("--video", help="Also write a turntable (.mp4, .gif).")
    ] = None,
    fps: Annotated[float, typer.Option("--fps", min=1, help="Frames per second.")] = 24.0,
    lit: Annotated[
        bool, typer.Option("--lit", help="Light a mesh; otherwise its colours are shown as is.")
    ] = False,
    up: Annotated[Literal["y", "z"], typer.Option("--up", help="Up axis of the mesh.")] = "y",
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--no-normalize",
            help="Centre a mesh and scale it into view [default: only if it would not fit, and "
            "not with --cameras].",
        ),
    ] = None,
    background: Annotated[
        str, typer.Option("--background", help="Colour name, #rrggbb or transparent.")
    ] = "white",
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Render views of a mesh or a reconstructed scene: images, contact sheet, turntable."""
    output = Output(json=json, quiet=quiet)
    if sum(option is not None for option in (views, cameras, random)) > 1:
        raise ConfigError("--views, --cameras and --random exclude one another")
    wanted = _parse_channels(channels)
    color = _parse_color(background)
    from lrm_core.device import choose_device
    from lrm_core.geometry.trajectories import orbit, turntable
    from lrm_core.io.video_files import VIDEO_SUFFIXES
    from lrm_core.reconstruction.view_source import open_view_source
    from lrm_core.rendering.view_output import check_output, write_views

    def around(moving: bool) -> Cameras:
        default = _VIDEO_FRAMES if moving else _IMAGES
        return (turntable if moving and elevation is None else orbit)(
            default if views is None else views,
            elevation_degrees=_ELEVATION if elevation is None else elevation,
            radius=radius,
            size=size or _SIZE,
            focal=focal,
        )

    if cameras is not None:
        chosen = _read_cameras(cameras, size)
    elif random is not None:
        chosen = _random_cameras(random, seed, size or _SIZE, focal)
    else:
        chosen = around(moving=out.suffix.lower() in VIDEO_SUFFIXES)
    jobs = [(out, chosen)] if video is None else [(out, chosen), (video, around(moving=True))]
    for path, _ in jobs:
        check_output(path, overwrite=overwrite)

    subject = open_view_source(
        source,
        up=up,
        fit=False if normalize is None and cameras is not None else normalize,
        lit=lit,
        want_normals="normal" in wanted,
        device=choose_device(device),
    )
    if lit and subject.kind == "scene":
        output.warning("--lit lights meshes only")
    if subject.fitted and normalize is None:
        output.info(f"{source.name} was centred and scaled into view (--no-normalize keeps it)")

    def rendered(path: Path, cameras: Cameras) -> Iterator[RenderOutput]:
        with output.progress(f"rendering {path.name}", total=len(cameras)) as task:
            for index in range(len(cameras)):
                yield subject.render(cameras[index])
                task.advance()

    files = []
    for path, path_cameras in jobs:
        files += write_views(
            path,
            rendered(path, path_cameras),
            path_cameras,
            channels=wanted,
            background=color,
            bounds=subject.bounds,
            fps=fps,
            overwrite=overwrite,
        )
        output.success(
            f"{path}  {len(path_cameras)} views, {path_cameras.width} x {path_cameras.height}"
        )
    output.result(
        {
            "input": str(source),
            "kind": subject.kind,
            "normalized": subject.fitted,
            "views": len(chosen),
            "size": [chosen.width, chosen.height],
            "channels": list(wanted),
            "files": [str(file) for file in files],
        }
    )


def _parse_channels(text: str) -> tuple[Literal["rgb", "depth", "normal", "alpha"], ...]:
    from lrm_core.rendering.mesh_renderer import CHANNELS

    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in CHANNELS]
    if unknown:
        raise ConfigError(
            f"--channels: there is no channel '{unknown[0]}'", hint=f"use {', '.join(CHANNELS)}"
        )
    return tuple(channel for channel in CHANNELS if channel in names)


def _parse_color(text: str) -> tuple[float, float, float] | None:
    if text == "transparent":
        return None
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise ConfigError(
            f"--background: '{text}' is no colour",
            hint="use a name such as grey, #rrggbb, or transparent",
        ) from error
    return red / 255.0, green / 255.0, blue / 255.0


def _read_cameras(path: Path, size: int | None) -> Cameras:
    from lrm_core.io.camera_files import read_cameras

    try:
        cameras = read_cameras(path)
    except InputError:
        if size is None:
            raise
        return read_cameras(path, size=(size, size))  # a file without image size
    if size is None:
        return cameras
    scale = size / max(cameras.width, cameras.height)
    return cameras.resized(round(cameras.width * scale), round(cameras.height * scale))


def _random_cameras(count: int, seed: int, size: int, focal: float) -> Cameras:
    import torch

    from lrm_core.geometry.trajectories import random_on_shell

    generator = torch.Generator().manual_seed(seed)
    return random_on_shell(count, size=size, focal=focal, generator=generator)
