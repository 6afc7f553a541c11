"""`lrm preprocess assets`: views of meshes of any kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from lrm_cli.commands.preprocess.asset_options import DEFAULT_TIME_LIMIT, AssetOptions
from lrm_cli.commands.preprocess.shared import (
    DEFAULT_SPLITS,
    BuildChoices,
    LimitOption,
    OutOption,
    SplitsOption,
    ViewOptions,
    run_build,
)
from lrm_cli.option_groups import expand_options
from lrm_cli.options import JsonOption, QuietOption
from lrm_cli.output import Output

_VIEWS = ViewOptions()
_ASSETS = AssetOptions()
_BUILD = BuildChoices(time_limit=DEFAULT_TIME_LIMIT)


@expand_options
def assets(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="Mesh (.glb .gltf .obj .ply .stl .dae; with Blender .fbx .blend), folder of "
            "meshes, or list of their paths (.csv .txt .json).",
        ),
    ],
    out: OutOption,
    up: Annotated[
        Literal["y", "z"], typer.Option("--up", help="Up axis of the meshes; glTF knows its own.")
    ] = "y",
    licence: Annotated[
        str, typer.Option("--licence", help="Licence of assets that no manifest names.")
    ] = "unknown",
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            help="Table of the assets' licences (.csv or .json; columns path or file, licence or "
            "license, source).",
        ),
    ] = None,
    limit: LimitOption = None,
    views: ViewOptions = _VIEWS,
    kinds: AssetOptions = _ASSETS,
    splits: SplitsOption = DEFAULT_SPLITS,
    build: BuildChoices = _BUILD,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Render views of meshes, each brought into [-1, 1]^3: the data of the paper's section 4.1.

    What is broken, empty, without colors or too large is skipped, and listed in failures.csv.
    """
    output = Output(as_json=as_json, quiet=quiet)
    from lrm_core.sources.assets import AssetSource

    renderer, time_limit = kinds.renderer_and_limit(build)
    meshes = AssetSource(
        source.absolute(),
        views.settings(),
        up,
        renderer,
        manifest,
        name=source.absolute().stem,
        licence=licence,
    )
    run_build(
        output,
        out,
        meshes,
        meshes.jobs()[:limit],
        replace(build, time_limit=time_limit).options(splits=splits),
    )
