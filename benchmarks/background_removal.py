"""How well the background is removed: IoU with known masks, per method and kind of picture.

    python benchmarks/background_removal.py [--methods auto u2netp border grabcut rembg]
        [--groups "hand-made masks" photograph texture ...] [--json FILE] [--worst FILE.png]

LRM_PHOTO_DIR names a folder with NAME__image.png and NAME__mask.png pairs; LRM_GSO_DIR, if it is
set, one of scanned objects, whose renders are put before other backgrounds
(`background_scenes.py`). A method that fails counts as IoU 0.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from background_scenes import GROUPS, MaskedPicture, composites, masked_photos

from lrm_core.errors import LrmError
from lrm_core.foreground.removal import remove_background
from lrm_core.imaging.contact_sheet import contact_sheet
from lrm_core.io.image_writing import write_png
from lrm_core.structures.photo import Photo

HAND_MADE = "hand-made masks"
_SHOWN = 12


def pictures(groups: list[str]) -> Iterator[MaskedPicture]:
    """All pictures of the groups asked for that the data of this machine gives."""
    photos = Path(os.environ.get("LRM_PHOTO_DIR", ""))
    objects = os.environ.get("LRM_GSO_DIR")
    if HAND_MADE in groups:
        yield from masked_photos(photos)
    if objects and set(groups) - {HAND_MADE}:
        yield from composites(Path(objects), photos, [name for name in GROUPS if name in groups])


def measure(picture: MaskedPicture, method: str) -> tuple[dict[str, object], np.ndarray | None]:
    """One row of the results, and the cut-out."""
    opaque = np.full((*picture.mask.shape, 1), 255, np.uint8)
    photo = Photo(np.concatenate([picture.rgb, opaque], axis=-1), has_alpha=False)
    started = time.process_time()
    try:
        cut = remove_background(photo, method=method)  # type: ignore[arg-type]
    except LrmError as error:
        rgba, used, iou = None, f"failed: {error.message}", 0.0
    else:
        rgba, used = cut.rgba, cut.method
        found = rgba[..., 3] >= 128
        iou = float((found & picture.mask).sum() / max(1, (found | picture.mask).sum()))
    row: dict[str, object] = {
        "group": picture.group,
        "picture": picture.name,
        "method": method,
        "used": used,
        "iou": round(iou, 4),
        "seconds": round(time.process_time() - started, 2),
    }
    return row, rgba


def print_tables(rows: list[dict[str, object]], methods: list[str]) -> None:
    groups = list(dict.fromkeys(str(row["group"]) for row in rows))
    print("| pictures | " + " | ".join(methods) + " |\n|---|" + "---|" * len(methods))
    for group in groups:
        cells = []
        for method in methods:
            ious = [
                float(str(r["iou"])) for r in rows if (r["group"], r["method"]) == (group, method)
            ]
            cells.append(f"{np.mean(ious):.3f} ({min(ious):.3f})")
        count = sum(row["group"] == group for row in rows) // len(methods)
        print(f"| {group} ({count}) | {' | '.join(cells)} |")
    seconds = [
        np.mean([float(str(row["seconds"])) for row in rows if row["method"] == method])
        for method in methods
    ]
    print("| CPU seconds | " + " | ".join(f"{value:.2f}" for value in seconds) + " |")
    print(f"\n| {HAND_MADE} | {' | '.join(methods)} |\n|---|{'---|' * len(methods)}")
    by_hand = [row for row in rows if row["group"] == HAND_MADE]
    for name, same in itertools.groupby(by_hand, key=lambda row: str(row["picture"])):
        cells = [
            "-" if str(row["used"]).startswith("failed") else f"{row['iou']:.3f}" for row in same
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def worst_sheet(
    worst: list[tuple[float, MaskedPicture, np.ndarray | None]],
) -> np.ndarray:
    """The pictures with the lowest IoU: picture, cut-out on magenta, truth."""
    rows, captions = [], []
    for iou, picture, rgba in sorted(worst, key=lambda entry: entry[0])[:_SHOWN]:
        shown = np.zeros_like(picture.rgb)
        if rgba is not None:
            alpha = rgba[..., 3:] / 255.0
            shown = (rgba[..., :3] * alpha + np.array([255, 0, 255]) * (1 - alpha)).astype(np.uint8)
        truth = np.repeat(picture.mask[..., None], 3, axis=-1).astype(np.uint8) * np.uint8(255)
        rows.append([picture.rgb, shown, truth])
        captions.append([picture.name, f"{picture.group}: {iou:.3f}", ""])
    halves = [rows[i] + rows[i + 1] for i in range(0, len(rows) - 1, 2)]
    words = [captions[i] + captions[i + 1] for i in range(0, len(rows) - 1, 2)]
    return contact_sheet(halves or rows, captions=words or captions, cell_size=200)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=["auto", "u2netp", "border", "grabcut"])
    parser.add_argument("--groups", nargs="+", default=[HAND_MADE, *GROUPS])
    parser.add_argument("--json", type=Path, help="write every row to this file")
    parser.add_argument("--worst", type=Path, help="write the worst pictures of the first method")
    arguments = parser.parse_args()
    rows, worst = [], []
    for picture in pictures(arguments.groups):
        for method in arguments.methods:
            row, rgba = measure(picture, method)
            rows.append(row)
            if method == arguments.methods[0]:
                worst.append((float(str(row["iou"])), picture, rgba))
    if not rows:
        print("LRM_PHOTO_DIR names no folder with NAME__image.png files", file=sys.stderr)
        return 2
    print_tables(rows, arguments.methods)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    if arguments.worst:
        write_png(arguments.worst, worst_sheet(worst))
    return 0


if __name__ == "__main__":
    sys.exit(main())
