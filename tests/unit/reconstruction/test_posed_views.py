"""Posed photos with the bundled model: a colored box in a world of another size and place."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from lrm_core.errors import ConfigError, InputError
from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.reconstruction.pipeline import load_model
from lrm_core.reconstruction.posed_views import (
    centered_picture,
    look_at_center,
    reconstruct_posed,
)
from lrm_core.reconstruction.reconstruction import MeshOptions
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.view_output import channel_image
from lrm_core.sources.posed_photos import PosedPhoto
from lrm_core.structures.cameras import Cameras, look_at
from lrm_core.structures.mesh import Mesh

HALVES = np.array([0.5, 0.3, 0.8])
SIZE, FOCAL = 400, 560.0
OPTIONS = MeshOptions(resolution=64, appearance="vertex_colors")


@pytest.fixture(scope="module")
def model():
    return load_model("lrm-mini")


TURN = Rotation.from_euler("z", 20.0, degrees=True).as_matrix()


@pytest.fixture(scope="module")
def box():
    """Turned so that the cameras look at its sides: outlines from askew would be all too wide."""
    solid = trimesh.creation.box(2 * HALVES)
    vertices = solid.vertices[solid.faces].reshape(-1, 3).astype(np.float32)
    normals = np.repeat(solid.face_normals, 3, axis=0)
    colors = (0.5 + 0.4 * normals).astype(np.float32)
    vertices = (vertices @ TURN.T).astype(np.float32)
    return Mesh(vertices, np.arange(len(vertices)).reshape(-1, 3).astype(np.int32), colors)


def photo_from(box, azimuth, elevation, distance, aside=(5.0, -4.0), lens=FOCAL):
    """A camera that does not look at the middle, with a principal point of its own."""
    place = distance * np.array(
        [
            np.cos(elevation) * np.sin(azimuth),
            -np.cos(elevation) * np.cos(azimuth),
            np.sin(elevation),
        ]
    )
    c2w = look_at(torch.from_numpy(place)[None])[0].numpy()
    turn = Rotation.from_euler("yx", aside, degrees=True).as_matrix()
    c2w[:3, :3] = c2w[:3, :3] @ turn
    intrinsics = np.array([lens, lens, 0.46 * SIZE, 0.55 * SIZE])
    camera = Cameras(
        torch.from_numpy(c2w).float()[None], torch.from_numpy(intrinsics).float()[None], SIZE, SIZE
    )
    rgba = channel_image(render_scene(scene_from_mesh(box), camera), "rgb", None)
    return PosedPhoto(Path(f"{azimuth:.2f}.png"), rgba, c2w, intrinsics)


@pytest.fixture(scope="module")
def photos(box):
    azimuths = np.radians([20.0, 110.0, 200.0, 290.0])
    return [
        photo_from(box, azimuth, elevation, distance)
        for azimuth, elevation, distance in zip(
            azimuths, [0.35, 0.2, 0.3, 0.1], [3.4, 4.0, 3.0, 3.6], strict=True
        )
    ]


def test_a_photo_is_turned_to_the_picture_of_a_camera_that_looks_at_the_middle(box, photos):
    photo = photos[0]
    rotation, distance = look_at_center(photo)
    assert distance == pytest.approx(3.4)
    focal = 0.375 * distance
    picture = centered_picture(photo, rotation, focal)
    size = len(picture)
    assert size == pytest.approx(FOCAL / focal, abs=1)
    c2w = photo.c2w.copy()
    c2w[:3, :3] = rotation
    lens = torch.tensor([[focal * size, focal * size, size / 2, size / 2]]).float()
    straight = Cameras(torch.from_numpy(c2w).float()[None], lens, size, size)
    expected = channel_image(render_scene(scene_from_mesh(box), straight), "rgb", None)
    wrong = (picture[..., 3] > 127) != (expected[..., 3] > 127)
    assert wrong.sum() < 0.01 * (expected[..., 3] > 127).sum()
    inner = (picture[..., 3] == 255) & (expected[..., 3] == 255)
    assert np.abs(picture.astype(int) - expected)[inner].mean() < 3.0


def test_the_box_comes_out_with_its_own_sides_upright_and_colored(model, photos):
    fused = reconstruct_posed(model, photos)
    mesh, _ = fused.stand(fused.extract_mesh(options=OPTIONS))
    # the first camera saw it from azimuth 20 degrees, and in its frame the sides lie along the axes
    low, high = np.percentile(mesh.vertices, [1, 99], axis=0)
    np.testing.assert_allclose((high - low) / 2, HALVES, atol=0.1)
    np.testing.assert_allclose((high + low) / 2, np.zeros(3), atol=0.07)
    for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1)):
        on_side = sign * mesh.vertices[:, axis] > 0.85 * HALVES[axis]
        on_side &= (np.abs(np.delete(mesh.vertices, axis, 1)) < 0.6 * np.delete(HALVES, axis)).all(
            1
        )
        expected = 0.5 + 0.4 * sign * np.eye(3)[axis]
        np.testing.assert_allclose(mesh.vertex_colors[on_side].mean(axis=0), expected, atol=0.12)


def test_every_photo_shows_the_mesh_where_it_is(model, photos):
    fused = reconstruct_posed(model, photos)
    scene = scene_from_mesh(fused.extract_mesh(options=OPTIONS))
    for view in fused.views:
        shown = view.reconstruction.photo.detail[0, 3].numpy() > 0.5
        seen = render_scene(scene, view.camera.resized(*shown.shape)).opacity[0].numpy() > 0.5
        assert (seen & shown).sum() / (seen | shown).sum() > 0.92


def test_directions_count_from_the_first(model, photos):
    fused = reconstruct_posed(model, photos)
    azimuths = [view.direction.azimuth for view in fused.views]
    assert azimuths == pytest.approx([0.0, 90.0, 180.0, 270.0], abs=1e-6)
    elevations = [view.direction.elevation for view in fused.views]
    assert elevations == pytest.approx(np.degrees([0.35, 0.2, 0.3, 0.1]))


def test_what_cannot_be_is_refused(model, box, photos):
    away = PosedPhoto(Path("x.png"), photos[0].rgba, photos[0].c2w.copy(), photos[0].intrinsics)
    away.c2w[:3, 3] *= -1.0
    with pytest.raises(InputError, match=r"x\.png: its camera stands within"):
        reconstruct_posed(model, [away])
    blind = load_model("lrm-mini")
    decoder = type(blind.config.decoder)(camera_feature="none")
    object.__setattr__(blind.config, "decoder", decoder)
    with pytest.raises(ConfigError, match="one camera for all photos"):
        reconstruct_posed(blind, photos)
