"""How well the background of real photos is removed: IoU with hand-made masks, per method.

LRM_PHOTO_DIR names a folder with NAME__image.png and NAME__mask.png pairs.

    python benchmarks/background_removal.py [--methods auto border grabcut rembg] [--json FILE]
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from lrm_core.errors import LrmError
from lrm_core.foreground.removal import remove_background
from lrm_core.io.image_files import read_image, read_mask


def measure(folder: Path, methods: list[str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for image_file in sorted(folder.glob("*__image.png")):
        photo = read_image(image_file)
        mask_file = image_file.with_name(image_file.name.replace("__image", "__mask"))
        truth = read_mask(mask_file) >= 128
        for method in methods:
            started = time.process_time()
            try:
                cut = remove_background(photo, method=method)  # type: ignore[arg-type]
            except LrmError as error:
                used, iou = f"failed: {error.message}", 0.0
            else:
                found = cut.rgba[..., 3] >= 128
                used = cut.method
                iou = float((found & truth).sum() / max(1, (found | truth).sum()))
            rows.append(
                {
                    "photo": image_file.name.removesuffix("__image.png").removeprefix("photo_"),
                    "method": method,
                    "used": used,
                    "iou": round(iou, 4),
                    "seconds": round(time.process_time() - started, 2),
                }
            )
    return rows


def print_tables(rows: list[dict[str, object]], methods: list[str]) -> None:
    print("| method | mean IoU | least IoU | mean CPU seconds |\n|---|---|---|---|")
    for method in methods:
        ious = [float(str(row["iou"])) for row in rows if row["method"] == method]
        seconds = [float(str(row["seconds"])) for row in rows if row["method"] == method]
        print(f"| {method} | {np.mean(ious):.3f} | {min(ious):.3f} | {np.mean(seconds):.2f} |")
    print(f"\n| photo | {' | '.join(methods)} |\n|---|{'---|' * len(methods)}")
    for photo in dict.fromkeys(str(row["photo"]) for row in rows):
        cells = [
            f"{row['iou']:.3f} ({row['used']})" if method == "auto" else
            ("-" if str(row["used"]).startswith("failed") else f"{row['iou']:.3f}")
            for method in methods for row in rows
            if row["photo"] == photo and row["method"] == method
        ]  # fmt: skip
        print(f"| {photo} | {' | '.join(cells)} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=["auto", "border", "grabcut"])
    parser.add_argument("--json", type=Path, help="write every row to this file")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("LRM_PHOTO_DIR", ""))
    if not any(folder.glob("*__image.png")):
        print("LRM_PHOTO_DIR names no folder with NAME__image.png files", file=sys.stderr)
        return 2
    rows = measure(folder, arguments.methods)
    print_tables(rows, arguments.methods)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
