"""COLMAP's files against a parser written out by hand and against damaged copies."""

import struct

import numpy as np
import pytest
from colmap_writer import write_colmap_model
from scipy.spatial.transform import Rotation

from lrm_core.errors import InputError
from lrm_core.imaging.lens_distortion import LensDistortion
from lrm_core.io.colmap_files import read_colmap_model
from lrm_core.io.colmap_model import ColmapCamera, ColmapImage, ColmapModel, ColmapPoints

POSE = {"quaternion": (1.0, 0.0, 0.0, 0.0), "translation": (0.0, 0.0, 0.0)}
NO_KEYPOINTS = {"keypoints": np.zeros((0, 2)), "point_ids": np.zeros(0, dtype=np.int64)}


def image(image_id=1, name="a.jpg", camera_id=1, **values):
    return ColmapImage(image_id, name, camera_id, **{**POSE, **NO_KEYPOINTS, **values})


def random_model(seed=0):
    random = np.random.default_rng(seed)
    cameras = (
        ColmapCamera(3, "SIMPLE_RADIAL", 1920, 1080, (1500.5, 960.25, 540.0, -0.031)),
        ColmapCamera(1, "PINHOLE", 640, 480, (1 / 3, 510.0, 320.5, 240.0)),
        ColmapCamera(9, "OPENCV", 640, 480, (500.0, 510.0, 320.0, 240.0, 0.1, 0.02, 1e-3, -2e-4)),
    )
    images = []
    for image_id, (name, count) in {4: ("b/2 é.jpg", 3), 2: ("1.jpg", 0), 8: ("x.png", 5)}.items():
        x, y, z, w = Rotation.random(random_state=image_id).as_quat()
        keypoints = random.uniform(0, 500, (count, 2))
        ids = random.integers(-1, 4, count)
        images.append(
            ColmapImage(
                image_id, name, (3, 1, 9)[image_id % 3], (w, x, y, z),
                tuple(random.normal(size=3)), keypoints, ids,
            )
        )  # fmt: skip
    tracks = tuple(random.integers(0, 9, (length, 2)) for length in (2, 0, 4))
    points = ColmapPoints(
        np.array([5, 2**40, 1]),
        random.normal(size=(3, 3)),
        random.integers(0, 256, (3, 3)).astype(np.uint8),
        random.uniform(0, 2, 3),
        tracks,
    )
    return ColmapModel({camera.camera_id: camera for camera in cameras}, tuple(images), points)


