"""The objects of a dataset that an evaluation runs over."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lrm_core.errors import ConfigError, InputError
from lrm_core.evaluation.held_out_views import draw_held_out_views, read_held_out_views
from lrm_core.evaluation.posed_images import TRANSFORMS, PosedImages, read_posed_images
from lrm_core.evaluation.protocol import Protocol
from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES, read_scene
from lrm_core.procedural.objects import procedural_object
from lrm_core.reporting.metric_report import in_utf8
from lrm_core.sources.gso import LICENCE as GSO_LICENCE
from lrm_core.sources.gso import asset_sha256, gso_jobs
from lrm_core.sources.procedural import LICENCE as PROCEDURAL_LICENCE
from lrm_core.sources.procedural import scene_sha256
from lrm_core.structures.scene import Scene

Dataset = Literal["gso", "procedural", "folder", "views"]

_ALWAYS_Y_UP = (".glb", ".gltf")


@dataclass(frozen=True)
class Collection:
    """Objects to evaluate on.

    Attributes:
        dataset: what they are.
        root: folder of the objects, datasets with commas, or None where objects are made on the
            spot.
        locations: (name, location) of each, in the order of the protocol's list.
        missing: names of the protocol that are not there.
        licence: licence of the objects.
        up: up axis of meshes in a folder; glTF files are y-up whatever it says.
        seed: draws procedural objects.
        skipped: object -> why it could not be drawn.
    """

    dataset: Dataset
    root: Path | str | None
    locations: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    licence: str
    up: Literal["y", "z"] = "z"
    seed: int = 0
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objects that are there; of views, one for each input view."""
        return tuple(name for name, _ in self.locations)

    def object_of(self, name: str) -> str:
        """The object that a name stands for: of views, the name without the input view."""
        return name.rpartition("/")[0] if self.dataset == "views" else name

    def load(self, name: str) -> tuple[Scene | PosedImages, str]:
        """An object, or photos of it, and the SHA-256 of its asset.

        Raises:
            InputError: its file cannot be used.
        """
        location = dict(self.locations)[name]
        if self.root is None:
            scene = procedural_object(self.seed, int(location))
            return scene, scene_sha256(scene)
        if isinstance(self.root, str):
            return read_held_out_views(location)
        path = self.root / location
        if self.dataset == "gso":
            return read_scene(path, up="z"), asset_sha256(path)
        if path.name == TRANSFORMS:
            return read_posed_images(path)
        scene = read_scene(path, up="y" if path.suffix.lower() in _ALWAYS_Y_UP else self.up)
        return scene, _content_sha256(scene)


