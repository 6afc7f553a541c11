"""glTF documents built by hand, as the standard describes them."""

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.structures.scene import ScenePart

COMPONENTS = {"<f4": 5126, "<u4": 5125, "<u2": 5123, "|u1": 5121, "|i1": 5120}
TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype="<f4")


class Document:
    """A glTF document under construction; `arrays` become accessors with views of their own."""

    def __init__(self) -> None:
        self.binary = b""
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "accessors": [],
            "bufferViews": [],
        }

    def view(self, content: bytes) -> int:
        self.json["bufferViews"].append(
            {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content)}
        )
        self.binary += content + bytes(-len(content) % 4)
        return len(self.json["bufferViews"]) - 1

    def array(self, values: np.ndarray, **more: Any) -> int:
        kind = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
        width = 1 if values.ndim == 1 else values.shape[1]
        self.json["accessors"].append(
            {
                "bufferView": self.view(values.tobytes()),
                "componentType": COMPONENTS[values.dtype.str],
                "count": len(values),
                "type": kind[width],
                **more,
            }
        )
        return len(self.json["accessors"]) - 1

    def triangle(self, material: dict[str, Any] | None = None, **attributes: int) -> None:
        """One mesh with one triangle."""
        primitive: dict[str, Any] = {"attributes": {"POSITION": self.array(TRIANGLE), **attributes}}
        if material is not None:
            self.json["materials"] = [material]
            primitive["material"] = 0
        self.json["meshes"] = [{"primitives": [primitive]}]

    def texture(self, texels: np.ndarray) -> None:
        stream = io.BytesIO()
        Image.fromarray(texels).save(stream, "png")
        self.json["images"] = [{"bufferView": self.view(stream.getvalue())}]
        self.json["textures"] = [{"source": 0}]

    def save_glb(self, path: Path) -> Path:
        text = json.dumps({**self.json, "buffers": [{"byteLength": len(self.binary)}]}).encode()
        text += b" " * (-len(text) % 4)
        length = 28 + len(text) + len(self.binary)
        path.write_bytes(
            struct.pack("<4sIII4s", b"glTF", 2, length, len(text), b"JSON")
            + text
            + struct.pack("<I4s", len(self.binary), b"BIN\0")
            + self.binary
        )
        return path

    def part(self, folder: Path) -> ScenePart:
        """The only part of the file, as `read_scene` sees it with the file's own axes."""
        (part,) = read_scene(self.save_glb(folder / "a.glb"), up="z").parts
        return part


@pytest.fixture
def document() -> Document:
    return Document()


def test_y_up_becomes_z_up(tmp_path, document):
    document.triangle()
    (part,) = read_scene(document.save_glb(tmp_path / "a.glb")).parts
    # file +y is world +z; file +z is world -y
    np.testing.assert_allclose(part.vertices, [[0, 0, 0], [1, 0, 0], [0, 0, 1]])


def test_factors_stay_linear_floats(tmp_path, document):
    factor = [0.0012, 0.5, 0.123456, 0.25]
    document.triangle(
        {
            "pbrMetallicRoughness": {"baseColorFactor": factor},
            "alphaMode": "MASK",
            "alphaCutoff": 0.2,
            "doubleSided": True,
        }
    )
    material = document.part(tmp_path).material
    assert material.base_color == pytest.approx(factor)
    assert (material.alpha_mode, material.alpha_cutoff) == ("MASK", 0.2)
    assert material.double_sided


def test_defaults_of_a_material_are_those_of_the_standard(tmp_path, document):
    document.triangle({})
    material = document.part(tmp_path).material
    assert material.base_color == (1, 1, 1, 1)
    assert (material.alpha_mode, material.alpha_cutoff) == ("OPAQUE", 0.5)
    assert not material.double_sided
    assert material.texture is None


def test_no_material_and_no_colors_is_mid_grey(tmp_path, document):
    document.triangle()
    linear = ((0.5 + 0.055) / 1.055) ** 2.4
    assert document.part(tmp_path).material.base_color == pytest.approx((*[linear] * 3, 1))


