"""`lrm reconstruct`: photos in, textured meshes out."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrm_cli.commands.reconstruct.options import (
    CameraOptions,
    ForegroundOptions,
    ResultOptions,
    SurfaceOptions,
    ViewOptions,
    load_network,
)
from lrm_cli.commands.reconstruct.profile import profile_rows, show_profile
from lrm_cli.commands.reconstruct.streams import STREAM, standard_streams
from lrm_cli.errors import PARTIAL_FAILURE, describe
from lrm_cli.option_groups import expand_options
from lrm_cli.options import JsonOption, ModelOptions, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import InputError
from lrm_core.io.atomic_write import parse_path

if TYPE_CHECKING:
    from lrm_core.reconstruction.batch import PhotoDone, PhotoFailed
    from lrm_core.structures.photo_camera import PhotoCamera

_MODEL = ModelOptions()
_VIEWS = ViewOptions()
_FOREGROUND = ForegroundOptions()
_CAMERA = CameraOptions()
_SURFACE = SurfaceOptions()
_FILES = ResultOptions()


@expand_options
def reconstruct(
    photos: Annotated[
        list[Path],
        typer.Argument(parser=parse_path, metavar="PHOTO", help="Photos, or folders of photos."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            parser=parse_path,
            metavar="PATH",
            help="Mesh file (.obj, .glb, .ply, .stl, .3mf, .usdz); a folder for several photos.",
        ),
    ],
    views: ViewOptions = _VIEWS,
    foreground: ForegroundOptions = _FOREGROUND,
    camera: CameraOptions = _CAMERA,
    model: ModelOptions = _MODEL,
    surface: SurfaceOptions = _SURFACE,
    files: ResultOptions = _FILES,
    profile: Annotated[
        bool, typer.Option("--profile", help="Show where the time of each photo goes (stderr).")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Turn photos of objects into textured 3D meshes.

    One photo gives OUT and, beside it, the image that the model saw (NAME.input.png) and a record
    (NAME.json). Several photos or a folder give one mesh each in the folder OUT. With --back,
    --left, ... several photos of one object give one mesh. A PHOTO of - is read from stdin, an OUT
    of - written to stdout (GLB, or --format).
    """
    to_stdout = out == STREAM
    with standard_streams(photos, out, file_format=files.file_format, as_json=as_json) as named:
        _reconstruct(
            Output(as_json=as_json, quiet=quiet or to_stdout),
            *named,
            views=views,
            foreground=foreground,
            camera=camera,
            model=model,
            surface=surface,
            files=replace(files, file_format=None) if to_stdout else files,
            profile=profile,
        )


def _reconstruct(
    output: Output,
    photos: list[Path],
    out: Path,
    *,
    views: ViewOptions,
    foreground: ForegroundOptions,
    camera: CameraOptions,
    model: ModelOptions,
    surface: SurfaceOptions,
    files: ResultOptions,
    profile: bool,
) -> None:
    """Photos and folders to meshes in files.

    Raises:
        typer.Exit: with code 3 where some photos failed.
    """
    startup: dict[str, float] = {}  # seconds of what only the first photo waits for
    with _timed(startup, "imports"), _large_imports():  # without torch
        from lrm_core.io.image_files import read_mask
        from lrm_core.io.photo_listing import left_out_lines
        from lrm_core.reconstruction.photo_reading import cut_out_ahead

        sides, taken_by = views.photos(photos[0]), camera.photo_camera()
        also_read = _also_read(list(sides.values())[1:], views, foreground, model)
        jobs = files.plan(photos, out, inputs=also_read)
    for line in left_out_lines(photos):
        output.warning(line)
    if not jobs:
        output.success(f"nothing left to do: every photo has its mesh in {out}")
        output.result({"results": [], "failures": []})
        return
    if len(jobs) > 1 and (foreground.mask or files.field_file or files.video):
        raise InputError(
            f"--mask, --save-field and --video name one file each, but there are {len(jobs)} photos"
        )
    if len(sides) > 1 or views.views_from:
        if jobs[0][0] != photos[0] or len(photos) > 1 or foreground.mask or files.field_file:
            raise InputError(
                "--back, --left, ..., --view and --views-from go with one PHOTO, the first, and "
                "with neither --mask nor --save-field"
            )
        if views.views_from and (len(sides) > 1 or camera != CameraOptions()):
            raise InputError(
                "--views-from says where its photos were taken: leave out --back, --view, ... and "
                "--fov, --elevation, --framing, --foreground-ratio and --distance"
            )
        done = _fuse(output, sides, jobs[0][1], views, foreground, taken_by, model, surface, files)
        results, _ = _collect(output, iter([done]), 1, startup, profile=profile)
        _conclude(output, results, [], out, profile=profile)
        return
    # the first photo is read and cut out while torch is imported and the weights are loaded
    with cut_out_ahead(
        [photo for photo, _ in jobs],
        background_removal=foreground.background_removal,
        keep=foreground.keep,
        mask=None if foreground.mask is None else read_mask(foreground.mask),
    ) as cut_outs:
        with _timed(startup, "imports"), _large_imports():
            from lrm_core.reconstruction.batch import reconstruct_photos

            file_options = files.file_options()
        with _timed(startup, "load model"):
            network = load_network(model, output)
        outcomes = reconstruct_photos(
            network,
            jobs,
            cut_outs,
            surface.mesh_options(),
            files=file_options,
            camera=taken_by,
        )
        # closed here and now when this is interrupted
        with closing(outcomes):
            results, failures = _collect(output, outcomes, len(jobs), startup, profile=profile)
    _conclude(output, results, failures, out, profile=profile)


