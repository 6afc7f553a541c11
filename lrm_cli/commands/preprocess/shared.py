"""What the sub-commands of `lrm preprocess` share: their options, and building a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from lrm_cli.errors import PARTIAL_FAILURE
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from lrm_core.datasets.building import BuildOptions
    from lrm_core.io.view_dataset_files import Splits
    from lrm_core.sources.object_views import ViewSettings
    from lrm_core.sources.source import Source
    from lrm_core.structures.view_set import ObjectJob

_SHOWN_FAILURES = 10

OutOption = Annotated[
    str,
    typer.Option("--out", "-o", metavar="DATASET", help="Folder or URL (s3://, gs://, ...)."),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="Take the first N objects only.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes [default: one per core].")
]
EngineOption = Annotated[
    Literal["local", "ray"],
    typer.Option("--engine", help="This machine, or the Ray cluster named by RAY_ADDRESS."),
]
SizeOption = Annotated[int, typer.Option("--size", min=8, help="Image side in pixels.")]

DEFAULT_SPLITS = "train=0.98,val=0.01,test=0.01"


@dataclass(frozen=True, kw_only=True)
class CameraOptions:
    """Random cameras around an object, and what is kept of each view."""

    panel: ClassVar[str] = "Views"

    num_views: Annotated[int, typer.Option("--num-views", min=1, help="Views per object.")] = 32
    size: SizeOption = 1024
    radius: Annotated[
        tuple[float, float],
        typer.Option("--radius", help="Smallest and largest distance of the cameras."),
    ] = (1.5, 3.0)
    height: Annotated[
        tuple[float, float], typer.Option("--height", help="Lowest and highest z of the cameras.")
    ] = (-0.75, 1.6)
    focal: Annotated[
        float, typer.Option("--focal", help="Focal length divided by the image width.")
    ] = 0.75
    normals: Annotated[bool, typer.Option("--normals", help="Store normals too.")] = False

    def settings(self, **others: Any) -> ViewSettings:
        """The core's settings; `others` are those that are not options here."""
        from lrm_core.sources.object_views import ViewSettings

        return ViewSettings(**vars(self), **others)


@dataclass(frozen=True, kw_only=True)
class ViewOptions(CameraOptions):
    """Views of objects that are read from files."""

    lighting: Annotated[
        Literal["unlit", "studio"],
        typer.Option("--lighting", help="Plain surface colors, or a studio's three lights."),
    ] = "unlit"
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random cameras.")] = 0


@dataclass(frozen=True, kw_only=True)
class BuildChoices:
    """How a dataset is built."""

    panel: ClassVar[str] = "Building"

    workers: WorkersOption = None
    engine: EngineOption = "local"
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume a dataset that was begun in DATASET.")
    ] = False
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="With --resume: retry objects that failed.")
    ] = False
    objects_per_shard: Annotated[
        int, typer.Option("--objects-per-shard", min=1, help="Objects in one tar file.")
    ] = 16
    time_limit: Annotated[
        float | None,
        typer.Option("--time-limit", min=0.1, help="Seconds per object before it is given up."),
    ] = None

    def options(self, *, splits: str) -> BuildOptions:
        """The core's options.

        Args:
            splits: as in `--splits`.

        Raises:
            ConfigError: the splits cannot be read.
        """
        from lrm_core.datasets.building import BuildOptions
        from lrm_core.parallel import one_per_core

        return BuildOptions(
            objects_per_shard=self.objects_per_shard,
            workers=one_per_core(self.workers),
            engine=self.engine,
            resume=self.resume,
            retry_failed=self.retry_failed,
            time_limit=self.time_limit,
            splits=_parse_splits(splits),
        )


SplitsOption = Annotated[
    str,
    typer.Option(
        "--splits",
        metavar="NAME=SHARE,...",
        help="Shares of the splits; an object's own follows from the hash of its id.",
    ),
]


def run_build(
    output: Output,
    out: str,
    source: Source,
    jobs: Sequence[ObjectJob],
    options: BuildOptions,
) -> None:
    """Build a dataset with a progress bar and say what became of it.

    Raises:
        InputError: no object could be prepared.
        typer.Exit: with code 3 where some objects could not.
    """
    from lrm_core.datasets.building import build_dataset

    with output.progress("preparing objects", total=len(jobs)) as task:
        summary = build_dataset(
            out,
            source,
            jobs,
            options=options,
            on_progress=lambda done: task.advance(done),
        )
    failures = summary.failures
    if not summary.num_objects:
        raise InputError(
            f"none of the {len(jobs)} objects could be prepared; {failures[0][0]}: "
            f"{failures[0][1]}",
            hint=f"all reasons stand in {out}/failures.csv",
        )
    for failed, reason in failures[:_SHOWN_FAILURES]:
        output.warning(f"{failed} was skipped: {reason}")
    if len(failures) > _SHOWN_FAILURES:
        output.warning(f"{len(failures)} objects were skipped: see {out}/failures.csv")
    output.success(
        f"{out}  {summary.num_objects} objects, {summary.num_views} views"
        + (f", {len(failures)} skipped" if failures else "")
    )
    output.next_step("lrm", "preprocess", "show", out, "-o", "page.png")
    output.result(
        {
            "dataset": out,
            "num_objects": summary.num_objects,
            "num_views": summary.num_views,
            "num_made": summary.num_made,
            "failures": [{"object_id": failed, "reason": reason} for failed, reason in failures],
        }
    )
    if failures:
        raise typer.Exit(PARTIAL_FAILURE)


def _parse_splits(text: str) -> Splits:
    splits = []
    for part in text.split(","):
        name, _, share = part.partition("=")
        try:
            splits.append((name.strip(), float(share)))
        except ValueError as error:
            raise ConfigError(
                f"--splits: '{part}' is not a share", hint=f"write it as {DEFAULT_SPLITS}"
            ) from error
    if any(not name or not 0.0 <= share < float("inf") for name, share in splits) or not any(
        share for _, share in splits
    ):
        raise ConfigError(
            f"--splits: '{text}' needs names and shares, one of them above 0",
            hint=f"write it as {DEFAULT_SPLITS}",
        )
    return tuple(splits)
