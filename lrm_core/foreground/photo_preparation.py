"""Photos -> square cut-outs: background removed, object cropped, centered and scaled.

Source: paper, appendix E: "removing the background [...], followed by cropping out the target
object, rescaling the target to a suitable size and centering the target on a square white figure".
The white stays under a transparent alpha, so that any other background is possible too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from lrm_core.errors import InputError, MissingDependencyError
from lrm_core.foreground.methods import BackgroundRemoval, KeepObjects
from lrm_core.foreground.removal import remove_background
from lrm_core.imaging.contact_sheet import contact_sheet, fit_image
from lrm_core.imaging.framing import frame_as_is, frame_for_model, object_box
from lrm_core.io.image_files import read_image, read_mask
from lrm_core.io.image_formats import IMAGE_SUFFIXES
from lrm_core.io.image_writing import to_uint8
from lrm_core.io.photo_listing import (
    IMAGE_ENDING,
    MASK_ENDING,
    SHEET_NAME,
    distinct_names,
    list_photos,
)

_WHITE = 1.0
_CELL = 160
_PAIRS_PER_ROW = 4
_MOST_PAIRS = 64
_VIEW_CELL = 384


@dataclass(frozen=True)
class PhotoSettings:
    """How photos are prepared.

    Attributes:
        size: side of the square results in pixels.
        foreground_ratio: longer side of the object's box over the image side, in (0, 1].
        background_removal: see `remove_background`; with `none` the whole picture is kept and
            padded to a square instead of cropped.
        keep: of several separate objects, the largest or all.
    """

    size: int = 512
    foreground_ratio: float = 0.75
    background_removal: BackgroundRemoval = "auto"
    keep: KeepObjects = "largest"

    def describe(self) -> dict[str, Any]:
        """The settings as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PhotoJob:
    """One photo to be prepared.

    Attributes:
        photo: its file.
        name: of the result, without suffix; unique among the jobs.
        mask: file of its mask, or None.
    """

    photo: Path
    name: str
    mask: Path | None = None


@dataclass(frozen=True)
class PreparedPhoto:
    """What became of one photo.

    Attributes:
        photo: its file.
        name: of the result, without suffix.
        sha256: of the photo's bytes, followed by those of its mask.
        method: how the object was cut out.
        warning: one line where the result should be looked at, or None.
        image_size: (width, height) of the picture as it was read: upright, at most 2048 a side.
        box: (left, top, right, bottom) of the object in that picture.
        foreground: share of its pixels that belong to the object.
    """

    photo: str
    name: str
    sha256: str
    method: str
    warning: str | None
    image_size: tuple[int, int]
    box: tuple[int, int, int, int]
    foreground: float


def plan_photos(sources: Sequence[Path], masks: Path | None = None) -> list[PhotoJob]:
    """Photos of files and folders, each with a distinct name.

    What counts as a photo in a folder, see `list_photos`. Photos of the same name get `_2`, `_3`,
    ... in the order in which they were given.

    Args:
        sources: files and folders; a folder stands for the images in it, sorted by name. One that
            is named twice is taken once.
        masks: folder of masks. The mask of `X.*` or `X__image.*` is `X__mask.*`, or else it has
            the photo's own name.

    Raises:
        InputError: a folder without images, or no folder of masks.
    """
    if masks is not None and not masks.is_dir():
        raise InputError(f"{masks}: no such folder", hint="--masks names a folder of masks")
    photos = list(dict.fromkeys(list_photos(sources)))
    names = distinct_names(photos, reserved=(SHEET_NAME,))
    return [
        PhotoJob(photo, name, None if masks is None else _mask_path(photo, masks))
        for photo, name in zip(photos, names, strict=True)
    ]


