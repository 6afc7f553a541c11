"""`lrm preprocess procedural`: textured solids, made and rendered on the spot."""

from __future__ import annotations

from typing import Annotated

import typer

from lrm_cli.commands.preprocess.shared import (
    DEFAULT_SPLITS,
    BuildChoices,
    CameraOptions,
    OutOption,
    SplitsOption,
    run_build,
)
from lrm_cli.option_groups import expand_options
from lrm_cli.options import JsonOption, QuietOption
from lrm_cli.output import Output

_CAMERAS = CameraOptions(num_views=8, size=256)
_BUILD = BuildChoices(objects_per_shard=64)


@expand_options
def procedural(
    out: OutOption,
    num: Annotated[int, typer.Option("--num", "--limit", min=1, help="Objects to make.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the collection.")] = 0,
    cameras: CameraOptions = _CAMERAS,
    lit_share: Annotated[
        float,
        typer.Option(
            "--lit-share", min=0.0, max=1.0, help="Share of the objects under random lights."
        ),
    ] = 0.5,
    splits: SplitsOption = DEFAULT_SPLITS,
    build: BuildChoices = _BUILD,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make textured solids and render them: training data without any download (CC0)."""
    output = Output(as_json=as_json, quiet=quiet)
    from lrm_core.optional import require
    from lrm_core.sources.procedural import ProceduralSource

    require("manifold3d", extra="data", purpose="procedural objects")
    source = ProceduralSource(num, seed, cameras.settings(seed=seed), lit_share)
    run_build(output, out, source, source.jobs(), build.options(splits=splits))
