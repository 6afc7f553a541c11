"""One mesh as a USDZ file, the format of augmented reality on Apple's devices.

The layer is text (USDA), which every reader of USD takes; Apple's own converter writes the binary
form. Checked by OpenUSD's validators, not tried on a phone.

Source: OpenUSD, "Usdz File Format Specification" (uncompressed, 64-byte alignment) and
"UsdPreviewSurface Specification".
"""

from __future__ import annotations

import re

import numpy as np

from lrm_core.geometry.mesh_geometry import vertex_normals
from lrm_core.imaging.color import srgb_to_linear
from lrm_core.meshes.text_rows import text_rows
from lrm_core.meshes.zip_packages import pack
from lrm_core.structures.mesh import Mesh

_ALIGNMENT = 64
_TEXTURE = "textures/texture.png"


def encode_usdz(mesh: Mesh, name: str, texture_png: bytes | None) -> bytes:
    """The bytes of a USDZ file with one rough, non-metallic material and smooth normals.

    Args:
        mesh: in the frame of the file: y up, meters.
        name: of the object; what USD does not allow in a name becomes `_`.
        texture_png: the encoded texture of a textured mesh, else None.
    """
    prim = re.sub(r"[^A-Za-z0-9_]", "_", name) or "_"
    prim = f"_{prim}" if prim[0].isdigit() else prim
    textured = mesh.texture is not None and texture_png is not None
    layer = (
        "#usda 1.0\n(\n"
        '    doc = "lrm-toolkit"\n'
        f'    defaultPrim = "{prim}"\n    metersPerUnit = 1\n    upAxis = "Y"\n)\n\n'
        f'def Xform "{prim}" (\n    kind = "component"\n)\n{{\n'
        f"{_mesh(mesh, prim, textured=textured)}\n{_material(mesh, prim, textured=textured)}}}\n"
    )
    members = {f"{prim}.usda": layer.encode()}
    if textured and texture_png is not None:
        members[_TEXTURE] = texture_png
    return pack(members, compress=False, align=_ALIGNMENT)


def _mesh(mesh: Mesh, prim: str, *, textured: bool) -> str:
    vertices = mesh.vertices.astype(np.float32)
    bounds = np.stack([vertices.min(axis=0), vertices.max(axis=0)])
    colors = ""
    if textured and mesh.texture is not None:
        colors = _array("texCoord2f[] primvars:st", mesh.texture.uv, "vertex")
    elif mesh.vertex_colors is not None:
        linear = srgb_to_linear(np.clip(mesh.vertex_colors, 0.0, 1.0))
        colors = _array("color3f[] primvars:displayColor", linear, "vertex")
    counts = ", ".join(["3"] * len(mesh.faces))
    return (
        '    def Mesh "mesh" (\n        prepend apiSchemas = ["MaterialBindingAPI"]\n    )\n    {\n'
        "        uniform bool doubleSided = 1\n"
        f"{_array('float3[] extent', bounds)}"
        f"        int[] faceVertexCounts = [{counts}]\n"
        f"        int[] faceVertexIndices = [{text_rows('%d, %d, %d, ', mesh.faces)[:-2]}]\n"
        f"        rel material:binding = </{prim}/material>\n"
        f"{_array('normal3f[] normals', vertex_normals(vertices, mesh.faces), 'vertex')}"
        f"{_array('point3f[] points', vertices)}{colors}"
        '        uniform token subdivisionScheme = "none"\n    }\n'
    )


def _array(declaration: str, values: np.ndarray, interpolation: str = "") -> str:
    """One array attribute of (N, 2 or 3) numbers; 9 digits give a float32 back exactly."""
    row = "(" + ", ".join(["%.9g"] * values.shape[1]) + "), "
    metadata = (
        f' (\n            interpolation = "{interpolation}"\n        )' if interpolation else ""
    )
    return f"        {declaration} = [{text_rows(row, values)[:-2]}]{metadata}\n"


def _material(mesh: Mesh, prim: str, *, textured: bool) -> str:
    """The preview surface, and what reads its color: a texture, vertex colors, or plain gray."""
    surface, reader = f"/{prim}/material", ""
    color = "            color3f inputs:diffuseColor = (0.5, 0.5, 0.5)\n"
    if textured:
        color = (
            f"            color3f inputs:diffuseColor.connect = <{surface}/texture.outputs:rgb>\n"
        )
        reader = (
            '\n        def Shader "texture"\n        {\n'
            '            uniform token info:id = "UsdUVTexture"\n'
            f"            asset inputs:file = @{_TEXTURE}@\n"
            '            token inputs:sourceColorSpace = "sRGB"\n'
            f"            float2 inputs:st.connect = <{surface}/uv.outputs:result>\n"
            '            token inputs:wrapS = "clamp"\n            token inputs:wrapT = "clamp"\n'
            "            float3 outputs:rgb\n        }\n" + _primvar_reader("uv", "st", "float2")
        )
    elif mesh.vertex_colors is not None:
        color = (
            f"            color3f inputs:diffuseColor.connect = <{surface}/tint.outputs:result>\n"
        )
        reader = _primvar_reader("tint", "displayColor", "float3")
    return (
        '    def Material "material"\n    {\n'
        f"        token outputs:surface.connect = <{surface}/surface.outputs:surface>\n\n"
        '        def Shader "surface"\n        {\n'
        '            uniform token info:id = "UsdPreviewSurface"\n'
        f"{color}            float inputs:metallic = 0\n            float inputs:roughness = 1\n"
        f"            token outputs:surface\n        }}\n{reader}    }}\n"
    )


def _primvar_reader(name: str, primvar: str, kind: str) -> str:
    return (
        f'\n        def Shader "{name}"\n        {{\n'
        f'            uniform token info:id = "UsdPrimvarReader_{kind}"\n'
        f'            string inputs:varname = "{primvar}"\n'
        f"            {kind} outputs:result\n        }}\n"
    )
