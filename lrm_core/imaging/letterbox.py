"""Uniform bars around a picture: they would pass for its background."""

import numpy as np
from jaxtyping import UInt8

_TOLERANCE = 6
"""Largest difference of a bar's pixels from its color, in gray levels."""


def picture_box(rgb: UInt8[np.ndarray, "H W 3"]) -> tuple[slice, slice]:
    """Rows and columns of the picture without the bars that squared or letterboxed it.

    Bars come in pairs of equal width and one color, end in a hard edge along their whole length,
    and their color does not go on beside the picture. A plain background has none of these, and a
    frame on all four sides is one: it may as well be a poster on a wall.

    Args:
        rgb: (H, W, 3).
    """
    height, width = rgb.shape[:2]
    bar = _paired_bars(rgb)
    if bar:
        return slice(bar, height - bar), slice(0, width)
    bar = _paired_bars(rgb.transpose(1, 0, 2))
    return slice(0, height), slice(bar, width - bar)


def _paired_bars(lines: UInt8[np.ndarray, "H W 3"]) -> int:
    """Thickness of the bars before the first and after the last lines; 0 where there are none."""
    # int16: differences of bytes would wrap around
    color = np.median(lines[0], axis=0).astype(np.int16)
    same = np.logical_and.reduce(
        [np.abs(lines[..., i].astype(np.int16) - color[i]) <= _TOLERANCE for i in range(3)]
    )
    like_bar = same.mean(axis=1)
    first, last = _bar_thickness(like_bar), _bar_thickness(like_bar[::-1])
    if not first or abs(first - last) > max(2, 0.02 * len(lines)):
        return 0
    thickness = max(first, last)
    beside = same[thickness : len(lines) - thickness, [0, -1]]
    return thickness if beside.mean() < 0.5 else 0


def _bar_thickness(like_bar: np.ndarray) -> int:
    """Lines from the first on that are all bar, if a hard edge follows; at most a third."""
    is_bar = like_bar > 0.995
    thickness = len(is_bar) if is_bar.all() else int(np.argmin(is_bar))
    if thickness == 0 or thickness > len(is_bar) // 3:
        return 0
    # one or two lines may be blended by resampling or JPEG, and so may the first that is not
    for line in range(thickness, thickness + 3):
        if like_bar[line] < 0.1:
            return line + 1
    return 0
