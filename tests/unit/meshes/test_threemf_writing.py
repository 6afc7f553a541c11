"""3MF files, read in strict mode by the 3MF Consortium's own library."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_core.meshes.mesh_writing import write_mesh
from lrm_core.structures.mesh import Mesh, Texture

RED, BLUE = (200, 30, 20), (10, 40, 220)


def textured_ball() -> Mesh:
    """A ball with a seam along x = 0: red on the one side, blue on the other."""
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    right = ball.triangles_center[:, 0] > 0
    vertices = np.concatenate([ball.vertices, ball.vertices])
    faces = np.where(right[:, None], ball.faces, ball.faces + len(ball.vertices))
    uv = np.repeat([[0.75, 0.5], [0.25, 0.5]], len(ball.vertices), axis=0)
    image = np.array([[BLUE, RED]], dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32), texture=Texture(image, uv))


def colored_ball() -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    colors = np.where(ball.vertices[:, :1] > 0, RED, BLUE) / 255
    return Mesh(
        ball.vertices.astype(np.float32),
        ball.faces.astype(np.int32),
        vertex_colors=colors.astype(np.float32),
    )


def read_strictly(path: Path) -> Any:
    lib3mf = pytest.importorskip("lib3mf", reason="needs the package lib3mf")
    model = lib3mf.get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromFile(str(path))
    assert [reader.GetWarning(index) for index in range(reader.GetWarningCount())] == []
    return model


def only_mesh(model: Any) -> Any:
    meshes = model.GetMeshObjects()
    assert meshes.MoveNext()
    found = meshes.GetCurrentMeshObject()
    assert not meshes.MoveNext()
    return found


def corner_colors(model: Any, path: Path) -> np.ndarray:
    """(F, 3 corners, RGB) as a program shows them that follows the properties of triangles."""
    mesh = only_mesh(model)
    lib3mf = pytest.importorskip("lib3mf", reason="needs the package lib3mf")
    colors = []
    for index in range(mesh.GetTriangleCount()):
        properties = mesh.GetTriangleProperties(index)
        group = model.GetPropertyTypeByID(properties.ResourceID)
        for number in properties.PropertyIDs:
            if group == lib3mf.PropertyType.Colors:
                color = model.GetColorGroupByID(properties.ResourceID).GetColor(number)
                colors.append((color.Red, color.Green, color.Blue))
            else:
                texels = model.GetTexture2DGroupByID(properties.ResourceID)
                assert texels.GetTexture2D().GetAttachment().GetPath() == "/3D/Textures/texture.png"
                with zipfile.ZipFile(path) as archive:
                    image = Image.open(io.BytesIO(archive.read("3D/Textures/texture.png")))
                at = texels.GetTex2Coord(number)
                # the origin is at the lower left
                place = (int(at.U * image.width), int((1 - at.V) * image.height))
                colors.append(image.convert("RGB").getpixel(place))
    return np.array(colors).reshape(-1, 3, 3)


@pytest.mark.parametrize("make", [textured_ball, colored_ball])
def test_lib3mf_finds_no_fault_and_the_colors(tmp_path, make):
    path = tmp_path / "a ball & more.3mf"
    write_mesh(path, make(), size_mm=120.0)
    model = read_strictly(path)
    mesh = only_mesh(model)
    assert mesh.GetName() == "a_ball___more"
    assert mesh.IsValid()
    assert mesh.IsManifoldAndOriented(), "a slicer would have to mend it"
    assert model.GetUnit() == pytest.importorskip("lib3mf").ModelUnit.MilliMeter
    places = np.array([list(vertex.Coordinates) for vertex in mesh.GetVertices()])
    assert len(places) == 162, "seams are joined"
    np.testing.assert_allclose(places.min(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(places.max(axis=0), 120, rtol=1e-5)
    corners = places[[list(triangle.Indices) for triangle in mesh.GetTriangleIndices()]]
    colors = corner_colors(model, path)
    right = corners[:, :, 0].mean(axis=1) > 60
    inner = np.abs(corners[:, :, 0] - 60).min(axis=1) > 1
    np.testing.assert_array_equal(
        colors[right & inner], np.broadcast_to(RED, (sum(right & inner), 3, 3))
    )
    np.testing.assert_array_equal(
        colors[~right & inner], np.broadcast_to(BLUE, (sum(~right & inner), 3, 3))
    )


def test_a_mesh_without_colors(tmp_path):
    path = tmp_path / "plain.3mf"
    write_mesh(path, replace(colored_ball(), vertex_colors=None))
    assert only_mesh(read_strictly(path)).IsManifoldAndOriented()


def test_triangles_that_welding_folds_are_left_out(tmp_path):
    box = trimesh.creation.box()
    vertices = np.concatenate([box.vertices, box.vertices[:1]]).astype(np.float32)
    faces = np.concatenate([box.faces, [[0, len(box.vertices), 1]]]).astype(np.int32)
    path = tmp_path / "folded.3mf"
    write_mesh(path, Mesh(vertices, faces))
    assert only_mesh(read_strictly(path)).GetTriangleCount() == len(box.faces)