def prepare_photo(
    job: PhotoJob, settings: PhotoSettings, *, show: bool = False
) -> tuple[PreparedPhoto, UInt8[np.ndarray, "S S 4"], UInt8[np.ndarray, "_ _ 3"] | None]:
    """Cut one object out and center it on a square.

    Args:
        job: the photo.
        settings: how.
        show: whether a sheet of the photo, its mask and the result is made.

    Returns:
        what was done; (S, S, 4) straight alpha, white where alpha is 0; the sheet, or None.

    Raises:
        InputError: the photo or its mask cannot be read or do not fit together.
        EmptyForegroundError: no object was found.
        MissingDependencyError: the removal method is not installed.

    Source: paper, appendix E.
    """
    try:
        photo = read_image(job.photo)
    except MissingDependencyError as error:  # of this photo's format: others can be read
        raise InputError(error.message, hint=error.hint) from error
    foreground = remove_background(
        photo,
        method=settings.background_removal,
        mask=None if job.mask is None else read_mask(job.mask),
        keep=settings.keep,
    )
    height, width, _ = foreground.rgba.shape
    if foreground.method == "none":
        box = (0, 0, width, height)
        framed = frame_as_is(
            foreground.rgba, size=settings.size, background=_WHITE, resize="bicubic"
        )
    else:
        framed = frame_for_model(
            foreground.rgba,
            size=settings.size,
            foreground_ratio=settings.foreground_ratio,
            background=_WHITE,
            resize="bicubic",
        )
        box = object_box(foreground.rgba[..., 3]) or (0, 0, 0, 0)
    prepared = PreparedPhoto(
        photo=str(job.photo),
        name=job.name,
        sha256=fingerprint(job),
        method=foreground.method,
        warning=foreground.warning,
        image_size=(width, height),
        box=box,
        foreground=round(float(np.mean(foreground.rgba[..., 3] >= 128)), 4),
    )
    image = to_uint8(framed[0].permute(1, 2, 0).numpy())
    if not show:
        return prepared, image, None
    mask = np.repeat(foreground.rgba[..., 3:], 3, axis=-1)
    sheet = contact_sheet(
        [[photo.rgba, mask, _on_board(image, _VIEW_CELL)]],
        column_labels=["photo", f"mask ({foreground.method})", "what a model sees"],
        title=job.name,
        cell_size=_VIEW_CELL,
    )
    return prepared, image, sheet


def fingerprint(job: PhotoJob) -> str:
    """The hash of a photo's bytes, followed by those of its mask.

    Raises:
        InputError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in (job.photo, job.mask):
        if path is not None:
            try:
                with path.open("rb") as file:
                    while chunk := file.read(1 << 20):
                        digest.update(chunk)
            except OSError as error:
                raise InputError(f"{path} cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def photo_sheet(prepared: Sequence[PreparedPhoto], out: Path) -> UInt8[np.ndarray, "H W 3"]:
    """Photos beside their cut-outs on a checkered board; of many photos, 64.

    Args:
        prepared: at least one photo, whose result lies in `out`.
        out: folder of the results.

    Raises:
        InputError: a photo or result cannot be read any more.
    """
    count = min(len(prepared), _MOST_PAIRS)
    shown = [prepared[i * len(prepared) // count] for i in range(count)]
    images, captions = [], []
    for record in shown:
        with Image.open(out / f"{record.name}.png", formats=("PNG",)) as file:
            cut = np.asarray(file.convert("RGBA"))
        images += [fit_image(read_image(record.photo).rgba, _CELL), _on_board(cut, _CELL)]
        captions += [record.name, record.method + (" (!)" if record.warning else "")]
    step = 2 * _PAIRS_PER_ROW
    return contact_sheet(
        [images[i : i + step] for i in range(0, len(images), step)],
        captions=[captions[i : i + step] for i in range(0, len(images), step)],
        title=f"{len(prepared)} photos" + (f", {count} shown" if count < len(prepared) else ""),
        cell_size=_CELL,
    )


def _mask_path(photo: Path, masks: Path) -> Path:
    """Where the photo's mask lies; a path that does not exist where there is none."""
    marked = photo.stem.removesuffix(IMAGE_ENDING) + MASK_ENDING
    candidates = (
        masks / f"{stem}{suffix}"
        for stem in (marked, photo.stem)
        for suffix in sorted(IMAGE_SUFFIXES)
    )
    for path in candidates:
        if path.is_file() and os.path.realpath(path) != os.path.realpath(photo):
            return path
    return masks / f"{marked}.png"


def _on_board(rgba: UInt8[np.ndarray, "H W 4"], cell: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """An image on a checkered board of two grays, scaled to a cell."""
    height, width, _ = rgba.shape
    side = max(1, max(height, width) // 16)
    odd = (np.arange(height)[:, None] // side + np.arange(width) // side) % 2
    board = np.where(odd[..., None], 170.0, 205.0)
    alpha = rgba[..., 3:] / 255.0
    return fit_image(to_uint8((rgba[..., :3] * alpha + board * (1.0 - alpha)) / 255.0), cell)
