"""`lrm reconstruct`: photos in, textured meshes out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lrm_cli.errors import PARTIAL_FAILURE, describe
from lrm_cli.options import (
    DeviceOption,
    DTypeOption,
    JsonOption,
    ModelOption,
    OverwriteOption,
    QuietOption,
)
from lrm_cli.output import Output, printable

if TYPE_CHECKING:
    from lrm_core.reconstruction.pipeline import ReconstructionModel
    from lrm_core.reconstruction.reconstruction import MeshOptions

# Width of the longest bar of --profile, in characters.
_BAR_WIDTH = 30


def reconstruct(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO", help="Photos, or folders of photos.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Mesh file (.obj, .glb, .ply, .stl); a folder for several photos.",
        ),
    ],
    model: ModelOption = "lrm-mini",
    resolution: Annotated[
        int, typer.Option("--resolution", min=16, max=2048, help="Grid points per axis.")
    ] = 256,
    file_format: Annotated[
        Literal["obj", "glb", "ply", "stl"] | None,
        typer.Option("--format", help="Format of meshes written into a folder [default: obj]."),
    ] = None,
    texture: Annotated[
        bool,
        typer.Option("--texture/--vertex-colors", help="Bake a texture, or colour vertices."),
    ] = True,
    texture_size: Annotated[
        int, typer.Option("--texture-size", min=64, max=8192, help="Side of the texture in pixels.")
    ] = 1024,
    photo_colors: Annotated[
        bool,
        typer.Option(
            "--photo-colors/--no-photo-colors",
            help="Take the photo's own colours where it shows the surface (lrm-mini).",
        ),
    ] = True,
    target_faces: Annotated[
        int | None,
        typer.Option("--target-faces", min=4, help="Simplify to this number of faces."),
    ] = None,
    up: Annotated[
        Literal["y", "z"],
        typer.Option("--up", help="Up axis of the file: y (front +z) or z (front -y)."),
    ] = "y",
    device: DeviceOption = "auto",
    dtype: DTypeOption = "auto",
    background_removal: Annotated[
        Literal["auto", "alpha", "border", "rembg", "grabcut", "none"],
        typer.Option("--background-removal", help="How the object is told from its background."),
    ] = "auto",
    mask: Annotated[
        Path | None, typer.Option("--mask", help="Image of the object's mask (white: object).")
    ] = None,
    save_scene: Annotated[
        Path | None,
        typer.Option("--save-scene", help="Also write the radiance field (.safetensors)."),
    ] = None,
    video: Annotated[
        Path | None, typer.Option("--video", help="Also write a turntable (.mp4, .gif).")
    ] = None,
    iso_level: Annotated[
        float | None,
        typer.Option("--iso-level", help="Density of the surface [default: the model's]."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Evaluate every grid point, not only near the surface.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Show where the time of each photo goes (stderr).")
    ] = False,
    overwrite: OverwriteOption = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Turn photos of objects into textured 3D meshes.

    One photo gives OUT and, beside it, the image that the model saw (NAME.input.png) and a record
    (NAME.json). Several photos or a folder give one mesh each in the folder OUT.
    """
    output = Output(json=json_output, quiet=quiet)
    started = time.perf_counter()
    from lrm_core.device import choose_device, choose_dtype
    from lrm_core.errors import InputError, LrmError
    from lrm_core.reconstruction.batch import plan_outputs
    from lrm_core.reconstruction.pipeline import load_model
    from lrm_core.reconstruction.reconstruction import MeshOptions
    from lrm_core.reconstruction.result_files import check_replaceable
    from lrm_core.rendering.view_output import check_output

    # what only the first photo waits for
    startup = {"imports": time.perf_counter() - started}

    jobs = plan_outputs(photos, out, file_format=file_format, overwrite=overwrite)
    if len(jobs) > 1 and (mask or save_scene or video):
        raise InputError(
            f"--mask, --save-scene and --video name one file each, but there are {len(jobs)} photos"
        )
    # before the work, as for the mesh itself
    if save_scene is not None:
        check_replaceable(save_scene, overwrite=overwrite)
    if video is not None:
        check_output(video, overwrite=overwrite)
    options = MeshOptions(
        resolution=resolution,
        exact=exact,
        appearance="texture" if texture else "vertex_colors",
        texture_size=texture_size,
        target_faces=target_faces,
        iso_level=iso_level,
        photo_colors=photo_colors,
    )
    device_name = choose_device(device)
    started = time.perf_counter()
    network = load_model(model, device=device_name, dtype=choose_dtype(dtype, device_name))
    startup["load model"] = time.perf_counter() - started
    if not network.config.commercial_use:
        output.warning(
            f"the weights of {network.config.name} are licensed {network.config.licence}: "
            "no commercial use"
        )
    results: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    with output.progress("reconstructing", total=len(jobs)) as task:
        for photo, path in jobs:
            task.update(task.completed, f"reconstructing {photo.name}")
            try:
                record, seconds = _reconstruct_one(
                    output, network, photo, path, options, up=up, overwrite=overwrite,
                    background_removal=background_removal, mask=mask,
                    save_scene=save_scene, video=video,
                )  # fmt: skip
                if profile:
                    record["profile"] = _profile(startup | seconds)
                    _show_profile(output, photo, record["profile"])
                startup = {}
                results.append(record)
            except LrmError as error:
                failure = describe(error)
                if len(jobs) == 1 or failure is None:
                    raise
                failures.append({"photo": str(photo), "message": failure.message})
            task.advance()
    for failed in failures:
        output.warning(f"{failed['photo']} failed: {failed['message']}")
    if len(jobs) > 1:
        output.success(f"{len(results)} of {len(jobs)} photos reconstructed into {out}")
    output.result(
        {"results": results, "failures": failures} if len(jobs) > 1 else {"result": results[0]}
    )
    if failures:
        raise typer.Exit(PARTIAL_FAILURE)


