"""Mesh assets -> view sets: the source of `lrm preprocess assets` and `objaverse`.

Source: paper, section 4.1 (normalised shapes, random cameras on a shell); see `object_views`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lrm_core.errors import InputError
from lrm_core.io.mesh_files import read_scene
from lrm_core.sources.asset_checks import (
    AssetLimits,
    check_content,
    check_file,
    content_of,
    reading_limits,
)
from lrm_core.sources.asset_listing import Asset
from lrm_core.sources.object_views import (
    AssetRenderer,
    RenderedViews,
    UpAxis,
    ViewSettings,
    render_object,
    sample_cameras,
)
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.view_set import ObjectJob, ObjectSource, ViewSet

# Formats that say themselves which way is up.
_OWN_UP: dict[str, UpAxis] = {".glb": "y", ".gltf": "y"}
UNKNOWN_LICENCE = "unknown"


@dataclass(frozen=True)
class CheckedRenderer:
    """This project's renderer, which refuses assets beyond the limits: an `AssetRenderer`.

    Attributes:
        limits: what is accepted.
    """

    limits: AssetLimits = field(default_factory=AssetLimits)

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
class AssetViews:
    """Makes the views of one asset; see `asset_jobs` for the jobs.

    Attributes:
        root: folder that the paths of the assets are relative to.
        settings: which views, and how.
        up: up axis of files that do not say it themselves (OBJ, PLY, STL, COLLADA).
        limits: what is accepted.
        render: what renders them; it checks the content of an asset against the same limits.
        source: name of the collection, where an asset has none of its own.
        licence: of assets without one of their own.
    """

    root: Path
    settings: ViewSettings = field(default_factory=ViewSettings)
    up: UpAxis = "y"
    limits: AssetLimits = field(default_factory=AssetLimits)
    render: AssetRenderer = field(default_factory=CheckedRenderer)
    source: str = "assets"
    licence: str = UNKNOWN_LICENCE

    def __call__(self, job: ObjectJob) -> ViewSet:
        """The views of an asset.

        Raises:
            InputError: the asset cannot be used; one line says why.
        """
        asset = Asset.at(job.location)
        if asset.problem:
            raise InputError(asset.problem)
        path = self.root / asset.path
        sha256 = check_file(path, self.limits)
        up = _OWN_UP.get(path.suffix.lower(), self.up)
        cameras = sample_cameras(self.settings, job.object_id)
        views = self.render(path, up, cameras, self.settings)
        if not views.images[..., 3].any():
            raise InputError(f"{path.name}: none of its {len(cameras)} views shows anything")
        source = ObjectSource(
            name=asset.source or self.source,
            licence=asset.licence or self.licence,
            sha256=sha256,
            bounds=views.bounds,
        )
        return ViewSet(job.object_id, views.images, cameras, source, views.depth, views.normals)
