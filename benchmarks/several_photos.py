"""What more photos of an object are worth, taken by hand: nothing agrees but the object.

    LRM_GSO_DIR=... python benchmarks/several_photos.py [--report FILE.json] [--sheet FILE.png]

Scans are photographed from the front, the back and both sides as a person would: every photo with
its own distance, height, roll, place in the picture, exposure and background, blurred, noisy, and
stored as JPEG. The mesh of some of them is turned, moved and scaled to the scan (see
`find_alignment`; nobody knows the cameras), then scored: Chamfer distance and F-score at 0.1 for a
longest side of 1.8. The sheet shows the photos and the meshes of three of the scans.
"""

from __future__ import annotations

import argparse
import io
import json
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from scipy.spatial.transform import Rotation

from lrm_core.evaluation.alignment import Fit, find_alignment
from lrm_core.geometry.scene_conversion import normalize_scene, scene_from_mesh, transform_scene
from lrm_core.geometry.surface_sampling import sample_surface
from lrm_core.geometry.trajectories import orbit
from lrm_core.imaging.contact_sheet import contact_sheet
from lrm_core.io.image_writing import to_uint8, write_png
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.metrics.f_score import f_score
from lrm_core.metrics.nearest_neighbors import find_nearest_neighbors
from lrm_core.reconstruction.pipeline import ReconstructionModel, load_model
from lrm_core.reconstruction.reconstruction import MeshOptions
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.mesh_shading import STUDIO_LIGHTS
from lrm_core.structures.scene import Scene

SCANS = (
    "FYW_DIVISION",
    "Schleich_Bald_Eagle",
    "SCHOOL_BUS",
    "Cole_Hardware_School_Bell_Solid_Brass_38",
    "Dino_3",
    "Nintendo_Mario_Action_Figure",
)
SHOWN = SCANS[:3]
# as `lrm reconstruct` counts them: to the right of the front is what its right shows
AZIMUTHS = {"front": 0.0, "back": 180.0, "right": 90.0, "left": 270.0}
SETS = (("front",), ("front", "back"), ("front", "right"), ("front", "back", "right", "left"))
SIZE, LONGEST, POINTS = 640, 1.8, 20_000
FIT = Fit("azimuth", rescale=True)


def photograph(scene: Scene, azimuth: float, rng: np.random.Generator) -> bytes:
    """A JPEG as somebody might take it.

    Args:
        scene: z up, centered.
        azimuth: of the camera in degrees.
        rng: draws everything else.
    """
    distance = rng.uniform(2.4, 5.0)
    # the object turns, the camera stays in front of it
    turn = Rotation.from_euler("z", -azimuth + rng.uniform(-6.0, 6.0), degrees=True)
    pose = np.eye(4)
    pose[:3, :3] = turn.as_matrix()
    camera = orbit(
        1,
        elevation_degrees=rng.uniform(0.0, 15.0),
        radius=distance,
        size=SIZE,
        focal=rng.uniform(0.28, 0.36) * distance,
    )
    turned = transform_scene(scene, pose)
    view = render_scene(turned, camera, channels=("rgb",), shading=STUDIO_LIGHTS, background=0.0)
    alpha = view.opacity[0].numpy()[..., None]
    shift = rng.integers(-60, 61, size=2)
    rows = np.linspace(0.0, 1.0, SIZE)[:, None, None]
    # a wall and a table, neither of them even or quite gray
    wall, floor = (
        rng.uniform(0.5, 0.95) + rng.normal(scale=0.04, size=3) for _ in ("wall", "floor")
    )
    ground = wall + (floor - wall) / (1.0 + np.exp(-12.0 * (rows - rng.uniform(0.6, 0.8))))
    moved = [np.roll(maps, shift, axis=(0, 1)) for maps in (view.rgb[0].numpy(), alpha)]
    picture = (moved[0] + (1.0 - moved[1]) * ground) * rng.uniform(0.85, 1.1)
    picture = picture + rng.normal(scale=0.015, size=picture.shape)
    image = Image.fromarray(to_uint8(picture.clip(0.0, 1.0)))
    edge = SIZE // 25  # what the turn leaves empty
    image = image.rotate(rng.uniform(-2.0, 2.0), Image.Resampling.BICUBIC)
    image = image.crop((edge, edge, SIZE - edge, SIZE - edge))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0)))
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=int(rng.integers(80, 95)))
    return stored.getvalue()


def score(scene: Scene, target: np.ndarray) -> tuple[dict[str, float], Scene]:
    """Chamfer distance and F-score of a mesh, and the mesh where it fits best."""
    placed = transform_scene(scene, find_alignment(scene, target, FIT, seed=0))
    points, _, _ = sample_surface(placed, POINTS, np.random.default_rng(0))
    near = find_nearest_neighbors(points, target)
    values = {
        "chamfer": float(near.predicted_distances.mean() + near.reference_distances.mean()),
        "f_score": f_score(near, [0.1])[0].f_score,
    }
    return values, placed


def measure(
    model: ReconstructionModel, name: str, scan: Scene, photos: dict[str, bytes]
) -> tuple[dict[str, dict[str, float]], list[list[np.ndarray]]]:
    """Scores of one scan by photos given, and its rows of the sheet."""
    target, _, _ = sample_surface(scan, POINTS, np.random.default_rng(1))
    scores, rows = {}, [[np.asarray(Image.open(io.BytesIO(photo))) for photo in photos.values()]]
    cameras = orbit(6, elevation_degrees=15.0, radius=3.0, size=256, focal=1.1)
    for directions in SETS:
        made = model.reconstruct({direction: photos[direction] for direction in directions})
        mesh = made.extract_mesh(options=MeshOptions(resolution=192))
        label = ", ".join(directions)
        scores[label], placed = score(scene_from_mesh(mesh), target)
        print(name, label, scores[label], flush=True)
        rows.append([to_uint8(view.numpy()) for view in render_scene(placed, cameras).rgb])
    rows.append([to_uint8(view.numpy()) for view in render_scene(scan, cameras).rgb])
    return scores, rows


def main() -> None:
    """Measure, and draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lrm-mini")
    parser.add_argument("--report", type=Path, help="JSON file to write")
    parser.add_argument("--sheet", type=Path, help="PNG file to write")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="write the photos here too")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    results, rows, labels = {}, [], []
    for index, name in enumerate(SCANS):
        path = Path(os.environ["LRM_GSO_DIR"]) / name / "meshes" / "model.obj"
        scan = normalize_scene(read_scene(path, up="z"), LONGEST)
        rng = np.random.default_rng([7, index])
        photos = {where: photograph(scan, azimuth, rng) for where, azimuth in AZIMUTHS.items()}
        for where, photo in photos.items() if arguments.photos else ():
            arguments.photos.mkdir(parents=True, exist_ok=True)
            (arguments.photos / f"{name}-{where}.jpg").write_bytes(photo)
        with torch.inference_mode():
            results[name], pictures = measure(model, name, scan, photos)
        if name in SHOWN:
            rows += pictures
            labels += ["photos", *(", ".join(directions) for directions in SETS), "scan"]
    means = {
        label: {
            key: round(float(np.mean([scores[label][key] for scores in results.values()])), 4)
            for key in ("chamfer", "f_score")
        }
        for label in (", ".join(directions) for directions in SETS)
    }
    print(json.dumps(means, indent=2))
    if arguments.report:
        text = json.dumps({"means": means, "scans": results}, indent=2)
        arguments.report.write_text(text + "\n")
    if arguments.sheet:
        write_png(arguments.sheet, contact_sheet(rows, row_labels=labels, cell_size=160))


if __name__ == "__main__":
    main()
