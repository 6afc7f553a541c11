"""Finished meshes on disk: a private folder, fixed file names, whole or not at all.

The mesh is kept as GLB, the file that the page shows; other formats are made of it when they are
asked for.
"""

from __future__ import annotations

from pathlib import Path

from lrm_core.errors import LrmError
from lrm_core.io.private_folder import PrivateFolder

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


class ResultFolder(PrivateFolder):
    """The results of one server: an entry for every job, which holds `MESH`, `INPUT` and `RECORD`.

    Args:
        parent: see `PrivateFolder`.
    """

    def __init__(self, parent: Path | None = None) -> None:
        super().__init__("lrm-serve-", parent)

    def read(self, job_id: str, name: str, size_mm: float | None = None) -> bytes:
        """A file of a result.

        Args:
            job_id: of a job that is done.
            name: a key of `MEDIA_TYPES`.
            size_mm: longest side in millimeters, for a name of `SIZED`.

        Raises:
            FileNotFoundError: the result is not kept any more.
        """
        from lrm_core.meshes.mesh_conversion import convert_mesh

        folder = self.path / job_id
        if name in (MESH, INPUT, RECORD):
            return (folder / name).read_bytes()
        try:
            return convert_mesh(folder / MESH, name, size_mm=size_mm)
        except (OSError, LrmError) as error:
            if not (folder / MESH).exists():
                raise FileNotFoundError(name) from error
            # their messages hold paths
            raise RuntimeError(f"{name} cannot be made of {MESH}") from error
