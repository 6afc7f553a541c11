"""The camera of a cropped photo, against the pinhole that took it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.config import load_preset
from lrm_core.errors import ConfigError
from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.imaging.framing import object_box
from lrm_core.reconstruction.assumed_camera import NEAREST, assume_camera
from lrm_core.reconstruction.pipeline import load_model
from lrm_core.reconstruction.reconstruction import MeshOptions
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.view_output import channel_image
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.photo import CutOut, Lens
from lrm_core.structures.photo_camera import PhotoCamera, fov_of_focal

MINI = load_preset("lrm-mini")


def cut_out(width=400, height=300, side=150, lens=None):
    """A square object in the middle of a photo."""
    rgba = np.zeros((height, width, 4), dtype=np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    rgba[top : top + side, left : left + side] = 255
    return CutOut(rgba, "alpha", lens=lens)


def test_nothing_known_is_the_canonical_camera():
    cut = cut_out()
    same, camera = assume_camera(MINI, cut, PhotoCamera())
    assert same is cut
    assert (camera.distance, camera.focal, camera.elevation) == (2.0, 0.75, None)
    record = camera.as_record()
    assert record["field_of_view"] == {"value": None, "from": "default"}
    assert record["foreground_ratio"] == {"value": 0.7, "from": "model"}


def test_a_crop_is_a_longer_lens():
    """A 90 degree photo of 400 pixels has f = 200 pixels; the crop's side is 150 / 0.7 pixels."""
    _, camera = assume_camera(MINI, cut_out(), PhotoCamera(fov=90.0))
    assert camera.focal == pytest.approx(200 * 0.7 / 150)
    assert camera.distance / camera.focal == pytest.approx(2.0 / 0.75)
    assert not camera.told, "lrm-mini was trained on crops of all lenses, told the canonical one"
    record = camera.as_record()
    assert record["field_of_view"] == {"value": 90.0, "from": "option"}
    assert record["distance"]["from"] == "field of view"


def test_exif_gives_the_field_of_view_unless_it_is_said():
    """f = 1.2 longer sides: of a portrait photo, too."""
    lens = Lens(1.2, "EXIF: 50 mm on 35 mm film")
    _, wide = assume_camera(MINI, cut_out(400, 300, lens=lens), PhotoCamera())
    _, tall = assume_camera(MINI, cut_out(300, 400, lens=lens), PhotoCamera())
    assert wide.focal == tall.focal == pytest.approx(480 * 0.7 / 150)
    assert tall.as_record()["field_of_view"] == {
        "value": pytest.approx(fov_of_focal(480 / 300), abs=1e-3),
        "from": "EXIF: 50 mm on 35 mm film",
    }
    _, said = assume_camera(MINI, cut_out(lens=lens), PhotoCamera(fov=90.0))
    assert said.as_record()["field_of_view"]["from"] == "option"
    _, placed = assume_camera(MINI, cut_out(lens=lens), PhotoCamera(distance=4.0))
    assert placed.as_record()["field_of_view"]["from"] == "default"


def test_a_photo_as_it_is_has_the_lens_of_its_longer_side():
    """Padded to a square of 400: f = 150 / tan(25 degrees) pixels across a width of 300."""
    cut = cut_out(300, 400)
    _, camera = assume_camera(MINI, cut, PhotoCamera(framing="as_is", fov=50.0))
    assert camera.focal == pytest.approx(150 / np.tan(np.radians(25)) / 400)
    assert camera.distance == pytest.approx(camera.focal * 2.0 / 0.75)
    said = PhotoCamera(framing="as_is", fov=40.0, distance=3.0)
    _, camera = assume_camera(MINI, cut, said)
    assert (camera.distance, camera.told) == (3.0, True)
    assert camera.focal == pytest.approx(0.5 / np.tan(np.radians(20)) * 300 / 400)


def test_a_distance_alone_gives_the_lens_of_the_crop():
    _, camera = assume_camera(MINI, cut_out(), PhotoCamera(distance=4.0))
    assert (camera.distance, camera.focal) == (4.0, pytest.approx(1.5))


def test_a_camera_inside_the_model_s_world_is_moved_out_with_a_word():
    _, camera = assume_camera(MINI, cut_out(side=290), PhotoCamera(fov=120.0))
    assert camera.distance == NEAREST
    assert "nearer than the model knows" in camera.warning
    assert camera.as_record()["distance"]["from"] == "field of view, limited"


