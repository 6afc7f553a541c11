import numpy as np
import pytest
import trimesh

from lrm_core.baselines.generated_meshes import generated_scene
from lrm_core.errors import LrmError

BOX = trimesh.creation.box(
    (1.0, 2.0, 4.0), transform=trimesh.transformations.translation_matrix([5, 5, 5])
)
COLORS = np.linspace(-0.1, 1.1, 24).reshape(8, 3)


@pytest.mark.parametrize("flipped", [False, True])
def test_meshes_are_centred_sized_and_turned_outward(flipped):
    faces = BOX.faces[:, ::-1] if flipped else BOX.faces
    scene = generated_scene(np.asarray(BOX.vertices), np.ascontiguousarray(faces), COLORS)
    assert np.allclose(scene.bounds, [[-0.225, -0.45, -0.9], [0.225, 0.45, 0.9]])
    (part,) = scene.parts
    assert trimesh.Trimesh(part.vertices, part.faces, process=False).volume > 0
    assert np.allclose(part.vertex_colors[:, :3], np.clip(COLORS, 0, 1))
    assert (part.vertex_colors[:, 3] == 1).all()


def test_no_mesh_and_no_numbers():
    vertices = np.asarray(BOX.vertices)
    assert generated_scene(vertices, np.zeros((0, 3), dtype=np.int64), COLORS) is None
    with pytest.raises(LrmError, match="not finite"):
        generated_scene(vertices * np.nan, np.asarray(BOX.faces), COLORS)
