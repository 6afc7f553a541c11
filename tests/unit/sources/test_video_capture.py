"""Captures that are rendered from a known object and written as COLMAP writes them."""

import math
import pickle
import shutil
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
import torch
import trimesh
from colmap_writer import write_colmap_model
from PIL import Image
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from lrm_core.errors import ConfigError, InputError
from lrm_core.io.colmap_files import read_colmap_model
from lrm_core.io.colmap_model import ColmapCamera, ColmapImage, ColmapModel, ColmapPoints
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.sources.video_capture import CaptureSource, _evenly_spaced, capture_jobs
from lrm_core.structures.cameras import Cameras, look_at
from lrm_core.structures.scene import Material, Scene, ScenePart
from lrm_core.structures.view_set import ObjectJob

WIDTH, HEIGHT = 360, 270
FOCAL = 310.0
# an object that is nowhere near the origin and not symmetric; longest side 2.0 (x)
MIDDLE = np.array([5.0, -3.0, 2.0])
BODY = ((2.0, 1.0, 0.8), (0.0, 0.0, -0.4), (0.5, 0.5, 0.5))
TOWER = ((0.5, 0.6, 0.8), (-0.6, 0.1, 0.4), (0.35, 0.4, 0.35))
MARKERS = (  # color, place: small balls that lie on the body and the tower
    ((1.0, 0.0, 0.0), (0.9, 0.4, 0.065)),
    ((0.0, 1.0, 0.0), (0.9, -0.4, 0.065)),
    ((0.0, 0.0, 1.0), (0.2, 0.0, 0.065)),
    ((1.0, 1.0, 0.0), (-0.6, 0.1, 0.865)),
)
MARKER_RADIUS = 0.07


def known_object():
    def part(mesh, color):
        vertices = (mesh.vertices + MIDDLE).astype(np.float32)
        return ScenePart(vertices, mesh.faces.astype(np.int32), Material((*color, 1.0)))

    parts = []
    for extents, place, color in (BODY, TOWER):
        box = trimesh.creation.box(extents)
        parts.append(part(box.apply_translation(place), color))
    for color, place in MARKERS:
        ball = trimesh.creation.icosphere(2, radius=MARKER_RADIUS)
        parts.append(part(ball.apply_translation(place), color))
    return Scene(tuple(parts))


def orbit_cameras(count, *, arc=360.0, elevation=25.0, seed=0, width=WIDTH, height=HEIGHT):
    """Handheld: distance, height and aim wander, so that the object is never in the middle."""
    random = np.random.default_rng(seed)
    azimuths = np.radians(np.linspace(0.0, arc, count, endpoint=arc < 360.0))
    elevations = np.radians(elevation + random.uniform(-8.0, 8.0, count))
    radius = random.uniform(4.0, 5.5, count)
    places = np.stack(
        [
            radius * np.cos(elevations) * np.sin(azimuths),
            -radius * np.cos(elevations) * np.cos(azimuths),
            radius * np.sin(elevations),
        ],
        axis=-1,
    )
    c2w = look_at(torch.from_numpy(places))  # around the origin, then aside
    aim = Rotation.from_euler("xyz", random.uniform(-5.0, 5.0, (count, 3)), degrees=True)
    level = Rotation.from_euler("yxz", aim.as_euler("yxz") * [1, 1, 0.0])
    c2w[:, :3, :3] = c2w[:, :3, :3] @ torch.from_numpy(level.as_matrix())
    c2w[:, :3, 3] += torch.from_numpy(MIDDLE)
    lens = torch.tensor([[FOCAL, FOCAL, 0.48 * width, 0.53 * height]]).double()
    return Cameras(c2w, lens.repeat(count, 1), width, height)


@dataclass
class Similarity:
    """A frame as reconstructions have it: p -> scale * rotation @ p + shift."""

    scale: float
    rotation: np.ndarray
    shift: np.ndarray

    def __call__(self, points):
        return self.scale * points @ self.rotation.T + self.shift


