"""Hold prepared views of Google Scanned Objects against ray casting that shares no code with them.

    python benchmarks/gso_views.py DATASET GSO_DIR [--views 4] [--report report.json]

The meshes are loaded and normalized anew, by trimesh and float64; rays are written out from the
stored cameras. Two engines cast them: trimesh's (Embree finds the triangle, trimesh intersects its
plane in float64) through every pixel center, and, for a sample of pixels, every triangle one by one
(Moeller and Trumbore 1997), without any acceleration structure.

For every object: intersection over union of alpha >= 0.5 and the pixels whose center ray hits, over
the sampled views; error of the depth where both hit, without a border of one pixel along the
silhouette. Depth is stored in steps of 1e-4, so 5e-5 is the least to be expected.

A ray that grazes an edge inside the silhouette has two answers, and engines differ over which. Such
pixels stay in the maximum and in `depth_beyond_target`; `depth_unexplained` counts those among them
whose stored depth is no answer of the ray moved by a millionth either. Alpha is the share of the
pixel that is covered, not the hit of its center: on objects of thin rods seen at few pixels the two
differ by some per cent, whatever renders them.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
import trimesh
from scipy.ndimage import binary_erosion
from trimesh.ray.ray_pyembree import RayMeshIntersector

from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set
from lrm_core.structures.view_set import ViewSet, object_id_of

TARGET_IOU, TARGET_DEPTH_ERROR = 0.99, 1e-3
_MOST_EXAMINED = 20  # outliers of one view; more are no coincidence and count as unexplained


def load_normalized(folder: Path, longest_side: float = 2.0) -> trimesh.Trimesh:
    """The object's triangles, centered, the longest side of its box scaled to `longest_side`."""
    path = next(p for p in (folder / "meshes/model.obj", folder / "model.obj") if p.is_file())
    mesh = trimesh.load(path, force="mesh", process=False)
    low, high = mesh.vertices[mesh.faces].min((0, 1)), mesh.vertices[mesh.faces].max((0, 1))
    vertices = (mesh.vertices - (low + high) / 2) * (longest_side / (high - low).max())
    return trimesh.Trimesh(vertices, mesh.faces, process=False)


