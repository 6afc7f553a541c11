"""Whole files of every kind that `lrm` reads, made from a seed; `fuzz.py` damages them.

Each maker writes a file (and what it names) into a folder and returns its path. What is random in
it (sizes, options, spellings, optional parts) makes the files differ, so that readers are led down
many of their ways before anything is damaged.
"""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

from lrm_core.io.camera_files import write_cameras
from lrm_core.io.view_dataset_files import (
    DESCRIPTION,
    FORMAT,
    MANIFEST,
    SCHEMA_VERSION,
    encode_manifest,
    manifest_row,
    shard_name,
)
from lrm_core.io.view_set_files import encode_view_set, write_samples
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.view_set import ObjectSource, ViewSet

Maker = Callable[[Path, Random], Path]

_CUBE = [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]
_QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
_PICTURES = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".tif": "TIFF"}
_REPORTS = Path(__file__).parents[1] / "reports"
_PRESETS = Path(__file__).parents[1] / "lrm_core" / "presets"


def _faces(random: Random) -> list[tuple[int, ...]]:
    faces: list[tuple[int, ...]] = []
    for quad in _QUADS:
        a, b, c, d = quad
        faces += [quad] if random.random() < 0.5 else [(a, b, c), (a, c, d)]
    return faces


def _picture(random: Random, kind: str, mode: str | None = None) -> bytes:
    mode = mode or random.choice(["RGB", "RGBA", "L", "P", "1"] if kind == "PNG" else ["RGB", "L"])
    size = (random.randint(8, 24), random.randint(8, 24))
    pixels = np.frombuffer(random.randbytes(size[0] * size[1] * 4), np.uint8)
    image = Image.fromarray(pixels.reshape(size[1], size[0], 4), "RGBA").convert(mode)
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def picture(suffix: str) -> Maker:
    """A photo of one format."""

    def make(folder: Path, random: Random) -> Path:
        path = folder / f"a{suffix}"
        path.write_bytes(_picture(random, _PICTURES[suffix]))
        return path

    return make


def obj(folder: Path, random: Random) -> Path:
    """OBJ with a material library and a texture."""
    uv = random.random() < 0.7
    lines = [f"mtllib {random.choice(['m.mtl', 'm.mtl n.mtl', 'M.MTL'])}"]
    color = random.random() < 0.3
    for vertex in _CUBE:
        extra = [random.random() for _ in range(3)] if color else []
        lines.append("v " + " ".join(f"{number:.4g}" for number in (*vertex, *extra)))
    lines += [f"vt {random.random():.3f} {random.random():.3f}" for _ in range(4)]
    for number, face in enumerate(_faces(random)):
        if number % 3 == 0:
            lines.append(f"usemtl {random.choice('ab')}")
        corners = [f"{k + 1}/{i % 4 + 1}" if uv else str(k + 1) for i, k in enumerate(face)]
        lines.append("f " + " ".join(corners))
    (folder / "a.obj").write_text(random.choice(["\n", "\r\n"]).join(lines), newline="")
    return folder / "a.obj"


def mtl(folder: Path, random: Random) -> Path:
    """The material library of that OBJ, which is damaged instead of the mesh."""
    options = random.choice(["", "-s 2 2 1 ", "-clamp on ", "-o 0.5 0 -mm 0 1 "])
    lines = ["newmtl a", "Kd 0.8 0.2 0.1", f"d {random.random():.2f}", f"map_Kd {options}t.png"]
    lines += ["newmtl b", "Kd 0 0 0", "Ke 1 0.5 0", "Tr 0.3", "map_d t.png"]
    (folder / "m.mtl").write_text("\n".join(lines))
    return folder / "m.mtl"


def obj_with_library(folder: Path, random: Random) -> Path:
    """An OBJ beside its library and texture."""
    mtl(folder, random)
    (folder / "n.mtl").write_text("newmtl c\nKd 1 1 1\n")
    (folder / "t.png").write_bytes(_picture(random, "PNG"))
    return obj(folder, random)


def library_of_obj(folder: Path, random: Random) -> Path:
    """The same; the library is what is damaged."""
    obj_with_library(folder, random)
    return folder / "m.mtl"


