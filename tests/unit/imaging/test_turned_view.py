"""A photo of an object at the side, against a render by the camera that is turned to it."""

import math

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.imaging.turned_view import turned_to_object
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.view_output import channel_image
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.mesh import Mesh

SIZE, FOCAL = 384, 300.0


def picture(turned_degrees):
    """A box straight ahead of a camera that is turned away from it, about z and a little about x.

    The camera stands at the origin; its axes are (right, up, backward).
    """
    box = trimesh.creation.box((0.8, 0.8, 0.8))
    box.apply_translation([0.0, 3.0, 0.0])
    colors = np.clip(box.vertices - box.vertices.min(axis=0), 0.1, 0.9).astype(np.float32)
    mesh = Mesh(box.vertices.astype(np.float32), box.faces.astype(np.int32), colors)
    angle = math.radians(turned_degrees)
    forward = np.array([math.sin(angle), math.cos(angle), 0.0])
    right = np.array([math.cos(angle), -math.sin(angle), 0.0])
    c2w = np.eye(4)
    c2w[:3, :3] = np.stack([right, np.array([0.0, 0.0, 1.0]), -forward], axis=1)
    lens = torch.tensor([[FOCAL, FOCAL, SIZE / 2, SIZE / 2]])
    camera = Cameras(torch.from_numpy(c2w).float()[None], lens, SIZE, SIZE)
    return channel_image(render_scene(scene_from_mesh(mesh), camera), "rgb", None)


@pytest.fixture(scope="module")
def straight():
    return picture(0.0)


@pytest.mark.parametrize("degrees", [-20.0, 12.0])
def test_it_is_the_picture_of_a_camera_that_looks_at_the_object(straight, degrees):
    turned, angle = turned_to_object(picture(degrees), FOCAL)
    assert angle == pytest.approx(abs(degrees), abs=0.5)
    difference = np.abs(turned.astype(int) - straight.astype(int))[..., 3] > 127
    assert difference.sum() < 0.01 * (straight[..., 3] > 127).sum()
    both = (turned[..., 3] > 250) & (straight[..., 3] > 250)
    colors = np.abs(turned.astype(int) - straight.astype(int))[..., :3][both]
    assert colors.mean() < 2.0


def test_an_object_in_the_middle_is_left_alone(straight):
    turned, angle = turned_to_object(straight, FOCAL)
    assert angle == 0.0
    assert turned is straight


def test_an_empty_picture_is_left_alone():
    empty = np.zeros((32, 32, 4), dtype=np.uint8)
    assert turned_to_object(empty, 30.0) == (empty, 0.0)