def _also_read(
    sides: list[Path], views: ViewOptions, foreground: ForegroundOptions, model: ModelOptions
) -> tuple[Path, ...]:
    """What is read beside the photos, and must not be replaced."""
    from lrm_core.io.atomic_write import local_files
    from lrm_core.models.model_sources import local_model_files

    masks = [] if foreground.mask is None else [foreground.mask]
    posed = [] if views.views_from is None else local_files(str(views.views_from))
    return (*sides, *masks, *posed, *local_model_files(model.model))


def _fuse(
    output: Output,
    photos: dict[str, Path],
    mesh: Path,
    views: ViewOptions,
    foreground: ForegroundOptions,
    camera: PhotoCamera,
    model: ModelOptions,
    surface: SurfaceOptions,
    files: ResultOptions,
) -> PhotoDone:
    """Several photos of one object to one mesh file."""
    from lrm_core.reconstruction.several_photos import reconstruct_capture, reconstruct_views

    if views.views_from is not None:
        return reconstruct_capture(
            load_network(model, output),
            views.views_from,
            photos["front"],
            mesh,
            surface.mesh_options(),
            files=files.file_options(),
            count=views.num_views,
            background_removal=foreground.background_removal,
        )
    return reconstruct_views(
        load_network(model, output),
        photos,
        mesh,
        surface.mesh_options(),
        files=files.file_options(),
        camera=camera,
        background_removal=foreground.background_removal,
        keep=foreground.keep,
    )


def _conclude(
    output: Output,
    results: list[dict[str, Any]],
    failures: list[dict[str, Any]],
    out: Path,
    *,
    profile: bool,
) -> None:
    """Say what became of all photos.

    Raises:
        typer.Exit: with code 3 where some photos failed.
    """
    num_photos = len(results) + len(failures)
    document: dict[str, Any] = {"results": results, "failures": failures}
    if num_photos == 1:
        document = {"result": results[0]}
    if profile:
        from lrm_core.reconstruction.stages import seconds_of_process

        document["wall_seconds"] = round(seconds_of_process(), 3)
        output.info(f"wall time since the program started: {document['wall_seconds']:.2f} s")
    for failed in failures:
        output.warning(f"{failed['photo']} failed: {failed['message']}")
    if num_photos > 1:
        output.success(f"{len(results)} of {num_photos} photos reconstructed into {out}")
    output.result(document)
    if failures:
        raise typer.Exit(PARTIAL_FAILURE)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the seconds that the block takes to `seconds[name]`."""
    started = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started


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
                    rows = profile_rows(startup, outcome)
                    results[-1]["profile"] = rows
                    show_profile(output, outcome.photo, rows)
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
    from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES

    path, record = done.files[0], done.record
    if done.warning:
        output.warning(f"{done.photo.name}: {done.warning}")
    seconds = sum(record["seconds"].values())
    output.success(
        f"{path}  {record['num_faces']:,} faces, background: {record['background_removal']}, "
        f"{seconds:.1f} s, {record['peak_memory_mb']:,} MB"
    )
    if path.suffix.lower() in SCENE_SUFFIXES:  # what can be read again
        up = ("--up", "z") if record["frame"]["up"] == "z" else ()
        output.next_step("lrm", "render", path, *up, "-o", path.with_suffix(".views.png"))
    files = [str(file) for file in done.files]
    return {"photo": str(done.photo), "mesh": str(path), **record, "files": files}