def ply(folder: Path, random: Random) -> Path:
    """PLY of any encoding, with or without colors."""
    encoding = random.choice(["ascii", "binary_little_endian", "binary_big_endian"])
    faces, color = _faces(random), random.random() < 0.5
    names = random.choice(
        [("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue")]
    )
    header = ["ply", f"format {encoding} 1.0", "comment TextureFile t.png", "element vertex 8"]
    header += ["property float x", "property float y", "property float z"]
    header += [f"property uchar {name}" for name in names] if color else []
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    head = "\n".join([*header, "end_header", ""]).encode()
    colors = [random.randbytes(3) if color else b"" for _ in _CUBE]
    if encoding == "ascii":
        rows = [" ".join(map(str, (*v, *c))) for v, c in zip(_CUBE, colors, strict=True)]
        rows += [" ".join(map(str, (len(face), *face))) for face in faces]
        body = "\n".join(rows).encode()
    else:
        order = ">" if "big" in encoding else "<"
        vertices = zip(_CUBE, colors, strict=True)
        body = b"".join(struct.pack(f"{order}3f", *v) + c for v, c in vertices)
        body += b"".join(struct.pack(f"{order}B{len(f)}i", len(f), *f) for f in faces)
    (folder / "a.ply").write_bytes(head + body)
    return folder / "a.ply"


def stl(folder: Path, random: Random) -> Path:
    """STL, binary or ASCII."""
    corners = [[_CUBE[k] for k in q[:3]] for q in _QUADS]
    if random.random() < 0.5:
        facets = b"".join(
            struct.pack("<12fH", 0, 0, 1, *sum(c, ()), random.choice([0, 0x8000 | 31]))
            for c in corners
        )
        content = bytes(80) + struct.pack("<I", len(corners)) + facets
    else:
        vertices = ["".join(f"vertex {x} {y} {z}\n" for x, y, z in c) for c in corners]
        facets_text = "".join(
            f"facet normal 0 0 1\nouter loop\n{v}endloop\nendfacet\n" for v in vertices
        )
        content = f"solid a\n{facets_text}endsolid a\n".encode()
    (folder / "a.stl").write_bytes(content)
    return folder / "a.stl"


def _gltf(random: Random) -> tuple[dict, bytes]:
    binary = bytearray()
    document: dict = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "bufferViews": [], "accessors": [],
    }  # fmt: skip

    def add(values: np.ndarray, kind: str, component: int) -> int:
        view = {"buffer": 0, "byteOffset": len(binary), "byteLength": values.nbytes}
        binary.extend(values.tobytes() + bytes(-values.nbytes % 4))
        document["bufferViews"].append(view)
        accessor = {"bufferView": len(document["bufferViews"]) - 1, "componentType": component}
        document["accessors"].append(accessor | {"count": len(values), "type": kind})
        return len(document["accessors"]) - 1

    triangles = np.array([t for a, b, c, d in _QUADS for t in ((a, b, c), (a, c, d))])
    attributes = {"POSITION": add(np.array(_CUBE, "<f4"), "VEC3", 5126)}
    primitive: dict = {"attributes": attributes, "material": 0}
    primitive["indices"] = add(triangles.astype("<u2").ravel(), "SCALAR", 5123)
    attributes["TEXCOORD_0"] = add(np.random.default_rng(0).random((8, 2), "f4"), "VEC2", 5126)
    if random.random() < 0.4:
        attributes["COLOR_0"] = add(np.full((8, 4), 200, "u1"), "VEC4", 5121)
    mesh: dict = {"primitives": [primitive]}
    if random.random() < 0.4:
        primitive["targets"] = [{"POSITION": add(np.ones((8, 3), "<f4"), "VEC3", 5126)}]
        mesh["weights"] = [random.random()]
    node: dict = {"mesh": 0, "translation": [random.random(), 0, 1e3], "rotation": [0, 0, 0, 1]}
    if random.random() < 0.4:
        moves = add(np.eye(3, dtype="<f4"), "VEC3", 5126)
        node["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": moves}}}
    png = _picture(random, "PNG")
    document["bufferViews"].append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(png)})
    binary.extend(png + bytes(-len(png) % 4))
    document |= {
        "meshes": [mesh], "nodes": [node], "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"wrapS": random.choice([33071, 33648, 10497])}],
        "images": [{"bufferView": len(document["bufferViews"]) - 1, "mimeType": "image/png"}],
        "materials": [{
            "alphaMode": random.choice(["OPAQUE", "MASK", "BLEND"]), "emissiveFactor": [0, 1, 0],
            "pbrMetallicRoughness": {
                "baseColorFactor": [random.choice([0, 1]) for _ in range(4)],
                "baseColorTexture": {"index": 0, "extensions": {
                    "KHR_texture_transform": {"scale": [2, 3], "rotation": 0.5}}},
            },
        }],
    }  # fmt: skip
    return document, bytes(binary)