def _reconstruct_one(
    output: Output,
    network: ReconstructionModel,
    photo: Path,
    path: Path,
    options: MeshOptions,
    *,
    up: Literal["y", "z"],
    overwrite: bool,
    background_removal: Literal["auto", "alpha", "border", "rembg", "grabcut", "none"],
    mask: Path | None,
    save_scene: Path | None,
    video: Path | None,
) -> tuple[dict[str, Any], dict[str, float]]:
    """One photo to all of its files; returns the record of `NAME.json` and seconds per stage."""
    from lrm_core.io.image_files import read_mask
    from lrm_core.reconstruction.result_files import write_result, write_turntable
    from lrm_core.reconstruction.scene import save_scene as write_scene

    reconstruction = network.reconstruct(
        photo,
        background_removal=background_removal,
        mask=None if mask is None else read_mask(mask),
    )
    if reconstruction.warning:
        output.warning(f"{photo.name}: {reconstruction.warning}")
    mesh = reconstruction.extract_mesh(options=options)
    files, record = write_result(path, reconstruction, mesh, up=up, overwrite=overwrite)
    clock = reconstruction.clock
    if save_scene is not None:
        with clock.stage("save scene"):
            write_scene(save_scene, reconstruction)
        files.append(save_scene)
    if video is not None:
        with clock.stage("video"):
            write_turntable(video, mesh, reconstruction.source_camera, overwrite=overwrite)
        files.append(video)
    seconds = sum(record["seconds"].values())
    output.success(
        f"{path}  {record['num_faces']:,} faces, background: {record['background_removal']}, "
        f"{seconds:.1f} s, {record['peak_memory_mb']:,} MB"
    )
    output.info("next: lrm render " + f"{path} -o {path.with_suffix('')}.views.png")
    result = {"photo": str(photo), "mesh": str(path), **record, "files": [str(f) for f in files]}
    return result, clock.seconds


def _profile(seconds: dict[str, float]) -> list[dict[str, Any]]:
    """Stage, seconds and share of the whole, in the order of the stages."""
    total = sum(seconds.values())
    return [
        {"stage": stage, "seconds": round(value, 4), "share": round(value / total, 4)}
        for stage, value in seconds.items()
    ]


def _show_profile(output: Output, photo: Path, profile: list[dict[str, Any]]) -> None:
    """The stages of one photo as a table on stderr."""
    if output.mode != "human":
        return
    from rich.console import Console
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    title = Text(f"where the time of {printable(photo.name)} went")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    table.add_column("share", justify="right")
    table.add_column("", width=_BAR_WIDTH)
    longest = max(row["share"] for row in profile)
    for row in profile:
        bar = ProgressBar(total=longest, completed=row["share"], width=_BAR_WIDTH)
        table.add_row(row["stage"], f"{row['seconds']:.3f}", f"{row['share']:.0%}", bar)
    total = sum(row["seconds"] for row in profile)
    table.add_row("sum", f"{total:.3f}", "100%", "")
    Console(stderr=True).print(table)
