"""Reconstruct a folder of photos and say how well the meshes fit them.

    python benchmarks/photos.py PHOTO_DIR --out out/photos [--sheet docs/images/photos.png]

For every photo: intersection over union of the photo's silhouette (the alpha of the framed image)
and the mesh rendered from the source camera, whether the mesh is closed, faces and seconds. The
table goes to stdout and, with --report, to a JSON file.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import trimesh

from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.geometry.trajectories import orbit
from lrm_core.imaging.compositing import over_gray
from lrm_core.imaging.contact_sheet import contact_sheet
from lrm_core.io.image_formats import IMAGE_SUFFIXES
from lrm_core.io.image_writing import to_uint8, write_png
from lrm_core.reconstruction.pipeline import load_model
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.rendering.mesh_renderer import SceneTracer, render_scene
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.mesh import Mesh

# photos of the README's sheet: real photos, renders, drawings, from easy to hard
SHEET = [
    "photo_teddy_bear__image",
    "photo_cactus__image",
    "photo_fish_real_nemo__image",
    "photo_blue_bird__image",
    "openlrm_owl",
    "openlrm_hydrant",
    "openlrm_mailbox",
    "triposr_chair",
    "triposr_flamingo",
    "triposr_poly_fox",
    "triposr_robot",
    "instantmesh_cute_tiger",
]


NUM_VIEWS = 8


def silhouette_iou(reconstruction: Reconstruction, mesh: Mesh) -> float:
    """Silhouette of the mesh from the source camera against the framed image's alpha."""
    assert reconstruction.photo is not None
    alpha = reconstruction.photo.rgba[0, 3].numpy() > 0.5
    size = alpha.shape[0]
    camera = reconstruction.source_camera[0].resized(size, size)
    seen = render_scene(scene_from_mesh(mesh), camera, channels=("alpha",)).opacity[0].numpy() > 0.5
    return float((alpha & seen).sum() / max(1, (alpha | seen).sum()))


def is_closed(mesh: Mesh) -> bool:
    """Whether every edge has two faces once vertices on texture seams are merged."""
    merged = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True, merge_tex=True)
    merged.merge_vertices(merge_tex=True, merge_norm=True)
    return bool(merged.is_watertight)


def sheet_row(reconstruction: Reconstruction, mesh: Mesh, size: int) -> list[np.ndarray]:
    """The photo and eight views around the mesh as (size, size, 3) uint8 images."""
    assert reconstruction.photo is not None
    over = over_gray(reconstruction.photo.rgba, reconstruction.config.input.background)
    rgb = torch.nn.functional.interpolate(over, size=(size, size), mode="bicubic", antialias=True)[
        0
    ].clamp(0, 1)
    front = reconstruction.source_camera[0].resized(size, size)
    turn = orbit(
        NUM_VIEWS,
        elevation_degrees=10.0,
        radius=float(front.origins.norm()),
        size=size,
        focal=float(front.normalized_intrinsics[0, 0]),
    )
    tracer = SceneTracer(scene_from_mesh(mesh))
    # the first view is the photo's own, without the elevation
    cameras = Cameras(
        torch.cat([front.c2w, turn.c2w[1:]]), front.intrinsics.repeat(NUM_VIEWS, 1), size, size
    )
    views = render_scene(tracer, cameras, channels=("rgb",)).rgb
    images = [rgb.permute(1, 2, 0), *views]
    return [to_uint8(image.numpy()) for image in images]


def main() -> None:
    """Run over the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="lrm-mini")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--iso-level", type=float, default=None)
    parser.add_argument("--out", type=Path, default=None, help="also write the meshes here (GLB)")
    parser.add_argument("--report", type=Path, default=None)
    parser.add_argument("--sheet", type=Path, default=None)
    parser.add_argument("--limit", type=int, default=None)
    arguments = parser.parse_args()
    photos = sorted(
        path
        for path in arguments.folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.stem.endswith(("__mask", ".out"))
    )
    if arguments.limit is None and arguments.sheet and not arguments.report:
        photos = [path for path in photos if path.stem in SHEET]
    model = load_model(arguments.model)
    options = MeshOptions(resolution=arguments.resolution, iso_level=arguments.iso_level)
    rows, pictures = [], {}
    for path in photos[: arguments.limit]:
        started = time.perf_counter()
        reconstruction = model.reconstruct(path)
        assert reconstruction.photo is not None
        mesh = reconstruction.extract_mesh(options=options)
        row = {
            "photo": path.stem,
            "silhouette_iou": round(silhouette_iou(reconstruction, mesh), 4),
            "closed": is_closed(mesh),
            "faces": len(mesh.faces),
            "background": reconstruction.photo.background_removal,
            "seconds": round(time.perf_counter() - started, 2),
        }
        rows.append(row)
        print("  ".join(str(value) for value in row.values()), flush=True)
        if path.stem in SHEET and arguments.sheet:
            pictures[path.stem] = sheet_row(reconstruction, mesh, 256)
        if arguments.out:
            mesh.save(arguments.out / f"{path.stem}.glb")
    summary = {
        "model": arguments.model,
        "resolution": arguments.resolution,
        "num_photos": len(rows),
        "mean_silhouette_iou": round(statistics.mean(row["silhouette_iou"] for row in rows), 4),
        "closed": sum(row["closed"] for row in rows),
        "median_seconds": statistics.median(row["seconds"] for row in rows),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
    }
    print(json.dumps(summary, indent=2))
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(json.dumps({**summary, "photos": rows}, indent=2) + "\n")
    if arguments.sheet:
        save_sheet(arguments.sheet, [pictures[name] for name in SHEET if name in pictures])


def save_sheet(path: Path, rows: list[list[np.ndarray]]) -> None:
    """A photo a line: input, then views around the mesh."""
    names = ["photo", "front", *(f"{turn * 360 // NUM_VIEWS}°" for turn in range(1, NUM_VIEWS))]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, contact_sheet(rows, column_labels=names, cell_size=128))


if __name__ == "__main__":
    main()
