"""OBJ and MTL as the programs of this world write them; trimesh reads the plain ones alike."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.geometry.scene_conversion import normalize_scene
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.structures.scene import Scene, ScenePart

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
TEXTURED = "usemtl m\nf 1/1 2/2 3/3 4/4\n"
GRAY = pytest.approx([((0.5 + 0.055) / 1.055) ** 2.4] * 3)


def linear(srgb: float) -> float:
    return srgb / 12.92 if srgb <= 0.04045 else ((srgb + 0.055) / 1.055) ** 2.4


def area(scene: Scene) -> float:
    corners = np.concatenate([part.vertices[part.faces] for part in scene.parts])
    crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(crossed, axis=1).sum()) / 2


def read(folder: Path, obj: str | bytes, mtl: str | bytes | None = None) -> Scene:
    content = obj if isinstance(obj, bytes) else obj.encode()
    if mtl is not None:
        content = b"mtllib m.mtl\n" + content
        (folder / "m.mtl").write_bytes(mtl if isinstance(mtl, bytes) else mtl.encode())
    (folder / "a.obj").write_bytes(content)
    return read_scene(folder / "a.obj", up="z")


def read_part(folder: Path, obj: str | bytes, mtl: str | bytes | None = None) -> ScenePart:
    (part,) = read(folder, obj, mtl).parts
    return part


@pytest.fixture
def wood(tmp_path) -> np.ndarray:
    texels = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    Image.fromarray(texels).save(tmp_path / "wood.png")
    return texels


def test_a_sphere_at_utm_coordinates_keeps_its_shape(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=3)
    moved = ball.vertices + np.array([389512.0, 5819012.0, 34.0])
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in moved]
    lines += ["f {} {} {}".format(*(face + 1)) for face in ball.faces]
    scene = normalize_scene(read(tmp_path, "\n".join(lines)), 2.0)
    assert area(scene) == pytest.approx(ball.area, rel=1e-4)
    radii = np.linalg.norm(scene.parts[0].vertices, axis=1)
    np.testing.assert_allclose(radii, 1.0, atol=1e-5)


def test_concave_polygons_have_their_area(tmp_path):
    scene = read(
        tmp_path, "v 1 0 0\nv 1 .5 0\nv .5 .5 0\nv .5 1 0\nv 0 1 0\nv 0 0 0\nf 1 2 3 4 5 6\n"
    )
    assert area(scene) == pytest.approx(0.75)
    assert scene.num_faces == 4


def test_negative_indices_count_back_from_their_face(tmp_path):
    first, second = "v 0 0 0\nv 1 0 0\nv 0 1 0\n", "v 0 0 9\nv 1 0 9\nv 0 1 9\n"
    part = read_part(tmp_path, f"{first}f -3 -2 -1\n{second}f -3 -2 -1\n")
    corners = part.vertices[part.faces]
    np.testing.assert_array_equal(corners[:, :, 2], [[0] * 3, [9] * 3])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace(" ", "\t"),
        lambda text: "".join(f"   {line}\n" for line in text.splitlines()),
        lambda text: text.replace("f 1/1 2/2", "f 1/1 \\\n2/2"),
        lambda text: text.replace("\nf", " # a corner\nf") + "\0" * 64,
        lambda text: "\ufeff" + text,
        lambda text: text.encode("utf-16"),
        lambda text: b"# caf\xe9\n" + text.encode(),
    ],
)
def test_spelling_does_not_matter(tmp_path, wood, change):
    part = read_part(
        tmp_path,
        change(SQUARE + TEXTURED).encode()
        if isinstance(change(""), str)
        else change(SQUARE + TEXTURED),
    )
    np.testing.assert_array_equal(
        part.vertices[part.faces],
        [[[0, 0, 0], [1, 0, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 0], [0, 1, 0]]],
    )


@pytest.mark.parametrize(
    "corners",
    ["1 2 3", "1/1 2/2 3/3", "1//1 2//1 3//1", "1/1/1 2/2/1 3/3/1", "1/ 2/ 3/", "1 2/2 3//1"],
)
def test_all_kinds_of_corners(tmp_path, corners):
    part = read_part(tmp_path, f"{SQUARE}vn 0 0 1\nf {corners}\n")
    np.testing.assert_array_equal(part.vertices[part.faces[0]], [[0, 0, 0], [1, 0, 0], [1, 1, 0]])


def test_corners_that_share_a_vertex_but_not_its_uv(tmp_path, wood):
    obj = f"{SQUARE}usemtl m\nf 1/1 2/2 3/3\nf 1/4 3/1 4/2\n"
    part = read_part(tmp_path, obj, "newmtl m\nmap_Kd wood.png\n")
    corner_uv = part.uv[part.faces]
    np.testing.assert_array_equal(corner_uv[0], [[0, 0], [1, 0], [1, 1]])
    np.testing.assert_array_equal(corner_uv[1], [[0, 1], [0, 0], [1, 0]])
    np.testing.assert_array_equal(part.vertices[part.faces[1]], [[0, 0, 0], [1, 1, 0], [0, 1, 0]])


def test_vertex_colors_beside_a_material(tmp_path):
    obj = "v 0 0 0 0 1 0\nv 1 0 0 0 1 0\nv 0 1 0 0 1 0\nusemtl m\nf 1 2 3\n"
    part = read_part(tmp_path, obj, "newmtl m\nKd 1 1 1\nTr 0\n")
    np.testing.assert_allclose(part.vertex_colors, [[0, 1, 0, 1]] * 3)
    assert part.material.base_color == (1, 1, 1, 1)
    # white vertices say nothing, the material does
    part = read_part(
        tmp_path,
        obj.replace("0 1 0\n", "1 1 1\n", 9).replace("v 0 1 1 1", "v 0 1 0 1 1 1"),
        "newmtl m\nKd 1 0 0\n",
    )
    assert part.vertex_colors is None
    assert part.material.base_color == pytest.approx((1, 0, 0, 1))


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ("0 0 0 1 0.2 1", (1.0, linear(0.2), 1.0)),
        ("0 0 0 1.0 1 0 0.2", (1.0, 0.0, linear(0.2))),  # x y z w r g b
        ("0 0 0 0.5 1 0 1", (linear(0.5), 1.0, 0.0)),  # x y z r g b a
        ("0 0 0 255 51 0", (1.0, linear(0.2), 0.0)),
    ],
)
def test_vertex_colors_of_every_layout(tmp_path, numbers, expected):
    other = numbers.replace("0 0 0", "1 0 0", 1), numbers.replace("0 0 0", "0 1 0", 1)
    part = read_part(tmp_path, f"v {numbers}\nv {other[0]}\nv {other[1]}\nf 1 2 3\n")
    np.testing.assert_allclose(part.vertex_colors[0, :3], expected, atol=1e-6)


@pytest.mark.parametrize("lines", ["mtllib a.mtl\nmtllib b b.mtl\n", "mtllib a.mtl c.mtl\n"])
def test_several_libraries(tmp_path, lines):
    (tmp_path / "a.mtl").write_text("newmtl green\nKd 0 1 0\n")
    for name in ("b b.mtl", "c.mtl"):
        (tmp_path / name).write_text("newmtl red\nKd 1 0 0\n")
    part = read_part(tmp_path, f"{lines}{SQUARE}usemtl red\nf 1 2 3\n")
    assert part.material.base_color == (1, 0, 0, 1)


def test_an_empty_library_name_names_nothing(tmp_path):
    part = read_part(tmp_path, f"mtllib\n{SQUARE}f 1 2 3\n")
    assert part.material.base_color[:3] == GRAY


def test_faces_without_uv_beside_textured_ones(tmp_path, wood):
    obj = f"{SQUARE}usemtl m\nf 1/1 2/2 3/3\nf 1 3 4\n"
    textured, plain = read(tmp_path, obj, "newmtl m\nKd 1 0 0\nmap_Kd wood.png\n").parts
    np.testing.assert_array_equal(textured.material.texture[..., :3], wood)
    assert plain.material.texture is None
    assert plain.material.base_color == (1, 0, 0, 1)
    assert (len(textured.faces), len(plain.faces)) == (1, 1)


def test_uv_without_a_material_are_mid_grey(tmp_path):
    part = read_part(tmp_path, f"{SQUARE}f 1/1 2/2 3/3\n")
    assert part.material.base_color[:3] == GRAY
    assert part.material.texture is None


@pytest.mark.parametrize(
    "mtl",
    [
        "\ufeffnewmtl m\nKd 1 0 0\n",
        "newmtl m\rKd 1 0 0\r",
        "newmtl m\n\tKd\t1 0 0\n",
        "NEWMTL m\nKD 1 0 0\n",
        "newmtl m\nKd 1 0 0\nmap_Kd .\n",
        "newmtl m\nKd 1 0 0\nmap_Kd\n",
        "newmtl m\nKd 0 0 0\nKe 1 0 0\n",
        "newmtl m\nKd xyz 0.4124 0.2126 0.0193\n",
        "newmtl m\nKd 1 0 0\nmap_Bump missing.png\n",
        "newmtl other\nmap_Kd missing.png\nnewmtl m\nKd 1 0 0\n",
    ],
)
def test_a_red_material_in_many_words(tmp_path, mtl):
    assert read_part(tmp_path, SQUARE + TEXTURED, mtl).material.base_color == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("words", "opacity"),
    [
        ("d 0.4", 0.4), ("Tr 0.6", 0.4), ("d -halo 0.4", 0.4), ("d 0.4\nTr 0.9", 0.4),
        ("d 0", 1.0), ("Tr 1", 1.0), ("d nonsense", 1.0), ("", 1.0),
    ],
)  # fmt: skip
def test_opacity(tmp_path, words, opacity):
    material = read_part(tmp_path, SQUARE + TEXTURED, f"newmtl m\nKd 1 0 0\n{words}\n").material
    assert material.base_color[3] == pytest.approx(opacity)
    assert material.alpha_mode == ("BLEND" if opacity < 1 else "OPAQUE")


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ("", lambda u, v: (u, v)),
        ("-s 2 3 1", lambda u, v: (2 * u, 3 * v)),
        ("-s 2 ", lambda u, v: (2 * u, v)),
        ("-o 0.5 0.25 0 -s 2 2 1", lambda u, v: (2 * u + 0.5, 2 * v + 0.25)),
        ("-blendu on -bm 0.3 -imfchan m -texres 64", lambda u, v: (u, v)),
    ],
)
def test_options_of_maps_place_the_texture(tmp_path, wood, options, place):
    part = read_part(tmp_path, SQUARE + TEXTURED, f"newmtl m\nmap_Kd {options} wood.png\n")
    np.testing.assert_array_equal(part.material.texture[..., :3], wood)
    by_position = dict(zip(map(tuple, part.vertices[:, :2]), part.uv.tolist(), strict=True))
    assert by_position == {
        (x, y): pytest.approx(place(x, y)) for x, y in [(0, 0), (1, 0), (1, 1), (0, 1)]
    }


def test_clamp_and_brightness_of_maps(tmp_path, wood):
    part = read_part(
        tmp_path, SQUARE + TEXTURED, "newmtl m\nmap_Kd -clamp on -mm 0.1 0.5 wood.png\n"
    )
    assert part.material.wrap == ("CLAMP", "CLAMP")
    expected = np.rint(wood * 0.5 + 25.5)
    np.testing.assert_allclose(part.material.texture[..., :3], expected, atol=1)


def test_alpha_of_another_picture(tmp_path, wood):
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).resize((4, 4), 0).save(
        tmp_path / "leaf.png"
    )
    mtl = "newmtl m\nmap_Kd wood.png\nmap_d leaf.png\n"
    material = read_part(tmp_path, SQUARE + TEXTURED, mtl).material
    assert material.alpha_mode == "MASK"
    np.testing.assert_array_equal(material.texture[..., :3], wood)
    np.testing.assert_array_equal(material.texture[..., 3], [[0, 0, 255, 255]] * 4)
    # without a color map, Kd shows where the mask lets it
    alone = read_part(tmp_path, SQUARE + TEXTURED, "newmtl m\nKd 1 0 0\nmap_d leaf.png\n").material
    assert alone.base_color == (1, 0, 0, 1)
    np.testing.assert_array_equal(alone.texture[..., 3], [[0, 0, 255, 255]] * 4)


@pytest.mark.parametrize(
    "name",
    ["my%20wood.png", "My Wood.PNG", '"my wood.png"', "textures/MY WOOD.png", "./my wood.png"],
)
def test_names_of_textures_are_understood(tmp_path, wood, name):
    (tmp_path / "wood.png").rename(tmp_path / "my wood.png")
    part = read_part(tmp_path, SQUARE + TEXTURED, f"newmtl m\nmap_Kd {name}\n")
    np.testing.assert_array_equal(part.material.texture[..., :3], wood)


def test_names_are_bytes(tmp_path, wood):
    name = b"caf\xe9 wood.png"
    (tmp_path / "wood.png").rename(tmp_path / name.decode("utf-8", "surrogateescape"))
    part = read_part(tmp_path, SQUARE + TEXTURED, b"newmtl m\nmap_Kd " + name + b"\n")
    np.testing.assert_array_equal(part.material.texture[..., :3], wood)


def test_a_truncated_texture_is_called_truncated(tmp_path, wood):
    whole = (tmp_path / "wood.png").read_bytes()
    (tmp_path / "wood.png").write_bytes(whole[:-30])
    with pytest.raises(InputError, match=r"'wood\.png', which it names, is truncated"):
        read(tmp_path, SQUARE + TEXTURED, "newmtl m\nmap_Kd wood.png\n")


def test_uv_out_of_range_count_only_under_a_texture(tmp_path, wood):
    obj = f"{SQUARE}usemtl m\nf 1/1 2/2 3/9\n"
    assert read_part(tmp_path, obj, "newmtl m\nKd 1 0 0\n").uv is None
    with pytest.raises(InputError, match="texture coordinates up to 9, there are 4"):
        read(tmp_path, obj, "newmtl m\nmap_Kd wood.png\n")


def test_large_files_agree_with_trimesh(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=3)
    ball.visual = trimesh.visual.TextureVisuals(uv=np.random.default_rng(0).random((642, 2)))
    ball.export(tmp_path / "a.obj")
    part = read_scene(tmp_path / "a.obj", up="z").parts[0]
    loaded = trimesh.load_mesh(tmp_path / "a.obj", process=False)
    mine, its = (
        np.sort(m.reshape(-1, 9).round(6), axis=0)
        for m in (part.vertices[part.faces], loaded.triangles)
    )
    np.testing.assert_array_equal(mine, its)


def test_materials_are_found_in_another_case(tmp_path):
    (tmp_path / "m.mtl").write_text("newmtl Wood\nKd 1 0 0\n")
    mesh = tmp_path / "m.obj"
    mesh.write_text("mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl WOOD\nf 1 2 3\n")
    assert read_scene(mesh).parts[0].material.base_color == (1.0, 0.0, 0.0, 1.0)


def test_names_may_be_followed_by_comments(tmp_path, wood):
    (tmp_path / "wood #2.png").write_bytes((tmp_path / "wood.png").read_bytes())
    (tmp_path / "m.mtl").write_text("newmtl m # of oak\nmap_Kd wood.png # not of pine\n")
    (tmp_path / "n.mtl").write_text("newmtl n\nmap_Kd wood #2.png\n")  # no comment: such a file
    for lines in ("mtllib m.mtl # one\nusemtl m # it\n", "mtllib n.mtl\nusemtl n\n"):
        mesh = tmp_path / "a.obj"
        mesh.write_text(lines + SQUARE + "f 1/1 2/2 3/3 4/4 # a square\n")
        (part,) = read_scene(mesh).parts
        np.testing.assert_array_equal(part.material.texture[..., :3], wood)


def test_names_in_latin1_are_found_under_their_utf8_spelling(tmp_path, wood):
    (tmp_path / "wood.png").rename(tmp_path / "gr\u00fcn.png")
    part = read_part(tmp_path, SQUARE + TEXTURED, b"newmtl m\nmap_Kd gr\xfcn.png\n")
    np.testing.assert_array_equal(part.material.texture[..., :3], wood)