def pixel_rays(views: ViewSet, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Camera center (3,), unit directions (H*W, 3) and viewing axis (3,) of one view."""
    c2w = views.cameras.c2w[index].double().numpy()
    fx, fy, cx, cy = views.cameras.intrinsics[index].double().tolist()
    rows, columns = np.mgrid[0 : views.cameras.height, 0 : views.cameras.width]
    x, y = (columns.ravel() + 0.5 - cx) / fx, (rows.ravel() + 0.5 - cy) / fy
    directions = np.stack([x, -y, -np.ones_like(x)], axis=1) @ c2w[:3, :3].T
    return c2w[:3, 3], directions / np.linalg.norm(directions, axis=1, keepdims=True), -c2w[:3, 2]


def cast_with_trimesh(
    caster: RayMeshIntersector, origin: np.ndarray, directions: np.ndarray, axis: np.ndarray
) -> np.ndarray:
    """(R,) depth of the first hit along the viewing axis, infinity where there is none."""
    origins = np.broadcast_to(origin, directions.shape)
    _, rays, points = caster.intersects_id(
        origins, directions, multiple_hits=False, return_locations=True
    )
    depth = np.full(len(directions), np.inf)
    depth[rays] = (points - origin) @ axis
    return depth


def cast_one_by_one(
    triangles: np.ndarray, origin: np.ndarray, directions: np.ndarray, axis: np.ndarray
) -> np.ndarray:
    """The same by testing every triangle (F, 3, 3) against every ray."""
    corner, edge1, edge2 = triangles[:, 0], *(triangles[:, 1:] - triangles[:, :1]).swapaxes(0, 1)
    to_origin = origin - corner
    q = np.cross(to_origin, edge1)
    along = np.einsum("fc,fc->f", edge2, q)
    depth = np.full(len(directions), np.inf)
    for ray, direction in enumerate(directions):
        p = np.cross(direction, edge2)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1.0 / np.einsum("fc,fc->f", edge1, p)
            u = np.einsum("fc,fc->f", to_origin, p) * inverse
            v = (q @ direction) * inverse
            distance = along * inverse
            hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0)
        if hit.any():
            depth[ray] = distance[hit].min() * (direction @ axis)
    return depth


def is_grazing(
    triangles: np.ndarray, origin: np.ndarray, direction: np.ndarray, axis: np.ndarray, depth: float
) -> bool:
    """Whether `depth` is an answer of this ray moved by no more than a millionth."""
    moves = 1e-6 * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    answers = cast_one_by_one(triangles, origin, direction + moves, axis)
    return bool((np.abs(answers - depth) < TARGET_DEPTH_ERROR).any())


def compare(
    views: ViewSet, mesh: trimesh.Trimesh, *, num_samples: int = 0, seed: int = 0
) -> dict[str, float]:
    """How well views with depth agree with both engines."""
    assert views.depth is not None
    caster = RayMeshIntersector(mesh)
    dice = np.random.default_rng(seed)
    both = either = unexplained = 0
    errors, sample_errors, sample_agreements = [], [], []
    for index in range(len(views.cameras)):
        origin, directions, axis = pixel_rays(views, index)
        shape = views.depth[index].shape
        depth = cast_with_trimesh(caster, origin, directions, axis).reshape(shape)
        seen, hit = views.images[index, ..., 3] >= 128, np.isfinite(depth)
        both, either = both + int((seen & hit).sum()), either + int((seen | hit).sum())
        inside = binary_erosion(seen & hit, np.ones((3, 3)))
        error_here = np.abs(views.depth[index][inside] - depth[inside])
        errors.append(error_here)
        beyond = np.flatnonzero(inside)[error_here >= TARGET_DEPTH_ERROR]
        unexplained += len(beyond) - sum(
            is_grazing(
                mesh.triangles, origin, directions[pixel], axis, views.depth[index].flat[pixel]
            )
            for pixel in beyond[:_MOST_EXAMINED]
        )
        picked = dice.choice(inside.size, num_samples, replace=False)
        sampled = cast_one_by_one(mesh.triangles, origin, directions[picked], axis)
        sample_hit = np.isfinite(sampled)
        sample_agreements.append(seen.ravel()[picked] == sample_hit)
        kept = sample_hit & inside.ravel()[picked]
        sample_errors.append(np.abs(views.depth[index].ravel()[picked][kept] - sampled[kept]))
    error, sample_error = np.concatenate(errors), np.concatenate(sample_errors)
    agreement = np.concatenate(sample_agreements)
    return {
        "mask_iou": both / either,
        "depth_max": float(error.max(initial=0.0)),
        "depth_mean": float(error.mean()),
        "depth_beyond_target": int((error >= TARGET_DEPTH_ERROR).sum()),
        "depth_unexplained": unexplained,
        "depth_pixels": len(error),
        "sample_mask_agreement": float(agreement.mean()) if len(agreement) else float("nan"),
        "sample_depth_max": float(sample_error.max(initial=0.0)),
    }


def main() -> None:
    """Run over all objects of the data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("gso_dir", type=Path)
    parser.add_argument("--views", type=int, default=4, help="per object, the first ones")
    parser.add_argument("--samples", type=int, default=100, help="pixels per view, one by one")
    parser.add_argument("--report", type=Path, default=None)
    arguments = parser.parse_args()
    dataset = open_view_dataset(arguments.dataset)
    longest_side = float(dataset.description["settings"]["longest_side"])
    folders = {object_id_of(path.name): path for path in arguments.gso_dir.iterdir()}
    rows: dict[str, dict[str, float]] = {}
    for object_id, num_views in dataset.manifest[["object_id", "num_views"]].itertuples(
        index=False
    ):
        picked = range(min(arguments.views, num_views))
        views = read_view_set(dataset, object_id, picked, depth=True)
        mesh = load_normalized(folders[object_id], longest_side)
        row = rows[object_id] = compare(views, mesh, num_samples=arguments.samples)
        print(
            f"{object_id:48.48}  IoU {row['mask_iou']:.4f}  depth max {row['depth_max']:.1e} "
            f"mean {row['depth_mean']:.1e}  {row['depth_beyond_target']} of "
            f"{row['depth_pixels']:,} beyond {TARGET_DEPTH_ERROR:g}, "
            f"{row['depth_unexplained']} unexplained",
            flush=True,
        )
    beyond = sum(row["depth_beyond_target"] for row in rows.values())
    summary = {
        "num_objects": len(rows),
        "views_per_object": arguments.views,
        "mask_iou_min": min(row["mask_iou"] for row in rows.values()),
        "mask_iou_mean": statistics.mean(row["mask_iou"] for row in rows.values()),
        "depth_max": max(row["depth_max"] for row in rows.values()),
        "depth_mean": statistics.mean(row["depth_mean"] for row in rows.values()),
        "depth_pixels": sum(row["depth_pixels"] for row in rows.values()),
        "depth_pixels_beyond_target": beyond,
        "depth_pixels_unexplained": sum(row["depth_unexplained"] for row in rows.values()),
        "sample_mask_agreement": statistics.mean(
            row["sample_mask_agreement"] for row in rows.values()
        ),
        "sample_depth_max": max(row["sample_depth_max"] for row in rows.values()),
        "objects_within_targets": sum(
            row["mask_iou"] > TARGET_IOU and row["depth_max"] < TARGET_DEPTH_ERROR
            for row in rows.values()
        ),
    }
    print(json.dumps(summary, indent=2))
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(json.dumps({**summary, "objects": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
