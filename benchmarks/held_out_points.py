"""How well models tell inside from outside on procedural objects that no training has seen.

    python benchmarks/held_out_points.py lrm-mini [MODEL...] [--size 64] [--report FILE.json]

40 objects and 15 sets of seed 5 (training uses seed 0), each photographed three times by the
canonical camera, unlit, about level: what protocol gso-v1 shows. Points are uniform in the object's
cube, three quarters of them under the silhouette. Cross-entropy, intersection over union of the
solid points (mean over photos), and the mean squared error of colours around the surface.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lrm_core.training.point_dataset import (
    BatchSampling,
    collate_samples,
    draw_sample,
    prepare_objects,
)
from lrm_core.training.point_objective import load_objects

from lrm_core.models.loading import load_lrm
from lrm_core.models.lrm import LRM
from lrm_core.models.nerf_mlp import DENSITY
from lrm_core.procedural.objects import procedural_object
from lrm_core.procedural.sets import procedural_set
from lrm_core.structures.triplane import Triplane, sample_planes
from lrm_core.training.data.training_photos import ViewSampling

SEED, NUM_BATCHES, BATCH = 5, 8, 10
KINDS = {"objects": (procedural_object, 40), "sets": (procedural_set, 15)}
VIEWS = ViewSampling(num_views=3, canonical_share=1.0, lit_share=0.0, elevation_degrees=(-5.0, 5.0))
POINTS = BatchSampling(
    num_points=3000,
    near_share=0.0,
    num_far=0,
    num_surface=1000,
    surface_noise=0.02,
    wide_surface_noise=0.06,
    augment=False,
)


@torch.inference_mode()
def score(model: LRM, objects: list[dict[str, np.ndarray]], size: int | None) -> dict[str, float]:
    """Cross-entropy, intersection over union and colour error, means over photos."""
    rng = np.random.default_rng(7)
    rows = []
    for _ in range(NUM_BATCHES):
        chosen = rng.integers(len(objects), size=BATCH)
        samples = [draw_sample(objects[i], POINTS, rng) for i in chosen]
        batch = collate_samples(samples, size=size)
        triplane = Triplane(model(batch.images, batch.cameras))
        raw = model.nerf_mlp(sample_planes(triplane, batch.points))[..., DENSITY]
        _, rgb = model.nerf_mlp.activate(model.nerf_mlp(sample_planes(triplane, batch.surface)))
        inside, solid = raw > 0, batch.solid > 0.5
        iou = (inside & solid).sum(1) / (inside | solid).sum(1).clamp_min(1)
        entropy = F.binary_cross_entropy_with_logits(raw, batch.solid)
        rows.append(
            [float(entropy), float(iou.mean()), float((rgb - batch.colors).square().mean())]
        )
    names = ("cross_entropy", "occupancy_iou", "color_mse")
    return dict(zip(names, np.mean(rows, axis=0).round(4).tolist(), strict=True))


def main() -> None:
    """Score every model named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--size", type=int, help="photo side in pixels [default: 128]")
    parser.add_argument("--report", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {name: {} for name in arguments.models}
    with tempfile.TemporaryDirectory() as folder:
        for kind, (make, count) in KINDS.items():
            scenes = ((f"{kind}-{i}", partial(make, SEED, i)) for i in range(count))
            for name, reason in prepare_objects(scenes, Path(folder), VIEWS, seed=3):
                if reason:
                    print(f"{name} skipped: {reason}")
            objects = list(load_objects(sorted(Path(folder).glob(f"{kind}-*.npz"))))
            for name in arguments.models:
                results[name][kind] = score(load_lrm(name), objects, arguments.size)
                print(name, kind, results[name][kind], flush=True)
    if arguments.report is not None:
        report = {"size": arguments.size or VIEWS.size, "models": results}
        arguments.report.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
