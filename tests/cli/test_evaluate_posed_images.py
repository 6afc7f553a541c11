"""`lrm evaluate --dataset folder:DIR` on photos with known cameras."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from lrm_core.config import config_to_dict
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.geometry.trajectories import orbit
from lrm_core.io.camera_files import write_cameras
from lrm_core.meshes.mesh_writing import write_mesh
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.view_output import channel_image
from lrm_core.reporting.metric_report import MetricReport, read_report
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.mesh import Mesh

METRICS = ["psnr", "ssim", "silhouette_iou", "chamfer_distance", "f_score@0.1", "volume_iou",
           "depth_error", "depth_coverage"]  # fmt: skip
GEOMETRY = METRICS[3:]


@pytest.fixture
def evaluated(lrm, tmp_path: Path):
    content = config_to_dict(load_protocol("folder-v1"))
    content |= {"name": "small", "metrics": METRICS}
    content["input_view"]["size"] = 128
    content["reference_views"] |= {
        "size": 64, "num_views": 3, "azimuth_step_degrees": 90, "elevations_degrees": [0],
    }  # fmt: skip
    content["geometry"]["num_points"] = 500
    protocol = tmp_path / "small.yaml"
    protocol.write_text(yaml.safe_dump(content))

    def run(folder: Path) -> dict[str, MetricReport]:
        result = lrm(
            *("evaluate", "--dataset", f"folder:{folder}", "--protocol", str(protocol)),
            *("-m", "balloon", "-m", "blank", "--workers", "1", "--json"),
            *("-o", str(tmp_path / f"{folder.name}-reports")),
        )
        assert result.exit_code == 0, result.output
        reports = json.loads(result.stdout)["reports"]
        return {name: read_report(Path(one["report"])) for name, one in reports.items()}

    return run


def test_photos_of_a_mesh_score_like_the_mesh(evaluated, tmp_path: Path) -> None:
    """The input, then the three views of the protocol, taken by the renderer as photos."""
    vertices = np.array([[-0.9, -0.5, -0.6], [0.9, -0.5, -0.6], [0, 0.5, -0.6], [0, 0, 0.6]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)
    colors = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.5, 0.5, 0.1]])
    mesh = Mesh(vertices.astype(np.float32), faces, vertex_colors=colors.astype(np.float32))
    (tmp_path / "meshes").mkdir()
    write_mesh(tmp_path / "meshes" / "thing.glb", mesh)
    around = orbit(4, size=128)
    cameras = Cameras(around.c2w[[0, 0, 1, 2]], around.intrinsics, 128, 128)
    photos = tmp_path / "photos" / "thing"
    photos.mkdir(parents=True)
    for index in range(4):
        view = channel_image(render_scene(scene_from_mesh(mesh), cameras[index]), "rgb", None)
        Image.fromarray(view).save(photos / f"{index:03d}.png")
    write_cameras(photos / "transforms.json", cameras)

    of_mesh, of_photos = evaluated(tmp_path / "meshes"), evaluated(tmp_path / "photos")
    assert of_photos["balloon"].dataset["objects"] == ["thing"]
    for method in ("balloon", "blank"):
        for name, tolerance in (("psnr", 0.5), ("ssim", 0.02), ("silhouette_iou", 0.02)):
            expected = of_mesh[method].metrics[name].mean
            assert of_photos[method].metrics[name].mean == pytest.approx(expected, abs=tolerance)
        for name in GEOMETRY:
            summary = of_photos[method].metrics[name]
            assert summary.mean is None
            assert summary.unavailable
    assert of_mesh["balloon"].metrics["chamfer_distance"].mean is not None
