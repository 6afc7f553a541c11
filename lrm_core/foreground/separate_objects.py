"""What of a found foreground is the object: parts, specks, veils, outlines, cut edges."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from lrm_core.foreground.grabcut import enclosed, shrink
from lrm_core.foreground.methods import KeepObjects

_VISIBLE = 25
"""Alpha above which framing counts a pixel for the object's box (its module imports torch)."""
_WORKING_SIDE = 512
_GAP = 0.01
"""Parts closer than twice this share of the longer side belong to one object."""
_SPECK = 5e-3
"""Area of a part over that of the largest below which it is a speck: not an object."""
_SMALLEST_OBJECT = 0.05
"""Area over that of the largest from which on a part is called an object."""
_OPAQUE = 230
"""Alpha that the densest hundredth of an object has; below, all of it is a veil."""
_LINE_WIDTH = 0.025
_LINE_SHARE = 0.35
"""A drawing in outline: lines at most so wide over its box, covering at most so much of it."""
_CUT_SHARE = 0.03
"""Share of a side of the picture that the object covers where it is cut off there."""


@dataclass(frozen=True)
class OneObject:
    """The object of a picture.

    Attributes:
        rgba: (H, W, 4) straight alpha.
        notes: lines for the user about what was changed or is missing.
    """

    rgba: UInt8[np.ndarray, "H W 4"]
    notes: tuple[str, ...] = ()


def single_out(
    rgba: UInt8[np.ndarray, "H W 4"], *, keep: KeepObjects, given: bool, drawn: bool = True
) -> OneObject:
    """Make one solid object of a foreground.

    A foreground that is translucent everywhere is made opaque. Specks are dropped: they would move
    the object's box. Of several objects the largest stays, unless all are kept. An outline drawing
    is filled: its lines alone have no surface.

    Args:
        rgba: (H, W, 4) straight alpha.
        keep: which of several objects.
        given: whether alpha came with the picture, which then may be trimmed to its object.
        drawn: whether an outline drawing is filled.
    """
    rgb, alpha = rgba[..., :3], rgba[..., 3]
    notes = []
    opaque = _without_veil(alpha)
    if opaque is not None:
        alpha = opaque
        notes.append("the object is translucent everywhere: it was made opaque")
    parts = _parts(alpha)
    if parts is not None:
        kept, note = parts.choose(keep)
        alpha = np.where(kept, alpha, np.uint8(0))
        notes += [note] if note and (given or "objects" in note) else []
    filled = _fill_outlines(alpha) if drawn else None
    if filled is not None:
        if given:  # colors under alpha 0 may be anything
            rgb = np.where((filled > alpha)[..., None], np.uint8(255), rgb)
        alpha = filled
        notes.append("taken for a drawing in outline: what its lines enclose was filled")
    sides = cut_sides(alpha, trimmed=given)
    if sides:
        notes.append(f"the object touches the {sides}: what lies beyond is missing")
    return OneObject(np.dstack([rgb, alpha]), tuple(notes))


def _without_veil(alpha: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W"] | None:
    visible = alpha[alpha > _VISIBLE]
    if not len(visible):
        return None
    densest = float(np.percentile(visible, 99.0))
    if densest >= _OPAQUE:
        return None
    return np.clip(alpha * (255.0 / densest) + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class _Parts:
    """Labels (H, W) of the parts at full size, and the area of parts 1, 2, ..."""

    labels: np.ndarray
    areas: np.ndarray

    def choose(self, keep: KeepObjects) -> tuple[Bool[np.ndarray, "H W"], str | None]:
        """Pixels that stay, and a line about those that do not."""
        share = self.areas / max(int(self.areas.max()), 1)
        objects = int((share >= _SMALLEST_OBJECT).sum())
        stays = share >= _SPECK
        if keep == "largest":
            stays = np.arange(len(share)) == int(share.argmax())
        note = None
        if keep == "largest" and objects > 1:
            note = f"{objects} separate objects: the largest is kept (--keep all keeps them all)"
        elif not stays.all():
            note = f"specks away from the object were left out: {int((~stays).sum())}"
        # label 0: faint pixels far from every part
        return np.concatenate([[bool(stays.all())], stays])[self.labels], note


def _parts(alpha: UInt8[np.ndarray, "H W"]) -> _Parts | None:
    """Groups of parts that nearly touch; None where nothing is there."""
    height, width = alpha.shape
    # a thin line must outlast the shrinking
    small = shrink(np.where(alpha > _VISIBLE, np.uint8(255), np.uint8(0)), _WORKING_SIDE)
    solid = (small > 0).astype(np.uint8)
    reach = max(1, round(_GAP * max(solid.shape)))
    grown = cv2.dilate(solid, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    count, labels = cv2.connectedComponents(grown, connectivity=8)
    if count == 1:
        return None
    areas = np.bincount(labels[solid > 0], minlength=count)[1:]
    whole = cv2.resize(labels.astype(np.uint16), (width, height), interpolation=cv2.INTER_NEAREST)
    return _Parts(whole, areas)


def _fill_outlines(alpha: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W"] | None:
    lines = alpha >= 128
    holes = enclosed(lines)
    if lines.sum() > _LINE_SHARE * (lines.sum() + holes.sum()):
        return None
    rows, columns = np.flatnonzero(lines.any(axis=1)), np.flatnonzero(lines.any(axis=0))
    if not len(rows):
        return None
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    half_width = cv2.distanceTransform(np.pad(lines, 1).astype(np.uint8), cv2.DIST_L2, 5).max()
    if 2.0 * half_width > _LINE_WIDTH * extent:
        return None
    return np.where(holes, np.uint8(255), alpha)


def cut_sides(alpha: UInt8[np.ndarray, "H W"], *, trimmed: bool) -> str:
    """Sides of the picture that cut the object off, in words; empty where there are none.

    Args:
        alpha: (H, W) of the picture.
        trimmed: whether a picture whose object touches all four sides was trimmed to it, not cut.
    """
    edges = {"top": alpha[0], "bottom": alpha[-1], "left": alpha[:, 0], "right": alpha[:, -1]}
    if trimmed and all((edge > _VISIBLE).any() for edge in edges.values()):
        return ""
    cut = [name for name, edge in edges.items() if np.mean(edge >= 128) > _CUT_SHARE]
    if not cut:
        return ""
    if len(cut) == 4:
        return "picture on all four sides"
    return " and ".join(cut) + " of the picture"
