"""The objects of a dataset that an evaluation runs over."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lrm_core.errors import ConfigError, InputError
from lrm_core.evaluation.protocol import Protocol
from lrm_core.io.mesh_files import SCENE_SUFFIXES, read_scene
from lrm_core.preprocessing.gso import LICENCE as GSO_LICENCE
from lrm_core.preprocessing.gso import asset_sha256, gso_jobs
from lrm_core.preprocessing.procedural_objects import procedural_object
from lrm_core.preprocessing.procedural_views import LICENCE as PROCEDURAL_LICENCE
from lrm_core.preprocessing.procedural_views import scene_sha256
from lrm_core.structures.scene import Scene

Dataset = Literal["gso", "procedural", "folder"]


@dataclass(frozen=True)
class Collection:
    """Objects to evaluate on.

    Attributes:
        dataset: what they are.
        root: folder of the objects, or None where they are made on the spot.
        locations: (name, location) of each, in the order of the protocol's list.
        missing: names of the protocol that are not there.
        licence: of the objects.
        up: up axis of meshes in a folder.
        seed: of procedural objects.
    """

    dataset: Dataset
    root: Path | None
    locations: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    licence: str
    up: Literal["y", "z"] = "z"
    seed: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Of the objects that are there."""
        return tuple(name for name, _ in self.locations)

    def load(self, name: str) -> tuple[Scene, str]:
        """An object and the SHA-256 of its asset.

        Raises:
            InputError: its file cannot be used.
        """
        location = dict(self.locations)[name]
        if self.root is None:
            scene = procedural_object(self.seed, int(location))
            return scene, scene_sha256(scene)
        path = self.root / location
        if self.dataset == "gso":
            return read_scene(path, up="z"), asset_sha256(path)
        return read_scene(path, up=self.up), hashlib.sha256(path.read_bytes()).hexdigest()


def find_objects(
    protocol: Protocol,
    *,
    root: Path | None = None,
    names: Sequence[str] | None = None,
    limit: int | None = None,
    up: Literal["y", "z"] = "y",
) -> Collection:
    """The objects of a protocol that are there.

    Args:
        protocol: names them.
        root: folder of the data; of GSO by default `LRM_GSO_DIR`.
        names: evaluate on these instead of the protocol's; `["all"]` takes all that are there.
        limit: take the first ones only.
        up: up axis of meshes in a folder of one's own (glTF files are y-up always).

    Raises:
        ConfigError: names were given for objects that are made on the spot.
        InputError: no data, none of the objects, or a name that was asked for is not there.
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
    if protocol.dataset == "gso":
        root = _gso_root(root)
        there = {Path(job.location).parts[0]: job.location for job in gso_jobs(root)}
        licence = GSO_LICENCE
    else:
        if root is None:
            raise ConfigError("a dataset of one's own needs its folder", hint="use folder:DIR")
        there = _meshes(root)
        licence = "the user's own"
    everything = names is not None and list(names) == ["all"]
    listed = tuple(names or protocol.objects) if not everything else ()
    if not listed:
        listed = tuple(sorted(there))
    missing = tuple(name for name in listed if name not in there)
    if names is not None and missing:
        raise InputError(f"{root}: there is no object '{missing[0]}'")
    located = tuple((name, there[name]) for name in listed if name in there)
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


def _meshes(root: Path) -> dict[str, str]:
    """Mesh files in a folder by their names without suffix."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in SCENE_SUFFIXES and path.is_file():
            relative = path.relative_to(root)
            found.setdefault(str(relative.with_suffix("")), str(relative))
    if not found:
        raise InputError(f"{root}: holds no mesh", hint=f"expected {', '.join(SCENE_SUFFIXES)}")
    return found