@pytest.mark.parametrize("dtype", ["<f4", "<u2", "|u1"])
def test_vertex_colors_of_every_type_are_linear_in_0_1(tmp_path, document, dtype):
    wanted = np.array([[0, 0.2, 1], [0.4, 0.6, 0.8], [1, 1, 0]])
    largest = 1 if dtype == "<f4" else np.iinfo(dtype).max
    stored = wanted * largest if dtype == "<f4" else np.rint(wanted * largest)
    padded = np.concatenate([stored, [[largest]] * 3], axis=1).astype(dtype)
    document.triangle(COLOR_0=document.array(padded, normalized=dtype != "<f4"))
    part = document.part(tmp_path)
    np.testing.assert_allclose(part.vertex_colors[:, :3], wanted, atol=1e-6)
    assert (part.vertex_colors[:, 3] == 1).all()
    assert part.material.base_color == (1, 1, 1, 1)


def test_rgb_vertex_colors_become_opaque(tmp_path, document):
    document.triangle(COLOR_0=document.array(np.full((3, 3), 0.5, "<f4")))
    np.testing.assert_allclose(document.part(tmp_path).vertex_colors, [[0.5, 0.5, 0.5, 1]] * 3)


def test_texture_and_uv(tmp_path, document):
    texels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    document.texture(texels)
    uv = np.array([[0, 0], [1, 0], [0.25, 1]], dtype="<f4")  # origin at the top left
    document.triangle(
        {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, "texCoord": 1}}},
        TEXCOORD_0=document.array(np.zeros((3, 2), "<f4")),
        TEXCOORD_1=document.array(uv),
    )
    part = document.part(tmp_path)
    np.testing.assert_array_equal(part.material.texture, texels)
    np.testing.assert_allclose(part.uv, [[0, 1], [1, 1], [0.25, 0]])


