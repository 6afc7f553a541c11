"""Write a mesh as OBJ, GLB, PLY, STL, 3MF or USDZ so that every program shows the same object.

A texture comes before vertex colors where a mesh has both. Vertices keep their order. Where a
mesh is textured its vertices are doubled along UV seams; OBJ and PLY files hold every position
once, so that a printable mesh stays closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from lrm_core.errors import OutputError
from lrm_core.geometry.mesh_geometry import weld
from lrm_core.io.atomic_write import write_together
from lrm_core.meshes.gltf_writing import encode_glb
from lrm_core.meshes.mesh_placement import UpAxis, place_mesh
from lrm_core.meshes.text_rows import text_rows
from lrm_core.meshes.threemf_writing import encode_3mf
from lrm_core.meshes.usdz_writing import encode_usdz
from lrm_core.structures.mesh import Mesh, Texture


def write_mesh(
    path: Path,
    mesh: Mesh,
    *,
    up: UpAxis | None = None,
    size_mm: float | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a mesh in the format that the suffix names, all of its files or none.

    `chair.obj` with a texture brings `chair.mtl` and `chair.texture.png` (never `chair.png`, which
    may well be the photo that the mesh was made from).

    Args:
        path: ends in .obj, .glb, .ply, .stl, .3mf or .usdz.
        mesh: in the world frame.
        up: the file's up axis: y (front +z, as in glTF) or z (the world frame, front -y); None
            for the format's own (`lrm_core/meshes/mesh_placement.py`).
        size_mm: longest side in millimeters, for formats that have a unit of length.
        overwrite: replace files that exist.

    Returns:
        The files written, the mesh file first.

    Raises:
        OutputError: unknown suffix, files exist, a mesh without faces or with vertices that are
            not finite, glTF with z up, or the folder cannot be written to.
    """
    path = Path(path)
    files = encode_mesh(path, mesh, up=up, size_mm=size_mm)
    existing = [file for file in files if file.exists()]
    if existing and not overwrite:
        raise OutputError(f"{existing[0]} exists already", hint="choose another name or overwrite")
    write_together(files)
    return list(files)


def encode_mesh(
    path: Path, mesh: Mesh, *, up: UpAxis | None = None, size_mm: float | None = None
) -> dict[Path, bytes]:
    """The files of a mesh and their content, the mesh file first; see `write_mesh`.

    Raises:
        OutputError: unknown suffix, a mesh without faces or with vertices that are not finite, or
            an up axis or a size that the format does not know.
    """
    encode = MESH_WRITERS.get(path.suffix.lower())
    if encode is None:
        known = ", ".join(MESH_WRITERS)
        raise OutputError(
            f"{path.name}: cannot write meshes as '{path.suffix}'",
            hint=f"use a name that ends in one of {known}",
        )
    if len(mesh.faces) == 0:
        raise OutputError(f"{path.name}: the mesh has no faces")
    if not np.isfinite(mesh.vertices).all():
        raise OutputError(f"{path.name}: the mesh has vertices that are not finite")
    placement = place_mesh(mesh, path.suffix.lower(), up=up, size_mm=size_mm)
    files = encode(path, replace(mesh, vertices=placement.apply(mesh.vertices)))
    return files


def companions(path: Path) -> tuple[Path, ...]:
    """Files that a mesh may bring beside itself: for OBJ its material library and texture.

    Their names hold no blanks: OBJ and MTL have no way to quote a name.
    """
    if path.suffix.lower() != ".obj":
        return ()
    stem = plain_name(path.stem)
    return path.with_name(f"{stem}.mtl"), path.with_name(f"{stem}.texture.png")


def plain_name(stem: str) -> str:
    """A name of letters, digits, dots and dashes, in which any other character is `_`.

    A dash at its beginning is one of those: readers of MTL would take the name for an option.
    """
    return re.sub(r"^-|[^\w.-]", "_", stem)


