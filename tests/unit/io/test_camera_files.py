import json
import math

import pytest
import torch

from lrm_core.errors import InputError, OutputError
from lrm_core.io.camera_files import read_cameras, write_cameras
from lrm_core.structures.cameras import canonical_camera

# the source camera as NeRF tools write it
SOURCE = [[1, 0, 0, 0], [0, 0, -1, -2], [0, 1, 0, 0], [0, 0, 0, 1]]


def write(tmp_path, content):
    path = tmp_path / "transforms.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_nerf_synthetic_layout_needs_a_size(tmp_path):
    # the head of the lego scene's file: field of view in radians, no image size
    angle = 0.6911112070083618
    content = {
        "camera_angle_x": angle,
        "frames": [{"file_path": "./train/r_0", "rotation": 0.01, "transform_matrix": SOURCE}],
    }
    path = write(tmp_path, content)
    cameras = read_cameras(path, size=(800, 800))
    assert torch.allclose(cameras.single_precision().c2w, canonical_camera(8).c2w)
    # 1111.11 px: the focal length that every NeRF of this scene uses
    expected = [1111.1110, 1111.1110, 400.0, 400.0]
    assert cameras.intrinsics[0].tolist() == pytest.approx(expected, abs=1e-3)
    with pytest.raises(InputError, match="no image size"):
        read_cameras(path)


def test_nerfstudio_layout_with_intrinsics_in_pixels_and_in_frames(tmp_path):
    frame = {"transform_matrix": SOURCE}
    content = {
        "camera_model": "OPENCV",
        "fl_x": 100.0,
        "fl_y": 110,
        "cx": 31.0,
        "cy": 25.0,
        "w": 64,
        "h": 48.0,
        "k1": 0.0,
        "frames": [frame, {**frame, "fl_x": 90.0, "cy": 20}],
    }
    cameras = read_cameras(write(tmp_path, content))
    assert (cameras.width, cameras.height) == (64, 48)
    assert cameras.intrinsics.tolist() == [[100.0, 110.0, 31.0, 25.0], [90.0, 110.0, 31.0, 20.0]]
    resized = read_cameras(tmp_path / "transforms.json", size=(32, 24))
    assert resized.intrinsics[0].tolist() == [50.0, 55.0, 15.5, 12.5]


def test_angles_of_both_directions_and_a_missing_last_row(tmp_path):
    content = {
        "camera_angle_x": math.pi / 2,
        "camera_angle_y": math.pi / 3,
        "w": 100,
        "h": 60,
        "frames": [{"transform_matrix": SOURCE[:3]}],
    }
    cameras = read_cameras(write(tmp_path, content))
    expected = [50.0, 30.0 * math.sqrt(3.0), 50.0, 30.0]
    assert cameras.intrinsics[0].tolist() == pytest.approx(expected, rel=1e-6)
    assert cameras.c2w[0, 3].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_written_files_hold_what_other_readers_look_for(tmp_path):
    path = tmp_path / "new" / "transforms.json"
    write_cameras(path, canonical_camera(64, num_cameras=2), file_paths=["a.png", "b.png"])
    content = json.loads(path.read_text())
    assert (content["w"], content["h"]) == (64, 64)
    assert content["camera_angle_x"] == pytest.approx(2 * math.atan(0.5 / 0.75))
    assert [frame["file_path"] for frame in content["frames"]] == ["a.png", "b.png"]
    assert torch.allclose(
        torch.tensor(content["frames"][0]["transform_matrix"]), torch.tensor(SOURCE).float()
    )
    assert content["frames"][0]["fl_x"] == 48.0
    assert [file.name for file in path.parent.iterdir()] == ["transforms.json"]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "transforms.json"
    path.mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_cameras(path, canonical_camera(4))
    assert list(tmp_path.iterdir()) == [path]


def with_frame(**values):
    frame = {"transform_matrix": SOURCE, **values}
    return {"camera_angle_x": 0.7, "w": 8, "h": 8, "frames": [frame]}


def scaled(factor):
    return [[factor * value for value in row] for row in SOURCE]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "expected a JSON object, got list"),
        ({}, "'frames' must be a list"),
        ({"frames": []}, "'frames' must be a list"),
        ({"frames": [3]}, "frame 0: expected an object"),
        ({"w": 8, "h": 8, "frames": [{"transform_matrix": SOURCE}]}, "neither 'fl_x' nor"),
        (with_frame(transform_matrix=None), "4 rows of 4 finite numbers"),
        (with_frame(transform_matrix=SOURCE[:2]), "4 rows of 4 finite numbers"),
        (with_frame(transform_matrix=[[1], [2, 3]]), "4 rows of 4 finite numbers"),
        (with_frame(transform_matrix="eye"), "4 rows of 4 finite numbers"),
        (with_frame(transform_matrix=scaled(math.nan)), "4 rows of 4 finite numbers"),
        (with_frame(transform_matrix=scaled(10**400)), "4 rows of 4 finite numbers"),
        (with_frame(transform_matrix=scaled(2)), "not a rotation"),
        (with_frame(transform_matrix=scaled(-1)), "not a rotation"),
        (with_frame(camera_angle_x="wide"), "'camera_angle_x' must be a finite number above 0"),
        (with_frame(camera_angle_x=40.0), "not below pi"),
        (with_frame(fl_x=0), "'fl_x' must be a finite number above 0, got 0.0"),
        (with_frame(fl_x=True), "'fl_x' must be a finite number above 0, got True"),
        (with_frame(cx=math.inf), "'cx' must be a finite number, got inf"),
        (with_frame(w=7.5), "not whole"),
        (with_frame(k1=0.1), "k1: only pinhole"),
        (with_frame(camera_model="OPENCV_FISHEYE"), "only pinhole"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as error:
        read_cameras(write(tmp_path, content))
    assert error.value.hint
    assert "transforms.json" in error.value.message


def test_views_of_different_sizes_are_refused(tmp_path):
    frames = [{"transform_matrix": SOURCE, "w": width} for width in (8, 9)]
    content = {"camera_angle_x": 0.7, "h": 8, "frames": frames}
    with pytest.raises(InputError, match="differ in size \\(8x8, 9x8\\)"):
        read_cameras(write(tmp_path, content))


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_unreadable_files_are_named(tmp_path, name):
    with pytest.raises(InputError, match="cannot be read"):
        read_cameras(tmp_path / name)


def test_binary_files_are_named(tmp_path):
    path = tmp_path / "transforms.json"
    path.write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(InputError, match="not JSON"):
        read_cameras(path)


def test_positions_far_from_the_origin_keep_their_digits(tmp_path):
    frames = []
    for step in (0.0, 0.001):
        matrix = [[1, 0, 0, 389512.0 + step], [0, 1, 0, 5819012.25], [0, 0, 1, 41.5], [0, 0, 0, 1]]
        frames.append({"transform_matrix": matrix})
    content = {"w": 64, "h": 48, "fl_x": 70.0, "frames": frames}
    origins = read_cameras(write(tmp_path, content)).origins
    assert origins.dtype == torch.float64
    assert (origins[1] - origins[0]).tolist() == pytest.approx([0.001, 0.0, 0.0], abs=1e-9)
    assert origins[0].tolist() == [389512.0, 5819012.25, 41.5]
