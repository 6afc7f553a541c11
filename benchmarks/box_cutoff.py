"""How much of an object's surface the similarity transform of section 4.2 carries out of the box.

    python benchmarks/box_cutoff.py [--meshes FOLDER] [--up z] [--report FILE.json]

The paper normalizes objects to [-1, 1]^3 (section 4.1) and renders them from a shell; training then
turns and scales the world so that the input camera stands at (0, -2, 0) (section 4.2). A camera
nearer than 2 makes the object larger, any camera off the axes turns its corners outward, and the
planes and the renderer know nothing outside [-1, 1]^3. Counted are points spread evenly over the
surface of procedural objects, or of the meshes in a folder, for cameras drawn from the shell.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from lrm_core.geometry.camera_normalization import normalize_cameras
from lrm_core.geometry.scene_conversion import normalize_scene
from lrm_core.geometry.surface_sampling import sample_surface
from lrm_core.geometry.trajectories import random_on_shell
from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES, read_scene
from lrm_core.procedural.household import procedural_household
from lrm_core.structures.scene import Scene

NUM_OBJECTS, NUM_CAMERAS, NUM_POINTS = 100, 64, 4096
HALF_SIDE = 1.0


def shares_outside(scene: Scene, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each camera and the share of the surface that its transform puts outside."""
    points, _, _ = sample_surface(
        normalize_scene(scene, 2.0 * HALF_SIDE), NUM_POINTS, np.random.default_rng(seed)
    )
    cameras = random_on_shell(NUM_CAMERAS, generator=torch.Generator().manual_seed(seed))
    distances, shares = cameras.origins.norm(dim=1).numpy(), []
    for index in range(NUM_CAMERAS):
        moved = normalize_cameras(cameras, index)
        # all cameras look at the origin, which stays where it is
        turn = (moved.c2w[index, :3, :3] @ cameras.c2w[index, :3, :3].T).double().numpy()
        scale = float(moved.origins[index].norm() / cameras.origins[index].norm())
        outside = np.abs(scale * points @ turn.T).max(axis=1) > HALF_SIDE
        shares.append(float(outside.mean()))
    return distances, np.array(shares)


def measure(scenes: Iterator[Scene]) -> dict[str, float]:
    """Means over objects and cameras."""
    rows = [shares_outside(scene, seed) for seed, scene in enumerate(scenes)]
    distances, shares = (np.stack(column) for column in zip(*rows, strict=True))
    near = distances < 2.0
    return {
        "num_objects": len(shares),
        "num_cameras": shares.size,
        "mean_share": float(shares.mean()),
        "mean_share_nearer_than_2": float(shares[near].mean()),
        "mean_share_farther": float(shares[~near].mean()),
        "cameras_without_loss": float((shares == 0.0).mean()),
        "worst_object_mean_share": float(shares.mean(axis=1).max()),
        "worst_share": float(shares.max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--meshes", type=Path, help="folder of mesh files")
    parser.add_argument("--up", choices=("y", "z"), default="y", help="up axis of the files")
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    if arguments.meshes is None:
        name = f"{NUM_OBJECTS} procedural household objects"
        scenes = (procedural_household(0, index) for index in range(NUM_OBJECTS))
    else:
        found = arguments.meshes.rglob("*")
        paths = sorted(path for path in found if path.suffix.lower() in SCENE_SUFFIXES)
        name = f"{len(paths)} meshes of {arguments.meshes.name}"
        scenes = (read_scene(path, up=arguments.up) for path in paths)
    values = {"objects": name, **measure(scenes)}
    print(json.dumps(values, indent=2))
    if arguments.report is not None:
        arguments.report.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