def test_textures_that_would_start_a_program_are_not_opened(tmp_path, document, monkeypatch):
    def never(*_, **__):
        pytest.fail("Pillow was asked to run Ghostscript")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", never)
    content = io.BytesIO()
    Image.new("RGB", (4, 4)).save(content, "EPS")
    document.json["images"] = [{"bufferView": document.view(content.getvalue())}]
    document.json["textures"] = [{"source": 0}]
    uv = document.array(np.zeros((3, 2), "<f4"))
    document.triangle({"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}, TEXCOORD_0=uv)
    with pytest.raises(InputError):
        document.part(tmp_path)


def test_texture_transform(tmp_path, document):
    document.texture(np.zeros((2, 2, 4), dtype=np.uint8))
    transform = {"offset": [0.1, 0.2], "rotation": np.pi / 2, "scale": [2, 3]}
    info = {"index": 0, "extensions": {"KHR_texture_transform": transform}}
    uv = document.array(np.array([[0, 0], [1, 0], [0, 1]], dtype="<f4"))
    document.triangle({"pbrMetallicRoughness": {"baseColorTexture": info}}, TEXCOORD_0=uv)
    # scaled to (2, 0) and (0, 3); a quarter turn takes +u to -v and +v to +u (v points down)
    expected = np.array([[0.1, 0.2], [0.1, 0.2 - 2], [0.1 + 3, 0.2]])
    np.testing.assert_allclose(document.part(tmp_path).uv, expected * [1, -1] + [0, 1], atol=1e-6)


def test_a_texture_without_uv_is_dropped(tmp_path, document):
    document.texture(np.zeros((2, 2, 4), dtype=np.uint8))
    document.triangle({"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}})
    assert document.part(tmp_path).material.texture is None


def test_a_texture_that_has_lost_its_picture_is_none(tmp_path, document):
    document.json["textures"] = [{}]
    uv = document.array(np.zeros((3, 2), "<f4"))
    pbr = {"baseColorTexture": {"index": 0}, "baseColorFactor": [1, 0, 0, 1]}
    document.triangle({"pbrMetallicRoughness": pbr}, TEXCOORD_0=uv)
    material = document.part(tmp_path).material
    assert material.texture is None
    assert material.base_color == (1, 0, 0, 1)


def test_a_query_is_no_part_of_a_name(tmp_path, document):
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    document.json["images"] = [{"uri": "a.png?v=3"}]
    document.json["textures"] = [{"source": 0}]
    uv = document.array(np.zeros((3, 2), "<f4"))
    document.triangle({"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}, TEXCOORD_0=uv)
    np.testing.assert_array_equal(document.part(tmp_path).material.texture[0, 0], [255, 0, 0, 255])


def test_specular_glossiness_gives_its_diffuse_color(tmp_path, document):
    glossy = {"diffuseFactor": [0.1, 0.2, 0.3, 1.0]}
    document.triangle({"extensions": {"KHR_materials_pbrSpecularGlossiness": glossy}})
    assert document.part(tmp_path).material.base_color == pytest.approx((0.1, 0.2, 0.3, 1))


def test_nodes_compose_and_mirrors_turn_faces(tmp_path, document):
    document.triangle()
    half = np.sqrt(0.5)
    document.json["nodes"] = [
        {"translation": [10, 0, 0], "children": [1]},
        # a quarter turn about z after mirroring and doubling x
        {"mesh": 0, "rotation": [0, 0, half, half], "scale": [-2, 1, 1]},
    ]
    part = document.part(tmp_path)
    np.testing.assert_allclose(part.vertices, [[10, 0, 0], [10, -2, 0], [9, 0, 0]], atol=1e-6)
    a, b, c = part.vertices[part.faces[0]]
    np.testing.assert_allclose(np.cross(b - a, c - a), [0, 0, 2], atol=1e-5)  # still faces +z


def test_a_matrix_is_column_major(tmp_path, document):
    document.triangle()
    matrix = [2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1]
    document.json["nodes"] = [{"mesh": 0, "matrix": matrix}]
    np.testing.assert_allclose(document.part(tmp_path).vertices, [[5, 6, 7], [7, 6, 7], [5, 9, 7]])


def test_one_mesh_under_two_nodes_and_two_materials(tmp_path, document):
    document.triangle({})
    primitive = document.json["meshes"][0]["primitives"][0]
    document.json["materials"].append({"pbrMetallicRoughness": {"baseColorFactor": [0, 0, 1, 1]}})
    document.json["meshes"][0]["primitives"].append({**primitive, "material": 1})
    document.json["nodes"] = [{"mesh": 0}, {"mesh": 0, "translation": [0, 0, 4]}, {"mesh": 0}]
    document.json["scenes"] = [{"nodes": [0, 1]}]  # the third node is not in the scene
    scene = read_scene(document.save_glb(tmp_path / "a.glb"), up="z")
    assert [part.material.base_color[0] for part in scene.parts] == [1, 0, 1, 0]
    assert [part.vertices[0, 2] for part in scene.parts] == [0, 0, 4, 4]


def test_strips_and_fans(tmp_path, document):
    square = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype="<f4")
    position = document.array(square)
    indices = document.array(np.array([0, 1, 3, 2], dtype="<u2"))
    document.json["meshes"] = [
        {
            "primitives": [
                {"attributes": {"POSITION": position}, "mode": 5},
                {"attributes": {"POSITION": position}, "indices": indices, "mode": 6},
                {"attributes": {"POSITION": position}, "mode": 0},  # points: no surface
            ]
        }
    ]
    scene = read_scene(document.save_glb(tmp_path / "a.glb"), up="z")
    assert len(scene.parts) == 2
    for part in scene.parts:
        a, b, c = np.moveaxis(part.vertices[part.faces], 1, 0)
        np.testing.assert_allclose(np.cross(b - a, c - a), [[0, 0, 1], [0, 0, 1]])


def test_interleaved_sparse_and_quantised_accessors(tmp_path, document):
    interleaved = np.zeros((3, 5), dtype="<f4")
    interleaved[:, :3] = TRIANGLE
    view = document.view(interleaved.tobytes())
    document.json["bufferViews"][view]["byteStride"] = 20
    rows = document.view(np.array([2], dtype="<u2").tobytes())
    moved = document.view(np.array([[0, 9, 0]], dtype="<f4").tobytes())
    sparse = {
        "count": 1,
        "indices": {"bufferView": rows, "componentType": 5123},
        "values": {"bufferView": moved},
    }
    description = {"componentType": 5126, "count": 3, "type": "VEC3"}
    document.json["accessors"] = [{**description, "bufferView": view, "sparse": sparse}]
    quantised = np.array([[0, 0, 0, 0], [127, 0, 0, 0], [0, -127, 0, 0]], dtype="|i1")
    document.json["accessors"].append(
        {"bufferView": document.view(quantised.tobytes()), "componentType": 5120, "count": 3,
         "type": "VEC3", "normalized": True}
    )  # fmt: skip
    document.json["bufferViews"][-1]["byteStride"] = 4
    document.json["extensionsRequired"] = ["KHR_mesh_quantization"]
    document.json["meshes"] = [
        {"primitives": [{"attributes": {"POSITION": 0}}, {"attributes": {"POSITION": 1}}]}
    ]
    sparse_part, small = read_scene(document.save_glb(tmp_path / "a.glb"), up="z").parts
    np.testing.assert_allclose(sparse_part.vertices, [[0, 0, 0], [1, 0, 0], [0, 9, 0]])
    np.testing.assert_allclose(small.vertices, [[0, 0, 0], [1, 0, 0], [0, -1, 0]])


def test_skinned_meshes_follow_their_joints_not_their_node(tmp_path, document):
    joints = document.array(np.array([[0, 1, 0, 0]] * 3, dtype="|u1"))
    weights = document.array(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0.5, 0.5, 0, 0]], dtype="<f4"))
    inverse_bind = np.tile(np.eye(4, dtype="<f4"), (2, 1, 1))
    inverse_bind[1, 0, 3] = -1  # the second joint was bound at x = 1
    document.triangle(JOINTS_0=joints, WEIGHTS_0=weights)
    document.json["skins"] = [
        {
            "joints": [1, 2],
            "inverseBindMatrices": document.array(
                np.ascontiguousarray(inverse_bind.transpose(0, 2, 1)).reshape(2, 16)
            ),
        }
    ]
    document.json["nodes"] = [
        {"mesh": 0, "skin": 0, "translation": [100, 0, 0]},
        {"translation": [0, 0, 5]},
        {"translation": [1, 0, 7]},
    ]
    document.json["scenes"] = [{"nodes": [0, 1, 2]}]
    # joint 1 lifts by 5, joint 2 by 7 (bound at x = 1 and still there)
    expected = TRIANGLE + np.array([[0, 0, 5], [0, 0, 7], [0, 0, 6]])
    np.testing.assert_allclose(document.part(tmp_path).vertices, expected, atol=1e-6)


def test_gltf_with_data_uri_and_with_files_beside_it(tmp_path, document):
    document.triangle()
    for uri in [
        "data:application/octet-stream;base64," + base64.b64encode(document.binary).decode(),
        "my%20data.bin",
    ]:
        (tmp_path / "my data.bin").write_bytes(document.binary)
        buffers = [{"uri": uri, "byteLength": len(document.binary)}]
        (tmp_path / "a.gltf").write_text(json.dumps({**document.json, "buffers": buffers}))
        (part,) = read_scene(tmp_path / "a.gltf", up="z").parts
        np.testing.assert_array_equal(part.vertices, TRIANGLE)


def test_morph_targets_at_their_weights(tmp_path, document):
    lift = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2]], dtype="<f4")
    document.triangle()
    document.json["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": document.array(lift)}]
    document.json["meshes"][0]["weights"] = [0.5]
    np.testing.assert_allclose(document.part(tmp_path).vertices, TRIANGLE + 0.5 * lift)
    document.json["nodes"][0]["weights"] = [2.0]  # a node's weights come before its mesh's
    np.testing.assert_allclose(document.part(tmp_path).vertices, TRIANGLE + 2.0 * lift)


