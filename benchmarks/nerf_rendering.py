"""Views per second of the NeRF renderer with and without skipping empty space.

    python benchmarks/nerf_rendering.py [--report reports/benchmarks/nerf_rendering.json]

A turntable around the reconstruction of one photo. Every view is rendered both ways, one right
after the other, so that the ratio holds on a busy machine too. On a CPU seconds are those that its
cores spent; the occupancy grid is made once and counted apart.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from lrm_core.geometry.trajectories import orbit
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.pipeline import load_model

Result = TypeVar("Result")
_PHOTO = Path(__file__).parents[1] / "examples" / "teapot.png"
_asked = 0  # points evaluated so far


def count_points() -> None:
    """Count the points that fields are asked for."""
    uncounted = TriplaneField.raw

    def raw(self: TriplaneField, points: Tensor) -> Tensor:
        global _asked
        _asked += len(points)
        return uncounted(self, points)

    TriplaneField.raw = raw  # type: ignore[method-assign]


def timed(work: Callable[[], Result], device: str) -> tuple[Result, float, int]:
    """Result, seconds and points evaluated."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    if device == "cuda":
        torch.cuda.synchronize()
    started, asked = clock(), _asked
    result = work()
    if device == "cuda":
        torch.cuda.synchronize()
    return result, clock() - started, _asked - asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lrm-mini")
    parser.add_argument("--photo", type=Path, default=_PHOTO)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--report", type=Path, default=None)
    arguments = parser.parse_args()
    device = arguments.device
    reconstruction = load_model(arguments.model, device=device).reconstruct(arguments.photo)
    count_points()
    cameras = orbit(arguments.views, elevation_degrees=20.0, size=arguments.size)
    reconstruction.render(cameras[0], 32, exact=True)  # libraries load
    _, grid_seconds, _ = timed(lambda: reconstruction.occupancy_grid, device)

    exact_seconds = fast_seconds = rgb_difference = opacity_difference = 0.0
    exact_points = fast_points = 0
    for view in range(len(cameras)):
        camera = cameras[view]
        exact, seconds, points = timed(
            lambda c=camera: reconstruction.render(c, exact=True), device
        )
        exact_seconds, exact_points = exact_seconds + seconds, exact_points + points
        fast, seconds, points = timed(lambda c=camera: reconstruction.render(c), device)
        fast_seconds, fast_points = fast_seconds + seconds, fast_points + points
        rgb_difference = max(rgb_difference, float((exact.rgb - fast.rgb).abs().max()))
        opacity = float((exact.opacity - fast.opacity).abs().max())
        opacity_difference = max(opacity_difference, opacity)
    count = len(cameras)
    report = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "model": arguments.model,
        "photo": arguments.photo.name,
        "size": arguments.size,
        "views": count,
        "exact_views_per_second": round(count / exact_seconds, 4),
        "views_per_second": round(count / fast_seconds, 4),
        "ratio": round(exact_seconds / fast_seconds, 3),
        "grid_seconds": round(grid_seconds, 3),
        "ratio_of_one_view_with_grid": round(
            exact_seconds / (fast_seconds + count * grid_seconds), 3
        ),
        "share_of_samples_evaluated": round(fast_points / exact_points, 4),
        "largest_rgb_difference": round(rgb_difference, 6),
        "largest_opacity_difference": round(opacity_difference, 6),
    }
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(text + "\n")


if __name__ == "__main__":
    main()
