"""How well models tell what rays meet, on objects that no training has seen.

    python benchmarks/held_out_photos.py lrm-mini [MODEL...] [--gray] [--report FILE.json]

24 procedural objects, 12 household things, 8 sets and 8 groups of household things of seed 5
(training uses seed 0), and the scans of LRM_GSO_DIR if it is set, each photographed twice by the
canonical camera, unlit, from 0 to 20 degrees. Mean absolute errors over the pixels of a photo, then
over photos: depth of the first and of the last surface in world units (the object's longest side is
1.8), color behind in [0, 1], and `first_placed`, of the first surface after it was shifted as a
whole to where it fits best: what its shape alone is off. With --gray all objects are painted in one
flat gray: the difference is what a model reads from more than the outline.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lrm_core.geometry.scene_conversion import normalize_scene
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.models.loading import load_lrm
from lrm_core.models.lrm import LRM
from lrm_core.procedural.household import procedural_household
from lrm_core.procedural.objects import procedural_object
from lrm_core.procedural.sets import lay_out, procedural_set
from lrm_core.structures.scene import Scene
from lrm_core.training.data.layer_samples import collate_layers, draw_sample
from lrm_core.training.data.training_photos import LayeredPhotos, take_photos
from lrm_core.training.layer_config import LayerConfig, ViewSampling

SEED, BATCH = 5, 16
GRAY = 150


def group(seed: int, index: int) -> Scene:
    """Household things side by side."""
    rng = np.random.default_rng([seed, index])
    return lay_out(
        lambda rng: procedural_household(seed, int(rng.integers(100, 140))),
        rng,
        depth=rng.uniform(0.3, 1.0),
        most=int(rng.integers(2, 8)),
        largest=rng.uniform(0.35, 0.9),
    )


KINDS: dict[str, tuple[Callable[[int, int], Scene], int]] = {
    "procedural": (procedural_object, 24),
    "household": (procedural_household, 12),
    "sets": (procedural_set, 8),
    "groups": (group, 8),
}
VIEWS = ViewSampling(
    num_views=2, canonical_share=1.0, lying_share=0.0, elevation_degrees=(0.0, 20.0), size=128
)
SAMPLES = LayerConfig(augment=False, num_points=1)


def held_out_sets(
    gso_folder: str | None, mesh_folder: Path | None = None
) -> dict[str, list[LayeredPhotos]]:
    """Photos by kind of object."""

    def scans() -> Iterator[Scene]:
        for path in sorted(Path(gso_folder or "").glob("*/meshes/model.obj")):
            yield read_scene(path, up="z")

    def meshes() -> Iterator[Scene]:
        paths = sorted((mesh_folder or Path()).rglob("*.glb"))
        for path in random.Random(0).sample(paths, min(48, len(paths))):
            yield read_scene(path, up="y")

    sets = {
        kind: [_photos(make(SEED, index)) for index in range(count)]
        for kind, (make, count) in KINDS.items()
    }
    if mesh_folder is not None:
        sets["meshes"] = [_photos(scene) for scene in meshes()]
    return sets if gso_folder is None else {**sets, "scans": [_photos(scene) for scene in scans()]}


@torch.inference_mode()
def score(model: LRM, objects: list[LayeredPhotos]) -> dict[str, float]:
    """Errors of the first and last depth and of the color behind."""
    size = model.config.encoder.image_size
    drawn = [
        draw_sample(photos, SAMPLES, np.random.default_rng(0), index=index)
        for photos in objects
        for index in range(len(photos.views))
    ]
    rows = []
    for start in range(0, len(drawn), BATCH):
        batch = collate_layers(drawn[start : start + BATCH])
        images = torch.nn.functional.interpolate(batch.images, size=(size, size), mode="area")
        rays = model(images, batch.cameras).rays
        # scored where the labels are: at 128 px, whatever the model sees
        rays = torch.nn.functional.interpolate(rays, size=batch.depths.shape[-2:], mode="bilinear")
        behind = torch.lerp(rays[:, 2:5], batch.images[:, :3], rays[:, 5:].sigmoid())
        known = batch.depths[:, :1].isfinite()
        off = rays[:, :2] - batch.depths.nan_to_num()
        shifts = torch.stack(
            [row[mask].median() for row, mask in zip(off[:, 0], known[:, 0], strict=True)]
        )
        placed = (off[:, :1] - shifts[:, None, None, None]).abs()
        behind_error = (behind - batch.behind).abs().mean(dim=1, keepdim=True)
        maps = torch.cat([off.abs(), behind_error, placed], dim=1)
        rows.append((maps * known).sum(dim=(2, 3)) / known.sum(dim=(2, 3)))
    means: Tensor = torch.cat(rows).mean(dim=0)
    names = ("first", "last", "behind", "first_placed")
    return {name: round(float(value), 4) for name, value in zip(names, means, strict=True)}


def in_gray(photos: LayeredPhotos) -> LayeredPhotos:
    """The same photos of the object in one flat gray."""
    albedo = photos.albedo.copy()
    albedo[..., :3] = GRAY
    return replace(photos, albedo=albedo)


def _photos(scene: Scene) -> LayeredPhotos:
    return take_photos(normalize_scene(scene, 2.0), VIEWS, np.random.default_rng(1))


def main() -> None:
    """Score every model named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--meshes", type=Path, metavar="FOLDER",
                        help="score 48 of these too, such as those of the training")  # fmt: skip
    parser.add_argument("--gray", action="store_true", help="paint all objects in one flat gray")
    parser.add_argument("--report", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    sets = held_out_sets(os.environ.get("LRM_GSO_DIR"), arguments.meshes)
    if arguments.gray:
        sets = {kind: [in_gray(photos) for photos in found] for kind, found in sets.items()}
    results = {}
    for name in arguments.models:
        model = load_lrm(name)
        results[name] = {kind: score(model, photos) for kind, photos in sets.items()}
        if arguments.gray:  # the color behind stays the object's own
            for errors in results[name].values():
                del errors["behind"]
        print(name, results[name], flush=True)
    if arguments.report is not None:
        arguments.report.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
