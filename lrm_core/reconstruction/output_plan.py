"""Which photo becomes which mesh file, and which files may not be replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lrm_core.errors import OutputError
from lrm_core.io.atomic_write import check_replaceable
from lrm_core.io.mesh_placement import UpAxis, check_placement
from lrm_core.io.mesh_writing import MESH_WRITERS
from lrm_core.io.photo_listing import distinct_names, list_photos


def plan_outputs(
    photos: Sequence[Path],
    out: Path,
    *,
    file_format: str | None,
    overwrite: bool,
    skip_existing: bool = False,
    up: UpAxis | None = None,
    size_mm: float | None = None,
) -> list[tuple[Path, Path]]:
    """Pairs of photo and mesh file.

    Args:
        photos: files and folders, as `list_photos` reads them.
        out: a mesh file for one photo, or a folder.
        file_format: suffix of meshes in a folder, without the dot; None for OBJ.
        overwrite: whether meshes that are there already may be replaced.
        skip_existing: leave out photos whose mesh is there already.
        up: up axis of the meshes; None for the format's own.
        size_mm: longest side of the meshes in millimeters, or None.

    Returns:
        one pair per photo, sorted by folder listing; photos of the same name get `_2`, `_3`, ...

    Raises:
        InputError: a folder without images.
        OutputError: one file for several photos, a format that contradicts the suffix, a file
            that may not be replaced, or an up axis or a size that the format does not know.
    """
    several = len(photos) > 1 or any(photo.is_dir() for photo in photos)
    pairs = _pairs(list_photos(photos), out, several=several, file_format=file_format)
    if skip_existing:
        pairs = [(photo, mesh) for photo, mesh in pairs if not mesh.exists()]
    for _, mesh in pairs:
        check_output(mesh, overwrite=overwrite)
        check_placement(mesh.suffix.lower(), up=up, size_mm=size_mm)
    return pairs


def _pairs(
    photos: list[Path], out: Path, *, several: bool, file_format: str | None
) -> list[tuple[Path, Path]]:
    suffix = out.suffix.lower()
    if suffix in MESH_WRITERS:
        if several:
            raise OutputError(f"{out} is one file for {len(photos)} photos", hint="name a folder")
        if file_format is not None and f".{file_format}" != suffix:
            raise OutputError(f"--format {file_format} contradicts the name {out.name}")
        return [(photos[0], out)]
    if suffix and not several and not out.is_dir():
        check_output(out, overwrite=True)  # a misspelt format, not a folder
    return [
        (photo, out / f"{name}.{file_format or 'obj'}")
        for photo, name in zip(photos, distinct_names(photos), strict=True)
    ]


def check_output(path: Path, *, overwrite: bool) -> None:
    """Find out before the work whether a mesh can be written at `path`.

    Raises:
        OutputError: unknown format, or the file exists and may not be replaced.
    """
    if path.suffix.lower() not in MESH_WRITERS:
        raise OutputError(
            f"'{path.suffix or path.name}' is no mesh format",
            hint=f"end the name with one of {', '.join(sorted(MESH_WRITERS))}",
        )
    check_replaceable(path, overwrite=overwrite)
