"""Captures of a box, written as `transforms.json` and as COLMAP would."""

import shutil

import numpy as np
import pytest
import torch
import trimesh
from colmap_writer import write_colmap_model
from PIL import Image
from scipy.spatial.transform import Rotation

from lrm_core.errors import InputError
from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.io.camera_files import write_cameras
from lrm_core.io.colmap_model import ColmapCamera, ColmapImage, ColmapModel
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.view_output import channel_image
from lrm_core.sources.posed_photos import read_posed_photos
from lrm_core.structures.cameras import Cameras, look_at
from lrm_core.structures.mesh import Mesh

SIDES, MIDDLE = np.array([1.2, 0.8, 1.6]), np.array([4.0, -2.0, 1.0])
WIDTH, HEIGHT, FOCAL, COUNT = 320, 240, 260.0, 6


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """A folder with `transforms.json` and images with alpha, and its cameras."""
    folder = tmp_path_factory.mktemp("capture")
    azimuths = np.radians(np.arange(COUNT) * 360.0 / COUNT)
    places = 6.0 * np.stack(
        [np.cos(0.4) * np.sin(azimuths), -np.cos(0.4) * np.cos(azimuths), np.full(COUNT, 0.389)], 1
    )
    c2w = look_at(torch.from_numpy(places))
    aside = Rotation.from_euler("yx", [4.0, -3.0], degrees=True).as_matrix()
    c2w[:, :3, :3] = c2w[:, :3, :3] @ torch.from_numpy(aside)
    c2w[:, :3, 3] += torch.from_numpy(MIDDLE)
    lens = torch.tensor([[FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2]]).repeat(COUNT, 1)
    cameras = Cameras(c2w.float(), lens, WIDTH, HEIGHT)
    box = trimesh.creation.box(SIDES)
    mesh = Mesh((box.vertices + MIDDLE).astype(np.float32), box.faces.astype(np.int32))
    names = []
    for index in range(COUNT):
        view = render_scene(scene_from_mesh(mesh), cameras[index])
        names.append(f"images/{index}.png")
        (folder / "images").mkdir(exist_ok=True)
        Image.fromarray(channel_image(view, "rgb", None)).save(folder / names[-1])
    write_cameras(folder / "transforms.json", cameras, file_paths=names)
    return folder, cameras


def corners_seen(photo, corners):
    """The box of the projections of points into a photo's crop."""
    local = (corners - photo.c2w[:3, 3]) @ photo.c2w[:3, :3]
    fx, fy, cx, cy = photo.intrinsics
    x, y = fx * local[:, 0] / -local[:, 2] + cx, -fy * local[:, 1] / -local[:, 2] + cy
    return x.min(), y.min(), x.max(), y.max()


def test_one_similarity_of_the_world_shows_the_object_in_every_crop(capture):
    """It is found from the places of the cameras, and carries the true corners along."""
    folder, cameras = capture
    photos, dropped = read_posed_photos(folder)
    assert dropped == {}
    assert photos[0].file.name == "0.png"
    order = [int(photo.file.stem) for photo in photos]
    assert sorted(order) == list(range(COUNT))
    places = np.stack([photo.c2w[:3, 3] for photo in photos])
    motion, _, cost = trimesh.registration.procrustes(
        cameras.origins.double().numpy()[order], places, reflection=False
    )
    assert cost < 1e-6
    scale = np.cbrt(np.linalg.det(motion[:3, :3]))
    assert 0.7 < scale * SIDES.max() / 1.9 < 1.0, "the hull of outlines from above has a spire"
    np.testing.assert_allclose(motion[:3, 2] / scale, [0, 0, 1], atol=0.02, err_msg="z is up")
    corners = trimesh.creation.box(SIDES).vertices + MIDDLE
    corners = trimesh.transform_points(corners, motion)
    assert np.abs(corners).max() < 1.0
    for photo in photos:
        rows, columns = np.nonzero(photo.rgba[..., 3] > 127)
        seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        np.testing.assert_allclose(corners_seen(photo, corners), seen, atol=8.0)


def test_the_named_photo_comes_first_and_the_others_far_from_it(capture):
    folder, _ = capture
    photos, _ = read_posed_photos(folder, first=folder / "images" / "2.png", count=3)
    names = [photo.file.name for photo in photos]
    assert names[:2] == ["2.png", "5.png"], "opposite"
    assert names[2] in {"0.png", "1.png", "3.png", "4.png"}


def test_the_last_digits_of_poses_do_not_choose_the_photos(capture, tmp_path):
    """On a ring two photos are always as far away: the first of them is taken."""
    folder, cameras = capture
    shutil.copytree(folder / "images", tmp_path / "images")
    names = [f"images/{index}.png" for index in range(COUNT)]
    torch.manual_seed(0)
    for _ in range(5):
        c2w = cameras.c2w.clone()
        c2w[:, :3, :3] += 1e-6 * torch.randn(COUNT, 3, 3)
        moved = Cameras(c2w, cameras.intrinsics, WIDTH, HEIGHT)
        write_cameras(tmp_path / "transforms.json", moved, file_paths=names)
        photos, _ = read_posed_photos(tmp_path, count=4)
        assert [photo.file.stem for photo in photos] == ["0", "3", "1", "2"]


def test_a_colmap_model_of_the_same_cameras_is_read_alike(capture, tmp_path):
    folder, cameras = capture
    (tmp_path / "images").symlink_to(folder / "images")
    flip = np.diag([1.0, -1.0, -1.0])
    images = []
    for index in range(COUNT):
        c2w = cameras.c2w[index].double().numpy()
        world_to_camera = flip @ c2w[:3, :3].T
        x, y, z, w = Rotation.from_matrix(world_to_camera).as_quat()
        place = -world_to_camera @ c2w[:3, 3]
        nothing = np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
        images.append(ColmapImage(index, f"{index}.png", 1, (w, x, y, z), tuple(place), *nothing))
    lens = ColmapCamera(1, "PINHOLE", WIDTH, HEIGHT, (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2))
    sparse = tmp_path / "sparse" / "0"
    sparse.mkdir(parents=True)
    write_colmap_model(sparse, ColmapModel({1: lens}, tuple(images), None), binary=True)
    expected, _ = read_posed_photos(folder)
    found, _ = read_posed_photos(tmp_path)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.rgba, other.rgba)
        np.testing.assert_allclose(one.c2w, other.c2w, atol=1e-3)


def test_what_cannot_be_read_is_said_in_one_line(capture, tmp_path):
    folder, cameras = capture
    with pytest.raises(InputError, match="no such folder"):
        read_posed_photos(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"neither transforms\.json nor images/"):
        read_posed_photos(tmp_path)
    with pytest.raises(InputError, match="is not among the 6 photos"):
        read_posed_photos(folder, first=tmp_path / "other.png")
    write_cameras(tmp_path / "transforms.json", cameras[0], file_paths=["gone.png"])
    with pytest.raises(InputError, match=r"no image 'gone\.png'"):
        read_posed_photos(tmp_path)