def test_instances_of_a_node(tmp_path, document):
    document.triangle()
    moves = np.array([[1, 0, 0], [0, 2, 0]], dtype="<f4")
    scales = np.array([[1, 1, 1], [-3, 3, 3]], dtype="<f4")
    attributes = {"TRANSLATION": document.array(moves), "SCALE": document.array(scales)}
    document.json["nodes"][0]["extensions"] = {
        "EXT_mesh_gpu_instancing": {"attributes": attributes}
    }
    document.json["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    corners = document.part(tmp_path).vertices[document.part(tmp_path).faces]
    np.testing.assert_allclose(corners[0], TRIANGLE + np.array([1, 0, 0]))
    # the second is mirrored, thus wound the other way round
    np.testing.assert_allclose(corners[1], (TRIANGLE * [-3, 3, 3] + [0, 2, 0])[::-1])


def test_hidden_nodes_are_not_drawn(tmp_path, document):
    document.triangle()
    document.json["nodes"] = [
        {"mesh": 0},
        {"children": [2], "extensions": {"KHR_node_visibility": {"visible": False}}},
        {"mesh": 0, "translation": [5, 0, 0]},
        {"mesh": 0, "scale": [0, 0, 0], "translation": [9, 0, 0]},
    ]
    document.json["scenes"][0]["nodes"] = [0, 1, 3]
    assert document.part(tmp_path).vertices[:, 0].max() == 1
    document.json["scenes"][0]["nodes"] = [1]
    with pytest.raises(InputError, match="all of its nodes are hidden"):
        document.part(tmp_path)


def test_what_only_glows_shows_its_emission(tmp_path, document):
    black = {"baseColorFactor": [0, 0, 0, 1]}
    texels = np.array([[[255, 0, 0], [0, 0, 255]]], dtype=np.uint8)
    uv = document.array(np.zeros((3, 2), dtype="<f4"))
    document.triangle(
        {
            "pbrMetallicRoughness": black,
            "emissiveFactor": [0.5, 1, 1],
            "emissiveTexture": {"index": 0},
            "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 2.0}},
        },
        TEXCOORD_0=uv,
    )
    document.texture(texels)
    material = document.part(tmp_path).material
    assert material.base_color == (1, 1, 1, 1)
    np.testing.assert_array_equal(material.texture[..., :3], texels)
    document.json["materials"][0]["pbrMetallicRoughness"] = {"baseColorFactor": [1, 0, 0, 1]}
    assert document.part(tmp_path).material.texture is None


def test_glass_lets_see_through(tmp_path, document):
    glass = {"extensions": {"KHR_materials_transmission": {"transmissionFactor": 1.0}}}
    document.triangle(glass)
    material = document.part(tmp_path).material
    assert material.alpha_mode == "BLEND"
    assert 0 < material.base_color[3] < 0.5


def test_wrap_modes_of_samplers(tmp_path, document):
    document.triangle(
        {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}},
        TEXCOORD_0=document.array(np.zeros((3, 2), dtype="<f4")),
    )
    document.texture(np.zeros((2, 2, 3), dtype=np.uint8))
    assert document.part(tmp_path).material.wrap == ("REPEAT", "REPEAT")
    document.json["samplers"] = [{"wrapS": 33071, "wrapT": 33648}]
    document.json["textures"][0]["sampler"] = 0
    assert document.part(tmp_path).material.wrap == ("CLAMP", "MIRROR")


