"""One mesh as a 3MF file for printing, with its texture or its vertex colors.

Source: 3MF Core Specification 1.3, and its Materials and Properties Extension 1.2 (texture 2D
groups, color groups).
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import numpy as np

from lrm_core.geometry.mesh_geometry import weld
from lrm_core.meshes.text_rows import text_rows
from lrm_core.meshes.zip_packages import pack
from lrm_core.structures.mesh import Mesh

_MODEL, _TEXTURE = "3D/3dmodel.model", "3D/Textures/texture.png"
_SCHEMAS = "http://schemas.openxmlformats.org/package/2006"
_TYPES_OF_3MF = "http://schemas.microsoft.com/3dmanufacturing"
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_OBJECT_ID, _COLORS_ID, _TEXTURE_ID = 1, 2, 3


def encode_3mf(mesh: Mesh, name: str, texture_png: bytes | None) -> bytes:
    """The bytes of a 3MF file: a closed object where the mesh is closed, seams joined.

    Args:
        mesh: in the frame of the file: z up, millimeters, no negative coordinates.
        name: of the object.
        texture_png: the encoded texture of a textured mesh, else None.
    """
    kept, welded = weld(mesh.vertices)
    corners = welded[mesh.faces]
    # a triangle must have three different corners
    whole = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    triangles, corners = mesh.faces[whole], corners[whole]

    colors, reference = "", ""
    if mesh.texture is not None and texture_png is not None:
        coordinates = text_rows('<m:tex2coord u="%.6g" v="%.6g"/>\n', mesh.texture.uv)
        colors = (
            f'<m:texture2d id="{_TEXTURE_ID}" path="/{_TEXTURE}" contenttype="image/png" '
            'tilestyleu="clamp" tilestylev="clamp" filter="linear"/>\n'
            f'<m:texture2dgroup id="{_COLORS_ID}" texid="{_TEXTURE_ID}">\n'
            f"{coordinates}</m:texture2dgroup>\n"
        )
    elif mesh.vertex_colors is not None:
        texture_png = None
        as_bytes = np.rint(np.clip(mesh.vertex_colors, 0.0, 1.0) * 255).astype(np.uint8)
        values = text_rows('<m:color color="#%02X%02X%02X"/>\n', as_bytes)
        colors = f'<m:colorgroup id="{_COLORS_ID}">\n{values}</m:colorgroup>\n'
    if colors:
        reference = f' pid="{_COLORS_ID}" pindex="0"'
        rows = text_rows(
            f'<triangle v1="%d" v2="%d" v3="%d" pid="{_COLORS_ID}" p1="%d" p2="%d" p3="%d"/>\n',
            np.concatenate([corners, triangles], axis=1),
        )
    else:
        rows = text_rows('<triangle v1="%d" v2="%d" v3="%d"/>\n', corners)
    vertices = text_rows('<vertex x="%.6g" y="%.6g" z="%.6g"/>\n', mesh.vertices[kept])
    model = (
        f'{_XML}<model unit="millimeter" xml:lang="en-US" xmlns="{_TYPES_OF_3MF}/core/2015/02" '
        f'xmlns:m="{_TYPES_OF_3MF}/material/2015/02">\n'
        '<metadata name="Application">lrm-toolkit</metadata>\n'
        f"<resources>\n{colors}"
        f'<object id="{_OBJECT_ID}" type="model" name={quoteattr(name)}{reference}>\n<mesh>\n'
        f"<vertices>\n{vertices}</vertices>\n<triangles>\n{rows}</triangles>\n"
        f"</mesh>\n</object>\n</resources>\n"
        f'<build>\n<item objectid="{_OBJECT_ID}"/>\n</build>\n</model>\n'
    )
    members = {
        "[Content_Types].xml": _content_types(),
        "_rels/.rels": _relationship(f"/{_MODEL}", f"{_TYPES_OF_3MF}/2013/01/3dmodel"),
        _MODEL: model,
    }
    if texture_png is None:
        return pack({path: text.encode() for path, text in members.items()})
    members["3D/_rels/3dmodel.model.rels"] = _relationship(
        f"/{_TEXTURE}", f"{_TYPES_OF_3MF}/2013/01/3dtexture"
    )
    return pack({path: text.encode() for path, text in members.items()} | {_TEXTURE: texture_png})


def _content_types() -> str:
    kinds = {
        "rels": "application/vnd.openxmlformats-package.relationships+xml",
        "model": "application/vnd.ms-package.3dmanufacturing-3dmodel+xml",
        "png": "image/png",
    }
    rows = "".join(
        f'<Default Extension="{suffix}" ContentType="{kind}"/>\n' for suffix, kind in kinds.items()
    )
    return f'{_XML}<Types xmlns="{_SCHEMAS}/content-types">\n{rows}</Types>\n'


def _relationship(target: str, kind: str) -> str:
    return (
        f'{_XML}<Relationships xmlns="{_SCHEMAS}/relationships">\n'
        f'<Relationship Target="{target}" Id="rel0" Type="{kind}"/>\n</Relationships>\n'
    )
