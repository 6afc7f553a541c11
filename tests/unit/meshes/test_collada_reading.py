"""COLLADA documents built by hand, as the standard describes them."""

import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.meshes.mesh_reading import read_scene

L_SHAPE = "1 0 0  1 .5 0  .5 .5 0  .5 1 0  0 1 0  0 0 0"
SQUARE = "0 0 0  2 0 0  2 1 0  0 1 0"
RED = "<diffuse><color>1 0 0 1</color></diffuse>"
LINEAR_HALF = ((0.5 + 0.055) / 1.055) ** 2.4


def floats(name: str, text: str, params: str) -> str:
    values = text.split()
    named = "".join(f'<param name="{param}" type="float"/>' for param in params)
    return (
        f'<source id="{name}"><float_array id="{name}a" count="{len(values)}">{text}</float_array>'
        f'<technique_common><accessor source="#{name}a" count="{len(values) // len(params)}" '
        f'stride="{len(params)}">{named}</accessor></technique_common></source>'
    )


def document(
    primitive: str,
    *,
    positions: str = SQUARE,
    sources: str = "",
    shader: str = RED,
    parameters: str = "",
    images: str = "",
    asset: str = "",
    node: str = "",
    shown: str = "<instance_geometry url='#g'>BIND</instance_geometry>",
    more: str = "",
) -> str:
    bind = (
        "<bind_material><technique_common><instance_material symbol='s' target='#m'>"
        "<bind_vertex_input semantic='MAP' input_semantic='TEXCOORD' input_set='1'/>"
        "</instance_material></technique_common></bind_material>"
    )
    return f"""<?xml version="1.0" encoding="utf-8"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset>{asset}</asset><library_images>{images}</library_images>
<library_effects><effect id="e"><profile_COMMON>{parameters}<technique sid="t"><phong>{shader}
</phong></technique></profile_COMMON></effect></library_effects>
<library_materials><material id="m"><instance_effect url="#e"/></material></library_materials>
<library_geometries><geometry id="g"><mesh>{floats("p", positions, "XYZ")}{sources}
<vertices id="v"><input semantic="POSITION" source="#p"/></vertices>{primitive}
</mesh></geometry></library_geometries>{more}
<library_visual_scenes><visual_scene id="vs"><node>{node}{shown.replace("BIND", bind)}</node>
</visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#vs"/></scene></COLLADA>"""


INPUT = '<input semantic="VERTEX" source="#v" offset="0"/>'
QUAD = f'<polylist count="1" material="s">{INPUT}<vcount>4</vcount><p>0 1 2 3</p></polylist>'


def read_part(folder, text, up="z"):
    (folder / "a.dae").write_text(text)
    (part,) = read_scene(folder / "a.dae", up=up).parts
    return part


def signed_area(part):
    """Area seen from +z; what is wound the other way counts negative."""
    a, b, c = np.moveaxis(part.vertices[part.faces], 1, 0)
    return np.cross(b - a, c - a)[:, 2].sum() / 2


@pytest.mark.parametrize(
    ("axis", "size"),
    [("Z_UP", (2, 1, 0)), ("Y_UP", (2, 0, 1)), ("X_UP", (1, 0, 2)), ("", (2, 0, 1))],
)
def test_the_file_says_which_axis_is_up(tmp_path, axis, size):
    part = read_part(tmp_path, document(QUAD, asset=f"<up_axis>{axis}</up_axis>"), up="y")
    np.testing.assert_allclose(np.ptp(part.vertices, axis=0), size)


