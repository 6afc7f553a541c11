"""Which photos files and folders stand for, and a name for each result."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from pathlib import Path

from lrm_core.errors import InputError
from lrm_core.io.image_files import IMAGE_SUFFIXES

IMAGE_ENDING, MASK_ENDING = "__image", "__mask"


def list_photos(sources: Sequence[Path]) -> list[Path]:
    """Photos of files and folders, in the order of the sources.

    Args:
        sources: files, and folders that stand for the images in them, sorted by name. In a folder,
            `X__mask.*` beside `X__image.*` is a mask, not a photo.

    Raises:
        InputError: a folder without images.
    """
    photos: list[Path] = []
    for source in sources:
        if not source.is_dir():
            photos.append(source)
            continue
        files = sorted(path for path in source.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        stems = {path.stem for path in files}
        inside = [path for path in files if not _is_mask(path.stem, stems)]
        if not inside:
            raise InputError(f"no image in folder {source}", hint="expected .png, .jpg, ...")
        photos.extend(inside)
    return photos


def _is_mask(stem: str, stems: Collection[str]) -> bool:
    return stem.endswith(MASK_ENDING) and stem.removesuffix(MASK_ENDING) + IMAGE_ENDING in stems


def distinct_names(photos: Sequence[Path], *, reserved: Collection[str] = ()) -> list[str]:
    """A name for each photo: its own without suffix, followed by `_2`, `_3`, ... if it is taken.

    Args:
        photos: files, in the order in which names are given.
        reserved: names that no photo may have.
    """
    taken = set(reserved)
    names = []
    for photo in photos:
        candidates = itertools.chain(
            [photo.stem], (f"{photo.stem}_{number}" for number in itertools.count(2))
        )
        name = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(name)
        names.append(name)
    return names
