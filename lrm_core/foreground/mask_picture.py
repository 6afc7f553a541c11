"""The mask of a photo in which no object was found, as a picture beside the missing result."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lrm_core.errors import EmptyForegroundError, LrmError, OutputError
from lrm_core.io.image_writing import write_png

MASK_SUFFIX = ".mask.png"


def with_mask_picture(error: LrmError, result: Path, *, overwrite: bool) -> LrmError:
    """Write what was taken for the object as NAME.mask.png, and say so in the error.

    Args:
        error: returned unchanged unless it is an `EmptyForegroundError` that holds a mask.
        result: the file that could not be made; the picture takes its name.
        overwrite: whether an older picture is replaced; without it, it stays.
    """
    if not isinstance(error, EmptyForegroundError) or not isinstance(error.mask, np.ndarray):
        return error
    path = result.with_suffix(MASK_SUFFIX)
    if not path.exists() or overwrite:
        try:
            write_png(path, error.mask)
        except (OutputError, OSError):  # the mask is a help, its absence not another failure
            return error
        return EmptyForegroundError(
            f"{error.message}; what was found: {path}", error.hint, error.mask
        )
    return error