def test_models_with_a_camera_of_their_own_say_so():
    blind = replace(MINI, name="blind", decoder=replace(MINI.decoder, camera_feature="none"))
    for said, words in (
        (PhotoCamera(fov=50.0), "--fov: blind takes every photo"),
        (PhotoCamera(distance=3.0), "--distance"),
    ):
        with pytest.raises(ConfigError, match=words):
            assume_camera(blind, cut_out(), said)
    _, camera = assume_camera(blind, cut_out(), PhotoCamera(elevation=20.0))
    assert camera.elevation == 20.0


def test_exif_is_not_followed_where_it_was_not_measured():
    decoder = replace(MINI.decoder, ray_widths=())
    plain = replace(MINI, decoder=decoder, nerf=replace(MINI.nerf, frustum=False))
    _, camera = assume_camera(plain, cut_out(lens=Lens(1.2, "EXIF")), PhotoCamera())
    assert camera.focal == 0.75
    _, camera = assume_camera(plain, cut_out(), PhotoCamera(fov=90.0))
    assert camera.told


@pytest.fixture(scope="module")
def model():
    return load_model("lrm-mini")


def test_the_mesh_lies_along_the_rays_of_the_true_camera(model):
    """A long lens far away: the mesh covers the photo seen by that camera, and is less of a wedge.

    Along the rays of the canonical camera what is behind is wider: at y = 0.6 twice than at -0.7.
    """
    box = trimesh.creation.box((0.9, 1.2, 0.9))
    mesh = Mesh(
        box.vertices.astype(np.float32),
        box.faces.astype(np.int32),
        np.clip(box.vertices * 0.3 + 0.5, 0, 1).astype(np.float32),
    )
    camera = canonical_camera(512, distance=8.0, focal=2.0)
    rgba = channel_image(render_scene(scene_from_mesh(mesh), camera), "rgb", None)
    widths, spreads = {}, {}
    for said in (PhotoCamera(), PhotoCamera(fov=fov_of_focal(2.0))):
        made = model.reconstruct(rgba, camera=said)
        vertices = made.extract_mesh(options=MeshOptions(resolution=64, appearance="none")).vertices
        behind = vertices[vertices[:, 1] > np.quantile(vertices[:, 1], 0.9)]
        ahead = vertices[vertices[:, 1] < np.quantile(vertices[:, 1], 0.1)]
        widths[said.fov] = np.ptp(behind[:, 0]) / np.ptp(ahead[:, 0])
        distance = float(made.source_camera.origins.norm())
        spreads[said.fov] = (distance + behind[:, 1].mean()) / (distance + ahead[:, 1].mean())
        seen, _ = made.source_camera.resized(128, 128).project(torch.from_numpy(vertices))
        left, top, right, bottom = object_box((made.photo.rgba[0, 3] * 255).byte().numpy())
        low, high = seen[0].numpy().min(axis=0), seen[0].numpy().max(axis=0)
        np.testing.assert_allclose([*low, *high], [left, top, right, bottom], atol=2.5)
    unknown, known = widths.values()
    assert known < unknown
    # how much rays spread between these depths, whatever depths the weights guess
    unknown_spread, known_spread = spreads.values()
    assert known_spread < 0.85 * unknown_spread
    assert known / unknown == pytest.approx(known_spread / unknown_spread, rel=0.1)


def test_the_object_stands_upright_as_the_elevation_says(model):
    """A tall pillar seen from 30 degrees above leans towards the camera, and then does not."""
    pillar = trimesh.creation.cylinder(0.25, 1.5)
    tip = np.radians(30.0)
    turn = np.array([[1, 0, 0], [0, np.cos(tip), -np.sin(tip)], [0, np.sin(tip), np.cos(tip)]])
    mesh = Mesh((pillar.vertices @ turn.T).astype(np.float32), pillar.faces.astype(np.int32))
    rgba = channel_image(render_scene(scene_from_mesh(mesh), canonical_camera(512)), "rgb", None)
    made = model.reconstruct(rgba, camera=PhotoCamera(elevation=30.0))
    lying = made.extract_mesh(options=MeshOptions(resolution=64, appearance="none"))
    standing, motion = made.stand(lying, ground=False)
    assert motion.turned_degrees == pytest.approx(30.0)
    np.testing.assert_allclose(standing.vertices, lying.vertices @ turn, atol=1e-5)
