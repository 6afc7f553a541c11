"""`lrm render` from the outside: files, JSON, messages and exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from typer.testing import Result

Lrm = Callable[..., Result]


@pytest.fixture
def mesh_file(tmp_path: Path) -> Path:
    """A z-up PLY: red in front (-y), green behind, narrow in x, tall in z."""
    box = trimesh.creation.box((0.6, 0.8, 1.2)).subdivide()
    colors = np.where(box.vertices[:, 1:2] < 0, [[255, 0, 0, 255]], [[0, 255, 0, 255]])
    box.visual.vertex_colors = colors.astype(np.uint8)
    box.export(tmp_path / "box.ply")
    return tmp_path / "box.ply"


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_folder_holds_views_cameras_and_a_sheet(
    lrm: Lrm, mesh_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "views"
    result = lrm(
        "render", str(mesh_file), "-o", str(out), "--up", "z", "--views", "2", "--elevation", "0",
        "--size", "48", "--channels", "rgb,depth,normal,alpha", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert {Path(file).name for file in document["files"]} == {p.name for p in out.iterdir()}
    assert document["views"] == 2
    assert document["size"] == [48, 48]
    assert document["normalized"] is False
    np.testing.assert_array_equal(picture(out / "000.png")[24, 24], [255, 0, 0])
    np.testing.assert_array_equal(picture(out / "001.png")[24, 24], [0, 255, 0])
    np.testing.assert_array_equal(picture(out / "000.png")[1, 1], [255, 255, 255])
    normal = picture(out / "000_normal.png")[24, 24] / 127.5 - 1
    np.testing.assert_allclose(normal, [0, -1, 0], atol=0.01)
    unit = json.loads((out / "views.json").read_text())["depth_unit"]
    assert picture(out / "000_depth.png")[24, 24] * unit == pytest.approx(1.6, abs=1e-3)
    # tall along z: the frame of the file was understood
    rows, columns = np.nonzero(picture(out / "000_alpha.png") > 128)
    assert np.ptp(rows) > 1.5 * np.ptp(columns)


def test_the_same_cameras_again_give_the_same_views(
    lrm: Lrm, mesh_file: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    random = ("--random", "3", "--seed", "5", "--size", "32")
    assert lrm("render", str(mesh_file), "-o", str(first), *random).exit_code == 0
    cameras = ("--cameras", str(first / "transforms.json"))
    assert lrm("render", str(mesh_file), "-o", str(second), *cameras).exit_code == 0
    for index in range(3):
        before, after = (picture(folder / f"{index:03d}.png") for folder in (first, second))
        assert before.shape == (32, 32, 3)
        np.testing.assert_allclose(before.astype(int), after, atol=1)
    scaled = tmp_path / "scaled"
    assert lrm("render", str(mesh_file), "-o", str(scaled), *cameras, "--size", "16").exit_code == 0
    assert picture(scaled / "000.png").shape == (16, 16, 3)


def test_videos_and_sheets(lrm: Lrm, mesh_file: Path, tmp_path: Path) -> None:
    sheet, video = tmp_path / "sheet.png", tmp_path / "turn.gif"
    result = lrm(
        "render", str(mesh_file), "-o", str(sheet), "--video", str(video), "--views", "5",
        "--size", "32", "--lit",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert picture(sheet).shape[1] > 4 * 128
    with Image.open(video) as image:
        assert (image.n_frames, image.size) == (5, (32, 32))


def test_transparent_background(lrm: Lrm, mesh_file: Path, tmp_path: Path) -> None:
    options = ("--up", "z", "--elevation", "0", "--views", "1", "--size", "32")
    out = tmp_path / "views"
    lrm("render", str(mesh_file), "-o", str(out), *options, "--background", "transparent")
    np.testing.assert_array_equal(picture(out / "000.png")[16, 16], [255, 0, 0, 255])
    assert picture(out / "000.png")[1, 1, 3] == 0
    lrm(
        "render", str(mesh_file), "-o", str(out), *options, "--background", "#102030", "--overwrite"
    )
    np.testing.assert_array_equal(picture(out / "000.png")[1, 1], [16, 32, 48])


def test_a_mesh_that_would_not_fit_is_brought_into_view(lrm: Lrm, tmp_path: Path) -> None:
    trimesh.creation.icosphere(radius=40.0).apply_translation([100, 0, 0]).export(
        tmp_path / "far.stl"
    )
    options = (
        "render",
        str(tmp_path / "far.stl"),
        "--views",
        "1",
        "--size",
        "32",
        "--elevation",
        "0",
    )
    result = lrm(*options, "-o", str(tmp_path / "a"), "--channels", "alpha")
    assert result.exit_code == 0, result.output
    assert "scaled into view" in result.stderr
    alpha = picture(tmp_path / "a" / "000_alpha.png")
    assert alpha[16, 16] == 255
    assert alpha[0].max() == alpha[:, 0].max() == 0
    lrm(*options, "-o", str(tmp_path / "b"), "--channels", "alpha", "--no-normalize")
    assert picture(tmp_path / "b" / "000_alpha.png").max() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--channels", "rgb,specular"), 2, "no channel 'specular'"),
        (("--background", "blurple"), 2, "'blurple' is not a color"),
        (("--views", "3", "--random", "3"), 2, "exclude one another"),
        (("--views", "0"), 2, "at least 1"),
        (("--video", "turn.mov"), 4, "'.mov'"),
        (("--cameras", "nothing.json"), 4, "nothing.json"),
    ],
)
def test_wrong_options_are_one_line(
    lrm: Lrm, mesh_file: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = lrm("render", str(mesh_file), "-o", str(tmp_path / "out"), *arguments)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_wrong_inputs_and_outputs_are_one_line(lrm: Lrm, mesh_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    missing = lrm("render", str(tmp_path / "missing.glb"), "-o", str(out))
    assert missing.exit_code == 4
    assert "missing.glb: no such file" in missing.stderr
    (tmp_path / "notes.txt").write_text("hello")
    text = lrm("render", str(tmp_path / "notes.txt"), "-o", str(out))
    assert text.exit_code == 4
    assert "cannot render '.txt' files" in text.stderr
    (tmp_path / "field.safetensors").write_text("hello")
    damaged = lrm("render", str(tmp_path / "field.safetensors"), "-o", str(out))
    assert damaged.exit_code == 9
    options = ("render", str(mesh_file), "-o", str(tmp_path / "s.png"), "--size", "16")
    assert lrm(*options).exit_code == 0
    again = lrm(*options)
    assert again.exit_code == 4
    assert "add --overwrite" in again.stderr
