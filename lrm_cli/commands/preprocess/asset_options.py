"""What `lrm preprocess assets` and `objaverse` share: which meshes are taken, and who renders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from lrm_core.preprocessing.asset_checks import AssetLimits
    from lrm_core.preprocessing.object_views import AssetRenderer

DEFAULT_TIME_LIMIT = 600.0
# An object's Blender is ended by its own clock before the process that waits for it is.
_BLENDER_GRACE = 10.0

RendererOption = Annotated[
    Literal["embree", "blender"],
    typer.Option("--renderer", help="This program's own renderer, or Blender's Cycles."),
]
BlenderOption = Annotated[
    str | None,
    typer.Option(
        "--blender",
        envvar="LRM_BLENDER",
        metavar="PROGRAM",
        help="With --renderer blender: a Blender, or a Python with bpy.",
    ),
]
SamplesOption = Annotated[
    int, typer.Option("--samples", min=1, help="With --renderer blender: rays per pixel.")
]
MaxFileOption = Annotated[
    float, typer.Option("--max-file-mb", min=0.001, help="Skip larger files (MiB).")
]
MaxFacesOption = Annotated[
    int, typer.Option("--max-faces", min=1, help="Skip meshes of more triangles.")
]
MaxTextureOption = Annotated[
    int,
    typer.Option(
        "--max-texture-pixels", min=1, help="Skip assets whose textures have more pixels in all."
    ),
]
KeepTexturelessOption = Annotated[
    bool,
    typer.Option(
        "--keep-textureless",
        help="Keep objects of a single colour: without texture, vertex colours, second material.",
    ),
]


@dataclass(frozen=True)
class ChosenRenderer:
    """Who renders.

    Attributes:
        render: renders one asset.
        name: for dataset.json.
        suffixes: of the files that it reads.
        settings: of its own, for dataset.json.
        time_limit: seconds after which a worker is given up.
    """

    render: AssetRenderer
    name: str
    suffixes: tuple[str, ...]
    settings: dict[str, Any]
    time_limit: float


def choose_limits(
    max_file_mb: float, max_faces: int, max_texture_pixels: int, keep_textureless: bool
) -> AssetLimits:
    """The limits from the options."""
    from lrm_core.preprocessing.asset_checks import AssetLimits

    return AssetLimits(
        max_bytes=int(max_file_mb * 2**20),
        max_faces=max_faces,
        max_texture_pixels=max_texture_pixels,
        keep_textureless=keep_textureless,
    )


def choose_renderer(
    renderer: Literal["embree", "blender"],
    limits: AssetLimits,
    *,
    blender: str | None,
    samples: int,
    workers: int | None,
    time_limit: float,
) -> ChosenRenderer:
    """The renderer from the options.

    Raises:
        ConfigError: no Blender was named.
        MissingDependencyError: what was named is no Blender.
    """
    if renderer == "embree":
        from lrm_core.io.mesh_files import SCENE_SUFFIXES
        from lrm_core.preprocessing.assets import CheckedRenderer

        return ChosenRenderer(
            CheckedRenderer(limits), "lrm mesh renderer", SCENE_SUFFIXES, {}, time_limit
        )
    import os

    from lrm_core.preprocessing.blender_views import (
        BLENDER_SUFFIXES,
        BlenderRenderer,
        find_blender,
    )

    found = find_blender(blender)
    cores = os.cpu_count() or 1
    return ChosenRenderer(
        BlenderRenderer(
            found,
            limits,
            samples=samples,
            threads=max(1, cores // (workers or cores)),
            time_limit=time_limit,
        ),
        f"Blender {found.version}, Cycles",
        BLENDER_SUFFIXES,
        {"samples": samples},
        time_limit + _BLENDER_GRACE,
    )