@pytest.mark.parametrize("extension", ["EXT_texture_webp", "EXT_texture_avif"])
def test_textures_of_extensions(tmp_path, document, extension):
    texels = np.full((16, 16, 3), [200, 30, 90], dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(texels).save(stream, extension[-4:], quality=100)
    document.triangle(
        {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}},
        TEXCOORD_0=document.array(np.zeros((3, 2), dtype="<f4")),
    )
    document.json["images"] = [{"bufferView": document.view(stream.getvalue())}]
    document.json["textures"] = [{"extensions": {extension: {"source": 0}}}]
    document.json["extensionsRequired"] = [extension]
    np.testing.assert_allclose(document.part(tmp_path).material.texture[..., :3], texels, atol=4)


def test_integer_colors_that_are_not_marked_as_normalized(tmp_path, document):
    colors = np.array([[255, 0, 51, 255]] * 3, dtype=np.uint8)
    document.triangle({}, COLOR_0=document.array(colors))
    np.testing.assert_allclose(document.part(tmp_path).vertex_colors[0], [1, 0, 0.2, 1], atol=1e-6)


@pytest.mark.parametrize("padding", [b" ", b"\0", b"\n"])
def test_padding_of_the_document(tmp_path, document, padding):
    document.triangle()
    path = document.save_glb(tmp_path / "a.glb")
    text = json.dumps({**document.json, "buffers": [{"byteLength": len(document.binary)}]}).encode()
    text += padding * (64 - len(text) % 4)
    path.write_bytes(
        struct.pack(
            "<4sIII4s", b"glTF", 2, 28 + len(text) + len(document.binary), len(text), b"JSON"
        )
        + text
        + struct.pack("<I4s", len(document.binary), b"BIN\0")
        + document.binary
    )
    assert len(read_scene(path).parts[0].faces) == 1


@pytest.mark.parametrize("name", ["model.buffer", "my data", "data.bin.1", "100%.bin"])
def test_buffers_may_have_any_name(tmp_path, document, name):
    document.triangle()
    (tmp_path / name).write_bytes(document.binary)
    buffers = [{"uri": name.replace(" ", "%20"), "byteLength": len(document.binary)}]
    (tmp_path / "a.gltf").write_text(json.dumps({**document.json, "buffers": buffers}))
    assert read_scene(tmp_path / "a.gltf").num_faces == 1
    (tmp_path / name).write_bytes(document.binary[:-4])
    with pytest.raises(InputError, match="is truncated: buffer 0 has 32 of 36 bytes"):
        read_scene(tmp_path / "a.gltf")