def _encode_obj(path: Path, mesh: Mesh) -> dict[Path, bytes]:
    """OBJ, with MTL and PNG where the mesh has a texture."""
    header = "# lrm-toolkit\n"
    smooth = "s 1\n"  # programs compute smooth normals themselves
    if mesh.texture is None:
        if mesh.vertex_colors is None:
            vertices = text_rows("v %.9g %.9g %.9g\n", mesh.vertices)
        else:
            colored = np.concatenate([mesh.vertices, mesh.vertex_colors], axis=1)
            vertices = text_rows("v %.9g %.9g %.9g %.6g %.6g %.6g\n", colored)
        faces = text_rows("f %d %d %d\n", mesh.faces + 1)
        return {path: "".join([header, vertices, smooth, faces]).encode()}

    mtl_path, png_path = companions(path)
    material = plain_name(path.stem)
    kept, welded = weld(mesh.vertices)
    corners = np.stack([welded[mesh.faces], mesh.faces], axis=-1) + 1  # (F, 3, v and vt)
    obj = [
        header,
        f"mtllib {mtl_path.name}\n",
        text_rows("v %.9g %.9g %.9g\n", mesh.vertices[kept]),
        text_rows("vt %.9g %.9g\n", mesh.texture.uv),
        f"usemtl {material}\n{smooth}",
        text_rows("f %d/%d %d/%d %d/%d\n", corners.reshape(-1, 6)),
    ]
    # white, so that programs which multiply Kd into the texture show the texture as it is
    mtl = f"newmtl {material}\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nd 1\nillum 1\nmap_Kd {png_path.name}\n"
    return {
        path: "".join(obj).encode(),
        mtl_path: mtl.encode(),
        png_path: _encode_png(mesh.texture.image),
    }


def _in_one_file(
    encode: Callable[[Mesh, str, bytes | None], bytes],
) -> Callable[[Path, Mesh], dict[Path, bytes]]:
    """A writer of a format that holds its texture itself."""

    def encode_file(path: Path, mesh: Mesh) -> dict[Path, bytes]:
        png = None if mesh.texture is None else _encode_png(mesh.texture.image)
        return {path: encode(mesh, plain_name(path.stem), png)}

    return encode_file


def _encode_ply(path: Path, mesh: Mesh) -> dict[Path, bytes]:
    """Binary PLY with 8-bit sRGB vertex colors, sampled from the texture where there is one."""
    import trimesh  # half a second, which OBJ and GLB do not need
    from trimesh.exchange.ply import export_ply

    vertices, faces, colors = mesh.vertices, mesh.faces, mesh.vertex_colors
    if mesh.texture is not None:
        kept, welded = weld(vertices)
        counts = np.bincount(welded)[:, None]
        sums = [np.bincount(welded, weights=channel) for channel in sample_texture(mesh.texture).T]
        vertices, faces, colors = vertices[kept], welded[faces], np.stack(sums, axis=1) / counts
    as_bytes = None if colors is None else np.rint(np.clip(colors, 0, 1) * 255).astype(np.uint8)
    geometry = trimesh.Trimesh(vertices, faces, vertex_colors=as_bytes, process=False)
    return {path: export_ply(geometry)}


def _encode_stl(path: Path, mesh: Mesh) -> dict[Path, bytes]:
    """Binary STL: corners only, so equal positions close the mesh when it is read."""
    import trimesh
    from trimesh.exchange.stl import export_stl

    geometry = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    return {path: export_stl(geometry)}


MESH_WRITERS: dict[str, Callable[[Path, Mesh], dict[Path, bytes]]] = {
    ".obj": _encode_obj,
    ".glb": _in_one_file(encode_glb),
    ".ply": _encode_ply,
    ".stl": _encode_stl,
    ".3mf": _in_one_file(encode_3mf),
    ".usdz": _in_one_file(encode_usdz),
}


def sample_texture(texture: Texture) -> Float[np.ndarray, "V 3"]:
    """Bilinear sRGB colors in [0, 1] at the uv of every vertex; texels are areas."""
    height, width = texture.image.shape[:2]
    x = np.clip(texture.uv[:, 0] * width - 0.5, 0, width - 1)
    y = np.clip((1.0 - texture.uv[:, 1]) * height - 0.5, 0, height - 1)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    image = texture.image[..., :3]
    upper = image[top, left] * (1 - fx) + image[top, right] * fx
    lower = image[bottom, left] * (1 - fx) + image[bottom, right] * fx
    colors: np.ndarray = (upper * (1 - fy) + lower * fy) / 255.0
    return colors


def _encode_png(image: UInt8[np.ndarray, "H W C"]) -> bytes:
    """PNG bytes of RGB or RGBA texels."""
    order = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    # level 3: a fifth of the time of level 6 for 8% more bytes
    encoded = cv2.imencode(".png", cv2.cvtColor(image, order), [cv2.IMWRITE_PNG_COMPRESSION, 3])[1]
    return bytes(encoded)
