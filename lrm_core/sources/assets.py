"""Mesh assets as a source of views: `lrm preprocess assets`.

Source: paper, section 4.1 (normalized shapes, random cameras on a shell); see `object_views`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lrm_core.errors import InputError
from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES, read_scene
from lrm_core.sources.asset_checks import (
    AssetLimits,
    check_content,
    check_file,
    content_of,
    reading_limits,
)
from lrm_core.sources.asset_listing import (
    Asset,
    asset_jobs,
    list_assets,
    read_table,
    with_labels,
)
from lrm_core.sources.object_views import (
    MESH_RENDERER,
    AssetRenderer,
    RenderedViews,
    UpAxis,
    ViewSettings,
    render_object,
    sample_cameras,
)
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.view_set import ObjectJob, ObjectSource, ViewSet

# formats that say themselves which way is up
_OWN_UP: dict[str, UpAxis] = {".glb": "y", ".gltf": "y"}
UNKNOWN_LICENCE = "unknown"


@dataclass(frozen=True)
class CheckedRenderer:
    """This project's renderer, which refuses assets beyond the limits: an `AssetRenderer`.

    Attributes:
        limits: what is accepted.
        name: see `AssetRenderer`.
        suffixes: see `AssetRenderer`.
    """

    limits: AssetLimits = field(default_factory=AssetLimits)
    name: str = field(default=MESH_RENDERER, init=False)
    suffixes: tuple[str, ...] = field(default=SCENE_SUFFIXES, init=False)

    def describe(self) -> dict[str, Any]:
        """It has no settings of its own."""
        return {}

    def __call__(
        self, path: Path, up: UpAxis, cameras: Cameras, settings: ViewSettings
    ) -> RenderedViews:
        """Views of a mesh file.

        Raises:
            InputError: the file cannot be read (see `read_scene`) or is beyond the limits.
        """
        with reading_limits(self.limits):
            scene = read_scene(path, up=up)
        check_content(path.name, content_of(scene), self.limits)
        return render_object(scene, cameras, settings)


@dataclass(frozen=True)
class AssetSource:
    """Mesh files as a `Source`.

    Attributes:
        path: a mesh file, a folder of meshes or a list of their paths; see `list_assets`.
        settings: which views, and how.
        up: up axis of files that do not say it themselves (OBJ, PLY, STL, COLLADA).
        renderer: what renders them, within its limits.
        manifest: a table of licences and collections; see `read_table`.
        name: collection of assets that name none.
        licence: licence of assets that state none.
    """

    path: Path
    settings: ViewSettings = field(default_factory=ViewSettings)
    up: UpAxis = "y"
    renderer: AssetRenderer = field(default_factory=CheckedRenderer)
    manifest: Path | None = None
    name: str = "assets"
    licence: str = UNKNOWN_LICENCE

    def jobs(self) -> list[ObjectJob]:
        """A job for each asset; see `asset_jobs`.

        Raises:
            InputError: there are no assets, or a list or manifest is broken.
        """
        _, assets = list_assets(self.path, suffixes=self.renderer.suffixes)
        if self.manifest is not None:
            assets = with_labels(assets, read_table(self.manifest))
        return asset_jobs(assets)

    def describe(self) -> dict[str, Any]:
        """See `Source`."""
        return {
            "source": f"mesh assets, {self.name}; licences: see the manifest",
            "renderer": self.renderer.name,
            "settings": {**self.settings.describe(), **self.renderer.describe(), "up": self.up},
            "limits": asdict(self.renderer.limits),
        }

    def __call__(self, job: ObjectJob) -> ViewSet:
        """The views of an asset.

        Raises:
            InputError: the asset cannot be used; one line says why.
        """
        asset = Asset.at(job.location)
        if asset.problem:
            raise InputError(asset.problem)
        root = self.path if self.path.is_dir() else self.path.parent
        path = root / asset.path
        sha256 = check_file(path, self.renderer.limits)
        up = _OWN_UP.get(path.suffix.lower(), self.up)
        cameras = sample_cameras(self.settings, job.object_id)
        views = self.renderer(path, up, cameras, self.settings)
        if not views.images[..., 3].any():
            raise InputError(f"{path.name}: none of its {len(cameras)} views shows anything")
        source = ObjectSource(
            name=asset.source or self.name,
            licence=asset.licence or self.licence,
            sha256=sha256,
            bounds=views.bounds,
        )
        return ViewSet(job.object_id, views.images, cameras, source, views.depth, views.normals)