def glb(folder: Path, random: Random) -> Path:
    """GLB."""
    document, binary = _gltf(random)
    text = json.dumps(document | {"buffers": [{"byteLength": len(binary)}]}).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary))
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    (folder / "a.glb").write_bytes(head + chunks)
    return folder / "a.glb"


def gltf(folder: Path, random: Random) -> Path:
    """glTF with its buffer in a data URI or beside it."""
    document, binary = _gltf(random)
    uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    if random.random() < 0.5:
        (folder / "a.bin").write_bytes(binary)
        uri = "a.bin"
    document["buffers"] = [{"byteLength": len(binary), "uri": uri}]
    (folder / "a.gltf").write_text(json.dumps(document, indent=random.choice([None, 1])))
    return folder / "a.gltf"


def dae(folder: Path, random: Random) -> Path:
    """COLLADA with a texture or a color."""
    faces = _faces(random)
    (folder / "t.png").write_bytes(_picture(random, "PNG"))
    numbers = " ".join(str(number) for vertex in _CUBE for number in vertex)
    color = "<color>1 0.5 0 1</color>"
    slot = color if random.random() < 0.5 else "<texture texture='img' texcoord='UV'/>"
    axis = random.choice(["X_UP", "Y_UP", "Z_UP"])
    corners = " ".join(str(k) for face in faces for k in face)
    inputs = "<input semantic='VERTEX' source='#v' offset='0'/>"
    inputs += "<input semantic='TEXCOORD' source='#p' offset='0'/>"
    sizes = " ".join(str(len(face)) for face in faces)
    (folder / "a.dae").write_text(
        "<?xml version='1.0'?><COLLADA xmlns='http://www.collada.org/2005/11/COLLADASchema'>"
        f"<asset><up_axis>{axis}</up_axis></asset>"
        "<library_images><image id='img'><init_from>t.png</init_from></image></library_images>"
        "<library_effects><effect id='e'><profile_COMMON><technique sid='t'><phong>"
        f"<diffuse>{slot}</diffuse></phong></technique></profile_COMMON></effect></library_effects>"
        "<library_materials><material id='m'><instance_effect url='#e'/></material>"
        "</library_materials><library_geometries><geometry id='g'><mesh><source id='p'>"
        f"<float_array id='pa' count='24'>{numbers}</float_array><technique_common>"
        "<accessor source='#pa' count='8' stride='3'><param name='X'/><param name='Y'/>"
        "<param name='Z'/></accessor></technique_common></source>"
        "<vertices id='v'><input semantic='POSITION' source='#p'/></vertices>"
        f"<polylist material='s' count='{len(faces)}'>{inputs}<vcount>{sizes}</vcount>"
        f"<p>{corners}</p></polylist></mesh></geometry></library_geometries>"
        "<library_visual_scenes><visual_scene id='s'><node><translate>1 2 3</translate>"
        "<rotate>0 0 1 30</rotate><instance_geometry url='#g'><bind_material><technique_common>"
        "<instance_material symbol='s' target='#m'/></technique_common></bind_material>"
        "</instance_geometry></node></visual_scene></library_visual_scenes>"
        "<scene><instance_visual_scene url='#s'/></scene></COLLADA>"
    )
    return folder / "a.dae"


