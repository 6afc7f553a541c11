"""A mesh in a zip archive, with the files that it names, as web sites hand them out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lrm_core.errors import InputError
from lrm_core.io.safe_archives import unpack_zip

ARCHIVE_SUFFIX = ".zip"
_NAMED = 4


@contextmanager
def unpacked_mesh(archive: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """The only mesh of an archive, unpacked for the time of the block.

    Args:
        archive: a zip file; see `unpack_zip` for what is refused.
        suffixes: of what is a mesh.

    Raises:
        InputError: no such file, a broken archive, no mesh, or several.
        OutputError: there is no space for what it holds.
    """
    if not archive.is_file():
        raise InputError(f"{archive}: no such file")
    with tempfile.TemporaryDirectory(prefix="lrm-") as temporary:
        folder = Path(temporary, "unpacked")
        unpack_zip(archive, folder)
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        inside = {file.relative_to(folder): file for file in files}
        meshes = [name for name in inside if name.suffix.lower() in suffixes and _is_meant(name)]
        if not meshes:
            raise InputError(
                f"{archive.name}: holds no mesh", hint=f"expected one of {', '.join(suffixes)}"
            )
        if len(meshes) > 1:
            more = ", ..." if len(meshes) > _NAMED else ""
            raise InputError(
                f"{archive.name}: holds {len(meshes)} meshes "
                f"({', '.join(map(str, meshes[:_NAMED]))}{more})",
                hint="unpack it and name one of them",
            )
        yield inside[meshes[0]]


def _is_meant(name: Path) -> bool:
    """Whether a file is the user's, not what an operating system adds (`__MACOSX/._model.glb`)."""
    return not any(part.startswith((".", "__MACOSX")) for part in name.parts)
