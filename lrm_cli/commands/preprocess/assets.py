"""`lrm preprocess assets`: views of meshes of any kind."""

from __future__ import annotations

from dataclasses import asdict, replace
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
        str, typer.Option("--licence", help="Of assets that no manifest names.")
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

    What is broken, empty, without colours or too large is skipped, and listed in failures.csv.
    """
    output = Output(as_json=as_json, quiet=quiet)
    from lrm_core.sources.asset_listing import (
        asset_jobs,
        list_assets,
        read_table,
        with_labels,
    )
    from lrm_core.sources.assets import AssetViews

    limits, chosen = kinds.limits(), kinds.chosen_renderer(build)
    root, listed = list_assets(source, suffixes=chosen.suffixes)
    if manifest is not None:
        listed = with_labels(listed, read_table(manifest))
    settings = views.settings()
    name = source.absolute().stem
    run_build(
        output,
        out,
        asset_jobs(listed)[:limit],
        AssetViews(
            root.absolute(), settings, up, limits, chosen.render, source=name, licence=licence
        ),
        {
            "source": f"mesh assets, {name}; licences: see the manifest",
            "renderer": chosen.name,
            "settings": {**settings.describe(), **chosen.settings, "up": up},
            "limits": asdict(limits),
        },
        replace(build, time_limit=chosen.time_limit).options(splits=splits),
    )
