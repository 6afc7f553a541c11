"""Options of `lrm reconstruct`, in groups."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer
from typer.models import OptionInfo

from lrm_cli.options import (
    BackgroundRemovalOption,
    KeepOption,
    ModelOptions,
    OverwriteOption,
)
from lrm_cli.output import Output
from lrm_core.errors import ConfigError

if TYPE_CHECKING:
    from lrm_core.reconstruction.batch import FileOptions
    from lrm_core.reconstruction.pipeline import ReconstructionModel
    from lrm_core.reconstruction.reconstruction import MeshOptions
    from lrm_core.structures.photo_camera import PhotoCamera


def load_network(options: ModelOptions, output: Output) -> ReconstructionModel:
    """The network on its device; warns where its weights may not be used commercially."""
    from lrm_core.device import choose_device
    from lrm_core.reconstruction.pipeline import load_model

    network = load_model(options.model, device=choose_device(options.device), dtype=options.dtype)
    if not network.config.commercial_use:
        output.warning(
            f"the weights of {network.config.name} are licensed {network.config.licence}: "
            "no commercial use"
        )
    return network


@dataclass(frozen=True, kw_only=True)
class ForegroundOptions:
    """How the object is cut out of its photo."""

    panel: ClassVar[str] = "Photo"

    background_removal: BackgroundRemovalOption = "auto"
    keep: KeepOption = "largest"
    mask: Annotated[
        Path | None, typer.Option("--mask", help="Image of the object's mask (white: object).")
    ] = None


@dataclass(frozen=True, kw_only=True)
class CameraOptions:
    """What is known of the camera that took the photo."""

    panel: ClassVar[str] = "Camera"

    fov: Annotated[
        float | None,
        typer.Option(
            "--fov",
            metavar="DEGREES",
            help="Field of view across the photo's width [default: EXIF's, else the model's].",
        ),
    ] = None
    elevation: Annotated[
        float | None,
        typer.Option(
            "--elevation",
            metavar="DEGREES",
            help="How far above the object's horizon it stood; the mesh is set upright.",
        ),
    ] = None
    framing: Annotated[
        Literal["crop", "as-is"],
        typer.Option("--framing", help="Center the object at the model's size, or leave it."),
    ] = "crop"
    foreground_ratio: Annotated[
        float | None,
        typer.Option(
            "--foreground-ratio",
            metavar="R",
            help="Longer side of the object over that of the crop [default: the model's].",
        ),
    ] = None
    distance: Annotated[
        float | None,
        typer.Option(
            "--distance",
            metavar="D",
            help="From the object's center; the object is about 1.9 long [default: from --fov].",
        ),
    ] = None

    def photo_camera(self) -> PhotoCamera:
        """The core's options.

        Raises:
            ConfigError: a value is out of range, or two contradict one another.
        """
        from lrm_core.structures.photo_camera import PhotoCamera

        return PhotoCamera.from_options(**vars(self))


def _side(name: str, where: str) -> OptionInfo:
    help_text = f"Photo of the same object {where}."
    option: OptionInfo = typer.Option(f"--{name}", metavar="FILE", help=help_text)
    return option


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """Further photos of the object in the photo, which then counts as its front."""

    panel: ClassVar[str] = "Further photos of one object"

    back: Annotated[Path | None, _side("back", "from behind")] = None
    left: Annotated[Path | None, _side("left", "from the left of the front photo")] = None
    right: Annotated[Path | None, _side("right", "from the right of the front photo")] = None
    top: Annotated[Path | None, _side("top", "from above, its front at the bottom")] = None
    view: Annotated[
        list[str] | None,
        typer.Option(
            "--view",
            metavar="AZIMUTH,ELEVATION=FILE",
            help="Photo from another direction, in degrees; azimuth 90 is on the right. "
            "May be given several times.",
        ),
    ] = None
    views_from: Annotated[
        Path | None,
        typer.Option(
            "--views-from",
            metavar="FOLDER",
            help="Photos with known cameras, PHOTO among them: transforms.json, or images/ and "
            "COLMAP's sparse/0/.",
        ),
    ] = None
    num_views: Annotated[
        int, typer.Option("--num-views", min=3, max=64, help="How many of FOLDER's photos to use.")
    ] = 8

    def photos(self, front: Path) -> dict[str, Path]:
        """Direction -> photo, the front first.

        Raises:
            ConfigError: a --view without a file, not a direction, or one given twice.
        """
        from lrm_core.reconstruction.named_photos import name_photos

        sides = {"back": self.back, "left": self.left, "right": self.right, "top": self.top}
        views = []
        for text in self.view or ():
            direction, equals, file = text.partition("=")
            if not (direction and equals and file):
                raise ConfigError(
                    f"--view: '{text}' is not a direction and a file",
                    hint="AZIMUTH,ELEVATION=FILE, for example 45,20=photo.jpg",
                )
            views.append((direction, Path(file)))
        return name_photos(front, sides, views)


@dataclass(frozen=True, kw_only=True)
class SurfaceOptions:
    """How the mesh is extracted and colored."""

    panel: ClassVar[str] = "Mesh"

    resolution: Annotated[
        int | None,
        typer.Option(
            "--resolution",
            min=16,
            max=2048,
            help="Grid points per axis [default: the model's own; 256, lrm-large 384].",
        ),
    ] = None
    texture: Annotated[
        bool,
        typer.Option("--texture/--vertex-colors", help="Bake a texture, or color the vertices."),
    ] = True
    texture_size: Annotated[
        int, typer.Option("--texture-size", min=64, max=8192, help="Side of the texture in pixels.")
    ] = 1024
    photo_colors: Annotated[
        bool,
        typer.Option(
            "--photo-colors/--no-photo-colors",
            help="Use the photo's own colors where it shows the surface (lrm-mini).",
        ),
    ] = True
    target_faces: Annotated[
        int | None, typer.Option("--target-faces", min=4, help="Simplify to this number of faces.")
    ] = None
    iso_level: Annotated[
        float | None,
        typer.Option("--iso-level", help="Density of the surface [default: the model's]."),
    ] = None
    exact: Annotated[
        bool, typer.Option("--exact", help="Evaluate every grid point, not only near the surface.")
    ] = False

    def mesh_options(self) -> MeshOptions:
        """The core's options."""
        from lrm_core.reconstruction.reconstruction import MeshOptions

        return MeshOptions(
            resolution=self.resolution,
            exact=self.exact,
            appearance="texture" if self.texture else "vertex_colors",
            texture_size=self.texture_size,
            target_faces=self.target_faces,
            iso_level=self.iso_level,
            photo_colors=self.photo_colors,
        )


