import numpy as np
import pytest
import torch
import trimesh

from lrm_core.geometry.trajectories import orbit
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.scene_fitting import fit_scene, needs_fitting
from lrm_core.structures.scene import Material, Scene, ScenePart


def box(sides, centre=(0, 0, 0)):
    mesh = trimesh.creation.box(sides)
    vertices = (mesh.vertices + centre).astype(np.float32)
    return Scene((ScenePart(vertices, mesh.faces.astype(np.int32), Material()),))


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (box((2, 2, 2)), False),
        (box((0.3, 0.1, 0.1)), False),
        (box((0.1, 0.1, 0.1)), True),
        (box((2.3, 1, 1)), True),
        (box((1, 1, 1), centre=(0, 0, -0.8)), True),
        (box((50, 20, 30), centre=(100, 0, 0)), True),
    ],
)
def test_what_needs_fitting(scene, expected):
    assert needs_fitting(scene) is expected


@pytest.mark.parametrize("sides", [(5, 5, 5), (1, 20, 3), (0.01, 0.02, 0.01)])
def test_a_fitted_scene_is_whole_from_every_side(sides):
    scene = fit_scene(box(sides, centre=(7, -3, 2)))
    np.testing.assert_allclose(scene.bounds.sum(0), 0, atol=1e-5)
    cameras = (orbit(4, size=48), orbit(1, elevation_degrees=89.0, size=48))
    opacity = torch.cat([render_scene(scene, views).opacity for views in cameras])
    for border in (opacity[:, 0], opacity[:, -1], opacity[:, :, 0], opacity[:, :, -1]):
        assert (border == 0).all()
    assert opacity.amax() == 1
