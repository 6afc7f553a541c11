"""Objects per second: this project's renderer beside Blender (Cycles) on the same objects.

    python benchmarks/object_views.py --source GSO_DIR --blender PYTHON_WITH_BPY [-o REPORT.json]

Both render the same cameras with one thread, one object after the other, and both are timed with
all that an object costs: reading, acceleration structure, colors and depth, and for Blender the
start of its process. Silhouettes and depths of the two are compared on the way. Prints a Markdown
table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrm_core.io.atomic_write import replacing
from lrm_core.sources.asset_checks import AssetLimits
from lrm_core.sources.assets import CheckedRenderer
from lrm_core.sources.blender_views import BlenderRenderer, find_blender
from lrm_core.sources.gso import gso_jobs
from lrm_core.sources.object_views import (
    AssetRenderer,
    RenderedViews,
    ViewSettings,
    sample_cameras,
)
from lrm_core.structures.view_set import ObjectJob


@dataclass(frozen=True)
class Timed:
    """What a renderer made of all objects, and the seconds for each."""

    name: str
    views: list[RenderedViews]
    seconds: list[float]

    def row(self, num_views: int) -> dict[str, Any]:
        """One line of the report."""
        total = sum(self.seconds)
        return {
            "renderer": self.name,
            "objects_per_second": round(len(self.seconds) / total, 4),
            "views_per_second": round(num_views * len(self.seconds) / total, 3),
            "seconds_per_object": [round(second, 2) for second in self.seconds],
        }


def render_all(
    name: str, render: AssetRenderer, root: Path, jobs: list[ObjectJob], settings: ViewSettings
) -> Timed:
    views, seconds = [], []
    for job in jobs:
        cameras = sample_cameras(settings, job.object_id)
        started = time.perf_counter()
        views.append(render(root / job.location, "z", cameras, settings))
        seconds.append(time.perf_counter() - started)
        print(f"{name}: {job.object_id} {seconds[-1]:.2f} s", flush=True)
    return Timed(name, views, seconds)


def agreement(ours: Timed, theirs: Timed) -> dict[str, float]:
    """Mean silhouette IoU, and the depth error of pixels that both cover fully."""
    ious, errors = [], []
    for a, b in zip(ours.views, theirs.views, strict=True):
        masks = a.images[..., 3] > 127, b.images[..., 3] > 127
        ious += [(p & q).sum() / max(1, (p | q).sum()) for p, q in zip(*masks, strict=True)]
        full = (a.images[..., 3] == 255) & (b.images[..., 3] == 255)
        both = full & np.isfinite(a.depth) & np.isfinite(b.depth)
        errors.append(np.abs(a.depth[both] - b.depth[both]))
    error = np.concatenate(errors)
    return {
        "mean_silhouette_iou": round(float(np.mean(ious)), 5),
        "median_depth_error": float(f"{np.median(error):.2g}"),
        "depth_error_99_percent": float(f"{np.quantile(error, 0.99):.2g}"),
    }


def main() -> None:
    """Time both renderers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=os.environ.get("LRM_GSO_DIR"))
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--blender", default=None, help="default: LRM_BLENDER; none: skipped")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("-o", "--out", type=Path, default=None, help="also write a JSON report")
    arguments = parser.parse_args()
    if arguments.source is None:
        parser.error("--source or LRM_GSO_DIR must name a folder of Google Scanned Objects")
    torch.set_num_threads(1)
    jobs = gso_jobs(arguments.source)
    jobs = jobs[:: max(1, len(jobs) // arguments.objects)][: arguments.objects]
    settings = ViewSettings(num_views=arguments.views, size=arguments.size)
    limits = AssetLimits(keep_textureless=True)
    runs = [
        render_all(
            "lrm (embree), 1 thread", CheckedRenderer(limits), arguments.source, jobs, settings
        )
    ]
    compared = {}
    if arguments.blender or os.environ.get("LRM_BLENDER"):
        blender = find_blender(arguments.blender)
        renderer = BlenderRenderer(blender, limits, samples=arguments.samples, threads=1)
        name = f"Blender {blender.version} Cycles, {arguments.samples} samples, 1 thread"
        runs.append(render_all(name, renderer, arguments.source, jobs, settings))
        compared = agreement(*runs)
    rows = [run.row(arguments.views) for run in runs]
    print(f"\n{len(jobs)} objects, {arguments.views} views of {arguments.size} px each\n")
    print("| renderer | objects/s | views/s |\n|---|---|---|")
    for row in rows:
        print(f"| {row['renderer']} | {row['objects_per_second']} | {row['views_per_second']} |")
    print("\n" + ", ".join(f"{name}: {value:g}" for name, value in compared.items()))
    if arguments.out:
        report = {
            "objects": [job.object_id for job in jobs],
            "settings": settings.describe(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "renderers": rows,
            "agreement": compared,
        }
        with replacing(arguments.out) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
