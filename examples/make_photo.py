"""Make the photo of this folder: a procedural object under studio lights on a paper backdrop.

python examples/make_photo.py examples/teapot.png
python examples/make_photo.py robot.png 57 1    # another object, from another side

The examples of `lrm serve` (lrm_cli/server/page) are the teapot, 57 1 and 43 1, as WebP.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from lrm_core.geometry.trajectories import orbit
from lrm_core.io.image_writing import to_uint8, write_png
from lrm_core.procedural.objects import procedural_object
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.mesh_shading import STUDIO_LIGHTS

SIZE = 640
OBJECT = (7, 26)  # seed and index; lrm-mini was trained on seed 0


def main(path: Path, seed: int, index: int, view: int) -> None:
    """Render, add backdrop, contact shadow and sensor noise, and write a PNG."""
    camera = orbit(24, elevation_degrees=14.0, radius=3.4, size=SIZE, focal=1.25)[view]
    output = render_scene(procedural_object(seed, index), camera, shading=STUDIO_LIGHTS)
    alpha = output.opacity[0].numpy()[..., None]
    rows = np.linspace(0.0, 1.0, SIZE)[:, None, None]
    backdrop = np.array([0.90, 0.89, 0.87]) - 0.10 * np.abs(rows - 0.35) * np.ones((1, SIZE, 1))
    ground = np.flatnonzero(alpha[..., 0].max(axis=1) > 0.5).max()
    columns = np.flatnonzero(alpha[ground - 12 : ground, :, 0].max(axis=0) > 0.5)
    shadow = np.zeros((SIZE, SIZE), np.float32)
    center = (int(columns.mean()) + 14, int(ground) - 6)
    cv2.ellipse(shadow, center, (int(np.ptp(columns) * 0.6) + 10, 18), 0, 0, 360, 1.0, -1)
    shadow = cv2.GaussianBlur(shadow, (0, 0), 14)[..., None]
    backdrop = backdrop * (1.0 - 0.22 * shadow)
    image = output.rgb[0].numpy() - (1.0 - alpha) + backdrop * (1.0 - alpha)
    image += np.random.default_rng(0).normal(scale=0.006, size=image.shape)
    write_png(path, to_uint8(image))


if __name__ == "__main__":
    index, view = map(int, sys.argv[2:4]) if len(sys.argv) == 4 else (OBJECT[1], 2)
    main(Path(sys.argv[1]), OBJECT[0], index, view)
