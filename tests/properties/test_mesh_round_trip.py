"""What is written comes back: reading and writing agree with one another."""

import numpy as np
import pytest

from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.meshes.mesh_placement import FORMAT_FRAMES
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.meshes.mesh_writing import write_mesh
from lrm_core.structures.mesh import Mesh, Texture


def tetrahedron(**surface: object) -> Mesh:
    vertices = np.array([[0, -1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1]], dtype=np.float32)
    faces = np.array([[0, 1, 3], [0, 3, 2], [1, 2, 3], [0, 2, 1]], dtype=np.int32)
    return Mesh(vertices, faces, **surface)


@pytest.fixture
def textured() -> Mesh:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (8, 16, 3)).astype(np.uint8)
    return tetrahedron(texture=Texture(image, rng.random((4, 2)).astype(np.float32)))


@pytest.fixture
def colored() -> Mesh:
    colors = np.random.default_rng(1).integers(0, 256, (4, 3)) / 255
    return tetrahedron(vertex_colors=colors.astype(np.float32))


@pytest.mark.parametrize("suffix", [".obj", ".glb"])
def test_textured_round_trip(tmp_path, textured, suffix):
    write_mesh(tmp_path / f"a{suffix}", textured)
    (part,) = read_scene(tmp_path / f"a{suffix}").parts
    (expected,) = scene_from_mesh(textured).parts
    np.testing.assert_array_equal(part.material.texture, expected.material.texture)
    assert part.material.base_color == expected.material.base_color
    assert part.material.alpha_mode == expected.material.alpha_mode
    np.testing.assert_allclose(part.vertices[part.faces], textured.triangles)
    np.testing.assert_allclose(part.uv[part.faces], textured.texture.uv[textured.faces], atol=1e-6)


@pytest.mark.parametrize("suffix", [".obj", ".glb", ".ply"])
@pytest.mark.parametrize("up", ["y", "z"])
def test_colored_round_trip(tmp_path, colored, suffix, up):
    if suffix == ".glb" and up == "z":
        return  # refused: see test_mesh_writing
    write_mesh(tmp_path / f"a{suffix}", colored, up=up)
    (part,) = read_scene(tmp_path / f"a{suffix}", up=up).parts
    (expected,) = scene_from_mesh(colored).parts
    np.testing.assert_array_equal(part.vertices, colored.vertices)
    np.testing.assert_array_equal(part.faces, colored.faces)
    np.testing.assert_allclose(part.vertex_colors, expected.vertex_colors, atol=1e-6)
    assert part.material.base_color == expected.material.base_color


@pytest.mark.parametrize("suffix", [".obj", ".glb", ".ply", ".stl"])
def test_a_mesh_read_and_written_again_is_the_same_shape(tmp_path, textured, suffix):
    up = FORMAT_FRAMES[suffix].up
    write_mesh(tmp_path / f"a{suffix}", textured)
    scene = read_scene(tmp_path / f"a{suffix}", up=up)
    (part,) = scene.parts
    write_mesh(tmp_path / f"b{suffix}", Mesh(part.vertices, part.faces))
    again = read_scene(tmp_path / f"b{suffix}", up=up)
    np.testing.assert_array_equal(
        again.parts[0].vertices[again.parts[0].faces], part.vertices[part.faces]
    )