def test_compression_that_is_only_used_is_named(tmp_path, document):
    document.triangle()
    primitive = document.json["meshes"][0]["primitives"][0]
    primitive["extensions"] = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {}}}
    assert len(document.part(tmp_path).faces) == 1  # an uncompressed copy is there
    del document.json["accessors"][0]["bufferView"]
    with pytest.raises(InputError, match="compressed with KHR_draco_mesh_compression"):
        document.part(tmp_path)
    document.json["accessors"][0]["bufferView"] = 0
    document.json["bufferViews"][0]["extensions"] = {"EXT_meshopt_compression": {}}
    with pytest.raises(InputError, match="compressed with EXT_meshopt_compression"):
        document.part(tmp_path)


def test_unused_vertices_are_left_out(tmp_path, document):
    far = np.concatenate([TRIANGLE, [[1e9, np.nan, 0]]]).astype("<f4")
    indices = document.array(np.array([0, 1, 2], dtype="|u1"))
    primitive = {"attributes": {"POSITION": document.array(far)}, "indices": indices}
    document.json["meshes"] = [{"primitives": [primitive]}]
    np.testing.assert_array_equal(document.part(tmp_path).vertices, TRIANGLE)


def _cycle(d: Document) -> None:
    d.json["nodes"] = [{"mesh": 0, "children": [1]}, {"children": [0]}]


def _nan(d: Document) -> None:
    d.binary = np.full(9, np.nan, dtype="<f4").tobytes()


def _draco(d: Document) -> None:
    d.json["extensionsRequired"] = ["KHR_draco_mesh_compression"]


def _out_of_range(d: Document) -> None:
    d.json["meshes"][0]["primitives"][0]["indices"] = d.array(np.array([0, 1, 7], dtype="|u1"))


def _absurd_count(d: Document) -> None:
    d.json["accessors"][0]["count"] = 10**12


def _absurd_zeros(d: Document) -> None:
    d.json["accessors"][0] = {"componentType": 5126, "count": 10**12, "type": "VEC3"}


def _negative_offset(d: Document) -> None:
    d.json["bufferViews"][0]["byteOffset"] = -64


def _network(d: Document) -> None:
    d.texture(np.zeros((1, 1, 4), dtype=np.uint8))
    d.json["images"] = [{"uri": "https://example.com/a.png"}]
    d.json["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    d.json["meshes"][0]["primitives"][0]["material"] = 0


def _version_1(d: Document) -> None:
    d.json["asset"] = {"version": "1.0"}


def _no_faces(d: Document) -> None:
    d.json["meshes"][0]["primitives"][0]["mode"] = 0


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_cycle, "twice"),
        (_nan, "not finite"),
        (_draco, "KHR_draco_mesh_compression"),
        (_out_of_range, "faces name vertices 0 to 7, there are 3"),
        (_absurd_count, "beyond a buffer"),
        (_absurd_zeros, "claims 1000000000000"),
        (_negative_offset, "beyond a buffer"),
        (_network, "nothing is read from the network"),
        (_version_1, "not a glTF 2"),
        (_no_faces, "no triangles"),
    ],
)
def test_hostile_documents_give_one_line(tmp_path, document, harm, message):
    document.triangle()
    harm(document)
    path = document.save_glb(tmp_path / "a.glb")
    with pytest.raises(InputError, match=message) as caught:
        read_scene(path)
    assert "\n" not in caught.value.message
    assert caught.value.message.startswith("a.glb: ")


def test_every_truncation_gives_one_line(tmp_path, document):
    document.triangle()
    path = document.save_glb(tmp_path / "a.glb")
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"^a\.glb: [^\n]+$"):
            read_scene(path)


def test_every_flipped_byte_is_read_or_refused(tmp_path, document):
    document.texture(np.zeros((2, 2, 4), dtype=np.uint8))
    document.triangle(
        {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}},
        TEXCOORD_0=document.array(np.zeros((3, 2), "<f4")),
    )
    path = document.save_glb(tmp_path / "a.glb")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(content), 300):
        damaged = bytearray(content)
        damaged[position] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            read_scene(path)
        except InputError:
            continue  # any other exception fails the test
