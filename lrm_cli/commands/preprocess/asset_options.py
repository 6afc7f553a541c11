"""What `lrm preprocess assets` and `objaverse` share: which meshes are taken, and who renders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from lrm_cli.commands.preprocess.shared import BuildChoices

if TYPE_CHECKING:
    from lrm_core.sources.object_views import AssetRenderer

DEFAULT_TIME_LIMIT = 600.0
# An object's Blender is ended by its own clock before the process that waits for it is.
_BLENDER_GRACE = 10.0


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

    def renderer_and_limit(self, build: BuildChoices) -> tuple[AssetRenderer, float]:
        """The renderer, and the seconds after which a worker is given up.

        Raises:
            ConfigError: no Blender was named.
            MissingDependencyError: what was named is not a Blender.
        """
        from lrm_core.sources.asset_checks import AssetLimits

        limits = AssetLimits(
            max_bytes=int(self.max_file_mb * 2**20),
            max_faces=self.max_faces,
            max_texture_pixels=self.max_texture_pixels,
            keep_textureless=self.keep_textureless,
        )
        time_limit = build.time_limit or DEFAULT_TIME_LIMIT
        if self.renderer == "embree":
            from lrm_core.sources.assets import CheckedRenderer

            return CheckedRenderer(limits), time_limit
        import os

        from lrm_core.sources.blender_views import BlenderRenderer, find_blender

        cores = os.cpu_count() or 1
        renderer = BlenderRenderer(
            find_blender(self.blender),
            limits,
            samples=self.samples,
            threads=max(1, cores // (build.workers or cores)),
            time_limit=time_limit,
        )
        return renderer, time_limit + _BLENDER_GRACE
