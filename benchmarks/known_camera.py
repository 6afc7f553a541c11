"""What knowing, and what guessing, the camera of a photo is worth to a model that follows its rays.

    LRM_GSO_DIR=... python benchmarks/known_camera.py [--every N] [--report FILE.json]

Objects and cameras of gso-varied-v1. Chamfer distance and F-score at 0.1 in the camera's frame:

- `canonical`: nothing is known, as `lrm reconstruct` without options;
- `known`: the true field of view (`--fov`, or EXIF);
- `symmetric`, `consistent`: one of six fields of view is chosen by how much the mesh is its own
  mirror image in an upright plane, and by how little the model changes its mind when it is shown
  the mesh from 40 degrees further round;
- `best`: the one of the six that scores best, which nobody can know.

And for what is upright, the angle to the true vertical of a level camera, of one raised by the mean
elevation, of `--ground`, and of `--ground` where the elevation is known. `--upright` measures that
alone, and `--skip N` leaves out every N-th object.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree

from lrm_core.baselines.placement import undo_crop
from lrm_core.errors import EmptySurfaceError
from lrm_core.evaluation.collection import find_objects
from lrm_core.evaluation.protocol import Protocol, load_protocol
from lrm_core.evaluation.reference import Reference, input_camera, make_reference, orbited
from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.geometry.standing import TYPICAL_ELEVATION, Standing, stand, up_seen_from
from lrm_core.geometry.surface_sampling import sample_surface
from lrm_core.imaging.framing import crop_window
from lrm_core.metrics.f_score import f_score
from lrm_core.metrics.nearest_neighbors import find_nearest_neighbors
from lrm_core.reconstruction.pipeline import ReconstructionModel, load_model
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.view_output import channel_image
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.photo import CutOut
from lrm_core.structures.photo_camera import PhotoCamera

DISTANCES = (1.6, 2.0, 2.5, 3.2, 4.5, 6.0)
"""One for each field of view of the crop, which always measures the same at the origin."""
MIRRORS, FURTHER_ROUND = 12, 40.0
OPTIONS = MeshOptions(resolution=64, appearance="vertex_colors", photo_colors=True)


def points_of(mesh: Mesh, count: int) -> Float[np.ndarray, "P 3"]:
    """Points on a mesh, always the same."""
    return sample_surface(scene_from_mesh(mesh), count, np.random.default_rng(0))[0]


def distance_between(a: np.ndarray, b: np.ndarray) -> float:
    """Chamfer distance of two sets of points."""
    return float(cKDTree(a).query(b)[0].mean() + cKDTree(b).query(a)[0].mean())


def asymmetry(mesh: Mesh, motion: Standing) -> float:
    """Distance to the best of its mirror images in upright planes, over its size."""
    points = points_of(motion.move_mesh(mesh), 1500)
    points = points - points.mean(axis=0)
    size = np.linalg.norm(points, axis=1).mean()
    distances = []
    for angle in np.arange(MIRRORS) * math.pi / MIRRORS:
        normal = np.array([math.cos(angle), math.sin(angle), 0.0])
        mirrored = points - 2.0 * (points @ normal)[:, None] * normal
        distances.append(distance_between(points, mirrored))
    return min(distances) / size


def inconsistency(
    model: ReconstructionModel, made: Reconstruction, mesh: Mesh, motion: Standing, distance: float
) -> float:
    """Distance between the mesh and what the model makes of it, seen from further round."""
    up = motion.rotation.T @ [0.0, 0.0, 1.0]
    camera = orbited(made.source_camera.resized(256, 256), tuple(up), FURTHER_ROUND)
    picture = channel_image(render_scene(scene_from_mesh(mesh), camera), "rgb", None)
    again = model.reconstruct(picture, camera=PhotoCamera(distance=distance))
    second = points_of(again.extract_mesh(options=OPTIONS), 1500)
    # seen from there, the crop decides about place and size: both are brought to the same
    w2c = np.linalg.inv(camera.c2w[0].double().numpy())
    back = again.source_camera.c2w[0].double().numpy() @ w2c
    first = points_of(mesh, 1500) @ back[:3, :3].T
    sets = [points - points.mean(axis=0) for points in (first, second)]
    sets = [points / np.linalg.norm(points, axis=1).mean() for points in sets]
    return distance_between(*sets)


def tilt(up: tuple[float, float, float], other: np.ndarray) -> float:
    """Degrees between two unit vectors."""
    return math.degrees(math.acos(min(1.0, float(np.dot(up, other)))))


def measure_upright(model: ReconstructionModel, reference: Reference) -> dict[str, float]:
    """Degrees to the true vertical of one object, by what is assumed."""
    made = model.reconstruct_framed(model.frame(CutOut(reference.picture, "alpha")))
    mesh = made.extract_mesh(options=replace(OPTIONS, appearance="none"))
    vertical = np.array(reference.up)
    found = stand(mesh.vertices, mesh.faces, ground=True)
    told = stand(mesh.vertices, mesh.faces, up=vertical, ground=True)
    return {
        "tilt.level": tilt(reference.up, np.array([0.0, 0.0, 1.0])),
        "tilt.mean elevation": tilt(reference.up, up_seen_from(TYPICAL_ELEVATION)),
        "tilt.ground": tilt(reference.up, found.rotation[2]),
        "tilt.ground, elevation known": tilt(reference.up, told.rotation[2]),
    }


def measure(
    model: ReconstructionModel, reference: Reference, protocol: Protocol
) -> dict[str, float]:
    """Everything about one object."""
    window = crop_window(reference.picture[..., 3], model.config.input.foreground_ratio)
    size = len(reference.picture)
    own = model.config.source_camera
    given = input_camera(reference.name, protocol)
    similarity = undo_crop(window, size, distance=own.distance, focal=own.focal)
    known = given.focal * size / window[2] * own.distance / own.focal

    def score(distance: float) -> dict[str, float]:
        framed = model.frame(CutOut(reference.picture, "alpha"), PhotoCamera(distance=distance))
        made = model.reconstruct_framed(framed)
        mesh = made.extract_mesh(options=OPTIONS)
        placed = points_of(mesh, 10_000) * similarity.scale + similarity.translation
        near = find_nearest_neighbors(placed * reference.scale, reference.observation.points)
        motion = stand(mesh.vertices, mesh.faces, ground=True)
        return {
            "chamfer": float(near.predicted_distances.mean() + near.reference_distances.mean()),
            "f_score": f_score(near, [0.1])[0].f_score,
            "asymmetry": asymmetry(mesh, motion),
            "inconsistency": inconsistency(model, made, mesh, motion, distance),
        }

    scores = {distance: score(distance) for distance in DISTANCES}
    chosen = {
        "canonical": scores[own.distance],
        "known": score(max(known, DISTANCES[0])),
        "symmetric": min(scores.values(), key=lambda s: s["asymmetry"]),
        "consistent": min(scores.values(), key=lambda s: s["inconsistency"]),
        "best": min(scores.values(), key=lambda s: s["chamfer"]),
    }
    result = {f"{n}.{k}": s[k] for n, s in chosen.items() for k in ("chamfer", "f_score")}
    return result | {"known.distance": known}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="take every N-th object")
    parser.add_argument("--skip", type=int, default=0, help="leave out every N-th object")
    parser.add_argument("--upright", action="store_true", help="measure what is upright alone")
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    protocol = load_protocol("gso-varied-v1")
    views = replace(protocol.reference_views, num_views=1, size=16)
    protocol = replace(protocol, reference_views=views)
    model = load_model("lrm-mini")
    collection = find_objects(protocol)
    rows = {}
    with torch.inference_mode():
        for index, name in enumerate(collection.names[:: arguments.every]):
            if arguments.skip and index % arguments.skip == 0:
                continue
            reference = make_reference(name, collection.load(name)[0], protocol)
            try:
                rows[name] = measure_upright(model, reference)
                if not arguments.upright:
                    rows[name] |= measure(model, reference, protocol)
            except EmptySurfaceError as error:
                print(f"{name}: {error}")
            if arguments.report:
                arguments.report.write_text(json.dumps(rows, indent=1))
    print(f"{len(rows)} objects; mean, and difference to canonical with its standard error")
    for key in next(iter(rows.values())):
        values = np.array([row[key] for row in rows.values()])
        line = f"{key:26s} {values.mean():8.4f}"
        if key.endswith(("chamfer", "f_score")):
            before = [row[f"canonical.{key.partition('.')[2]}"] for row in rows.values()]
            moved = values - np.array(before)
            line += f"  {moved.mean():+.4f} +- {moved.std() / math.sqrt(len(moved)):.4f}"
        print(line)


if __name__ == "__main__":
    main()
