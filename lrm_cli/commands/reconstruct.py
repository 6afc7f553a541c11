"""`lrm reconstruct`: photos in, textured meshes out."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
    from lrm_core.reconstruction.batch import PhotoDone, PhotoFailed

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
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Leave out photos whose mesh is there already."),
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
    with _large_imports():  # without torch
        from lrm_core.errors import InputError
        from lrm_core.io.image_files import read_mask
        from lrm_core.reconstruction.output_plan import check_replaceable, plan_outputs
        from lrm_core.reconstruction.photo_reading import cut_out_ahead

    # what only the first photo waits for
    startup = {"imports": time.perf_counter() - started}
    jobs = plan_outputs(
        photos, out,
        file_format=file_format, overwrite=overwrite, skip_existing=skip_existing,
    )  # fmt: skip
    if not jobs:
        output.success(f"nothing left to do: every photo has its mesh in {out}")
        output.result({"results": [], "failures": []})
        return
    if len(jobs) > 1 and (mask or save_scene or video):
        raise InputError(
            f"--mask, --save-scene and --video name one file each, but there are {len(jobs)} photos"
        )
    # before the work, as for the mesh itself
    if save_scene is not None:
        check_replaceable(save_scene, overwrite=overwrite)
    ahead = cut_out_ahead(
        [photo for photo, _ in jobs],
        background_removal=background_removal,
        mask=None if mask is None else read_mask(mask),
    )
    # the first photo is read and cut out while torch is imported and the weights are loaded
    with ahead as found:
        started = time.perf_counter()
        with _large_imports():
            from lrm_core.device import choose_device
            from lrm_core.reconstruction.batch import FileOptions, reconstruct_photos
            from lrm_core.reconstruction.pipeline import load_model
            from lrm_core.reconstruction.reconstruction import MeshOptions
            from lrm_core.reconstruction.stages import seconds_of_process
            from lrm_core.rendering.view_output import check_output

        startup["imports"] += time.perf_counter() - started
        if video is not None:
            check_output(video, overwrite=overwrite)
        device_name = choose_device(device)
        started = time.perf_counter()
        network = load_model(model, device=device_name, dtype=dtype)
        startup["load model"] = time.perf_counter() - started
        if not network.config.commercial_use:
            output.warning(
                f"the weights of {network.config.name} are licensed {network.config.licence}: "
                "no commercial use"
            )
        options = MeshOptions(
            resolution=resolution,
            exact=exact,
            appearance="texture" if texture else "vertex_colors",
            texture_size=texture_size,
            target_faces=target_faces,
            iso_level=iso_level,
            photo_colors=photo_colors,
        )
        files = FileOptions(up=up, overwrite=overwrite, scene=save_scene, video=video)
        outcomes = reconstruct_photos(network, jobs, found, options, files=files)
        # closed here and now when this is interrupted
        with closing(outcomes):
            results, failures = _collect(output, outcomes, len(jobs), startup, profile=profile)
    several = len(jobs) > 1
    document: dict[str, Any] = {"results": results, "failures": failures}
    if not several:
        document = {"result": results[0]}
    if profile:
        document["wall_seconds"] = round(seconds_of_process(), 3)
        output.info(f"wall time since the program started: {document['wall_seconds']:.2f} s")
    for failed in failures:
        output.warning(f"{failed['photo']} failed: {failed['message']}")
    if several:
        output.success(f"{len(results)} of {len(jobs)} photos reconstructed into {out}")
    output.result(document)
    if failures:
        raise typer.Exit(PARTIAL_FAILURE)


@contextmanager
def _large_imports() -> Iterator[None]:
    """Import large packages: nothing of them is garbage, so none is looked for.

    Looking takes a fifth of the time that torch takes to import.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def _collect(
    output: Output,
    outcomes: Iterator[PhotoDone | PhotoFailed],
    num_photos: int,
    startup: dict[str, float],
    *,
    profile: bool,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Say what became of each photo; returns the results and the failures of several photos.

    Raises:
        LrmError: the only photo failed.
    """
    from lrm_core.reconstruction.batch import PhotoDone

    results: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    with output.progress("reconstructing", total=num_photos) as task:
        for outcome in outcomes:
            if isinstance(outcome, PhotoDone):
                results.append(_say_done(output, outcome))
                if profile:
                    rows = _profile(startup, outcome)
                    results[-1]["profile"] = rows
                    _show_profile(output, outcome.photo, rows)
                startup = {}
            else:
                failure = describe(outcome.error)
                if num_photos == 1 or failure is None:
                    raise outcome.error
                failures.append({"photo": str(outcome.photo), "message": failure.message})
            task.advance()
    return results, failures


def _say_done(output: Output, done: PhotoDone) -> dict[str, Any]:
    """The lines about one photo; returns its entry in the JSON document."""
    path, record = done.files[0], done.record
    if done.warning:
        output.warning(f"{done.photo.name}: {done.warning}")
    seconds = sum(record["seconds"].values())
    output.success(
        f"{path}  {record['num_faces']:,} faces, background: {record['background_removal']}, "
        f"{seconds:.1f} s, {record['peak_memory_mb']:,} MB"
    )
    output.info("next: lrm render " + f"{path} -o {path.with_suffix('')}.views.png")
    files = [str(file) for file in done.files]
    return {"photo": str(done.photo), "mesh": str(path), **record, "files": files}


def _profile(startup: dict[str, float], done: PhotoDone) -> list[dict[str, Any]]:
    """Stage, seconds, share of the sum, and whether it ran beside other work, in order."""
    seconds = {**startup, **done.seconds}
    if done.overlapped:
        seconds["waiting"] = done.waited
    total = sum(seconds.values())
    return [
        {
            "stage": stage,
            "seconds": round(value, 4),
            "share": round(value / total, 4),
            "overlapped": stage in done.overlapped,
        }
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
        mark = " *" if row["overlapped"] else ""
        table.add_row(row["stage"] + mark, f"{row['seconds']:.3f}", f"{row['share']:.0%}", bar)
    total = sum(row["seconds"] for row in profile)
    table.add_row("sum", f"{total:.3f}", "100%", "")
    if any(row["overlapped"] for row in profile):
        table.caption = Text("* beside other work: the sum is more than the time that passed")
        table.caption_justify = "left"
    Console(stderr=True).print(table)