def assert_same(first, second):
    assert first.cameras == second.cameras
    for a, b in zip(first.images, second.images, strict=True):
        assert (a.image_id, a.name, a.camera_id) == (b.image_id, b.name, b.camera_id)
        assert (a.quaternion, a.translation) == (b.quaternion, b.translation)
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
        np.testing.assert_array_equal(a.point_ids, b.point_ids)
    a, b = first.points, second.points
    for name in ("ids", "xyz", "rgb", "errors"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for one, other in zip(a.tracks, b.tracks, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("binary", [True, False])
def test_a_model_survives_being_written_and_read(tmp_path, binary):
    model = random_model()
    write_colmap_model(tmp_path, model, binary=binary)
    assert {path.suffix for path in tmp_path.iterdir()} == {".bin" if binary else ".txt"}
    assert_same(read_colmap_model(tmp_path), model)
    assert read_colmap_model(tmp_path, points=False).points is None


def test_text_is_what_the_documented_format_says(tmp_path):
    model = random_model()
    write_colmap_model(tmp_path, model, binary=False)
    # the format by hand: https://colmap.github.io/format.html
    cameras, images = (
        [line for line in (tmp_path / name).read_text("utf-8").split("\n") if line[:1] != "#"]
        for name in ("cameras.txt", "images.txt")
    )
    for line, camera in zip(cameras[:3], model.cameras.values(), strict=True):
        fields = line.split(" ")
        size = [str(camera.width), str(camera.height)]
        assert fields[:4] == [str(camera.camera_id), camera.model, *size]
        assert tuple(float(field) for field in fields[4:]) == camera.params
    for index, expected in enumerate(model.images):
        fields = images[2 * index].split(" ", 9)
        assert int(fields[0]) == expected.image_id
        assert tuple(map(float, fields[1:5])) == expected.quaternion
        assert tuple(map(float, fields[5:8])) == expected.translation
        assert (int(fields[8]), fields[9]) == (expected.camera_id, expected.name)
        keypoints = [float(field) for field in images[2 * index + 1].split()]
        assert keypoints[0::3] == expected.keypoints[:, 0].tolist()
        assert keypoints[2::3] == expected.point_ids.tolist()


def test_binary_is_what_the_documented_format_says(tmp_path):
    write_colmap_model(tmp_path, ColmapModel({7: ColmapCamera(
        7, "SIMPLE_PINHOLE", 40, 30, (50.0, 20.0, 15.0))}, (image(2, "é.jpg", 7,
        keypoints=np.array([[1.5, 2.5]]), point_ids=np.array([-1])),)))  # fmt: skip
    camera = struct.pack("<QIiQQddd", 1, 7, 0, 40, 30, 50.0, 20.0, 15.0)
    assert (tmp_path / "cameras.bin").read_bytes() == camera
    pose = struct.pack("<QI7dI", 1, 2, 1, 0, 0, 0, 0, 0, 0, 7)
    keypoints = struct.pack("<QddQ", 1, 1.5, 2.5, 2**64 - 1)
    assert (tmp_path / "images.bin").read_bytes() == pose + "é.jpg\0".encode() + keypoints
    assert (tmp_path / "points3D.bin").read_bytes() == struct.pack("<Q", 0)


def test_poses_become_camera_to_world_with_opengl_axes():
    rotation = Rotation.random(random_state=4)
    x, y, z, w = rotation.as_quat()
    seen = image(quaternion=(w, x, y, z), translation=(0.3, -2.0, 5.0))
    point = np.array([1.0, 2.0, -0.5])
    # world to camera as COLMAP defines it: x right, y down, z forward
    right, down, forward = rotation.apply(point) + np.array([0.3, -2.0, 5.0])
    local = np.linalg.inv(seen.c2w) @ [*point, 1.0]
    np.testing.assert_allclose(local, [right, -down, -forward, 1.0], atol=1e-12)
    assert np.linalg.det(seen.c2w[:3, :3]) == pytest.approx(1.0)


def test_lens_terms_follow_opencv():
    camera = ColmapCamera(1, "RADIAL", 64, 48, (50.0, 32.0, 24.0, 0.1, 0.01))
    assert camera.intrinsics == (50.0, 50.0, 32.0, 24.0)
    assert camera.distortion == LensDistortion((0.1, 0.01, *(0.0,) * 6))
    full = ColmapCamera(
        1, "FULL_OPENCV", 64, 48, (50.0, 51.0, 32.0, 24.0, *map(float, range(1, 9)))
    )
    assert full.intrinsics == (50.0, 51.0, 32.0, 24.0)
    assert full.distortion == LensDistortion(tuple(map(float, range(1, 9))))
    assert ColmapCamera(1, "RADIAL", 64, 48, (50.0, 32.0, 24.0, 0.0, 0.0)).distortion is None


@pytest.mark.parametrize(
    ("model", "params", "terms"),
    [
        ("SIMPLE_FISHEYE", (), (0.0,) * 8),
        ("FISHEYE", (), (0.0,) * 8),
        ("SIMPLE_RADIAL_FISHEYE", (1.0,), (1.0, *(0.0,) * 7)),
        ("RADIAL_FISHEYE", (1.0, 2.0), (1.0, 2.0, *(0.0,) * 6)),
        ("OPENCV_FISHEYE", (1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0)),
        ("THIN_PRISM_FISHEYE", tuple(map(float, range(1, 9))), tuple(map(float, range(1, 9)))),
    ],
)
def test_fisheye_terms_have_one_order(tmp_path, model, params, terms):
    focal = (
        (50.0,)
        if model in ("SIMPLE_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE")
        else (50.0, 51.0)
    )
    camera = ColmapCamera(1, model, 64, 48, (*focal, 32.0, 24.0, *params))
    assert camera.distortion == LensDistortion(terms, fisheye=True)
    write_colmap_model(tmp_path, ColmapModel({1: camera}, (image(),)))
    assert read_colmap_model(tmp_path).cameras[1] == camera


def test_binary_goes_before_text_and_comments_are_skipped(tmp_path):
    model = random_model()
    write_colmap_model(tmp_path, model, binary=False)
    for name in ("cameras.txt", "images.txt", "points3D.txt"):
        text = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf# two\r\n" + text.replace(b"\n", b"\r\n"))
    assert_same(read_colmap_model(tmp_path), model)
    (tmp_path / "cameras.txt").write_text("nonsense")
    write_colmap_model(tmp_path, model)
    assert_same(read_colmap_model(tmp_path), model)


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin", "points3D.bin"])
def test_every_truncation_is_refused(tmp_path, name):
    write_colmap_model(tmp_path, random_model())
    data = (tmp_path / name).read_bytes()
    for length in range(len(data)):
        (tmp_path / name).write_bytes(data[:length])
        with pytest.raises(InputError, match="cut off"):
            read_colmap_model(tmp_path)
    (tmp_path / name).write_bytes(data + b"x")
    with pytest.raises(InputError, match="left over"):
        read_colmap_model(tmp_path)


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin", "points3D.bin"])
@pytest.mark.parametrize("count", [10**6, 2**63, 2**64 - 1])
def test_counts_are_not_believed(tmp_path, name, count):
    write_colmap_model(tmp_path, random_model())
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(struct.pack("<Q", count) + data[8:])
    with pytest.raises(InputError, match="cut off"):
        read_colmap_model(tmp_path)


def test_a_count_of_keypoints_is_not_believed(tmp_path):
    write_colmap_model(tmp_path, ColmapModel({1: ColmapCamera(1, "PINHOLE", 4, 4, (1.0,) * 4)},
                                             (image(),)))  # fmt: skip
    data = (tmp_path / "images.bin").read_bytes()
    (tmp_path / "images.bin").write_bytes(data[:-8] + struct.pack("<Q", 2**62))
    with pytest.raises(InputError, match="cut off"):
        read_colmap_model(tmp_path)


def test_random_bytes_end_in_a_named_error(tmp_path):
    random = np.random.default_rng(0)
    for binary in (True, False):
        write_colmap_model(tmp_path, random_model(), binary=binary)
        suffix = "bin" if binary else "txt"
        for name in (f"cameras.{suffix}", f"images.{suffix}", f"points3D.{suffix}"):
            good = (tmp_path / name).read_bytes()
            for _ in range(60):
                bad = bytearray(good)
                for place in random.integers(0, len(good), 3):
                    bad[place] = random.integers(0, 256)
                (tmp_path / name).write_bytes(bytes(bad))
                try:
                    read_colmap_model(tmp_path)
                except InputError:
                    continue
            (tmp_path / name).write_bytes(good)
        for path in tmp_path.iterdir():
            path.unlink()


@pytest.mark.parametrize(
    "name", ["../../secret.png", "/etc/passwd", "a/../../b.png", "..\\b.png", "C:\\b.png", "", "a/"]
)
def test_image_names_stay_in_their_folder(name):
    with pytest.raises(InputError, match="leads out"):
        image(name=name)


def test_image_names_in_files_stay_in_their_folder(tmp_path):
    write_colmap_model(tmp_path, random_model())
    data = (tmp_path / "images.bin").read_bytes()
    (tmp_path / "images.bin").write_bytes(data.replace(b"1.jpg\0", b"../ab\0"))
    with pytest.raises(InputError, match="leads out"):
        read_colmap_model(tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "FOV", "params": (1.0,) * 5}, "not supported"),
        ({"params": (1.0,) * 3}, "3 parameters"),
        ({"params": (0.0, 1.0, 1.0, 1.0)}, "above 0"),
        ({"params": (float("nan"), 1.0, 1.0, 1.0)}, "finite"),
        ({"width": 0}, "above 0"),
        ({"height": 2**40}, "above 0"),
    ],
)
def test_impossible_cameras_are_refused(values, message):
    good = {"camera_id": 1, "model": "PINHOLE", "width": 4, "height": 4, "params": (1.0,) * 4}
    ColmapCamera(**good)
    with pytest.raises(InputError, match=message):
        ColmapCamera(**{**good, **values})


def test_impossible_poses_and_models_are_refused(tmp_path):
    for pose in ({"quaternion": (0.0,) * 4}, {"translation": (0.0, float("inf"), 0.0)}):
        with pytest.raises(InputError, match="not a pose"):
            image(**pose)
    camera = ColmapCamera(1, "PINHOLE", 4, 4, (1.0,) * 4)
    with pytest.raises(InputError, match="not listed"):
        ColmapModel({1: camera}, (image(camera_id=2),))
    with pytest.raises(InputError, match="share"):
        ColmapModel({1: camera}, (image(1), image(2)))
    with pytest.raises(InputError, match="no COLMAP model"):
        read_colmap_model(tmp_path)
    write_colmap_model(tmp_path, ColmapModel({1: camera}, (image(),)))
    data = (tmp_path / "cameras.bin").read_bytes()
    (tmp_path / "cameras.bin").write_bytes(struct.pack("<Q", 2) + 2 * data[8:])
    with pytest.raises(InputError, match="share one id"):
        read_colmap_model(tmp_path)
    (tmp_path / "cameras.bin").write_bytes(data[:12] + struct.pack("<i", 7) + data[16:])
    with pytest.raises(InputError, match="camera model number 7 is not supported"):
        read_colmap_model(tmp_path)
