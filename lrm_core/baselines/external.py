"""Meshes that some other tool made, one file for each object, named by object."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import UInt8

from lrm_core.baselines.predictor import Alignment, Prediction, fingerprint_of
from lrm_core.errors import InputError
from lrm_core.io.file_hash import sha256_of
from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES, read_scene


@dataclass(frozen=True)
class ExternalPredictor:
    """Reads `NAME.glb` (or another mesh format) or the one mesh in the folder `NAME`.

    Scale and place are taken as they are: the files answer the evaluation's picture in its frame.

    Attributes:
        folder: where the meshes lie.
        up: the up axis of the files: y (front +z, as glTF) or z (front -y, the world frame).
        alignment: what the files promise about their frame.
    """

    folder: Path
    up: Literal["y", "z"] = "y"
    alignment: Alignment = "canonical"

    licence: ClassVar[str] = "of the meshes: unknown"
    iso_level: ClassVar[None] = None
    photo_colors: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise InputError(
                f"{self.folder}: no such folder", hint="external:DIR names a folder of meshes"
            )

    @property
    def name(self) -> str:
        """See `Predictor`."""
        return f"external:{self.folder}"

    @property
    def source(self) -> str:
        """See `Predictor`."""
        return str(self.folder)

    @cached_property
    def fingerprint(self) -> str:
        """Hash over every file in the folder, meshes and what belongs to them; see `Predictor`."""
        files = {
            path.relative_to(self.folder).as_posix(): sha256_of(path)
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }
        return fingerprint_of("external", {"files": files, "up": self.up})

    def predict(self, rgba: UInt8[np.ndarray, "H W 4"], *, name: str) -> Prediction:
        """The mesh of the object `name`; see `Predictor.predict`.

        Raises:
            InputError: no mesh or several of this name, or it cannot be read.
        """
        start = time.perf_counter()
        scene = read_scene(self._mesh_of(name), up=self.up)
        return Prediction(scene, time.perf_counter() - start, ("seconds: reading the file only",))

    def _mesh_of(self, name: str) -> Path:
        if not name or name in (".", "..") or Path(name).name != name or "\\" in name:
            raise InputError(f"'{name}' is not an object name: it would leave the folder of meshes")
        found = [
            path for suffix in SCENE_SUFFIXES if (path := self.folder / f"{name}{suffix}").is_file()
        ]
        if not found and (self.folder / name).is_dir():
            inside = sorted((self.folder / name).iterdir())
            found = [path for path in inside if path.suffix.lower() in SCENE_SUFFIXES]
        if len(found) != 1:
            those = ", ".join(path.name for path in found) or "none"
            raise InputError(
                f"{self.folder}: expected one mesh of '{name}', found {those}",
                hint=f"name it {name}.glb (or .obj, .ply, .stl, .gltf, .dae)",
            )
        return found[0]
