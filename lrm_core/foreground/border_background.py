"""Foreground of a photo in front of a near-uniform background, such as a wall or a studio sheet.

The background's color is a smooth surface (a quadratic polynomial in Lab), fitted robustly to the
picture's border and then to all that was found to be background, so that gradients and vignettes
are not taken for an object. Background is what has that color and is connected to the border;
enclosed parts (the inside of a handle) count where they match it closely. What could be a shadow on
the background is decided by GrabCut, everything else being given.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from lrm_core.foreground.grabcut import WORKING_SIDE as SHADOW_SIDE
from lrm_core.foreground.grabcut import clean_mask, grabcut_labels, resize_mask, shrink

WORKING_SIDE = 768
"""Longer side in pixels at which the background is found; the edge is refined at full size."""
_BLUR = 0.8
"""Standard deviation in pixels of the blur that removes sensor and JPEG noise."""
_LEAST_UNIFORM_SHARE = 0.75
"""Share of the border that must have the background's color; an object may cross the rest."""
_LARGEST_DEVIATION = 2.0
"""Typical distance from the surface at a near-uniform border, in Lab units. Studio photos stay
below 1.7; fur (2.3), water (3.0) and bushes (18) are left to other methods."""
_ROUNDS = 3
_SHADOW_CHROMA, _SHADOW_DEPTH = 12.0, 40.0
"""A shadow nearly keeps the hue (the object tints it) and is darker by up to the depth, in Lab."""
_SHADOW_ITERATIONS = 3
_RIM_WIDTH, _RIM_DIFFERENCE = 8.0, 18.0
"""A rim so wide (pixels) that differs so little (Lab) from the background may be JPEG's smear."""
_SMALLEST_JOINED = 2e-3
"""Share of the object that a part must have for a shadow to join it to the rest."""
_SMALLEST_PART = 0.01
"""Separate parts of the foreground below this share of the largest are dropped."""
_SMALLEST_HOLE = 1e-3
"""Least area of an enclosed part of the background over the picture's."""


