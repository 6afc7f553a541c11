"""What `lrm preprocess assets` and `objaverse` share: which meshes are taken, and who renders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from lrm_cli.commands.preprocess.shared import BuildChoices

if TYPE_CHECKING:
    from lrm_core.sources.asset_checks import AssetLimits
    from lrm_core.sources.object_views import AssetRenderer

DEFAULT_TIME_LIMIT = 600.0
# An object's Blender is ended by its own clock before the process that waits for it is.
_BLENDER_GRACE = 10.0


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


@dataclass(frozen=True, kw_only=True)
class AssetOptions:
    """Which meshes are taken, and who renders them."""

    panel: ClassVar[str] = "Assets and renderer"

    renderer: Annotated[
        Literal["embree", "blender"],
        typer.Option("--renderer", help="This program's own renderer, or Blender's Cycles."),
    ] = "embree"
    blender: Annotated[
        str | None,
        typer.Option(
            "--blender",
            envvar="LRM_BLENDER",
            metavar="PROGRAM",
            help="With --renderer blender: a Blender, or a Python with bpy.",
        ),
    ] = None
    samples: Annotated[
        int, typer.Option("--samples", min=1, help="With --renderer blender: rays per pixel.")
    ] = 16
    max_file_mb: Annotated[
        float, typer.Option("--max-file-mb", min=0.001, help="Skip larger files (MiB).")
    ] = 512
    max_faces: Annotated[
        int, typer.Option("--max-faces", min=1, help="Skip meshes of more triangles.")
    ] = 5_000_000
    max_texture_pixels: Annotated[
        int,
        typer.Option(
            "--max-texture-pixels",
            min=1,
            help="Skip assets whose textures have more pixels in all.",
        ),
    ] = 2**27
    keep_textureless: Annotated[
        bool,
        typer.Option(
            "--keep-textureless",
            help="Keep objects of a single color: without texture, vertex colors, second material.",
        ),
    ] = False

    def limits(self) -> AssetLimits:
        """The core's limits."""
        from lrm_core.sources.asset_checks import AssetLimits

        return AssetLimits(
            max_bytes=int(self.max_file_mb * 2**20),
            max_faces=self.max_faces,
            max_texture_pixels=self.max_texture_pixels,
            keep_textureless=self.keep_textureless,
        )

    def chosen_renderer(self, build: BuildChoices) -> ChosenRenderer:
        """The renderer, with the time that an object may take.

        Raises:
            ConfigError: no Blender was named.
            MissingDependencyError: what was named is not a Blender.
        """
        limits, time_limit = self.limits(), build.time_limit or DEFAULT_TIME_LIMIT
        if self.renderer == "embree":
            from lrm_core.io.mesh_files import SCENE_SUFFIXES
            from lrm_core.sources.assets import CheckedRenderer

            return ChosenRenderer(
                CheckedRenderer(limits), "lrm mesh renderer", SCENE_SUFFIXES, {}, time_limit
            )
        import os

        from lrm_core.sources.blender_views import (
            BLENDER_SUFFIXES,
            BlenderRenderer,
            find_blender,
        )

        found = find_blender(self.blender)
        cores = os.cpu_count() or 1
        return ChosenRenderer(
            BlenderRenderer(
                found,
                limits,
                samples=self.samples,
                threads=max(1, cores // (build.workers or cores)),
                time_limit=time_limit,
            ),
            f"Blender {found.version}, Cycles",
            BLENDER_SUFFIXES,
            {"samples": self.samples},
            time_limit + _BLENDER_GRACE,
        )