@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """Which files are written, and in which form."""

    panel: ClassVar[str] = "Files"

    file_format: Annotated[
        Literal["obj", "glb", "ply", "stl", "3mf", "usdz"] | None,
        typer.Option("--format", help="Format of meshes written into a folder [default: obj]."),
    ] = None
    up: Annotated[
        Literal["y", "z"] | None,
        typer.Option(
            "--up",
            help="Up axis: y (front +z) or z (front -y) [default: z for STL and 3MF, else y].",
        ),
    ] = None
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="LENGTH",
            help="Longest side in STL, 3MF and USDZ files: 120mm, 12cm, 4.7in [default: 100mm].",
        ),
    ] = None
    ground: Annotated[
        bool,
        typer.Option("--ground", help="Put the mesh on its lowest flat side, the floor at 0."),
    ] = False
    save_field: Annotated[
        Path | None,
        typer.Option("--save-field", help="Also write the radiance field (.safetensors)."),
    ] = None
    save_scene: Annotated[
        Path | None,
        typer.Option("--save-scene", hidden=True, help="The former name of --save-field."),
    ] = None
    video: Annotated[
        Path | None, typer.Option("--video", help="Also write a turntable (.mp4, .gif).")
    ] = None
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip photos whose mesh exists already.")
    ] = False
    overwrite: OverwriteOption = False

    @property
    def field_file(self) -> Path | None:
        """Where the radiance field goes, if anywhere."""
        return self.save_field or self.save_scene

    def plan(
        self, photos: list[Path], out: Path, inputs: tuple[Path, ...] = ()
    ) -> list[tuple[Path, Path]]:
        """Pairs of photo and mesh file; what can be checked without torch is checked here.

        Args:
            photos: files and folders.
            out: a mesh file, or a folder.
            inputs: what is read beside the photos.

        Raises:
            InputError: a folder without photos.
            OutputError: a file that cannot be written or may not be replaced.
            ConfigError: an up axis or a size that the format does not know.
        """
        from lrm_core.reconstruction.output_plan import plan_outputs

        return plan_outputs(
            photos,
            out,
            file_format=self.file_format,
            overwrite=self.overwrite,
            skip_existing=self.skip_existing,
            up=self.up,
            size_mm=self.size_mm,
            further_outputs=[path for path in (self.field_file, self.video) if path is not None],
            further_inputs=inputs,
        )

    @property
    def size_mm(self) -> float | None:
        """The size in millimeters, or None for the format's own.

        Raises:
            ConfigError: not a length.
        """
        from lrm_core.meshes.mesh_placement import parse_length

        return None if self.size is None else parse_length(self.size)

    def file_options(self) -> FileOptions:
        """The core's options.

        Raises:
            OutputError: the video cannot be written or may not be replaced.
        """
        from lrm_core.reconstruction.batch import FileOptions
        from lrm_core.rendering.view_output import check_output

        if self.video is not None:
            check_output(self.video, overwrite=self.overwrite)
        return FileOptions(
            up=self.up,
            size_mm=self.size_mm,
            ground=self.ground,
            overwrite=self.overwrite,
            field=self.field_file,
            video=self.video,
        )
