"""`lrm preprocess video` from the outside: one capture, many, damaged ones."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from colmap_writer import write_colmap_model
from PIL import Image, ImageDraw
from scipy.spatial.transform import Rotation
from typer.testing import Result

from lrm_core.io.colmap_model import ColmapCamera, ColmapImage, ColmapModel
from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set

Lrm = Callable[..., Result]
TINY = ["--size", "32", "--workers", "1"]
NUM_FRAMES, SIDE, FOCAL, DISTANCE, RADIUS = 6, 120, 130.0, 5.0, 1.5


def write_capture(folder: Path, masks: Path | None) -> None:
    """A red ball at the origin of the reconstruction, seen from all sides."""
    reach = FOCAL * RADIUS / math.sqrt(DISTANCE**2 - RADIUS**2)
    circle = (SIDE / 2 - reach, SIDE / 2 - reach, SIDE / 2 + reach - 1, SIDE / 2 + reach - 1)
    frame, mask = Image.new("RGB", (SIDE, SIDE), "white"), Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(frame).ellipse(circle, "red")
    ImageDraw.Draw(mask).ellipse(circle, 255)
    images = []
    for index in range(NUM_FRAMES):
        # y points down in COLMAP's cameras: the world's z is up
        turn = Rotation.from_euler("x", 90, degrees=True) * Rotation.from_euler(
            "z", 60.0 * index, degrees=True
        )
        x, y, z, w = turn.as_quat()
        none = np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
        name = f"{index:03d}.jpg"
        pose = (w, x, y, z), (0.0, 0.0, DISTANCE)
        images.append(ColmapImage(index, name, 1, *pose, *none))
        (folder / "images").mkdir(parents=True, exist_ok=True)
        frame.save(folder / "images" / name, quality=95)
        if masks is not None:
            masks.mkdir(parents=True, exist_ok=True)
            mask.save(masks / f"{name}.png")
    camera = ColmapCamera(1, "SIMPLE_RADIAL", SIDE, SIDE, (FOCAL, SIDE / 2, SIDE / 2, 0.0))
    write_colmap_model(folder / "sparse/0", ColmapModel({1: camera}, tuple(images)))


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MVImgNet's layout: category, object; masks in a tree of their own."""
    root = tmp_path_factory.mktemp("mvimgnet")
    for name in ("7/aa", "7/bb", "12/cc"):
        write_capture(root / "data" / name, root / "masks" / name)
    return root


def test_captures_become_a_dataset(lrm: Lrm, captures: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    result = lrm(
        "preprocess", "video", str(captures / "data"), "-o", out, *TINY, "--masks",
        str(captures / "masks"), "--licence", "MVImgNet Terms of Use", "--collection", "mvimgnet",
        "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["num_objects"], document["num_views"]) == (3, 3 * NUM_FRAMES)
    dataset = open_view_dataset(out)
    assert set(dataset.manifest["licence"]) == {"MVImgNet Terms of Use"}
    assert set(dataset.manifest["source"]) == {"mvimgnet"}
    views = read_view_set(dataset, dataset.manifest["object_id"].iloc[0])
    assert views.images.shape == (NUM_FRAMES, 32, 32, 4)
    np.testing.assert_allclose(
        np.linalg.norm(views.cameras.origins, axis=1), 0.95 * DISTANCE / RADIUS, rtol=0.05
    )
    assert np.abs(views.images[:, 16, 16].astype(int) - [255, 0, 0, 255]).max() < 9


def test_one_capture_without_masks(lrm: Lrm, captures: Path, tmp_path: Path) -> None:
    result = lrm(
        "preprocess", "video", str(captures / "data/7/aa"), "-o", str(tmp_path / "out"), *TINY,
        "--num-views", "5", "--limit", "1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "1 objects, 5 views" in result.output
    assert "see the capture's own terms" in result.output


def test_damaged_captures_are_skipped_and_listed(lrm: Lrm, captures: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_capture(root / "good", root / "good/masks")
    write_capture(root / "cut", root / "cut/masks")
    model = root / "cut/sparse/0/images.bin"
    model.write_bytes(model.read_bytes()[:-5])
    out = tmp_path / "out"
    result = lrm("preprocess", "video", str(root), "-o", str(out), *TINY)
    assert result.exit_code == 3, result.output
    assert "cut was skipped" in result.output
    assert "cut off or damaged" in (out / "failures.csv").read_text()


def test_no_captures_and_bad_options_say_so(lrm: Lrm, captures: Path, tmp_path: Path) -> None:
    result = lrm("preprocess", "video", str(tmp_path), "-o", str(tmp_path / "out"))
    assert result.exit_code == 4
    assert "no captures" in result.output
    result = lrm(
        "preprocess", "video", str(captures / "data"), "-o", str(tmp_path / "out"),
        "--num-views", "4", *TINY,
    )  # fmt: skip
    assert result.exit_code == 2
    assert "views" in result.output
