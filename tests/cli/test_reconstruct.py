"""`lrm reconstruct` as a user types it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from typer.testing import CliRunner

from lrm_cli.app import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "teapot.png"
FAST = ["--resolution", "64", "--texture-size", "128"]


@pytest.fixture
def run():
    def invoke(*arguments: object):
        return CliRunner().invoke(app, ["reconstruct", *map(str, arguments)])

    return invoke


def test_one_photo_gives_mesh_material_texture_input_and_record(run, tmp_path):
    result = run(EXAMPLE, "-o", tmp_path / "mesh.obj", *FAST)
    assert result.exit_code == 0, result.output
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mesh.obj", "mesh.mtl", "mesh.texture.png", "mesh.input.png", "mesh.json"}
    assert "background: u2netp" in result.stdout
    mesh = trimesh.load(tmp_path / "mesh.obj", process=False, force="mesh")
    assert np.asarray(mesh.visual.material.image).shape[:2] == (128, 128)
    record = json.loads((tmp_path / "mesh.json").read_text())
    assert record["model"] == "lrm-mini"
    assert set(record["seconds"]) >= {"background", "grid query", "marching cubes", "texture bake"}


def test_json_mode_prints_one_document(run, tmp_path):
    result = run(EXAMPLE, "-o", tmp_path / "m.glb", *FAST, "--vertex-colors", "--json")
    document = json.loads(result.stdout)
    assert document["result"]["mesh"].endswith("m.glb")
    assert document["result"]["num_faces"] > 100
    assert Path(document["result"]["files"][0]).exists()


def test_the_camera_is_recorded_with_where_it_comes_from(run, tmp_path):
    """50 mm on film are those of its diagonal, of which a square's width is the root of a half."""
    photo = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 50
    with Image.open(EXAMPLE) as image:
        image.convert("RGB").save(photo, exif=exif)
    said = ["--elevation", "20", "--foreground-ratio", "0.6", "--vertex-colors"]
    assert run(photo, "-o", tmp_path / "m.glb", *FAST, *said).exit_code == 0
    record = json.loads((tmp_path / "m.json").read_text())
    camera = record["camera"]
    half = 36**2 + 24**2
    expected = np.degrees(2 * np.arctan((half / 2) ** 0.5 / 2 / 50))
    assert camera["field_of_view"]["value"] == pytest.approx(expected, abs=1e-3)
    assert camera["field_of_view"]["from"] == "EXIF: 50 mm on 35 mm film"
    assert camera["elevation"] == {"value": 20.0, "from": "option"}
    assert camera["foreground_ratio"] == {"value": 0.6, "from": "option"}
    assert camera["framing"] == {"value": "crop", "from": "default"}
    c2w = np.array(record["source_camera"]["c2w"])
    elevation = np.degrees(np.arcsin(c2w[1, 3] / np.linalg.norm(c2w[:3, 3])))  # y is up in GLB
    assert elevation == pytest.approx(20.0, abs=1e-3)


@pytest.mark.parametrize("suffix", ["glb", "obj", "ply", "stl", "3mf", "usdz"])
def test_grounded_meshes_stand_on_the_floor_in_every_format(run, tmp_path, suffix):
    options = ["--ground", *FAST] + (["--size", "80mm"] if suffix in ("stl", "3mf", "usdz") else [])
    result = run(EXAMPLE, "-o", tmp_path / f"m.{suffix}", *options)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "m.json").read_text())
    up = {"y": 1, "z": 2}[record["frame"]["up"]]
    low, high = np.array(record["bounds"])
    assert low[up] == pytest.approx(0.0, abs=1e-6)
    assert 2.0 < record["turned_degrees"] < 40.0, "the photo shows the teapot from above"
    if suffix in ("stl", "3mf"):
        assert (high - low).max() == pytest.approx(80.0, abs=1e-3)
    if suffix not in ("usdz", "3mf"):  # which trimesh reads with further packages only
        vertices = trimesh.load(tmp_path / f"m.{suffix}", force="mesh").vertices
        assert vertices[:, up].min() == pytest.approx(0.0, abs=1e-4)


