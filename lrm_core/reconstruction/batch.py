"""Which photo becomes which mesh file."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from lrm_core.errors import InputError, OutputError
from lrm_core.io.image_files import IMAGE_SUFFIXES
from lrm_core.io.mesh_files import MESH_WRITERS
from lrm_core.reconstruction.result_files import check_output


def plan_outputs(
    photos: Sequence[Path], out: Path, *, file_format: str | None, overwrite: bool
) -> list[tuple[Path, Path]]:
    """Pairs of photo and mesh file.

    Args:
        photos: files and folders; a folder stands for the images in it.
        out: a mesh file for one photo, or a folder.
        file_format: suffix of meshes in a folder, without the dot; None for OBJ.
        overwrite: whether meshes that are there already may be replaced.

    Returns:
        one pair per photo, sorted by folder listing; photos of the same name get `_2`, `_3`, ...

    Raises:
        InputError: a folder without images.
        OutputError: one file for several photos, a format that contradicts the suffix, or a file
            that may not be replaced.
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
    suffix = out.suffix.lower()
    if suffix in MESH_WRITERS:
        if several:
            raise OutputError(f"{out} is one file for {len(found)} photos", hint="name a folder")
        if file_format is not None and f".{file_format}" != suffix:
            raise OutputError(f"--format {file_format} contradicts the name {out.name}")
        check_output(out, overwrite=overwrite)
        return [(found[0], out)]
    if suffix and not several and not out.is_dir():
        check_output(out, overwrite=overwrite)  # a misspelt format, not a folder
    pairs: list[tuple[Path, Path]] = []
    taken: set[str] = set()
    for photo in found:
        candidates = itertools.chain(
            [photo.stem], (f"{photo.stem}_{n}" for n in itertools.count(2))
        )
        name = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(name)
        path = out / f"{name}.{file_format or 'obj'}"
        check_output(path, overwrite=overwrite)
        pairs.append((photo, path))
    return pairs