def border_mask(rgb: UInt8[np.ndarray, "H W 3"]) -> Bool[np.ndarray, "H W"] | None:
    """What stands in front of a near-uniform background.

    Args:
        rgb: (H, W, 3), without bars around the picture.

    Returns:
        (H, W), all False where nothing stands out; None where the border is not near-uniform.
    """
    small = shrink(rgb, WORKING_SIDE)
    lab = cv2.cvtColor(small.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    lab = cv2.GaussianBlur(lab, (0, 0), _BLUR)
    ring = _ring(*lab.shape[:2])
    surface, deviation = _fit_surface(lab, ring)
    tolerance = float(np.clip(3.0 + 3.0 * deviation, 4.0, 9.0))
    uniform = np.linalg.norm((lab - surface)[ring], axis=-1) < tolerance
    if uniform.mean() < _LEAST_UNIFORM_SHARE or deviation > _LARGEST_DEVIATION:
        return None
    background = np.zeros(ring.shape, bool)
    for _ in range(_ROUNDS):
        near = np.linalg.norm(lab - surface, axis=-1) < tolerance
        background = _connected(near, ring & near)
        if not background.any():
            return None
        surface, deviation = _fit_surface(lab, background)
    background |= _holes(lab - surface, background, deviation)
    mask = clean_mask(~background, smallest_part=_SMALLEST_PART, largest_speck=0.0)
    mask = _without_shadow(small, mask, _shadow_candidates(lab, surface, mask))
    mask = clean_mask(mask, smallest_part=_SMALLEST_PART, largest_speck=0.0)
    return resize_mask(mask, *rgb.shape[:2])


def _ring(height: int, width: int) -> Bool[np.ndarray, "H W"]:
    """The border, a hundredth of the longer side wide."""
    thickness = max(1, min(round(0.01 * max(height, width)), min(height, width) // 8))
    ring = np.ones((height, width), bool)
    ring[thickness:-thickness, thickness:-thickness] = False
    return ring


def _fit_surface(
    lab: Float[np.ndarray, "H W 3"], where: Bool[np.ndarray, "H W"]
) -> tuple[Float[np.ndarray, "H W 3"], float]:
    """Quadratic color surface through most of the pixels `where`, and their typical distance."""
    height, width = where.shape
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None] + np.zeros((1, width), np.float32)
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None] + np.zeros((height, 1), np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    step = max(1, int(where.sum()) // 20_000)
    samples, colors = terms[where][::step].astype(np.float64), lab[where][::step]
    distance = np.linalg.norm(colors - np.median(colors, axis=0), axis=-1)
    limit = max(10.0, 2.5 * float(np.median(distance)))
    for _ in range(6):
        inliers = distance < limit
        coefficients = np.linalg.lstsq(samples[inliers], colors[inliers], rcond=None)[0]
        distance = np.linalg.norm(colors - samples @ coefficients, axis=-1)
        deviation = float(np.median(distance[distance < limit]))
        limit = max(2.0, 4.0 * deviation)
    return (terms @ coefficients.astype(np.float32)).astype(np.float32), deviation


def _connected(
    candidates: Bool[np.ndarray, "H W"], seeds: Bool[np.ndarray, "H W"]
) -> Bool[np.ndarray, "H W"]:
    """Candidates that are connected to a seed."""
    _, labels = cv2.connectedComponents(candidates.astype(np.uint8), connectivity=4)
    reached = np.unique(labels[seeds])
    return np.asarray(np.isin(labels, reached[reached > 0]))


def _shadow_candidates(
    lab: Float[np.ndarray, "H W 3"],
    surface: Float[np.ndarray, "H W 3"],
    mask: Bool[np.ndarray, "H W"],
) -> Bool[np.ndarray, "H W"]:
    """Parts of the mask that could be shadow: the background's hue, darker, low in the object."""
    lightness, expected = lab[..., 0], surface[..., 0]
    # light that is k times weaker scales L, a and b alike (roughly: Lab is nearly a cube root)
    factor = lightness / np.maximum(expected, 1.0)
    chroma = np.linalg.norm(lab[..., 1:] - surface[..., 1:] * factor[..., None], axis=-1)
    rows = np.flatnonzero(mask.any(axis=1))
    low = np.arange(len(lab))[:, None] > (rows.mean() if len(rows) else 0.0)
    shaded = (lightness < expected) & (lightness > expected - _SHADOW_DEPTH)
    shadow = low & shaded & (chroma < _SHADOW_CHROMA)
    # JPEG smears colors over its blocks: a rim that hardly differs is as uncertain as a shadow
    rim = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5) < _RIM_WIDTH
    rim &= np.linalg.norm(lab - surface, axis=-1) < _RIM_DIFFERENCE
    return np.asarray(mask & (shadow | rim))


def _without_shadow(
    rgb: UInt8[np.ndarray, "H W 3"],
    mask: Bool[np.ndarray, "H W"],
    candidates: Bool[np.ndarray, "H W"],
) -> Bool[np.ndarray, "H W"]:
    """The mask without the candidates whose colors are more common outside it."""
    small = shrink(rgb, SHADOW_SIDE)
    size = small.shape[:2]
    guess = np.where(resize_mask(mask, *size), cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
    guess[resize_mask(candidates, *size)] = cv2.GC_PR_BGD
    if not np.isin((cv2.GC_FGD, cv2.GC_BGD, cv2.GC_PR_BGD), guess).all():
        return mask
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    shadow = (guess == cv2.GC_PR_BGD) & ~grabcut_labels(lab, guess, _SHADOW_ITERATIONS)
    shadow = mask & resize_mask(shadow, *mask.shape)
    return np.asarray(mask & (~shadow | _joints(mask & ~shadow, shadow)))


def _joints(
    solid: Bool[np.ndarray, "H W"], shadow: Bool[np.ndarray, "H W"]
) -> Bool[np.ndarray, "H W"]:
    """Supposed shadows that hold parts of the object together, and so belong to it."""
    _, parts, areas, _ = cv2.connectedComponentsWithStats(solid.astype(np.uint8))
    count, regions = cv2.connectedComponents(shadow.astype(np.uint8))
    large = np.flatnonzero(areas[:, cv2.CC_STAT_AREA] > _SMALLEST_JOINED * solid.sum())
    parts = np.where(np.isin(parts, large[large > 0]), parts, 0).astype(np.float32)
    # touching: the largest and smallest label of a part within a pixel differ between parts
    neighbor = np.ones((3, 3), np.uint8)
    highest = cv2.dilate(parts, neighbor)
    lowest = cv2.erode(np.where(parts > 0, parts, np.inf).astype(np.float32), neighbor)
    joints = [
        region
        for region in range(1, count)
        if highest[regions == region].max() > lowest[regions == region].min()
    ]
    return np.asarray(np.isin(regions, joints))


def _holes(
    difference: Float[np.ndarray, "H W 3"], background: Bool[np.ndarray, "H W"], deviation: float
) -> Bool[np.ndarray, "H W"]:
    """Enclosed parts that match the background as closely as the background itself does."""
    distance = np.linalg.norm(difference, axis=-1)
    close = (distance < max(2.0, 3.0 * deviation)) & ~background
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(
        close.astype(np.uint8), connectivity=4
    )
    large = statistics[:, cv2.CC_STAT_AREA] >= _SMALLEST_HOLE * background.size
    holes = [
        label
        for label in range(1, count)
        if large[label] and np.median(distance[labels == label]) < max(1.0, 1.5 * deviation)
    ]
    return np.asarray(np.isin(labels, holes))