def random_frame(seed):
    random = np.random.default_rng(seed)
    rotation = Rotation.random(random_state=seed).as_matrix()
    return Similarity(float(random.uniform(0.2, 7.0)), rotation, random.uniform(-9, 9, 3))


def umeyama(source, target):
    """Least-squares similarity (Umeyama, 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a / len(a))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(s) @ sign) / a.var(axis=0).sum()
    return Similarity(scale, rotation, target.mean(0) - scale * rotation @ source.mean(0))


def colmap_pose(c2w, frame):
    """World-to-camera quaternion and translation of an OpenGL camera seen from another frame."""
    rotation = frame.rotation @ c2w[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    w2c = Rotation.from_matrix(rotation.T)
    x, y, z, w = w2c.as_quat()
    return (w, x, y, z), tuple(-w2c.as_matrix() @ frame(c2w[None, :3, 3])[0])


def bend(image, lens, distortion, *, fisheye):
    """The picture that a lens with k1, k2, p1, p2, or a fisheye lens, takes of a pinhole's."""
    fx, fy, cx, cy = lens
    k1, k2, p1, p2 = distortion
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    bent_x, bent_y = (x - cx) / fx, (y - cy) / fy
    u, v = bent_x, bent_y
    for _ in range(100):  # invert Brown's model by iteration
        r2 = u * u + v * v
        radial = k1 * r2 + k2 * r2**2
        u, v = (
            bent_x - (u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u * u)),
            bent_y - (v * radial + 2 * p2 * u * v + p1 * (r2 + 2 * v * v)),
        )
    if fisheye:
        bent = np.stack([bent_x, bent_y], axis=-1).reshape(-1, 1, 2)
        straight = cv2.fisheye.undistortPoints(bent, np.eye(3), np.array(distortion))
        u, v = np.moveaxis(straight.reshape(*bent_x.shape, 2), -1, 0)
    places = np.stack([v * fy + cy - 0.5, u * fx + cx - 0.5])
    channels = [
        map_coordinates(image[..., i].astype(float), places, order=1, mode="nearest")
        for i in range(image.shape[-1])
    ]
    return (np.stack(channels, axis=-1) + 0.5).astype(np.uint8)


def sparse_points(scene, seed=0):
    """Points on the object, and many more on a table below and on things around it."""
    random = np.random.default_rng(seed)
    points = [
        trimesh.sample.sample_surface(
            trimesh.Trimesh(part.vertices, part.faces, process=False), 80, seed=seed
        )[0]
        for part in scene.parts
    ]
    table = np.append(random.uniform(-6, 6, (500, 2)), np.full((500, 1), -0.85), axis=1)
    around = random.uniform(-9, 9, (500, 3))
    return np.concatenate([*points, MIDDLE + table, MIDDLE + around[np.abs(around[:, 0]) > 3]])


