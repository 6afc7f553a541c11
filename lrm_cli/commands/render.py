"""`lrm render`: views of a mesh or of a stored radiance field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from lrm_cli.option_groups import expand_options
from lrm_cli.options import (
    ChannelsOption,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    parse_channels,
)
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, InputError
from lrm_core.io.atomic_write import parse_path

if TYPE_CHECKING:
    from lrm_core.reconstruction.view_source import ViewSource
    from lrm_core.rendering.mesh_renderer import Channel
    from lrm_core.structures.cameras import Cameras
    from lrm_core.structures.render_output import RenderOutput

_ELEVATION = 20.0
_SIZE = 512
_IMAGES, _VIDEO_FRAMES = 8, 72


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """From where the object is seen."""

    panel: ClassVar[str] = "Views"

    views: Annotated[
        int | None,
        typer.Option("--views", help="Views around the object [default: 8, in a video 72]."),
    ] = None
    elevation: Annotated[
        float | None,
        typer.Option(
            "--elevation",
            help="Degrees above the horizon [default: 20; a video starts at the photo's view, 0].",
        ),
    ] = None
    radius: Annotated[
        float, typer.Option("--radius", help="Distance of the cameras from the origin.")
    ] = 2.0
    size: Annotated[
        int | None,
        typer.Option("--size", min=1, help="Longer image side [default: 512, or the cameras']."),
    ] = None
    focal: Annotated[
        float, typer.Option("--focal", help="Focal length divided by the image width.")
    ] = 0.75
    cameras: Annotated[
        Path | None, typer.Option("--cameras", help="Use the cameras of this transforms.json.")
    ] = None
    random_views: Annotated[
        int | None, typer.Option("--random", help="Render this many random views, as in training.")
    ] = None
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random views.")] = 0

    def __post_init__(self) -> None:
        chosen = (self.views, self.cameras, self.random_views)
        if sum(option is not None for option in chosen) > 1:
            raise ConfigError("--views, --cameras and --random exclude one another")

    def chosen(self, *, moving: bool) -> Cameras:
        """The cameras that the options name.

        Args:
            moving: whether they become a video.

        Raises:
            InputError: the file of cameras cannot be read.
        """
        if self.cameras is not None:
            return _read_cameras(self.cameras, self.size)
        if self.random_views is not None:
            import torch

            from lrm_core.geometry.trajectories import random_on_shell

            generator = torch.Generator().manual_seed(self.seed)
            return random_on_shell(
                self.random_views, size=self.size or _SIZE, focal=self.focal, generator=generator
            )
        return self.around(moving=moving)

    def around(self, *, moving: bool) -> Cameras:
        """Cameras on a circle around the object: of a video, or of single images."""
        from lrm_core.geometry.trajectories import orbit, turntable

        default = _VIDEO_FRAMES if moving else _IMAGES
        return (turntable if moving and self.elevation is None else orbit)(
            default if self.views is None else self.views,
            elevation_degrees=_ELEVATION if self.elevation is None else self.elevation,
            radius=self.radius,
            size=self.size or _SIZE,
            focal=self.focal,
        )


@dataclass(frozen=True, kw_only=True)
class MeshOptions:
    """How a mesh is placed and lit."""

    panel: ClassVar[str] = "Meshes"

    up: Annotated[Literal["y", "z"], typer.Option("--up", help="Up axis of the mesh.")] = "y"
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--no-normalize",
            help="Center a mesh and scale it into view [default: only if it would not fit, and "
            "not with --cameras].",
        ),
    ] = None
    lit: Annotated[
        bool,
        typer.Option("--lit", help="Light a mesh instead of showing its colors as they are."),
    ] = False


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """What is shown of each view, and in which files."""

    panel: ClassVar[str] = "Images"

    channels: ChannelsOption = "rgb"
    background: Annotated[
        str, typer.Option("--background", help="Color name, #rrggbb or transparent.")
    ] = "white"
    video: Annotated[
        Path | None, typer.Option("--video", help="Also write a turntable (.mp4, .gif).")
    ] = None
    fps: Annotated[
        float, typer.Option("--fps", min=1, max=1000, help="Frames per second of videos.")
    ] = 24.0


_VIEWS = ViewOptions()
_MESH = MeshOptions()
_IMAGE = ImageOptions()


@expand_options
def render(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="Mesh (.glb .gltf .obj .ply .stl) or radiance field (.safetensors).",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            parser=parse_path,
            metavar="PATH",
            help="Folder (a PNG per view, cameras, contact sheet), .png (contact sheet), "
            ".mp4 or .gif (turntable).",
        ),
    ],
    views: ViewOptions = _VIEWS,
    images: ImageOptions = _IMAGE,
    mesh: MeshOptions = _MESH,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Render views of a mesh or a stored radiance field: images, contact sheet, turntable."""
    output = Output(as_json=as_json, quiet=quiet)
    channels = parse_channels(images.channels)
    background = _parse_color(images.background)
    from lrm_core.io.video_files import VIDEO_SUFFIXES
    from lrm_core.rendering.view_output import check_output, write_views

    chosen = views.chosen(moving=out.suffix.lower() in VIDEO_SUFFIXES)
    jobs = [(out, chosen)]
    if images.video is not None:
        jobs.append((images.video, views.around(moving=True)))
    inputs = [source] if views.cameras is None else [source, views.cameras]
    check_output(*(path for path, _ in jobs), overwrite=overwrite, inputs=inputs)
    subject = _open(output, source, channels, mesh, device, given_cameras=views.cameras is not None)
    inputs += subject.files
    check_output(*(path for path, _ in jobs), overwrite=overwrite, inputs=inputs)
    files = []
    for path, cameras in jobs:
        files += write_views(
            path,
            _rendered(output, subject, path, cameras),
            cameras,
            channels=channels,
            background=background,
            bounds=subject.bounds,
            fps=images.fps,
            overwrite=overwrite,
            inputs=inputs,
        )
        output.success(f"{path}  {len(cameras)} views, {cameras.width} x {cameras.height}")
    output.result(
        {
            "input": str(source),
            "kind": subject.kind,
            "normalized": subject.fitted,
            "views": len(chosen),
            "size": [chosen.width, chosen.height],
            "channels": list(channels),
            "files": [str(file) for file in files],
        }
    )


def _open(
    output: Output,
    source: Path,
    channels: tuple[Channel, ...],
    mesh: MeshOptions,
    device: str,
    *,
    given_cameras: bool,
) -> ViewSource:
    """The mesh or field, and what should be said about it."""
    from lrm_core.device import choose_device
    from lrm_core.reconstruction.view_source import open_view_source

    subject = open_view_source(
        source,
        up=mesh.up,
        fit=False if mesh.normalize is None and given_cameras else mesh.normalize,
        lit=mesh.lit,
        want_normals="normal" in channels,
        device=choose_device(device),
    )
    if mesh.lit and subject.kind == "field":
        output.warning("--lit lights meshes only")
    if subject.fitted and mesh.normalize is None:
        output.info(f"{source.name} was centered and scaled into view (--no-normalize keeps it)")
    return subject


def _rendered(
    output: Output, subject: ViewSource, path: Path, cameras: Cameras
) -> Iterator[RenderOutput]:
    """One view after the other, with progress."""
    with output.progress(f"rendering {path.name}", total=len(cameras)) as task:
        for index in range(len(cameras)):
            yield subject.render(cameras[index])
            task.advance()


def _parse_color(text: str) -> tuple[float, float, float] | None:
    if text == "transparent":
        return None
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise ConfigError(
            f"--background: '{text}' is not a color",
            hint="use a name such as gray, #rrggbb, or transparent",
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
