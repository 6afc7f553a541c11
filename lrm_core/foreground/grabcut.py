"""Foreground of a real photo without a network: a vote of three GrabCut runs.

Rother et al., GrabCut, SIGGRAPH 2004, as in OpenCV. Its result depends on the first guess, so that
three guesses vote: a small and a large ellipse in the center and the picture without its rim.
Saliency maps (robust background detection) as first guess did worse on every photo, and Lab
colors did better than RGB (docs/background-removal.md).
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

WORKING_SIDE = 320
"""Longer side in pixels at which GrabCut runs; the edge is refined at full size later."""
_ITERATIONS = 5
_ELLIPSE_DEVIATIONS = (0.2, 0.25)
"""Standard deviations of the centered ellipses over the picture's sides."""
_RIM = 0.12
"""Width of the rim that is background, over the longer side."""
_SMALLEST_PART = 0.1
"""Parts of the foreground below this share of the largest are dropped."""
_LARGEST_SPECK = 0.01
"""Holes below this share of the foreground are filled."""


def grabcut_mask(rgb: UInt8[np.ndarray, "H W 3"]) -> Bool[np.ndarray, "H W"]:
    """The object near the center of a photo.

    Deterministic. The mask is all False where GrabCut separates nothing.

    Args:
        rgb: (H, W, 3), without bars around the picture.

    Source: paper, appendix E (the background is removed by "an off-the-shelf package").
    """
    lab = cv2.cvtColor(shrink(rgb, WORKING_SIDE), cv2.COLOR_RGB2LAB)
    votes = np.mean(
        [grabcut_labels(lab, guess, _ITERATIONS) for guess in _first_guesses(*lab.shape[:2])],
        axis=0,
    )
    mask = clean_mask(votes > 0.5, smallest_part=_SMALLEST_PART, largest_speck=_LARGEST_SPECK)
    return resize_mask(mask, *rgb.shape[:2])


def clean_mask(
    mask: Bool[np.ndarray, "H W"], *, smallest_part: float, largest_speck: float
) -> Bool[np.ndarray, "H W"]:
    """Drop small separate parts and fill small holes.

    Args:
        mask: (H, W).
        smallest_part: least area of a part over that of the largest.
        largest_speck: largest area of a filled hole over that of the foreground.
    """
    labels, areas = _parts(mask)
    if len(areas) == 0:
        return mask
    keep = areas >= smallest_part * areas.max()
    mask = np.concatenate([[False], keep])[labels]
    labels, areas = _parts(enclosed(mask))
    fill = areas <= largest_speck * mask.sum()
    return np.asarray(mask | np.concatenate([[False], fill])[labels])


def enclosed(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """What is not in the mask and not connected (by sides) to the outside of the picture."""
    outside = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    cv2.floodFill(outside, None, (0, 0), (0,))
    return np.asarray(outside[1:-1, 1:-1] > 0)


def _parts(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the connected parts (0 outside), and the area of parts 1, 2, ..."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return labels, statistics[1:, cv2.CC_STAT_AREA]


def _first_guesses(height: int, width: int) -> list[UInt8[np.ndarray, "H W"]]:
    """Probable foreground, probable background and certain background, as GrabCut labels."""
    y = (np.arange(height)[:, None] + 0.5) / height - 0.5
    x = (np.arange(width)[None] + 0.5) / width - 0.5
    guesses = []
    for deviation in _ELLIPSE_DEVIATIONS:
        center: Float[np.ndarray, "H W"] = np.exp(-(x**2 + y**2) / (2.0 * deviation**2))
        guess = np.where(center > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
        guesses.append(np.where(center < 0.02, cv2.GC_BGD, guess).astype(np.uint8))
    rim = max(1, round(_RIM * max(height, width)))
    guess = np.full((height, width), cv2.GC_BGD, np.uint8)
    guess[rim:-rim, rim:-rim] = cv2.GC_PR_FGD
    guesses.append(guess)
    return guesses


def grabcut_labels(
    lab: UInt8[np.ndarray, "H W 3"], guess: UInt8[np.ndarray, "H W"], iterations: int
) -> Bool[np.ndarray, "H W"]:
    """OpenCV's GrabCut, deterministic; all False where there are too few pixels to separate.

    Args:
        lab: (H, W, 3) Lab colors as OpenCV packs them in bytes.
        guess: (H, W) of `cv2.GC_*` labels.
        iterations: rounds of color models and graph cut.
    """
    cv2.setRNGSeed(0)  # k-means inside starts at random
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        labels, _, _ = cv2.grabCut(
            lab, guess.copy(), (0, 0, 1, 1), *models, iterations, cv2.GC_INIT_WITH_MASK
        )
    except cv2.error:  # too few pixels for two color models
        return np.zeros(guess.shape, bool)
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))


def shrink(image: UInt8[np.ndarray, "H W *C"], side: int) -> UInt8[np.ndarray, "h w *C"]:
    """A picture or mask with its longer side at most `side` pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def resize_mask(mask: Bool[np.ndarray, "h w"], height: int, width: int) -> Bool[np.ndarray, "H W"]:
    """A mask at another size, cut at one half of its bilinear interpolation."""
    soft = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft > 0.5)