def colmap_text(folder: Path, random: Random) -> Path:
    """A sparse model as text; any of its files is damaged."""
    (folder / "cameras.txt").write_text("# id\n1 OPENCV 64 48 50 50 32 24 0.01 0 0 0\n")
    (folder / "images.txt").write_text(
        "1 1 0 0 0 0 0 2 1 a.png\n10.5 4 1\n2 1 0 0 0 1 0 2 1 b.png\n\n"
    )
    (folder / "points3D.txt").write_text("1 0.1 0.2 0.3 255 0 0 0.5 1 0 2 0\n")
    return folder / random.choice(["cameras.txt", "images.txt", "points3D.txt"])


def colmap_binary(folder: Path, random: Random) -> Path:
    """A sparse model in binary; any of its files is damaged."""
    camera = struct.pack("<QIiQQ4d", 1, 1, 1, 64, 48, 50, 50, 32, 24)
    image = struct.pack("<QI7dI", 1, 1, 1, 0, 0, 0, 0, 0, 2, 1) + b"a.png\0"
    image += struct.pack("<Q2dq", 1, 10.5, 4, 1)
    point = struct.pack("<QQ3d3BdQ2I", 1, 1, 0.1, 0.2, 0.3, 255, 0, 0, 0.5, 1, 1, 0)
    files = {"cameras.bin": camera, "images.bin": image, "points3D.bin": point}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / random.choice(list(files))


def transforms(folder: Path, random: Random) -> Path:
    """Cameras of a NeRF-style dataset."""
    write_cameras(folder / "transforms.json", canonical_camera(16, num_cameras=3))
    return folder / "transforms.json"


def safetensors(folder: Path, random: Random) -> Path:
    """Tensors with metadata."""
    tensors = {
        f"a.{k}": np.zeros((k + 1, 3), dtype=random.choice(["f4", "f2", "i8"])) for k in range(3)
    }
    metadata = {"materials": "[]", "format": "pt", "model": "{}"}
    save_file(tensors, folder / "a.safetensors", metadata=metadata)
    return folder / "a.safetensors"


def shard(folder: Path, random: Random) -> Path:
    """A dataset of one object; its shard, manifest or description is damaged."""
    images = np.frombuffer(random.randbytes(2 * 8 * 8 * 4), np.uint8).reshape(2, 8, 8, 4)
    depth = np.full((2, 8, 8), random.uniform(1, 3), np.float32)
    source = ObjectSource("fuzz", "CC0", "0" * 64)
    views = ViewSet("a", images, canonical_camera(8, num_cameras=2), source, depth)
    content, places = write_samples([encode_view_set(views)])
    rows = [manifest_row("a", source, 2, "train", shard_name(0), places[0])]
    (folder / shard_name(0)).write_bytes(content)
    (folder / MANIFEST).write_bytes(encode_manifest(rows))
    description = {"format": FORMAT, "schema_version": SCHEMA_VERSION}
    (folder / DESCRIPTION).write_text(json.dumps(description))
    return folder / random.choice([shard_name(0)] * 3 + [MANIFEST, DESCRIPTION])


def copied(pattern: str, root: Path) -> Maker:
    """One of the project's own files."""
    originals = sorted(root.glob(pattern))

    def make(folder: Path, random: Random) -> Path:
        original = random.choice(originals)
        (folder / original.name).write_bytes(original.read_bytes())
        return folder / original.name

    return make


MAKERS: dict[str, Maker] = {
    "obj": obj_with_library, "mtl": library_of_obj, "ply": ply, "stl": stl, "glb": glb,
    "gltf": gltf, "dae": dae, **{suffix[1:]: picture(suffix) for suffix in _PICTURES},
    "colmap_text": colmap_text, "colmap_binary": colmap_binary, "transforms": transforms,
    "safetensors": safetensors, "shard": shard,
    "report": copied("runs/**/report.json", _REPORTS),
    "accepted": copied("accepted/*.json", _REPORTS),
    "protocol": copied("protocols/*.yaml", _PRESETS),
    "preset": copied("*.yaml", _PRESETS),
}  # fmt: skip
"""Kind of file -> what makes one; torch's own seed is not used."""

torch.set_num_threads(1)
