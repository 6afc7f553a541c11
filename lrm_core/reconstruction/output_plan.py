"""Which photo becomes which mesh file, and which files may not be replaced."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from lrm_core.errors import OutputError
from lrm_core.io.atomic_write import FolderPath, check_replaceable
from lrm_core.io.file_hash import sha256_of
from lrm_core.io.photo_listing import list_photos, shortened
from lrm_core.meshes.mesh_placement import UpAxis, check_placement
from lrm_core.meshes.mesh_writing import MESH_WRITERS, plain_name
from lrm_core.reconstruction.result_record import (
    files_of_record,
    read_record,
    result_paths,
)


def plan_outputs(
    photos: Sequence[Path],
    out: Path,
    *,
    file_format: str | None,
    overwrite: bool,
    skip_existing: bool = False,
    up: UpAxis | None = None,
    size_mm: float | None = None,
    further_outputs: Sequence[Path] = (),
    further_inputs: Sequence[Path] = (),
) -> list[tuple[Path, Path]]:
    """Pairs of photo and mesh file.

    A photo keeps the mesh that an earlier run made of it, whatever has come into the folder since;
    others of the same name get `_2`, `_3`, ...

    Args:
        photos: files and folders, as `list_photos` reads them.
        out: a mesh file for one photo, or a folder.
        file_format: suffix of meshes in a folder, without the dot; None for OBJ.
        overwrite: whether meshes that are there already may be replaced.
        skip_existing: leave out photos whose mesh is there already.
        up: up axis of the meshes; None for the format's own.
        size_mm: longest side of the meshes in millimeters, or None.
        further_outputs: what is written beside the meshes, such as a video.
        further_inputs: what is read beside the photos, such as a mask.

    Returns:
        one pair per photo, sorted by folder listing.

    Raises:
        InputError: a folder without images.
        OutputError: one file for several photos, a format that contradicts the suffix, a file
            that may not be replaced, or an up axis or a size that the format does not know.
    """
    several = len(photos) > 1 or any(photo.is_dir() for photo in photos)
    found = list(dict.fromkeys(list_photos(photos)))
    pairs = _pairs(found, out, several=several, file_format=file_format)
    if skip_existing:
        pairs = [(photo, mesh) for photo, mesh in pairs if not mesh.exists()]
    for _, mesh in pairs:
        check_format(mesh)
        check_placement(mesh.suffix.lower(), up=up, size_mm=size_mm)
    outputs = [file for _, mesh in pairs for file in result_paths(mesh)]
    inputs = [*found, *further_inputs]
    check_replaceable(*outputs, *further_outputs, overwrite=True, inputs=inputs)
    if skip_existing:  # what is left of a result whose mesh was never finished
        left = {file for _, mesh in pairs for file in files_of_record(mesh)}
        outputs = [file for file in outputs if file not in left]
    check_replaceable(*outputs, *further_outputs, overwrite=overwrite)
    return pairs


def _pairs(
    found: list[Path], out: Path, *, several: bool, file_format: str | None
) -> list[tuple[Path, Path]]:
    if str(out) == "-":
        raise OutputError("- is not a file of this machine", hint="name a file or a folder")
    suffix = out.suffix.lower()
    is_folder = isinstance(out, FolderPath) or out.is_dir()
    if suffix in MESH_WRITERS and not is_folder:
        if several:
            raise OutputError(
                f"{out} is one mesh, but several photos or a folder were named",
                hint="name a folder for their meshes",
            )
        if file_format is not None and f".{file_format}" != suffix:
            raise OutputError(f"--format {file_format} contradicts the name {out.name}")
        return [(found[0], out)]
    if suffix and not several and not is_folder:
        check_format(out)  # a misspelt format, not a folder
    return _named(found, Path(out), f".{file_format or 'obj'}")


def _named(found: list[Path], out: Path, suffix: str) -> list[tuple[Path, Path]]:
    """A mesh of its own for every photo."""
    times, stems = Counter(p.name for p in found), Counter(p.stem for p in found)
    meshes: dict[Path, Path] = {}
    taken: set[str] = set()

    def take(photo: Path, mesh: Path) -> None:
        meshes[photo] = mesh
        taken.add(_key(mesh))

    for photo in found:  # first those that have a mesh already
        for number, mesh in enumerate(_candidates(photo, out, suffix), start=1):
            record = read_record(mesh)
            if number > stems[photo.stem] and not record and not mesh.exists():
                break
            if _key(mesh) not in taken and _is_of(record, photo, unique=times[photo.name] == 1):
                take(photo, mesh)
                break
    for photo in found:
        if photo not in meshes:
            free = (
                mesh
                for mesh in _candidates(photo, out, suffix)
                if _key(mesh) not in taken and "photo" not in read_record(mesh)
            )
            take(photo, next(free))
    return [(photo, meshes[photo]) for photo in found]


def _candidates(photo: Path, out: Path, suffix: str) -> Iterator[Path]:
    stem = shortened(photo.stem)
    names = itertools.chain([stem], (f"{stem}_{n}" for n in itertools.count(2)))
    return (out / f"{name}{suffix}" for name in names)


def _key(mesh: Path) -> str:
    """Equal for meshes whose files could have the same name on some file system."""
    return plain_name(mesh.stem).casefold()


def _is_of(record: dict[str, object], photo: Path, *, unique: bool) -> bool:
    """Whether a record is that of a photo; among several of one name, the content decides."""
    made_from = record.get("photo")
    if not isinstance(made_from, dict) or made_from.get("name") != photo.name:
        return False
    try:
        return unique or made_from.get("sha256") == sha256_of(photo)
    except OSError:
        return False


def check_format(path: Path) -> None:
    """Find out before the work whether a mesh can be written as the suffix says.

    Raises:
        OutputError: unknown format.
    """
    if path.suffix.lower() not in MESH_WRITERS:
        raise OutputError(
            f"'{path.suffix or path.name}' is not a mesh format",
            hint=f"end the name with one of {', '.join(sorted(MESH_WRITERS))}; "
            f"a folder's name with a slash: {path}/",
        )