def write_capture(
    folder,
    scene,
    cameras,
    frame,
    *,
    binary=True,
    model="PINHOLE",
    distortion=(0.0, 0.0, 0.0, 0.0),
    masks="masks",
    mask_name="{}.png",
    points=True,
):
    """Render a capture; `frame` is the reconstruction's, seen from the object's."""
    rendered = render_scene(scene, cameras, channels=("rgb", "alpha"), background=0.0)
    rgb, alpha = rendered.rgb.numpy(), rendered.opacity.numpy()[..., None]
    random = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    if masks:
        (folder / masks).mkdir(parents=True, exist_ok=True)
    images = []
    for view in range(len(cameras)):
        room = random.uniform(0.55, 0.95, (1, 1, 3)) + np.linspace(-0.05, 0.05, cameras.width)[
            None, :, None
        ] * np.ones((cameras.height, 1, 1))
        picture = np.concatenate([rgb[view] + room * (1.0 - alpha[view]), alpha[view]], axis=-1)
        picture = (picture * 255 + 0.5).astype(np.uint8)
        if any(distortion):
            lens = cameras.intrinsics[view].tolist()
            picture = bend(picture, lens, distortion, fisheye="FISHEYE" in model)
        name = f"{view + 1:03d}.png"
        Image.fromarray(picture[..., :3]).save(folder / "images" / name)
        if masks:
            mask = Image.fromarray(np.where(picture[..., 3] > 127, 255, 0).astype(np.uint8))
            mask.save(folder / masks / mask_name.format(name, stem=name[:-4]))
        pose = colmap_pose(cameras.c2w[view].numpy(), frame)
        none = np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
        images.append(ColmapImage(view + 1, name, 7, *pose, *none))
    fx, fy, cx, cy = cameras.intrinsics[0].tolist()
    params = {
        "PINHOLE": (fx, fy, cx, cy),
        "SIMPLE_RADIAL": (fx, cx, cy, distortion[0]),
        "OPENCV": (fx, fy, cx, cy, *distortion),
        "OPENCV_FISHEYE": (fx, fy, cx, cy, *distortion),
        "RADIAL_FISHEYE": (fx, cx, cy, *distortion[:2]),
    }
    camera = ColmapCamera(7, model, cameras.width, cameras.height, params[model])
    cloud = None
    if points:
        xyz = frame(sparse_points(scene))
        cloud = ColmapPoints(
            np.arange(len(xyz)),
            xyz,
            np.zeros((len(xyz), 3), np.uint8),
            np.ones(len(xyz)),
            tuple(np.zeros((0, 2), np.int64) for _ in xyz),
        )
    write_colmap_model(
        folder / "sparse" / "0", ColmapModel({7: camera}, tuple(images), cloud), binary=binary
    )


def read(folder, **settings):
    (job,) = capture_jobs(folder)
    return CaptureSource(folder, **{"size": 256, **settings}).read(job)


def known_to_result(cameras, views, kept=None):
    """The one similarity between the object's own frame and the result's."""
    kept = range(len(cameras)) if kept is None else kept
    return umeyama(cameras.c2w[list(kept), :3, 3].numpy(), views.cameras.origins.double().numpy())


def moved(scene, similarity):
    return Scene(
        tuple(
            replace(part, vertices=similarity(part.vertices.astype(np.float64)).astype(np.float32))
            for part in scene.parts
        )
    )


def marker_errors(views, similarity):
    """Pixels between where markers are seen in the crops and where the cameras expect them."""
    places = torch.from_numpy(similarity(MIDDLE + np.array([place for _, place in MARKERS])))
    expected, depths = views.cameras.project(places.float())
    errors = []
    for view, image in enumerate(views.images):
        rgb = image[..., :3].astype(float) * (image[..., 3:] / 255.0) / 255.0
        for marker, (color, _) in enumerate(MARKERS):
            on, off = np.array(color) > 0, np.array(color) == 0
            weight = np.clip(rgb[..., on].min(-1) - rgb[..., off].max(-1), 0, 1)
            weight[weight < 0.2] = 0.0
            radius = MARKER_RADIUS * similarity.scale * views.cameras.intrinsics[view, 0]
            area = math.pi * float(radius / depths[view, marker]) ** 2
            if not 0.88 < weight.sum() / area < 1.25:
                continue  # hidden, or a part of it
            y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
            seen = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
            errors.append(np.linalg.norm(seen - expected[view, marker].numpy()))
    return np.array(errors)


def silhouette_overlap(scene, views, similarity):
    """Least intersection over union of the alphas and the object seen by the result's cameras."""
    drawn = render_scene(moved(scene, similarity), views.cameras, channels=("alpha",))
    expected, found = drawn.opacity.numpy() > 0.5, views.images[..., 3] > 127
    return ((expected & found).sum((1, 2)) / (expected | found).sum((1, 2))).min()


SCENE = known_object()
CAMERAS = orbit_cameras(10)
FEW = CAMERAS[::2]
FRAME = random_frame(1)


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captures") / "chair"
    write_capture(folder, SCENE, CAMERAS, FRAME)
    return folder


@pytest.fixture(scope="module")
def result(capture):
    return read(capture)


@pytest.fixture(scope="module")
def few(capture):
    """Every other frame, small: enough to tell whether two ways give the same."""
    return read(capture, num_views=5, size=64).views


def copy_of(capture, folder):
    shutil.copytree(capture, folder)
    return folder


def check_geometry(views, cameras=CAMERAS):
    similarity = known_to_result(cameras, views)
    errors = marker_errors(views, similarity)
    assert len(errors) >= 2 * len(views.images)
    assert errors.max() < 0.5
    assert silhouette_overlap(SCENE, views, similarity) > 0.97
    # the cameras are those of the capture but for the one similarity
    np.testing.assert_allclose(
        similarity(cameras.origins.numpy()), views.cameras.origins.numpy(), atol=1e-4
    )
    np.testing.assert_allclose(
        similarity.rotation @ cameras.c2w[:, :3, :3].numpy(),
        views.cameras.c2w[:, :3, :3].numpy(),
        atol=1e-5,
    )
    return similarity


def test_known_points_and_silhouettes_reproject(result):
    views = result.views
    assert result.dropped == {}
    assert views.object_id == "chair"
    assert views.images.shape == (10, 256, 256, 4)
    assert views.depth is None
    check_geometry(views)


def test_the_object_is_placed_upright_in_the_cube(result):
    similarity = known_to_result(CAMERAS, result.views)
    vertices = np.concatenate([part.vertices for part in SCENE.parts]).astype(np.float64)
    placed = similarity(vertices)
    assert np.abs(placed).max() < 1.0
    np.testing.assert_allclose(placed.max(0) + placed.min(0), 0.0, atol=0.1)
    assert np.ptp(placed, axis=0).max() == pytest.approx(1.9, abs=0.06)
    up = similarity.rotation @ [0.0, 0.0, 1.0]
    assert math.degrees(math.acos(up[2])) < 1.0
    x, y, _ = result.views.cameras.origins[0].tolist()
    assert abs(math.degrees(math.atan2(x, -y))) < 3.0
    np.testing.assert_allclose(
        result.views.source.bounds, [placed.min(0), placed.max(0)], atol=0.06
    )


def test_crops_are_centred_on_the_object(result):
    for alpha in result.views.images[..., 3]:
        columns, rows = (np.flatnonzero((alpha > 127).any(axis)) for axis in (0, 1))
        for span in (columns, rows):
            assert (span[0] + span[-1] + 1) / 2 == pytest.approx(128.0, abs=1.5)
        longer = max(np.ptp(columns), np.ptp(rows)) + 1
        assert longer / 256 == pytest.approx(0.85, abs=0.012)


def test_text_and_binary_give_the_same_views(capture, few, tmp_path):
    folder = copy_of(capture, tmp_path / "chair")
    write_colmap_model(folder / "sparse/0", read_colmap_model(folder / "sparse/0"), binary=False)
    for path in (folder / "sparse/0").glob("*.bin"):
        path.unlink()
    views = read(folder, num_views=5, size=64).views
    np.testing.assert_array_equal(views.images, few.images)
    torch.testing.assert_close(views.cameras.c2w, few.cameras.c2w)


@pytest.mark.parametrize("place", ["sparse", "colmap/sparse/0", "colmap/sparse"])
def test_models_are_found_where_programs_leave_them(capture, few, tmp_path, place):
    folder = copy_of(capture, tmp_path / "chair")
    (folder / "sparse" / "0").rename(tmp_path / "model")
    (folder / "sparse").rmdir()
    (folder / place).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / "model").rename(folder / place)
    np.testing.assert_array_equal(read(folder, num_views=5, size=64).views.images, few.images)


@pytest.mark.parametrize(
    ("model", "distortion"),
    [
        ("SIMPLE_RADIAL", (-0.12, 0.0, 0.0, 0.0)),
        ("SIMPLE_RADIAL", (0.2, 0.0, 0.0, 0.0)),
        ("OPENCV", (0.1, -0.05, 0.004, -0.006)),
        ("OPENCV_FISHEYE", (0.05, -0.02, 0.004, -0.001)),
        ("RADIAL_FISHEYE", (-0.04, 0.01, 0.0, 0.0)),
    ],
)
def test_bent_lenses_are_straightened(tmp_path, model, distortion):
    write_capture(tmp_path / "a", SCENE, FEW, FRAME, model=model, distortion=distortion)
    check_geometry(read(tmp_path / "a").views, FEW)


def test_frames_may_be_of_another_size_than_their_camera(capture, tmp_path):
    folder = copy_of(capture, tmp_path / "chair")
    for path in (folder / "images").iterdir():
        with Image.open(path) as image:
            larger = image.resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC)
        larger.save(path)
    check_geometry(read(folder, num_views=5).views, FEW)


def test_photos_turned_by_exif_come_out_upright(tmp_path):
    cameras = FEW
    # the phone is held upright, the sensor stores what it sees lying: up of the scene is left
    lying = cameras.c2w.clone()
    lying[:, :, 0], lying[:, :, 1] = -cameras.c2w[:, :, 1], cameras.c2w[:, :, 0]
    stored = Cameras(lying, cameras.intrinsics, WIDTH, HEIGHT)
    write_capture(tmp_path / "a", SCENE, stored, FRAME)
    for path in sorted((tmp_path / "a/images").iterdir()):
        with Image.open(path) as image:
            exif = Image.Exif()
            exif[0x0112] = 6
            image.save(path, exif=exif)
    views = read(tmp_path / "a").views
    check_geometry(views, cameras)
    assert (views.cameras.c2w[:, 2, 1] > 0.7).all()  # their y axes point up


def test_without_masks_the_background_is_removed(tmp_path):
    write_capture(tmp_path / "a", SCENE, FEW, FRAME, masks=None)
    views = read(tmp_path / "a", background_removal="border").views
    similarity = known_to_result(FEW, views)
    assert marker_errors(views, similarity).max() < 0.7  # soft edges move centroids
    assert silhouette_overlap(SCENE, views, similarity) > 0.97


def test_without_points_the_hull_holds_the_object(capture, tmp_path):
    folder = copy_of(capture, tmp_path / "chair")
    (folder / "sparse/0/points3D.bin").unlink()
    views = read(folder).views
    similarity = check_geometry(views)
    vertices = np.concatenate([part.vertices for part in SCENE.parts]).astype(np.float64)
    assert 0.75 < np.abs(similarity(vertices)).max() < 1.0


@pytest.mark.parametrize("mask_name", ["{}.png", "{stem}.png"])
def test_masks_may_lie_in_a_tree_of_their_own(capture, few, tmp_path, mask_name):
    folder = copy_of(capture, tmp_path / "data/17/chair")
    (tmp_path / "masks/17/chair").mkdir(parents=True)
    for path in (folder / "masks").iterdir():
        name = path.name.removesuffix(".png")
        target = mask_name.format(name, stem=name.removesuffix(".png"))
        path.rename(tmp_path / "masks/17/chair" / target)
    (job,) = capture_jobs(tmp_path / "data")
    views = CaptureSource(tmp_path / "data", masks=tmp_path / "masks", size=64, num_views=5)(job)
    np.testing.assert_array_equal(views.images, few.images)
    with pytest.raises(InputError, match="no such folder of masks"):
        CaptureSource(tmp_path / "data", masks=tmp_path)(job)