def test_photos_with_known_cameras_make_one_mesh(run, tmp_path):
    """A cuboid, rendered from six sides by `lrm render`, of which four are used."""
    solid = trimesh.creation.box((1.0, 0.6, 1.4))
    solid.export(tmp_path / "box.ply")
    views = tmp_path / "views"
    arguments = ["render", tmp_path / "box.ply", "-o", views, "--views", "6", "--size", "256",
                 "--up", "z", "--background", "transparent"]  # fmt: skip
    rendered = CliRunner().invoke(app, list(map(str, arguments)))
    assert rendered.exit_code == 0, rendered.output
    said = ["--views-from", views, "--num-views", "4", *FAST, "--vertex-colors", "--up", "z"]
    result = run(views / "000.png", "-o", tmp_path / "m.ply", *said)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "m.json").read_text())
    assert len(record["views"]) == 4
    assert record["views"][0]["photo"]["name"] == "000.png"
    assert record["photo"]["name"] == "000.png"
    low, high = np.array(record["bounds"])
    extent = high - low
    assert extent[2] / extent[0] == pytest.approx(1.4, rel=0.15), "upright, as high as it was"
    refused = run(views / "000.png", "-o", tmp_path / "n.ply", *said, "--fov", "40")
    assert refused.exit_code == 4
    assert "--views-from says where its photos were taken" in refused.stderr
    other = run(EXAMPLE, "-o", tmp_path / "n.ply", *said)
    assert other.exit_code == 4
    assert "is not among the 6 photos" in other.stderr


def test_field_and_video_are_written_beside(run, tmp_path):
    result = run(
        EXAMPLE, "-o", tmp_path / "m.stl", *FAST, "--vertex-colors",
        "--save-field", tmp_path / "s.safetensors", "--video", tmp_path / "turn.gif",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "turn.gif") as video:
        assert video.n_frames > 10
    rendered = CliRunner().invoke(
        app,
        ["render", str(tmp_path / "s.safetensors"), "-o", str(tmp_path / "views"),
         "--views", "2", "--size", "32"],
    )  # fmt: skip
    assert rendered.exit_code == 0, rendered.output
    assert (tmp_path / "views" / "001.png").exists()


def test_a_batch_goes_on_after_a_failure_and_ends_with_code_3(run, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    with Image.open(EXAMPLE) as image:
        image.resize((128, 128)).save(photos / "good.png")
    (photos / "bad.jpg").write_bytes(b"not an image")
    result = run(photos, "-o", tmp_path / "out", *FAST, "--vertex-colors", "--format", "ply")
    assert result.exit_code == 3
    assert (tmp_path / "out" / "good.ply").exists()
    assert not list((tmp_path / "out").glob("bad*"))
    assert "bad.jpg" in result.stderr
    assert "1 of 2" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing.png", "-o", "x.obj"], 4, "nothing.png"),
        ([EXAMPLE, "-o", "x.fbx"], 4, "not a mesh format"),
        ([EXAMPLE, "-o", "x.obj", "--model", "lrm-huge"], 9, "lrm-huge"),
        ([EXAMPLE, "-o", "x.obj", "--video", "x.avi"], 4, "x.avi"),
        ([EXAMPLE, "-o", "x.obj", *FAST, "--iso-level", "0"], 2, "positive density"),
        ([EXAMPLE, "-o", "x.obj", "--device", "cuda"], 2, "not available"),
        ([EXAMPLE, "-o", "x.obj", "--resolution", "64", "--iso-level", "1e9"], 7, "surface"),
        ([EXAMPLE, "-o", "x.obj", "--fov", "200"], 2, "1 to 150 degrees"),
        ([EXAMPLE, "-o", "x.obj", "--fov", "40", "--distance", "3"], 2, "gives the distance"),
        ([EXAMPLE, "-o", "x.obj", "--framing", "as-is", "--foreground-ratio", "0.5"], 2, "crop"),
    ],
)
def test_mistakes_end_in_one_line_and_leave_nothing(
    run, tmp_path, monkeypatch, arguments, code, words
):
    import torch

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = run(*arguments)
    assert result.exit_code == code, result.output
    error = next(line for line in result.stderr.splitlines() if line.startswith("error:"))
    assert words in error + result.stderr
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_kept_unless_overwrite_is_said(run, tmp_path):
    out = tmp_path / "m.ply"
    out.write_text("mine")
    assert run(EXAMPLE, "-o", out, *FAST, "--vertex-colors").exit_code == 4
    assert out.read_text() == "mine"
    assert run(EXAMPLE, "-o", out, *FAST, "--vertex-colors", "--overwrite").exit_code == 0
    assert out.stat().st_size > 1000


@pytest.mark.parametrize("option", ["--save-field", "--save-scene"])
def test_an_existing_field_file_is_kept_and_no_work_is_done(run, tmp_path, option):
    field = tmp_path / "s.safetensors"
    field.write_text("mine")
    result = run(EXAMPLE, "-o", tmp_path / "m.ply", *FAST, option, field)
    assert result.exit_code == 4
    assert field.read_text() == "mine"
    assert not (tmp_path / "m.ply").exists()


