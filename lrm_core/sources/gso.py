"""Google Scanned Objects: 1,033 scanned household items with textures, for evaluation.

Source: L. Downs et al., Google Scanned Objects: A High-Quality Dataset of 3D Scanned Household
Items, ICRA 2022; published on Gazebo Fuel by GoogleResearch under CC-BY-4.0. Z is up, units are
metres.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrm_core.errors import InputError
from lrm_core.io.json_files import read_json
from lrm_core.meshes.mesh_assets import MeshAssets
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.sources.object_views import (
    MESH_RENDERER,
    ViewSettings,
    render_object,
    sample_cameras,
)
from lrm_core.structures.view_set import ObjectJob, ObjectSource, ViewSet, object_id_of

LICENCE = "CC-BY-4.0, Google LLC"
ATTRIBUTION = "Google Scanned Objects by Google LLC, CC-BY-4.0"
# Kept beside each downloaded model (fuel_download).
RECORD_NAME = "fuel.json"

# Gazebo Fuel's layout, and the flattened one of many copies
_MODEL_FILES = ("meshes/model.obj", "model.obj")
_MATERIAL_LIBRARY = re.compile(rb"^mtllib[ \t]+(.+?)[ \t\r]*$", re.MULTILINE)
_TEXTURE = re.compile(rb"^[ \t]*map_\w+[ \t]+(.+?)[ \t\r]*$", re.MULTILINE)


@dataclass(frozen=True)
class GsoSource:
    """Google Scanned Objects as a `Source`.

    Attributes:
        root: folder of the objects.
        settings: which views, and how.
        names: the objects wanted; all that are in the folder where None.
        unavailable: names of objects that could not be fetched, and why: jobs that fail, so that
            they are listed among the others and keep their places.
    """

    root: Path
    settings: ViewSettings = field(default_factory=ViewSettings)
    names: Sequence[str] | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)

    def jobs(self) -> list[ObjectJob]:
        """See `gso_jobs`."""
        names = self.names
        if names is not None:
            names = [name for name in names if name not in self.unavailable]
        jobs = [*gso_jobs(self.root, names), *map(fuel_job, self.unavailable)]
        return sorted(jobs, key=lambda job: job.object_id)

    def describe(self) -> dict[str, Any]:
        """See `Source`."""
        return {
            "source": f"{ATTRIBUTION} (evaluation only)",
            "renderer": MESH_RENDERER,
            "settings": self.settings.describe(),
        }

    def __call__(self, job: ObjectJob) -> ViewSet:
        """The views of an object.

        Raises:
            InputError: the object cannot be used; see `read_scene`.
        """
        name = job.location.split("/")[0]
        if name in self.unavailable:
            raise InputError(self.unavailable[name])
        model = self.root / job.location
        cameras = sample_cameras(self.settings, job.object_id)
        views = render_object(read_scene(model, up="z"), cameras, self.settings)
        source = ObjectSource(
            name="gso",
            licence=_licence_of(self.root / name),
            sha256=asset_sha256(model),
            bounds=views.bounds,
        )
        return ViewSet(job.object_id, views.images, cameras, source, views.depth, views.normals)


def gso_jobs(root: str | Path, names: Sequence[str] | None = None) -> list[ObjectJob]:
    """The objects in a folder, sorted by id.

    Args:
        root: holds a folder for each object: `NAME/meshes/model.obj` with
            `NAME/materials/textures/texture.png`, or `NAME/model.obj` with `NAME/texture.png`.
        names: the objects wanted; all of them where None.

    Raises:
        InputError: no such folder, no objects in it, or a name that is not there.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    found = {
        folder.name: model.relative_to(root).as_posix()
        for folder in root.iterdir()
        if not folder.name.startswith(".") and (model := model_file(folder)) is not None
    }
    if not found:
        raise InputError(
            f"{root}: holds no Google Scanned Objects (NAME/meshes/model.obj or NAME/model.obj)"
        )
    missing = sorted(set(names or ()) - set(found))
    if missing:
        raise InputError(
            f"{root}: has no object '{missing[0]}'"
            + (f", nor {len(missing) - 1} others of those asked for" if len(missing) > 1 else "")
        )
    wanted = found if names is None else set(names)
    jobs = [ObjectJob(object_id_of(name), found[name]) for name in wanted]
    return sorted(jobs, key=lambda job: job.object_id)


def fuel_job(name: str) -> ObjectJob:
    """The job of an object in Fuel's layout, whether it is there or not."""
    return ObjectJob(object_id_of(name), f"{name}/{_MODEL_FILES[0]}")


def model_file(folder: Path) -> Path | None:
    """The mesh of the object in `folder`, in either layout, or None."""
    candidates = (folder / name for name in _MODEL_FILES)
    return next((file for file in candidates if file.is_file()), None)


def asset_sha256(model: Path) -> str:
    """Hash of the bytes of a mesh, its material libraries and its textures, in this order.

    It does not depend on where the files lie, and is the same for both layouts.
    """
    digest = hashlib.sha256()
    for content in _asset_contents(model):
        digest.update(content)
    return digest.hexdigest()


def _asset_contents(model: Path) -> Iterator[bytes]:
    assets = MeshAssets(model)
    content = model.read_bytes()
    yield content
    materials = [file.read_bytes() for file in _named(_MATERIAL_LIBRARY, content, assets)]
    yield from materials
    yield from (file.read_bytes() for file in _named(_TEXTURE, b"\n".join(materials), assets))


def _named(pattern: re.Pattern[bytes], content: bytes, assets: MeshAssets) -> list[Path]:
    """Files that a text names, each once, in the order of their first mention."""
    names = dict.fromkeys(pattern.findall(content))
    files = (assets.find(name.decode("utf-8", "replace")) for name in names)
    return list(dict.fromkeys(file for file in files if file is not None))


def _licence_of(folder: Path) -> str:
    """The licence recorded at the download, else that of the data set."""
    path = folder / RECORD_NAME
    if not path.is_file():
        return LICENCE
    try:
        record = read_json(path)
        licence, url = str(record["licence"]), str(record["licence_url"])
    except (InputError, KeyError) as error:
        raise InputError(f"{path}: not a record of a download", hint="delete it") from error
    if url.rstrip("/").endswith("creativecommons.org/licenses/by/4.0"):
        return LICENCE
    return f"{licence} ({url})" if url else licence or "unknown"
