"""Which photo becomes which mesh file, and which files may not be replaced."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from lrm_core.errors import InputError, OutputError
from lrm_core.io.image_files import IMAGE_SUFFIXES
from lrm_core.io.mesh_placement import UpAxis, check_placement
from lrm_core.io.mesh_writing import MESH_WRITERS


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
        photos: files and folders; a folder stands for the images in it.
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
    found: list[Path] = []
    several = len(photos) > 1
    for photo in photos:
        if photo.is_dir():
            several = True
            inside = sorted(p for p in photo.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not inside:
                raise InputError(f"no image in folder {photo}", hint="expected .png, .jpg, ...")
            found.extend(inside)
        else:
            found.append(photo)
    pairs = _pairs(found, out, several=several, file_format=file_format)
    if skip_existing:
        pairs = [(photo, mesh) for photo, mesh in pairs if not mesh.exists()]
    for _, mesh in pairs:
        check_output(mesh, overwrite=overwrite)
        check_placement(mesh.suffix.lower(), up=up, size_mm=size_mm)
    return pairs


def _pairs(
    found: list[Path], out: Path, *, several: bool, file_format: str | None
) -> list[tuple[Path, Path]]:
    suffix = out.suffix.lower()
    if suffix in MESH_WRITERS:
        if several:
            raise OutputError(f"{out} is one file for {len(found)} photos", hint="name a folder")
        if file_format is not None and f".{file_format}" != suffix:
            raise OutputError(f"--format {file_format} contradicts the name {out.name}")
        return [(found[0], out)]
    if suffix and not several and not out.is_dir():
        check_output(out, overwrite=True)  # a misspelt format, not a folder
    pairs: list[tuple[Path, Path]] = []
    taken: set[str] = set()
    for photo in found:
        candidates = itertools.chain(
            [photo.stem], (f"{photo.stem}_{n}" for n in itertools.count(2))
        )
        name = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(name)
        pairs.append((photo, out / f"{name}.{file_format or 'obj'}"))
    return pairs


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


def check_replaceable(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace a file unasked.

    Raises:
        OutputError: the file exists and may not be replaced.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already", hint="add --overwrite to replace it")