def test_profile_says_where_the_time_goes_on_stderr(run, tmp_path):
    result = run(EXAMPLE, "-o", tmp_path / "m.obj", *FAST, "--profile")
    assert result.exit_code == 0, result.output
    rows = {line[:18].strip(): line[18:].split() for line in result.stderr.splitlines()}
    assert set(rows) >= {"imports", "load model", "grid query", "texture bake", "write", "sum"}
    *stages, total = (float(cells[0]) for cells in rows.values() if cells[1:2] and "%" in cells[1])
    assert total == pytest.approx(sum(stages), abs=0.02)
    longest = max(rows, key=lambda stage: rows[stage][-1].count("━"))
    assert float(rows[longest][0]) == max(stages)
    assert "grid query" not in result.stdout


def test_profile_in_json_counts_the_start_once(run, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.png"):
        (photos / name).write_bytes(EXAMPLE.read_bytes())
    result = run(
        photos, "-o", tmp_path / "out", *FAST, "--vertex-colors", "--format", "ply",
        "--profile", "--json",
    )  # fmt: skip
    first, second = (entry["profile"] for entry in json.loads(result.stdout)["results"])
    assert [row["stage"] for row in first[:3]] == ["imports", "load model", "read"]
    assert [row["stage"] for row in second] == [row["stage"] for row in first[2:]]
    assert {"read", "background"} <= {row["stage"] for row in first if row["overlapped"]}
    assert first[-1]["stage"] == "waiting"
    assert json.loads(result.stdout)["wall_seconds"] > 0
    for profile in (first, second):
        assert sum(row["share"] for row in profile) == pytest.approx(1.0, abs=0.01)
        total = sum(row["seconds"] for row in profile)
        for row in profile:
            assert row["share"] == pytest.approx(row["seconds"] / total, abs=0.01)
    assert "grid query" not in result.stderr


def test_a_folder_goes_on_where_it_stopped(run, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.png"):
        (photos / name).write_bytes(EXAMPLE.read_bytes())
    command = [photos, "-o", tmp_path / "out", *FAST, "--vertex-colors", "--format", "ply"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.ply").write_text("mine")
    assert run(*command).exit_code == 4
    result = run(*command, "--skip-existing")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "a.ply").read_text() == "mine"
    assert (tmp_path / "out" / "b.ply").stat().st_size > 1000
    again = run(*command, "--skip-existing")
    assert again.exit_code == 0
    assert "nothing left to do" in again.stdout


@pytest.mark.parametrize("several", [True, False])
def test_ctrl_c_ends_the_work_and_leaves_whole_files(tmp_path, several):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(12 if several else 1):
        (photos / f"{number:02}.png").write_bytes(EXAMPLE.read_bytes())
    out = tmp_path / "out"
    arguments = ["reconstruct", str(photos), "-o", str(out), "--resolution", "128"]
    program = (
        "import signal\n"
        # a program started in the background may inherit that Ctrl-C is ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import lrm_cli.app, sys, threading\n"
        "from lrm_core.reconstruction import batch\n"
        "extract = batch.Reconstruction.extract_mesh\n"
        "def marked(*args, **kwargs):\n"
        "    print('ready', file=sys.stderr, flush=True)\n"
        "    return extract(*args, **kwargs)\n"
        "batch.Reconstruction.extract_mesh = marked\n"
        f"sys.argv = {['lrm', *arguments]!r}\n"
        "lrm_cli.app.main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert words.splitlines()[-1] == "interrupted"
    assert "Traceback" not in words
    left = {path.name for path in out.glob("*")} if out.exists() else set()
    assert "11.obj" not in left
    assert not [name for name in left if not name.endswith((".obj", ".mtl", ".png", ".json"))]


def test_several_photos_of_one_object_give_one_mesh(run, tmp_path):
    result = run(
        EXAMPLE, "--back", EXAMPLE, "--view", f"90,10={EXAMPLE}", "-o", tmp_path / "m.glb", *FAST,
        "--vertex-colors",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "m.json").read_text())
    assert [view["direction"] for view in record["views"]] == ["front", "back", "90,10"]
    assert len(list(tmp_path.glob("*.glb"))) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--view", "90,10"], "a direction and a file"),
        (["--view", f"up={EXAMPLE}"], "not a direction"),
        (["--back", EXAMPLE, "--view", f"back={EXAMPLE}"], "two photos from back"),
        (["--back", EXAMPLE, "--mask", EXAMPLE], "--mask"),
        (["--back", EXAMPLE, "--save-field", "f.safetensors"], "--save-field"),
        (["--back", "absent.png"], "absent.png"),
    ],
)
def test_what_does_not_go_with_several_photos_is_refused(run, tmp_path, options, words):
    result = run(EXAMPLE, *options, "-o", tmp_path / "m.glb", *FAST)
    assert result.exit_code != 0
    assert not isinstance(result.exception, AssertionError | TypeError)
    assert words in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []
