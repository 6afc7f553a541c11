"""Photos as references, against the renderer: photos of a known object must give what it gives."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.evaluation.posed_images import read_posed_images
from lrm_core.evaluation.protocol import Protocol, load_protocol
from lrm_core.evaluation.reference import Reference, make_reference
from lrm_core.geometry.scene_conversion import scene_from_mesh, transform_scene
from lrm_core.geometry.trajectories import orbit
from lrm_core.io.camera_files import write_cameras
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.view_output import channel_image
from lrm_core.structures.cameras import Cameras, canonical_camera
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.scene import Scene

PROTOCOL = load_protocol("folder-v1")
PROTOCOL = dataclasses.replace(
    PROTOCOL,
    input_view=dataclasses.replace(PROTOCOL.input_view, size=96),
    reference_views=dataclasses.replace(PROTOCOL.reference_views, size=64),
)


def lopsided() -> Scene:
    """A tetrahedron without any symmetry, one color per corner, around the origin."""
    vertices = np.array([[-1, -0.4, -0.7], [0.9, 0, -0.6], [-0.5, 0.8, -0.4], [0, 0, 0.8]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)
    colors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], np.float32)
    return scene_from_mesh(Mesh(vertices.astype(np.float32), faces, vertex_colors=colors))


def turned() -> Cameras:
    """Four cameras 3 units away, the first at azimuth 30, of an odd lens and a wide image."""
    around = orbit(12, radius=3.0, elevation_degrees=20.0)
    c2w = around.c2w[[1, 4, 7, 10]]
    lens = torch.tensor([[330.0, 330.0, 170.0, 118.0]]).repeat(4, 1)
    return Cameras(c2w, lens, 320, 240)


def take_photos(folder: Path, cameras: Cameras) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(len(cameras)):
        view = channel_image(render_scene(lopsided(), cameras[index]), "rgb", None)
        Image.fromarray(view).save(folder / f"{index:03d}.png")
    write_cameras(folder / "transforms.json", cameras)
    return folder / "transforms.json"


def reference(path: Path, protocol: Protocol = PROTOCOL) -> Reference:
    images, _ = read_posed_images(path)
    return make_reference("photos", images, protocol)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return take_photos(tmp_path_factory.mktemp("photos"), turned())


def in_the_input_frame(distance: float = 2.0) -> Scene:
    """The object carried by hand: the first camera to (0, -distance, 0), looking along +y."""
    first = turned().c2w[0].double().numpy()
    canonical = np.array([[1, 0, 0, 0], [0, 0, -1, -3], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    scale = np.diag([distance / 3] * 3 + [1.0])
    return transform_scene(lopsided(), scale @ canonical @ np.linalg.inv(first))


def on_white(rgba: np.ndarray) -> np.ndarray:
    rgba = rgba / 255.0
    return rgba[..., :3] * rgba[..., 3:] + 1.0 - rgba[..., 3:]


def test_the_first_photo_becomes_what_the_input_camera_would_see(photos: Path) -> None:
    picture = reference(photos).picture
    assert picture.shape == (96, 96, 4)
    expected = channel_image(
        render_scene(in_the_input_frame(), canonical_camera(96, distance=2.0, focal=0.75)),
        "rgb",
        None,
    )
    difference = np.abs(on_white(picture) - on_white(expected))
    assert difference.mean() < 0.004  # resampled instead of rendered
    seen, there = picture[..., 3] >= 128, expected[..., 3] >= 128
    assert (seen & there).sum() / (seen | there).sum() > 0.98


def test_the_other_photos_are_seen_by_their_cameras_in_the_input_frame(photos: Path) -> None:
    found = reference(photos)
    assert len(found.cameras) == 3
    assert (found.cameras.width, found.cameras.height) == (64, 48)
    for index in range(3):
        view = render_scene(in_the_input_frame(), found.cameras[index], background=1.0)
        rendered = view.rgb[0].numpy()
        shown = found.observation.rgb[index] / 255.0
        assert np.abs(rendered - shown).mean() < 0.004
        alpha = found.observation.alpha[index] / 255.0
        assert np.abs(view.opacity[0].numpy() - alpha).mean() < 0.004
    assert found.scene is None
    assert len(found.observation.points) == 0
    assert not np.isfinite(found.observation.depth).any()


def test_a_protocols_own_lens_radius_sizes_and_background_are_followed(photos: Path) -> None:
    """None of the values below is that of a bundled protocol."""
    other = dataclasses.replace(
        PROTOCOL,
        input_view=dataclasses.replace(PROTOCOL.input_view, size=80, radius=2.6, focal=0.9),
        reference_views=dataclasses.replace(PROTOCOL.reference_views, size=40, background=0.3),
    )
    found, scene = reference(photos, other), in_the_input_frame(2.6)
    camera = canonical_camera(80, distance=2.6, focal=0.9)
    expected = channel_image(render_scene(scene, camera), "rgb", None)
    assert found.picture.shape == expected.shape
    seen, there = found.picture[..., 3] >= 128, expected[..., 3] >= 128
    assert (seen & there).sum() / (seen | there).sum() > 0.97
    assert (found.cameras.width, found.cameras.height) == (40, 30)
    assert found.scale == pytest.approx((2.6 / 0.9) / (2.0 / 0.75)), "of what the picture shows"
    for index in range(3):
        view = render_scene(scene, found.cameras[index], background=0.3)
        shown = found.observation.rgb[index] / 255.0
        assert np.abs(view.rgb[0].numpy() - shown).mean() < 0.008


def test_a_photo_of_the_input_camera_itself_is_taken_as_it_is(tmp_path: Path) -> None:
    cameras = orbit(4, radius=2.0, focal=0.75, size=96)
    path = take_photos(tmp_path, cameras)
    picture = reference(path).picture
    stored = np.asarray(Image.open(tmp_path / "000.png"))
    # but for alpha-weighted rounding
    np.testing.assert_allclose(on_white(picture), on_white(stored), atol=1.5 / 255)


def test_the_hash_follows_images_and_cameras(tmp_path: Path) -> None:
    path = take_photos(tmp_path, turned())
    _, first = read_posed_images(path)
    assert read_posed_images(path)[1] == first
    shown = np.asarray(Image.open(tmp_path / "001.png")).copy()
    shown[0, 0] = 9
    Image.fromarray(shown).save(tmp_path / "001.png")
    _, second = read_posed_images(path)
    write_cameras(path, dataclasses.replace(turned(), c2w=turned().c2w.flip(0)))
    assert len({first, second, read_posed_images(path)[1]}) == 3


def test_what_cannot_be_used_is_named(photos: Path, tmp_path: Path) -> None:
    content = json.loads(photos.read_text())

    def changed(**frame: object) -> Path:
        frames = [dict(content["frames"][0]) | frame, *content["frames"][1:]]
        for file in photos.parent.glob("*.png"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
        path = tmp_path / "transforms.json"
        path.write_text(json.dumps(content | {"frames": frames}))
        return path

    outside = tmp_path.parent / "outside.png"
    outside.write_bytes((photos.parent / "000.png").read_bytes())
    for named in ("../outside.png", str(outside)):
        with pytest.raises(InputError, match="outside the folder"):
            read_posed_images(changed(file_path=named))
    with pytest.raises(InputError, match="no image 'none"):
        read_posed_images(changed(file_path="none.png"))
    with pytest.raises(InputError, match="without 'file_path'"):
        read_posed_images(changed(file_path=None))
    assert len(read_posed_images(changed(file_path="./000"))[0].photos) == 4  # NeRF synthetic
    path = changed()
    path.write_text(json.dumps(content | {"frames": content["frames"][:1]}))
    with pytest.raises(InputError, match="names one image"):
        read_posed_images(path)

    path = changed()
    Image.new("RGB", (320, 240), "white").save(tmp_path / "000.png")
    with pytest.raises(InputError, match="no transparency"):
        reference(path)
    path = changed()
    Image.new("RGBA", (240, 240)).save(tmp_path / "002.png")
    with pytest.raises(InputError, match="240 x 240 pixels, its camera 320 x 240"):
        reference(path)
