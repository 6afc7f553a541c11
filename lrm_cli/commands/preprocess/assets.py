"""`lrm preprocess assets`: views of meshes of any kind."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from lrm_cli.commands.preprocess.asset_options import (
    DEFAULT_TIME_LIMIT,
    BlenderOption,
    KeepTexturelessOption,
    MaxFacesOption,
    MaxFileOption,
    MaxTextureOption,
    RendererOption,
    SamplesOption,
    choose_limits,
    choose_renderer,
)
from lrm_cli.commands.preprocess.shared import (
    DEFAULT_SPLITS,
    EngineOption,
    FocalOption,
    HeightOption,
    LightingOption,
    LimitOption,
    NormalsOption,
    NumViewsOption,
    OutOption,
    RadiusOption,
    ResumeOption,
    RetryOption,
    SeedOption,
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
    num_views: NumViewsOption = 32,
    size: SizeOption = 1024,
    radius: RadiusOption = (1.5, 3.0),
    height: HeightOption = (-0.75, 1.6),
    focal: FocalOption = 0.75,
    lighting: LightingOption = "unlit",
    normals: NormalsOption = False,
    seed: SeedOption = 0,
    renderer: RendererOption = "embree",
    blender: BlenderOption = None,
    samples: SamplesOption = 16,
    max_file_mb: MaxFileOption = 512,
    max_faces: MaxFacesOption = 5_000_000,
    max_texture_pixels: MaxTextureOption = 2**27,
    keep_textureless: KeepTexturelessOption = False,
    splits: SplitsOption = DEFAULT_SPLITS,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    resume: ResumeOption = False,
    retry_failed: RetryOption = False,
    objects_per_shard: ShardOption = 16,
    time_limit: TimeLimitOption = DEFAULT_TIME_LIMIT,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Render views of meshes, each brought into [-1, 1]^3: the data of the paper's section 4.1.

    What is broken, empty, without colours or too large is skipped, and listed in failures.csv.
    """
    output = Output(json=json, quiet=quiet)
    from lrm_core.preprocessing.asset_listing import (
        asset_jobs,
        list_assets,
        read_table,
        with_labels,
    )
    from lrm_core.preprocessing.assets import AssetViews
    from lrm_core.preprocessing.object_views import ViewSettings

    limits = choose_limits(max_file_mb, max_faces, max_texture_pixels, keep_textureless)
    chosen = choose_renderer(
        renderer, limits,
        blender=blender, samples=samples, workers=workers,
        time_limit=time_limit or DEFAULT_TIME_LIMIT,
    )  # fmt: skip
    root, listed = list_assets(source, suffixes=chosen.suffixes)
    if manifest is not None:
        listed = with_labels(listed, read_table(manifest))
    settings = ViewSettings(
        num_views=num_views, size=size, radius=radius, height=height, focal=focal,
        lighting=lighting, normals=normals, seed=seed,
    )  # fmt: skip
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
        build_options(
            workers=workers,
            engine=engine,
            resume=resume,
            retry_failed=retry_failed,
            objects_per_shard=objects_per_shard,
            splits=splits,
            time_limit=chosen.time_limit,
        ),
    )
