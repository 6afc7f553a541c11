"""`lrm preprocess video`: captures of real objects with COLMAP poses, such as MVImgNet's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from lrm_cli.commands.preprocess.shared import (
    DEFAULT_SPLITS,
    BuildChoices,
    LimitOption,
    OutOption,
    SizeOption,
    SplitsOption,
    run_build,
)
from lrm_cli.option_groups import expand_options
from lrm_cli.options import JsonOption, QuietOption
from lrm_cli.output import Output

_LICENCE = "see the capture's own terms"

_BUILD = BuildChoices()


@dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """Which frames of a capture are taken, and how they are cropped."""

    panel: ClassVar[str] = "Frames"

    num_views: Annotated[
        int | None,
        typer.Option("--num-views", min=3, help="Frames to take, evenly spaced [default: all]."),
    ] = None
    min_views: Annotated[
        int, typer.Option("--min-views", min=3, help="Skip captures with fewer usable frames.")
    ] = 5
    size: SizeOption = 512
    foreground_ratio: Annotated[
        float,
        typer.Option(
            "--foreground-ratio",
            min=0.5,
            max=1.0,
            help="Longer side of the object's box divided by the side of the view.",
        ),
    ] = 0.85
    background_removal: Annotated[
        Literal["auto", "alpha", "border", "u2netp", "rembg", "grabcut"],
        typer.Option(
            "--background-removal", help="How the background is found where a capture has no masks."
        ),
    ] = "auto"


_FRAMES = FrameOptions()


@expand_options
def video(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="A capture (images/, sparse/0/ of COLMAP, masks/), or a folder of captures, at "
            "most three folders down.",
        ),
    ],
    out: OutOption,
    masks: Annotated[
        Path | None,
        typer.Option(
            "--masks",
            help="Root of a tree of masks with the captures' own folders [default: masks/ in each "
            "capture; without any, the background is removed].",
        ),
    ] = None,
    frames: FrameOptions = _FRAMES,
    collection: Annotated[
        str, typer.Option("--collection", help="Name of the collection, for the manifest.")
    ] = "video",
    licence: Annotated[
        str,
        typer.Option(
            "--licence",
            help="Licence of the captures, for the manifest; MVImgNet has its own Terms of Use, "
            "which come with the download.",
        ),
    ] = _LICENCE,
    limit: LimitOption = None,
    splits: SplitsOption = DEFAULT_SPLITS,
    build: BuildChoices = _BUILD,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Crop the frames of captures around their object, and put it upright at the origin.

    The layout is MVImgNet's. Distances keep their ratios: one similarity transform per capture.
    """
    output = Output(as_json=as_json, quiet=quiet)
    from lrm_core.sources.video_capture import CaptureSource

    captures = CaptureSource(
        source.absolute(),
        masks=None if masks is None else masks.absolute(),
        **asdict(frames),
        collection=collection,
        licence=licence,
    )
    jobs = captures.jobs()[:limit]
    output.info(f"{len(jobs)} captures; licence: {licence}")
    run_build(output, out, captures, jobs, build.options(splits=splits))