@pytest.mark.parametrize(
    ("primitive", "area"),
    [
        ("<polylist count='1'>INPUT<vcount>6</vcount><p>0 1 2 3 4 5</p></polylist>", 0.75),
        ("<polygons count='1'>INPUT<p>0 1 2 3 4 5</p></polygons>", 0.75),
        ("<triangles count='2'>INPUT<p>0 1 5 2 3 5</p></triangles>", 0.25 + 0.125),
        ("<trifans count='1'>INPUT<p>5 0 1 2</p></trifans>", 0.25 + 0.125),
        ("<tristrips count='1'>INPUT<p>5 0 2 1</p></tristrips>", 0.25 + 0.125),
    ],
)
def test_polygons_of_every_kind(tmp_path, primitive, area):
    text = document(primitive.replace("INPUT", INPUT), positions=L_SHAPE)
    part = read_part(tmp_path, text)
    assert signed_area(part) == pytest.approx(area)
    a, b, c = np.moveaxis(part.vertices[part.faces], 1, 0)
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()  # the strip's second triangle too


def test_transforms_in_their_order_and_in_double_precision(tmp_path):
    move, turn = "<translate>389512 5819012 0</translate>", "<rotate>0 0 1 90</rotate>"
    node = f"{move}{turn}<scale>0.001 0.001 1</scale>"
    part = read_part(tmp_path, document(QUAD, node=node))
    # turned by 90 degrees: two long along y
    np.testing.assert_allclose(np.ptp(part.vertices, axis=0), [0.001, 0.002, 0], atol=1e-9)
    np.testing.assert_allclose(part.vertices.max(axis=0), [389512, 5819012.002, 0])


def test_positions_keep_their_digits(tmp_path):
    x, y = ("389512.001", "389512.002"), ("5819012.000", "5819012.001")
    far = f"{x[0]} {y[0]} 0  {x[1]} {y[0]} 0  {x[1]} {y[1]} 0  {x[0]} {y[1]} 0"
    part = read_part(tmp_path, document(QUAD, positions=far))
    np.testing.assert_allclose(np.ptp(part.vertices, axis=0), [0.001, 0.001, 0], atol=1e-9)


TEXTURE = "<diffuse><texture texture='sampler' texcoord='MAP'/></diffuse>"
SAMPLER = (
    "<newparam sid='surface'><surface type='2D'><init_from>img</init_from></surface></newparam>"
    "<newparam sid='sampler'><sampler2D><source>surface</source><wrap_s>CLAMP</wrap_s>"
    "<wrap_t>MIRROR</wrap_t></sampler2D></newparam>"
)


@pytest.mark.parametrize("name", ["my%20wood.png", "my wood.png", "./MY%20WOOD.png"])
@pytest.mark.parametrize("indirect", [True, False])
def test_textures_with_the_uv_that_they_are_bound_to(tmp_path, name, indirect):
    texels = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    Image.fromarray(texels).save(tmp_path / "my wood.png")
    sources = floats("u", "9 9 9 9 9 9 9 9", "ST") + floats("w", "0 0 1 0 1 1 0 1", "ST")
    inputs = (
        f"{INPUT}<input semantic='TEXCOORD' source='#u' offset='1' set='0'/>"
        "<input semantic='TEXCOORD' source='#w' offset='1' set='1'/>"
    )
    indices = "<vcount>4</vcount><p>0 0 1 1 2 2 3 3</p>"
    primitive = f"<polylist count='1' material='s'>{inputs}{indices}</polylist>"
    images = f"<image id='img'><init_from>{name}</init_from></image>"
    shader = TEXTURE if indirect else TEXTURE.replace("sampler", "img")
    text = document(primitive, sources=sources, images=images, shader=shader, parameters=SAMPLER)
    part = read_part(tmp_path, text)
    np.testing.assert_array_equal(part.material.texture[..., :3], texels)
    by_place = {tuple(v[:2]): tuple(t) for v, t in zip(part.vertices, part.uv, strict=True)}
    assert by_place == {(0, 0): (0, 0), (2, 0): (1, 0), (2, 1): (1, 1), (0, 1): (0, 1)}
    assert part.material.wrap == (("CLAMP", "MIRROR") if indirect else ("REPEAT", "REPEAT"))