def test_unusable_frames_are_dropped_with_a_reason(capture, tmp_path):
    folder = copy_of(capture, tmp_path / "chair")
    black = Image.new("L", (WIDTH, HEIGHT))
    black.save(folder / "masks/002.png.png")
    cut = black.copy()
    cut.paste(255, (0, 60, 120, 200))
    cut.save(folder / "masks/003.png.png")
    elsewhere = black.copy()
    elsewhere.paste(255, (5, 5, 45, 45))
    elsewhere.save(folder / "masks/005.png.png")
    (folder / "masks/007.png.png").unlink()
    (folder / "images/008.png").write_bytes(b"no image")
    Image.new("RGB", (300, 300)).save(folder / "images/009.png")
    Image.new("RGB", (WIDTH, HEIGHT)).save(folder / "images/unknown.png")
    read_frames = read(folder, min_views=3)
    assert {name: why[:40] for name, why in sorted(read_frames.dropped.items())} == {
        "002.png": "less than 0.1% of the image is foregroun",
        "003.png": "the object is cut by the image's border",
        "005.png": "its mask or pose contradicts the other f",
        "007.png": "it has no mask",
        "008.png": read_frames.dropped["008.png"][:40],
        "009.png": read_frames.dropped["009.png"][:40],
        "unknown.png": "COLMAP found no pose for it",
    }
    kept = [index for index in range(10) if f"{index + 1:03d}.png" not in read_frames.dropped]
    assert len(read_frames.views.images) == len(kept) == 4
    similarity = known_to_result(CAMERAS, read_frames.views, kept)
    assert silhouette_overlap(SCENE, read_frames.views, similarity) > 0.97
    with pytest.raises(InputError, match=r"4 of 11 frames can be used, expected at least 5; un"):
        read(folder)


def test_frames_are_taken_at_even_steps(capture, result):
    views = read(capture, num_views=5).views
    np.testing.assert_array_equal(views.images, result.views.images[::2])


def test_frames_are_in_the_order_of_the_video():
    names = ["10.jpg", "2.jpg", "a/1.jpg", "1.jpg"]
    images = [replace_image(index, name) for index, name in enumerate(names)]
    ordered = [image.name for image in _evenly_spaced(images, None)]
    assert ordered.index("1.jpg") < ordered.index("2.jpg") < ordered.index("10.jpg")
    assert [image.name for image in _evenly_spaced(images, 99)] == ordered


def replace_image(image_id, name):
    none = np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
    return ColmapImage(image_id, name, 1, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), *none)


def test_the_same_capture_gives_the_same_views_wherever_it_lies(capture, few, tmp_path):
    folder = copy_of(capture, tmp_path / "elsewhere" / "chair")
    again = read(folder, num_views=5, size=64).views
    np.testing.assert_array_equal(again.images, few.images)
    assert torch.equal(again.cameras.c2w, few.cameras.c2w)
    assert again.source.sha256 == few.source.sha256
    assert len(again.source.sha256) == 64
    shutil.copy(capture / "masks/003.png.png", folder / "masks/001.png.png")
    changed = read(folder, num_views=5, size=64, min_views=4).views
    assert changed.source.sha256 != again.source.sha256


def test_the_callable_can_be_sent_to_a_worker(capture, few):
    settings = CaptureSource(capture, size=64, num_views=5, licence="mine")
    views = pickle.loads(pickle.dumps(settings))(*capture_jobs(capture))
    np.testing.assert_array_equal(views.images, few.images)
    assert (views.source.name, views.source.licence) == ("video", "mine")
    assert few.source.licence == "see the capture's own terms"


def test_captures_are_found_down_to_three_folders(tmp_path):
    for name in ("b/1", "a/0/x", "c", ".hidden", "a/b/c/too-deep"):
        (tmp_path / name / "images").mkdir(parents=True)
    jobs = capture_jobs(tmp_path)
    assert {job.location for job in jobs} == {"b/1", "a/0/x", "c"}
    assert [job.object_id for job in jobs] == sorted(job.object_id for job in jobs)
    assert len({job.object_id for job in jobs}) == 3
    assert capture_jobs(tmp_path / "c") == [ObjectJob("c", ".")]
    (tmp_path / "empty").mkdir()
    for folder, message in (("empty", "no captures"), ("missing", "no such folder")):
        with pytest.raises(InputError, match=message):
            capture_jobs(tmp_path / folder)
    with pytest.raises(InputError, match="no COLMAP model"):
        CaptureSource(tmp_path)(jobs[0])


@pytest.mark.parametrize(
    "settings",
    [
        {"foreground_ratio": 0.3},
        {"min_views": 2},
        {"num_views": 4, "min_views": 5},
        {"size": 4},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError):
        CaptureSource("somewhere", **settings)
