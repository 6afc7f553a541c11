"""How well models tell inside from outside on procedural objects that no training has seen.

    python benchmarks/held_out_points.py lrm-mini [MODEL...]

40 objects of seed 5 (training uses seed 0), 3 photos each; 120 random photos with 4,000 points
uniform in the object's cube, three quarters of them under the silhouette. Prints cross-entropy,
mean intersection over union of the solid points, and the L1 error of colours at the surface.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from lrm_core.models.loading import load_lrm
from lrm_core.models.lrm import LRM
from lrm_core.models.nerf_mlp import DENSITY
from lrm_core.preprocessing.procedural_objects import procedural_object
from lrm_core.structures.triplane import Triplane, sample_planes
from lrm_core.training.point_dataset import (
    BatchSampling,
    collate_samples,
    draw_sample,
    prepare_objects,
)
from lrm_core.training.point_objective import load_objects
from lrm_core.training.training_photos import ViewSampling

SEED, NUM_OBJECTS, NUM_BATCHES, BATCH = 5, 40, 6, 20
POINTS = BatchSampling(
    num_points=4000,
    near_share=0.0,
    num_far=0,
    num_surface=1500,
    surface_noise=0.0,
    wide_surface_noise=0.0,
    augment=False,
)


@torch.inference_mode()
def score(model: LRM, objects: list[dict[str, np.ndarray]]) -> tuple[float, float, float]:
    """Cross-entropy, intersection over union and colour error, means over photos."""
    rng = np.random.default_rng(7)
    rows = []
    for _ in range(NUM_BATCHES):
        chosen = rng.integers(len(objects), size=BATCH)
        batch = collate_samples([draw_sample(objects[i], POINTS, rng) for i in chosen])
        triplane = Triplane(model(batch.images, batch.cameras))
        raw = model.nerf_mlp(sample_planes(triplane, batch.points))[..., DENSITY]
        _, rgb = model.nerf_mlp.activate(model.nerf_mlp(sample_planes(triplane, batch.surface)))
        inside, solid = raw > 0, batch.solid > 0.5
        iou = (inside & solid).sum(1) / (inside | solid).sum(1).clamp_min(1)
        entropy = F.binary_cross_entropy_with_logits(raw, batch.solid)
        rows.append((entropy.item(), iou.mean().item(), (rgb - batch.colors).abs().mean().item()))
    entropy, iou, colour = np.mean(rows, axis=0)
    return float(entropy), float(iou), float(colour)


def main() -> None:
    """Score every model named on the command line."""
    scenes = ((f"object-{i}", partial(procedural_object, SEED, i)) for i in range(NUM_OBJECTS))
    with tempfile.TemporaryDirectory() as folder:
        sampling = ViewSampling(num_views=3)
        for name, reason in prepare_objects(scenes, Path(folder), sampling, seed=3):
            if reason:
                print(f"{name} skipped: {reason}")
        objects = list(load_objects(sorted(Path(folder).glob("*.npz"))))
    for name in sys.argv[1:]:
        entropy, iou, colour = score(load_lrm(name), objects)
        print(f"{name}: cross-entropy {entropy:.4f}, IoU {iou:.4f}, colour L1 {colour:.4f}")


if __name__ == "__main__":
    main()
