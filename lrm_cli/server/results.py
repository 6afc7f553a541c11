"""Finished meshes on disk: a private folder, fixed file names, a time to live.

A result is one folder, made whole under another name and renamed: whatever ends the process, no
half result is ever found. The mesh is kept as GLB, the file that the page shows; other formats are
made of it when they are asked for.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrm_core.errors import LrmError

if TYPE_CHECKING:
    from lrm_core.structures.mesh import Mesh

MESH = "mesh.glb"
INPUT = "mesh.input.png"
RECORD = "mesh.json"

MEDIA_TYPES = {
    MESH: "model/gltf-binary",
    "mesh.zip": "application/zip",
    "mesh.ply": "application/octet-stream",
    "mesh.stl": "model/stl",
    "mesh.3mf": "model/3mf",
    "mesh.usdz": "model/vnd.usdz+zip",
    INPUT: "image/png",
    RECORD: "application/json",
}
"""Names of the files of a result -> their media types; `mesh.zip` holds OBJ, MTL and texture."""
SIZED = ("mesh.stl", "mesh.3mf", "mesh.usdz")
"""Files that a client can ask for in a size."""

_PREFIX = "lrm-serve-"
_LEASE_SECONDS = 600.0
"""A server touches its folder more often; older ones were left by servers that were killed."""


class ResultFolder:
    """The results of one server.

    Args:
        parent: folder that it is made in; None for the system's temporary folder.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = Path(tempfile.gettempdir()) if parent is None else parent
        self._path: Path | None = None

    def open(self) -> ResultFolder:
        """Make the folder, for this user alone; remove those of servers that were killed."""
        _remove_abandoned(self._parent)
        self._path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
        return self

    @property
    def path(self) -> Path:
        """The folder, once it is open."""
        assert self._path is not None, "the folder is opened when the server starts"
        return self._path

    def add(self, job_id: str, write: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Make a result.

        Args:
            job_id: its name.
            write: writes `MESH`, `INPUT` and `RECORD` into a folder and returns the record.

        Returns:
            the record.
        """
        making = Path(tempfile.mkdtemp(prefix="making-", dir=self.path))
        try:
            record = write(making)
            making.rename(self.path / job_id)
            return record
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def read(self, job_id: str, name: str, size_mm: float | None = None) -> bytes:
        """A file of a result.

        Args:
            job_id: of a job that is done.
            name: a key of `MEDIA_TYPES`.
            size_mm: longest side in millimeters, for a name of `SIZED`.

        Raises:
            FileNotFoundError: the result is not kept any more.
        """
        folder = self.path / job_id
        if name in (MESH, INPUT, RECORD):
            return (folder / name).read_bytes()
        try:
            return _converted(folder / MESH, name, size_mm)
        except (OSError, LrmError) as error:
            if not (folder / MESH).exists():
                raise FileNotFoundError(name) from error
            # their messages hold paths
            raise RuntimeError(f"{name} cannot be made of {MESH}") from error

    def remove(self, job_id: str) -> None:
        """Delete a result, if there is one."""
        shutil.rmtree(self.path / job_id, ignore_errors=True)

    def renew(self) -> None:
        """Show other servers that this folder is in use."""
        with suppress(OSError):
            os.utime(self.path)

    def close(self) -> None:
        """Delete everything."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)


def _converted(glb: Path, name: str, size_mm: float | None) -> bytes:
    """The mesh of a GLB file in another format."""
    from lrm_core.meshes.mesh_writing import write_mesh
    from lrm_core.meshes.zip_packages import pack

    mesh = _read_mesh(glb)
    with tempfile.TemporaryDirectory(prefix="converting-", dir=glb.parent) as folder:
        if name.endswith(".zip"):
            files = write_mesh(Path(folder) / "mesh.obj", mesh)
            return pack({file.name: file.read_bytes() for file in files})
        (path,) = write_mesh(Path(folder) / name, mesh, size_mm=size_mm)
        return path.read_bytes()


def _read_mesh(glb: Path) -> Mesh:
    from lrm_core.geometry.scene_conversion import mesh_from_part
    from lrm_core.meshes.mesh_reading import read_scene

    (part,) = read_scene(glb).parts
    return mesh_from_part(part)


def _remove_abandoned(parent: Path) -> None:
    """Delete folders of this user's servers that were killed before they could do it."""
    oldest = time.time() - _LEASE_SECONDS
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            known = folder.lstat()
            ours = not hasattr(os, "getuid") or known.st_uid == os.getuid()
            if ours and folder.is_dir() and not folder.is_symlink() and known.st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
