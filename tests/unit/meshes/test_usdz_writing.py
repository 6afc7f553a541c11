"""USDZ files, judged by the validators of OpenUSD and read with its own library."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_core.meshes.mesh_writing import write_mesh
from lrm_core.structures.mesh import Mesh, Texture

COLORS = [(200, 30, 60), (10, 3, 120), (255, 255, 0), (1, 128, 254), (77, 77, 77), (0, 180, 90)]


def make_cube(kind: str) -> Mesh:
    """A cube with a color of its own at each vertex, by texture or as vertex colors, or none."""
    box = trimesh.creation.box(extents=(1, 2, 3))
    vertices = box.vertices[box.faces].reshape(-1, 3).astype(np.float32)
    faces = np.arange(36, dtype=np.int32).reshape(12, 3)
    if kind == "plain":
        return Mesh(vertices, faces)
    side = np.repeat(np.arange(12) // 2, 3)
    if kind == "colored":
        return Mesh(vertices, faces, (np.array(COLORS)[side] / 255).astype(np.float32))
    image = np.array(COLORS, dtype=np.uint8).reshape(2, 3, 3).repeat(4, axis=0).repeat(4, axis=1)
    uv = np.stack([(side % 3 + 0.5) / 3, 1 - (side // 3 + 0.5) / 2], axis=1)
    return Mesh(vertices, faces, texture=Texture(image, uv))


def opened(path: Path) -> Any:
    usd = pytest.importorskip("pxr.Usd", reason="needs the package usd-core")
    return usd.Stage.Open(str(path))


@pytest.mark.parametrize("kind", ["textured", "colored", "plain"])
def test_validators_find_no_fault(tmp_path, kind):
    path = tmp_path / "3 cubes.usdz"
    write_mesh(path, make_cube(kind))
    stage = opened(path)
    validation = pytest.importorskip("pxr.UsdValidation")
    registry = validation.ValidationRegistry()
    validators = registry.GetOrLoadAllValidators()
    assert len(validators) > 10
    errors = validation.ValidationContext(validators).Validate(stage)
    assert [error.GetMessage() for error in errors] == []


def test_what_the_library_reads(tmp_path):
    path = tmp_path / "cube.usdz"
    mesh = make_cube("textured")
    write_mesh(path, mesh, size_mm=300.0)
    stage = opened(path)
    from pxr import UsdGeom, UsdShade

    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    geometry = UsdGeom.Mesh(stage.GetDefaultPrim().GetChild("mesh"))
    points = np.array(geometry.GetPointsAttr().Get())
    # the cube is 3 units high: 0.3 m, standing on the floor
    np.testing.assert_allclose(points.min(axis=0), [-0.05, 0, -0.1], atol=1e-7)
    np.testing.assert_allclose(points.max(axis=0), [0.05, 0.3, 0.1], atol=1e-7)
    np.testing.assert_allclose(
        geometry.GetExtentAttr().Get(), [points.min(axis=0), points.max(axis=0)], atol=1e-7
    )
    solid = trimesh.Trimesh(points, np.arange(36).reshape(12, 3))
    assert solid.volume == pytest.approx(0.1 * 0.2 * 0.3), "faces look outward"
    uv = np.array(UsdGeom.PrimvarsAPI(geometry).GetPrimvar("st").Get())
    np.testing.assert_allclose(uv, mesh.texture.uv, atol=1e-6)
    material, _ = UsdShade.MaterialBindingAPI(geometry).ComputeBoundMaterial()
    surface = material.ComputeSurfaceSource()[0]
    source = surface.GetInput("diffuseColor").GetConnectedSources()[0][0].source
    texture = UsdShade.Shader(source.GetPrim())
    assert texture.GetIdAttr().Get() == "UsdUVTexture"
    assert texture.GetInput("file").Get().resolvedPath, "the texture is found in the package"


def test_vertex_colors_are_linear(tmp_path):
    write_mesh(tmp_path / "cube.usdz", make_cube("colored"))
    stage = opened(tmp_path / "cube.usdz")
    from pxr import UsdGeom

    geometry = UsdGeom.Mesh(stage.GetDefaultPrim().GetChild("mesh"))
    values = np.array(geometry.GetDisplayColorAttr().Get())
    encoded = np.repeat(np.array(COLORS), 6, axis=0) / 255
    # IEC 61966-2-1
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(values, linear, atol=1e-6)


def test_members_are_stored_at_multiples_of_64_bytes(tmp_path):
    path = tmp_path / "cube.usdz"
    write_mesh(path, make_cube("textured"))
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        members = archive.infolist()
        image = np.asarray(Image.open(io.BytesIO(archive.read("textures/texture.png"))))
    assert [member.filename for member in members] == ["cube.usda", "textures/texture.png"]
    for member in members:
        assert member.compress_type == zipfile.ZIP_STORED
        lengths = struct.unpack_from("<HH", content, member.header_offset + 26)
        assert (member.header_offset + 30 + sum(lengths)) % 64 == 0
    np.testing.assert_array_equal(image, make_cube("textured").texture.image)