def find_objects(
    protocol: Protocol,
    *,
    root: Path | str | None = None,
    names: Sequence[str] | None = None,
    limit: int | None = None,
    up: Literal["y", "z"] = "y",
) -> Collection:
    """The objects of a protocol that are there.

    Args:
        protocol: names them.
        root: folder of the data, `LRM_GSO_DIR` by default for GSO; of views, the URLs of datasets
            with commas between them.
        names: evaluate on these instead of the protocol's; `["all"]` takes all that are there.
        limit: take the first ones only.
        up: up axis of meshes in a folder of your own (glTF files are y-up always).

    Raises:
        ConfigError: names of objects that are made on the spot are not numbers, or a folder or
            dataset is missing.
        InputError: no data, none of the objects, a wanted name is not there, or two
            objects of a folder have one name.
    """
    if protocol.dataset == "procedural":
        wanted = protocol.objects if names is None else tuple(names)
        if not all(name.isdigit() for name in wanted):
            raise ConfigError("procedural objects are named by their number, such as 0")
        located = tuple((name, name) for name in wanted)
        return Collection(
            "procedural",
            None,
            located[:limit],
            (),
            PROCEDURAL_LICENCE,
            seed=protocol.procedural_seed,
        )
    if protocol.dataset == "views":
        if root is None:
            raise ConfigError("held-out views need a dataset", hint="use views:DATASET")
        drawn = draw_held_out_views(str(root).split(","), protocol)
        located = drawn.locations
        if names is not None and list(names) != ["all"]:
            known = dict(located)
            unknown = [name for name in names if name not in known]
            if unknown:
                raise InputError(f"{root}: '{unknown[0]}' is not among the inputs that were drawn")
            located = tuple((name, known[name]) for name in names)
        return Collection(
            "views", str(root), located[:limit], (), drawn.licence, skipped=drawn.skipped
        )
    root = None if root is None else Path(root)
    if protocol.dataset == "gso":
        root = _gso_root(root)
        available = {Path(job.location).parts[0]: job.location for job in gso_jobs(root)}
        licence = GSO_LICENCE
    else:
        if root is None:
            raise ConfigError("a dataset of your own needs its folder", hint="use folder:DIR")
        available = _objects_in_folder(root)
        licence = "the user's own"
    if names is None or list(names) == ["all"]:
        listed = protocol.objects if names is None else ()
        missing = tuple(name for name in protocol.objects if name not in available)
    else:
        listed, missing = tuple(names), ()
        unknown = [name for name in names if name not in available]
        if unknown:
            raise InputError(f"{root}: there is no object '{unknown[0]}'")
    listed = listed or tuple(sorted(available))
    located = tuple((name, available[name]) for name in listed if name in available)
    if not located:
        raise InputError(
            f"{root}: none of the {len(listed)} objects of {protocol.name} is there",
            hint="--objects all takes those that are there",
        )
    return Collection(protocol.dataset, root, located[:limit], missing, licence, up=up)


def _gso_root(root: Path | None) -> Path:
    if root is not None:
        return root
    variable = os.environ.get("LRM_GSO_DIR", "")
    if variable:
        return Path(variable)
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lrm" / "gso"
    if cached.is_dir():
        return cached
    raise InputError(
        "Google Scanned Objects are not here",
        hint="name their folder with --data-root or LRM_GSO_DIR, or fetch them with "
        f"`lrm preprocess gso --download --source {cached} -o DATASET`",
    )


def _objects_in_folder(root: Path) -> dict[str, str]:
    """Objects in a folder and its subfolders: name -> location, both relative to the folder.

    A mesh file is named without its suffix; a folder with a transforms.json is one object, known by
    its photos, and whatever else lies there belongs to it. Hidden files are passed over.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    try:
        os.scandir(root).close()
    except OSError as error:  # rglob would find nothing and say nothing
        raise InputError(f"{root}: cannot be read ({error.strerror})") from error
    files = [path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file()]
    photographed = {path.parent for path in files if path.name == TRANSFORMS}
    found: dict[str, str] = {}
    for path in files:
        if any(part.startswith(".") for part in path.parts):
            continue
        if path.name == TRANSFORMS:
            name = path.parent.as_posix() if path.parent.parts else root.resolve().name
        elif path.suffix.lower() in SCENE_SUFFIXES and photographed.isdisjoint(path.parents):
            name = path.with_suffix("").as_posix()
        else:
            continue
        name = in_utf8(name)
        if name in found:
            raise InputError(
                f"{root}: {found[name]} and {path.as_posix()} are both called '{name}'",
                hint="keep one file per object",
            )
        found[name] = path.as_posix()
    if not found:
        raise InputError(
            f"{root}: holds no object",
            hint=f"expected meshes ({', '.join(SCENE_SUFFIXES)}) or folders with a {TRANSFORMS}",
        )
    return found


def _content_sha256(scene: Scene) -> str:
    """Hash of all that was read: the mesh, its materials and textures, turned upright."""
    digest = hashlib.sha256()
    for part in scene.parts:
        look = part.material
        facts = (look.base_color, look.alpha_mode, look.alpha_cutoff, look.double_sided)
        digest.update(repr(facts).encode())
        for array in (part.vertices, part.faces, part.uv, part.vertex_colors, look.texture):
            if array is not None:
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
