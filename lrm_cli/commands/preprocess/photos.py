"""`lrm preprocess photos`: objects cut out of photos, centered on squares."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from lrm_cli.commands.preprocess.shared import EngineOption, WorkersOption
from lrm_cli.errors import PARTIAL_FAILURE
from lrm_cli.option_groups import expand_options
from lrm_cli.options import (
    BackgroundRemovalOption,
    JsonOption,
    KeepOption,
    OverwriteOption,
    QuietOption,
)
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, InputError
from lrm_core.io.atomic_write import parse_path

if TYPE_CHECKING:
    from lrm_core.foreground.photo_batch import PhotoRun

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class CutOutOptions:
    """How objects are cut out and framed."""

    panel: ClassVar[str] = "Photos"

    size: Annotated[int, typer.Option("--size", min=8, max=8192, help="Image side in pixels.")] = (
        512
    )
    foreground_ratio: Annotated[
        float,
        typer.Option(
            "--foreground-ratio",
            min=0.05,
            max=1.0,
            help="Longer side of the object over the image side.",
        ),
    ] = 0.75
    background_removal: BackgroundRemovalOption = "auto"
    keep: KeepOption = "largest"
    mask: Annotated[
        Path | None,
        typer.Option("--mask", help="Image of the mask of a single photo (white: object)."),
    ] = None
    masks: Annotated[
        Path | None,
        typer.Option(
            "--masks",
            help="Folder of masks, named as their photos (or X__mask beside X__image).",
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.mask is not None and self.masks is not None:
            raise ConfigError("--mask and --masks exclude one another")


_CUT_OUT = CutOutOptions()


@expand_options
def photos(
    sources: Annotated[
        list[Path],
        typer.Argument(parser=parse_path, metavar="PHOTO", help="Photos, or folders of photos."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", parser=parse_path, help="Folder of the results.")
    ],
    cutting: CutOutOptions = _CUT_OUT,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Take the first N photos only.")
    ] = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    show: Annotated[
        bool,
        typer.Option("--show", help="Also write photo, mask and result as NAME.sheet.png."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the photos that an earlier run finished.")
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Cut objects out of photos and center them on squares (paper, appendix E).

    Writes an RGBA image per photo (NAME.png), photos.json (what was done to each) and
    contact_sheet.png. In a folder, X__mask.* beside X__image.* is taken for a mask, not a photo.
    What was found in a photo that cannot be prepared is written as NAME.mask.png.
    """
    output = Output(as_json=as_json, quiet=quiet)
    if resume and overwrite:
        raise ConfigError("--resume and --overwrite exclude one another")

    from lrm_core.foreground.photo_batch import prepare_photos
    from lrm_core.foreground.photo_preparation import PhotoSettings, plan_photos
    from lrm_core.io.photo_listing import left_out_lines
    from lrm_core.parallel import one_per_core

    jobs = plan_photos(sources, cutting.masks)[:limit]
    for line in left_out_lines(sources):
        output.warning(line)
    if cutting.mask is not None:
        if len(jobs) > 1:
            raise InputError(
                f"--mask names the mask of one photo, but there are {len(jobs)}",
                hint="use --masks FOLDER",
            )
        jobs = [replace(jobs[0], mask=cutting.mask)]
    with output.progress("preparing photos", total=len(jobs)) as task:
        run = prepare_photos(
            jobs,
            PhotoSettings(
                cutting.size, cutting.foreground_ratio, cutting.background_removal, cutting.keep
            ),
            out,
            workers=one_per_core(workers),
            engine=engine,
            show=show,
            resume=resume,
            overwrite=overwrite,
            on_progress=lambda done: task.advance(done),
        )
    _report(output, run, out, num_photos=len(jobs))


def _report(output: Output, run: PhotoRun, out: Path, *, num_photos: int) -> None:
    """Say what became of the photos.

    Raises:
        InputError: no photo could be prepared.
        typer.Exit: with code 3 where some photos could not.
    """
    if not run.prepared:
        photo, reason = run.failures[0]
        raise InputError(
            f"none of the {num_photos} photos could be prepared; {photo}: {reason}",
            hint=f"all reasons are in {out}/photos.json",
        )
    for photo, reason in run.failures[:_SHOWN]:
        output.warning(f"{photo} failed: {reason}")
    if len(run.failures) > _SHOWN:
        output.warning(f"{len(run.failures)} photos failed: see {out}/photos.json")
    for warning in dict.fromkeys(photo.warning for photo in run.prepared if photo.warning):
        names = [photo.name for photo in run.prepared if photo.warning == warning]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        output.warning(f"{', '.join(names[:3])}{more}: {warning}")
    methods = [photo.method for photo in run.prepared]
    output.success(
        f"{out}  {len(run.prepared)} of {num_photos} photos, background: "
        + ", ".join(f"{methods.count(method)} {method}" for method in dict.fromkeys(methods))
    )
    output.info(f"look at {run.files[0]}")
    output.next_step("lrm", "reconstruct", out / f"{run.prepared[0].name}.png", "-o", "mesh.obj")
    output.result(
        {
            "folder": out,
            "num_made": run.num_made,
            "photos": [asdict(photo) for photo in run.prepared],
            "failures": [{"photo": photo, "reason": reason} for photo, reason in run.failures],
            "files": list(run.files),
        }
    )
    if run.failures:
        raise typer.Exit(PARTIAL_FAILURE)
