"""The line of pictures on the README's first screen: a photo, its mesh all around, and the seconds.

    python benchmarks/first_screen.py PHOTO -o docs/images/first.png [--runs 3]

The seconds are the median of whole runs of `lrm reconstruct`, from the shell's start of the process
to its end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from lrm_core.geometry.trajectories import orbit
from lrm_core.imaging.contact_sheet import contact_sheet
from lrm_core.io.image_writing import to_uint8, write_png
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.rendering.mesh_renderer import render_scene

NUM_VIEWS, CELL = 6, 176


def main() -> None:
    """Reconstruct, render, write the line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.png")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        mesh = Path(folder) / "mesh.glb"
        command = [sys.executable, "-m", "lrm_cli", "reconstruct", str(arguments.photo),
                   "-o", str(mesh), "--overwrite", "--quiet"]  # fmt: skip
        for _ in range(arguments.runs):
            started = time.perf_counter()
            subprocess.run(command, check=True)
            seconds.append(time.perf_counter() - started)
        scene = read_scene(mesh, up="y")
    cameras = orbit(NUM_VIEWS, elevation_degrees=10.0, size=2 * CELL)
    views = [to_uint8(view.numpy()) for view in render_scene(scene, cameras).rgb]
    photo = np.asarray(Image.open(arguments.photo).convert("RGBA"))
    cores = len(os.sched_getaffinity(0))
    title = f"photo to textured mesh: {statistics.median(seconds):.1f} s on {cores} CPU cores"
    print(title, [round(value, 2) for value in seconds])
    write_png(arguments.out, contact_sheet([[photo, *views]], title=title, cell_size=CELL))


if __name__ == "__main__":
    main()
