"""`lrm preprocess procedural`: textured solids, made and rendered on the spot."""

from __future__ import annotations

from typing import Annotated

import typer

from lrm_cli.commands.preprocess.shared import (
    DEFAULT_SPLITS,
    EngineOption,
    FocalOption,
    HeightOption,
    NormalsOption,
    NumViewsOption,
    OutOption,
    RadiusOption,
    ResumeOption,
    RetryOption,
    ShardOption,
    SizeOption,
    SplitsOption,
    TimeLimitOption,
    WorkersOption,
    build_options,
    run_build,
)
from lrm_cli.options import JsonOption, QuietOption
from lrm_cli.output import Output


def procedural(
    out: OutOption,
    num: Annotated[int, typer.Option("--num", "--limit", min=1, help="Objects to make.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the collection.")] = 0,
    num_views: NumViewsOption = 8,
    size: SizeOption = 256,
    radius: RadiusOption = (1.5, 3.0),
    height: HeightOption = (-0.75, 1.6),
    focal: FocalOption = 0.75,
    lit_share: Annotated[
        float,
        typer.Option(
            "--lit-share", min=0.0, max=1.0, help="Share of the objects under random lights."
        ),
    ] = 0.5,
    normals: NormalsOption = False,
    splits: SplitsOption = DEFAULT_SPLITS,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    resume: ResumeOption = False,
    retry_failed: RetryOption = False,
    objects_per_shard: ShardOption = 64,
    time_limit: TimeLimitOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make textured solids and render them: training data without any download (CC0)."""
    output = Output(json=json, quiet=quiet)
    from lrm_core.optional import require
    from lrm_core.preprocessing.object_views import ViewSettings
    from lrm_core.preprocessing.procedural_views import ProceduralViews, procedural_jobs

    require("manifold3d", extra="data", purpose="procedural objects")
    settings = ViewSettings(
        num_views=num_views, size=size, radius=radius, height=height, focal=focal,
        normals=normals, seed=seed,
    )  # fmt: skip
    run_build(
        output,
        out,
        procedural_jobs(num, seed),
        ProceduralViews(seed, settings, lit_share),
        {
            "source": "procedural objects of lrm-toolkit, CC0-1.0",
            "renderer": "lrm mesh renderer",
            "settings": {**settings.describe(), "lit_share": lit_share},
        },
        build_options(
            workers=workers,
            engine=engine,
            resume=resume,
            retry_failed=retry_failed,
            objects_per_shard=objects_per_shard,
            splits=splits,
            time_limit=time_limit,
        ),
    )
