"""`lrm evaluate --dataset folder:DIR` on meshes of one's own."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from lrm_core.config import config_to_dict
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.meshes.mesh_writing import write_mesh
from lrm_core.reporting.metric_report import read_report
from lrm_core.structures.mesh import Mesh


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    """folder-v1, small enough for a test."""
    content = config_to_dict(load_protocol("folder-v1"))
    content |= {"name": "small", "metrics": ["psnr", "chamfer_distance", "f_score@0.1"]}
    content["input_view"]["size"] = 128
    content["reference_views"] |= {"size": 32, "num_views": 2}
    content["geometry"]["num_points"] = 500
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def tetrahedron(height: float) -> Mesh:
    """Upright, of longest side 1.8 around the origin: as the protocol shows it."""
    vertices = np.array(
        [[-0.9, -0.5, -height], [0.9, -0.5, -height], [0, 0.5, -height], [0, 0, height]]
    )
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)
    return Mesh(vertices.astype(np.float32), faces, vertex_colors=np.full((4, 3), 0.3, np.float32))


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux")
@pytest.mark.parametrize("name", [b"ext\xff", b"[red] x"])
def test_folders_of_any_name_are_in_reports_tables_and_pages(
    lrm, protocol: Path, tmp_path: Path, name: bytes
) -> None:
    meshes, out = tmp_path / os.fsdecode(name), tmp_path / os.fsdecode(b"reports" + name[-2:])
    meshes.mkdir()
    write_mesh(meshes / "low.glb", tetrahedron(0.3))
    method = f"external:{meshes}"
    result = lrm(
        *("evaluate", "--dataset", f"folder:{meshes}", "--protocol", str(protocol), "-m", method),
        *("--metrics", "chamfer_distance", "-o", str(out), "--workers", "1"),
    )
    assert result.exit_code == 0, result.output
    shown = name.decode("utf-8", "backslashreplace")
    assert shown in (out / "tables" / "small.md").read_text("utf-8")
    (run,) = (out / "runs" / "small").iterdir()
    assert read_report(run).method["name"].endswith(shown)
    compared = lrm("evaluate", "compare", str(run), str(run))
    assert shown in compared.output, compared.output
    page = tmp_path / "page.html"
    options = ["--metric", "chamfer_distance", "--data-root", str(meshes)]
    drawn = lrm("evaluate", "page", str(run), "-o", str(page), *options)
    assert drawn.exit_code == 0, drawn.output
    assert shown in page.read_text("utf-8")


def test_ones_own_meshes_are_evaluated(lrm, protocol: Path, tmp_path: Path) -> None:
    """OBJ and GLB of known shape; the same files as answers score full marks."""
    meshes = tmp_path / "meshes"
    meshes.mkdir()
    write_mesh(meshes / "low.glb", tetrahedron(0.3))
    write_mesh(meshes / "high.obj", tetrahedron(0.8))
    out = tmp_path / "reports"
    result = lrm(
        *("evaluate", "--dataset", f"folder:{meshes}", "--protocol", str(protocol)),
        *("-m", f"external:{meshes}", "-m", "blank", "-o", str(out), "--workers", "1", "--json"),
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["num_objects"] == 2
    external, blank = (read_report(Path(one["report"])) for one in document["reports"].values())
    assert external.dataset["objects"] == ["high", "low"]
    assert external.dataset["licence"] == "the user's own"
    assert external.failures == {}
    # the points of both surfaces are the same draw, so nothing is left but rounding
    assert external.metrics["chamfer_distance"].mean == pytest.approx(0.0, abs=1e-5)
    assert external.metrics["f_score@0.1"].mean == 1.0
    assert blank.metrics["f_score@0.1"].mean == 0.0
    assert sorted(path.name for path in (out / "tables").iterdir()) == [
        "small.csv", "small.md", "small.tex",
    ]  # fmt: skip


def test_an_empty_folder_is_one_clear_line(lrm, tmp_path: Path) -> None:
    result = lrm("evaluate", "--dataset", f"folder:{tmp_path}", "-m", "blank", "-o", str(tmp_path))
    assert result.exit_code == 4
    assert "holds no object" in result.stderr