@pytest.mark.parametrize(
    ("shader", "color", "opacity"),
    [
        (RED, (1, 0, 0), 1.0),
        ("<diffuse><color>0 0 0 1</color></diffuse><emission><color>0 1 0 1</color></emission>",
         (0, 1, 0), 1.0),
        (RED + "<transparent opaque='A_ONE'><color>1 1 1 .4</color></transparent>", (1, 0, 0), 0.4),
        (RED + "<transparent opaque='RGB_ZERO'><color>.6 .6 .6 1</color></transparent>",
         (1, 0, 0), 0.4),
        (RED + "<transparent><color>1 1 1 1</color></transparent><transparency><float>0.4</float>"
         "</transparency>", (1, 0, 0), 0.4),
        (RED + "<transparent><color>1 1 1 0</color></transparent>", (1, 0, 0), 1.0),
    ],
)  # fmt: skip
def test_colors_and_opacity(tmp_path, shader, color, opacity):
    material = read_part(tmp_path, document(QUAD, shader=shader)).material
    assert material.base_color == pytest.approx((*color, opacity))
    assert material.alpha_mode == ("BLEND" if opacity < 1 else "OPAQUE")


def test_vertex_colors(tmp_path):
    primitive = QUAD.replace(INPUT, f"{INPUT}<input semantic='COLOR' source='#c' offset='0'/>")
    part = read_part(tmp_path, document(primitive, sources=floats("c", "0 .5 0 " * 4, "RGB")))
    np.testing.assert_allclose(part.vertex_colors, [[0, LINEAR_HALF, 0, 1]] * 4)
    # white says nothing, the material does
    part = read_part(tmp_path, document(primitive, sources=floats("c", "1 1 1 " * 4, "RGB")))
    assert part.vertex_colors is None
    assert part.material.base_color == (1, 0, 0, 1)


def test_nodes_of_the_library_are_shown_where_they_are_instanced(tmp_path):
    more = (
        "<library_nodes><node id='n'><translate>0 0 5</translate>"
        "<instance_geometry url='#g'/></node></library_nodes>"
    )
    text = document(QUAD, shown="<instance_node url='#n'/>", more=more)
    assert (read_part(tmp_path, text).vertices[:, 2] == 5).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(QUAD, shown="<instance_controller url='#c'/>"), "skinned or morphed"),
        (document(QUAD, shown="<instance_geometry url='#x'/>"), "names '#x', which it does not"),
        (document(QUAD, node="<skew>1 0 0 0 1 0 0</skew>"), "<skew>, which is not supported"),
        (document(QUAD.replace("<p>", "<ph><p>").replace("</p>", "</p><h>0 1 2</h></ph>")),
         "polygons with holes"),
        (document(QUAD.replace("0 1 2 3<", "0 1 2<")), "its polygons have 4 corners, it holds 3"),
        (document(QUAD, positions="0 0 0 1 0 0"), "vertices 0 to 3, there are 2"),
        (document(QUAD).replace('count="4" stride', 'count="5" stride'), "truncated: 'p' holds 12"),
        (document(QUAD)[:900], "not a readable DAE file"),
        (document(QUAD, shader=TEXTURE, parameters=SAMPLER,
                  images="<image id='img'><init_from>nope.png</init_from></image>"),
         "'nope.png', which it names, is missing"),
        (document(QUAD, shown="<instance_node url='#n'/>",
                  more="<library_nodes><node id='n'><instance_node url='#n'/></node>"
                       "</library_nodes>"),
         "nested deeper"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said(tmp_path, text, message):
    (tmp_path / "a.dae").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_scene(tmp_path / "a.dae")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("pad", [("", "\0" * 9), ("\n ", "\n"), ("\ufeff", "")])
def test_padding_around_the_document(tmp_path, pad):
    (tmp_path / "a.dae").write_text(pad[0] + document(QUAD) + pad[1], encoding="utf-8")
    assert len(read_scene(tmp_path / "a.dae").parts[0].faces) == 2
