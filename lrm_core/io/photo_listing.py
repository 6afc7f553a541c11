"""Which photos files and folders stand for, and a name for each result."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrm_core.errors import InputError
from lrm_core.io.image_formats import IMAGE_SUFFIXES, RAW_SUFFIXES

MASK_ENDING, IMAGE_ENDING = "__mask", "__image"
SHEET_NAME = "contact_sheet"
"""Name of the sheets that lrm writes beside its pictures."""
TURNTABLE_MARK = b"turntable by lrm-toolkit"
"""Comment in the GIF files that lrm writes: a suffix of photos, and a name that the user chose."""

# kinds of pictures that are not read, by their names
_OTHER_PICTURES = frozenset((
    ".ai", ".bpg", ".cdr", ".dds", ".emf", ".eps", ".exr", ".fits", ".hdr", ".icns", ".jxl", ".jxr",
    ".kra", ".ktx", ".ktx2", ".pcx", ".pdf", ".ps", ".psb", ".psd", ".qoi", ".svg", ".wdp", ".wmf",
    ".xcf",
))  # fmt: skip
# what lrm writes beside a mesh or a cut-out NAME, and the file that shows it did
_BESIDE_A_RECORD = (".input", ".mask", ".sheet", ".views", ".texture")
_CUT_OUTS = "photos.json"
_INDICES = (_CUT_OUTS, "views.json", "transforms.json")
_LONGEST_STEM = 230


@dataclass(frozen=True)
class FolderPhotos:
    """What lies in a folder.

    Attributes:
        photos: sorted by name.
        left_out: pictures of kinds that are not read, such as camera raw files.
    """

    photos: tuple[Path, ...]
    left_out: tuple[Path, ...]


def list_photos(sources: Sequence[Path]) -> list[Path]:
    """Photos of files and folders, in the order of the sources.

    Args:
        sources: files, and folders that stand for their photos (see `photos_in`).

    Raises:
        InputError: a folder without photos.
    """
    photos: list[Path] = []
    for source in sources:
        photos.extend(photos_in(source).photos if source.is_dir() else [source])
    return photos


def photos_in(folder: Path) -> FolderPhotos:
    """List the photos of a folder.

    Hidden files and folders are never photos, nor are masks beside their photos (`X__mask.*` beside
    `X__image.*`), nor what an earlier run wrote: contact sheets beside their index, `X.input.png`
    beside `X.json`, `X.mask.png` and `X.sheet.png`, cut-outs beside the photos that their index
    names, and turntables.

    Raises:
        InputError: there is no photo in it.
    """
    files = sorted(
        path
        for path in folder.iterdir()
        # a link that leads nowhere is a photo that will be missed
        if not path.name.startswith(".")
        and (path.is_file() or (path.is_symlink() and not path.exists()))
    )
    names = {path.name for path in files}
    stems = {path.stem for path in files}
    has_index = any(index in names for index in _INDICES)
    cut_outs = _cut_outs(folder, names)
    photos, left_out = [], []
    for path in files:
        suffix = path.suffix.lower()
        if suffix in RAW_SUFFIXES or suffix in _OTHER_PICTURES:
            left_out.append(path)
        elif suffix in IMAGE_SUFFIXES and not (
            path.name in cut_outs
            or _is_ours(path, names, stems, has_index=has_index)
            or (suffix == ".gif" and _is_turntable(path))
        ):
            photos.append(path)
    if not photos:
        others = f"; {len(left_out)} of kinds that are not read" if left_out else ""
        raise InputError(f"no image in folder {folder}{others}", hint="expected .png, .jpg, ...")
    return FolderPhotos(tuple(photos), tuple(left_out))


def left_out_lines(sources: Sequence[Path]) -> list[str]:
    """One line for each folder that holds pictures of kinds that are not read."""
    lines = []
    for folder in sources:
        left_out = photos_in(folder).left_out if folder.is_dir() else ()
        if left_out:
            names = ", ".join(path.name for path in left_out[:3])
            more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
            lines.append(f"{folder}: {names}{more} not read (camera raw files and drawings)")
    return lines


def _cut_outs(folder: Path, names: set[str]) -> set[str]:
    """Names of cut-outs whose photos lie beside them, as the index of an earlier run tells."""
    if _CUT_OUTS not in names:
        return set()
    try:
        entries = json.loads((folder / _CUT_OUTS).read_bytes())["photos"]
        made = {f"{entry['name']}.png": Path(entry["photo"]).name for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
    return {name for name, photo in made.items() if photo in names and photo != name}


def _is_ours(path: Path, names: set[str], stems: set[str], *, has_index: bool) -> bool:
    """Whether a picture is a mask beside its photo, or written by an earlier run."""
    stem = path.stem
    if stem.endswith(MASK_ENDING):
        return stem.removesuffix(MASK_ENDING) + IMAGE_ENDING in stems
    if path.suffix.lower() != ".png":
        return False
    if has_index and stem == SHEET_NAME:
        return True
    base, dot, kind = stem.rpartition(".")
    if not dot or f".{kind}" not in _BESIDE_A_RECORD:
        return False
    # the texture has the name of its material library, in which blanks are `_`
    if f"{base}.json" in names or f"{base}.mtl" in names:
        return True
    return kind in ("mask", "sheet") and (has_index or base in stems)


def _is_turntable(path: Path) -> bool:
    """Whether a GIF was written by lrm; its comment stands behind a palette of 768 bytes."""
    try:
        with path.open("rb") as file:
            return TURNTABLE_MARK in file.read(2048)
    except OSError:
        return False


def shortened(stem: str) -> str:
    """A stem that leaves room for `_2` and the longest suffix of a result in 255 bytes."""
    encoded, end = os.fsencode(stem), _LONGEST_STEM
    if len(encoded) <= end:
        return stem
    while encoded[end] & 0xC0 == 0x80:  # within a character of UTF-8
        end -= 1
    return os.fsdecode(encoded[:end])


def distinct_names(photos: Sequence[Path], *, reserved: Collection[str] = ()) -> list[str]:
    """A name for each photo: its own without suffix, followed by `_2`, `_3`, ... if it is taken.

    Names differ in more than case: some disks do not tell `A.png` from `a.png`.

    Args:
        photos: files, in the order in which names are given.
        reserved: names that no photo may have.
    """
    taken = {name.casefold() for name in reserved}
    names = []
    for photo in photos:
        stem = shortened(photo.stem)
        candidates = itertools.chain([stem], (f"{stem}_{n}" for n in itertools.count(2)))
        name = next(candidate for candidate in candidates if candidate.casefold() not in taken)
        taken.add(name.casefold())
        names.append(name)
    return names
