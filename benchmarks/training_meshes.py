"""Prepare openly licensed, artist-made meshes of everyday objects for training.

    python benchmarks/training_meshes.py OUT [--deb FILE] [--sheet SHEET.png]

The furniture of Sweet Home 3D (Debian package `sweethome3d-furniture`; CC0 and CC-BY-3.0) becomes
OUT/SOURCE/NAME.glb: y up, front +z, centered, longest side 2, textures of at most 512 px, linear
base colors. OUT/manifest.csv names licence, author and origin of each, for the attribution that
CC-BY asks for. Left out: doors, windows and stairs, what is flat, mostly transparent, incomplete or
larger than 200,000 faces, and all but two of a mesh that differ in color only.
"""

from __future__ import annotations

import argparse
import copy
import csv
import hashlib
import re
import subprocess
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb

from lrm_core.errors import InputError
from lrm_core.geometry.scene_conversion import mesh_from_scene, normalize_scene, transform_scene
from lrm_core.geometry.trajectories import orbit
from lrm_core.imaging.contact_sheet import contact_sheet
from lrm_core.io.image_writing import to_uint8, write_png
from lrm_core.meshes.mesh_assets import MeshAssets
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.mesh_shading import STUDIO_LIGHTS
from lrm_core.structures.frames import WORLD_TO_GLTF
from lrm_core.structures.scene import Material, Scene, ScenePart

PACKAGE = "sweethome3d-furniture"
PACKAGE_SHA256 = "3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668"
# collection of the package -> licence that its copyright file and catalogue state
LICENCES = {
    "BlendSwap-CC-0": "CC0-1.0",
    "BlendSwap-CC-BY": "CC-BY-3.0",
    "KatorLegaz": "CC-BY-3.0-US",
    "Reallusion": "CC-BY-3.0-US",
    "Scopia": "CC-BY-3.0",
}
LEFT_OUT_CATEGORIES = {"Doors and windows", "Staircases"}
# parts of buildings, marks on the ground and the like
LEFT_OUT_NAMES = re.compile(
    r"\b(arrow|bill|blind|crossing|curtain|door|elevator|parking|plug|rails|railing|shadows"
    r"|shutter|sidewalk|staircase|switch|window)\b",
    re.IGNORECASE,
)
MOST_FACES = 200_000
LEAST_THICKNESS = 0.03  # shortest over longest side
LARGEST_TEXTURE = 512
COPIES = 2  # of one mesh, in different colors
COLUMNS = ["file", "faces", "bytes", "source", "licence", "original", "sha256", "author", "title"]


class LeftOutError(Exception):
    """Why a model is not worth training on."""


@dataclass(frozen=True)
class Model:
    """A mesh file of a source and what its catalogue says of it."""

    file: Path
    source: str
    licence: str
    original: str
    author: str
    title: str
    rotation: np.ndarray
    size: np.ndarray  # width, depth and height that the catalogue scales it to


@dataclass(frozen=True)
class Candidate:
    """A mesh that may become one of the training set, and what the manifest says of it."""

    name: str  # of the file, without its suffix
    load: Callable[[], Scene]  # raises InputError or LeftOutError
    source: str
    licence: str
    original: str
    author: str
    title: str


def unpack_package(deb: Path | None, folder: Path) -> None:
    """Every collection of the package in a folder of its own; downloads it where `deb` is None."""
    if deb is None:
        subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True)
        deb = next(folder.glob(f"{PACKAGE}_*.deb"))
    if hashlib.sha256(deb.read_bytes()).hexdigest() != PACKAGE_SHA256:
        raise SystemExit(f"{deb.name} is not the version that this script knows")
    subprocess.run(["dpkg", "-x", str(deb.resolve()), str(folder / "package")], check=True)
    for archive in sorted((folder / "package").rglob("*.sh3f")):
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder / archive.stem)


def read_catalogue(folder: Path) -> Iterator[Model]:
    """The models of one collection, without doors, windows and stairs."""
    text = (folder / "PluginFurnitureCatalog.properties").read_text(encoding="latin-1")
    entries: dict[int, dict[str, str]] = {}
    for key, index, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE):
        entries.setdefault(int(index), {})[key] = value.strip()
    for entry in entries.values():
        if (
            entry["category"] in LEFT_OUT_CATEGORIES
            or entry.get("doorOrWindow") == "true"
            or LEFT_OUT_NAMES.search(entry["name"])
        ):
            continue
        file = folder / entry["model"].lstrip("/")
        rotation = entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split()
        yield Model(
            file,
            f"sh3d_{folder.name.lower().replace('-', '_')}",
            model_licence(file.parent, LICENCES[folder.name]),
            f"{folder.name}.sh3f{entry['model']}",
            entry.get("creator", ""),
            entry["name"],
            np.array(rotation, dtype=np.float64).reshape(3, 3),
            np.array([float(entry[side]) for side in ("width", "depth", "height")]),
        )


def model_licence(folder: Path, of_collection: str) -> str:
    """The licence that lies beside a model, or that of its collection; "" if it is another one."""
    for file in sorted(folder.iterdir()):
        if "licen" not in file.name.lower() or file.suffix.lower() not in (".txt", ".html"):
            continue
        stated = file.read_text(encoding="latin-1").split("Released under", 1)[-1]
        stated = re.sub(r"<[^>]*>|\s+", " ", stated)[:80]
        if re.search(r"share|non-?commercial|gpl|deriv", stated, re.IGNORECASE):
            return ""
        if "Attribution" in stated and of_collection == "CC0-1.0":
            return "CC-BY-3.0"
    return of_collection


def load_model(model: Model) -> Scene:
    """The scene as its catalogue shows it, in our frame and of longest side 2.

    Raises:
        InputError: not readable.
        LeftOutError: not worth training on.
    """
    if not model.licence:
        raise LeftOutError("licence")
    drop_missing_maps(model.file)
    scene = read_scene(model.file)
    if scene.num_faces > MOST_FACES:
        raise LeftOutError("too many faces")
    matrix = np.eye(4)
    matrix[:3, :3] = WORLD_TO_GLTF.T @ model.rotation @ WORLD_TO_GLTF
    scene = transform_scene(scene, matrix)
    extent = np.ptp(scene.bounds.astype(np.float64), axis=0)
    if not extent.min() > 0:
        raise LeftOutError("flat")
    scene = normalize_scene(transform_scene(scene, np.diag([*model.size / extent, 1.0])), 2.0)
    if np.ptp(scene.bounds, axis=0).min() < 2.0 * LEAST_THICKNESS:
        raise LeftOutError("flat")
    areas = [trimesh.triangles.area(part.vertices[part.faces]).sum() for part in scene.parts]
    opacity = [part.material.base_color[3] for part in scene.parts]
    if np.average(opacity, weights=np.maximum(areas, 1e-12)) < 0.5:
        raise LeftOutError("transparent")
    return Scene(tuple(replace(part, material=small_material(part)) for part in scene.parts))


def drop_missing_maps(mesh_file: Path) -> None:
    """Take textures that the package lacks out of the material library, as its programs do."""
    assets = MeshAssets(mesh_file)

    def kept(line: re.Match[str]) -> str:
        return line[0] if assets.find(line[1]) else ""

    for library in mesh_file.parent.glob("*.mtl"):
        text = library.read_text(encoding="latin-1")
        text = re.sub(r"(?mi)^[ \t]*(?:map_\w+|bump)[ \t]+([^\r\n]*)", kept, text)
        library.write_text(text, encoding="latin-1")


def small_material(part: ScenePart) -> Material:
    """The material with a small texture, whose alpha counts (Sweet Home 3D blends it)."""
    material = part.material
    if material.texture is None:
        return material
    image = Image.fromarray(material.texture)
    image.thumbnail((LARGEST_TEXTURE, LARGEST_TEXTURE), Image.Resampling.LANCZOS)
    texture = np.asarray(image)
    blended = material.alpha_mode == "OPAQUE" and np.mean(texture[..., 3] < 246) > 0.01
    mode = "BLEND" if blended else material.alpha_mode
    return replace(material, texture=texture, alpha_mode=mode)


def shape_of(scene: Scene) -> np.ndarray:
    """Numbers that two copies of a mesh share: faces, area, extents, mean corner."""
    mesh = mesh_from_scene(scene)
    area = trimesh.triangles.area(mesh.triangles).sum()
    extents, mean = np.ptp(mesh.vertices, axis=0), mesh.triangles.mean(axis=(0, 1))
    return np.array([len(mesh.faces), area, *extents, *(mean + 1.0)])


def encode_scene(scene: Scene) -> bytes:
    """GLB with one primitive per part."""
    export = trimesh.Scene()
    images: dict[bytes, Image.Image] = {}
    for index, part in enumerate(scene.parts):
        material = part.material
        image = None
        if material.texture is not None:
            opaque = material.alpha_mode == "OPAQUE"
            texels = material.texture[..., :3] if opaque else material.texture
            image = images.setdefault(texels.tobytes(), Image.fromarray(texels))
        mesh = trimesh.Trimesh(part.vertices @ WORLD_TO_GLTF.T, part.faces, process=False)
        mesh.visual = trimesh.visual.TextureVisuals(
            uv=part.uv,
            material=trimesh.visual.material.PBRMaterial(
                baseColorTexture=image,
                alphaMode=material.alpha_mode,
                doubleSided=True,
                metallicFactor=0.0,
                roughnessFactor=1.0,
            ),
        )
        export.add_geometry(mesh, geom_name=str(index), node_name=f"part_{index}")

    def with_colors(tree: dict[str, Any]) -> None:
        """Colors as floats: trimesh stores 8 bits, too few for dark linear ones."""
        materials: list[dict[str, Any]] = []
        for entry in tree["meshes"]:
            primitive = entry["primitives"][0]
            copied = copy.deepcopy(tree["materials"][primitive["material"]])
            color = scene.parts[int(entry["name"])].material.base_color
            copied["pbrMetallicRoughness"]["baseColorFactor"] = list(color)
            primitive["material"] = len(materials)
            materials.append(copied)
        tree["materials"] = materials

    return bytes(export_glb(export, include_normals=False, tree_postprocessor=with_colors))


def write_sheet(path: Path, files: list[Path]) -> None:
    """64 meshes, evenly chosen, as their files are read back."""
    chosen = files[:: max(1, -(-len(files) // 64))]
    camera = orbit(12, elevation_degrees=20.0, radius=4.0, size=192, focal=1.2)[1]
    scenes = (read_scene(file) for file in chosen)
    views = (render_scene(scene, camera, shading=STUDIO_LIGHTS).rgb[0] for scene in scenes)
    images = [to_uint8(view.numpy()) for view in views]
    rows = [images[start : start + 8] for start in range(0, len(images), 8)]
    names = [[file.stem for file in chosen[start : start + 8]] for start in range(0, 64, 8)]
    write_png(path, contact_sheet(rows, captions=names[: len(rows)], cell_size=192))


def read_arguments(description: str) -> argparse.Namespace:
    """OUT, --deb and --sheet of the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("out", type=Path)
    parser.add_argument("--deb", type=Path, default=None, help="the package, if already there")
    parser.add_argument("--sheet", type=Path, default=None, help="contact sheet of 64 meshes (PNG)")
    return parser.parse_args()


def write_meshes(out: Path, candidates: Iterable[Candidate], sheet: Path | None) -> None:
    """Convert every usable candidate and write the manifest, and the contact sheet if asked for."""
    rows: list[dict[str, object]] = []
    shapes: list[np.ndarray] = []
    skipped: Counter[str] = Counter()
    for candidate in candidates:
        try:
            scene = candidate.load()
        except (InputError, LeftOutError) as error:
            skipped[str(error) if isinstance(error, LeftOutError) else "unreadable"] += 1
            print(f"left out {candidate.original}: {error}", flush=True)
            continue
        shape = shape_of(scene)
        if sum(np.allclose(shape, other, rtol=0.01) for other in shapes) >= COPIES:
            skipped["copy"] += 1
            continue
        shapes.append(shape)
        name = Path(candidate.source) / f"{candidate.name}.glb"
        content = encode_scene(scene)
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        origin = (candidate.source, candidate.licence, candidate.original)
        size = (scene.num_faces, len(content))
        values = (name, *size, *origin, digest, candidate.author, candidate.title)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    print(Counter((row["source"], row["licence"]) for row in rows), skipped)
    if sheet:
        write_sheet(sheet, [out / str(row["file"]) for row in rows])


def furniture(folder: Path) -> Iterator[Candidate]:
    """The models of every collection of the unpacked package."""
    for model in (m for name in LICENCES for m in read_catalogue(folder / name)):
        yield Candidate(
            model.file.stem,
            partial(load_model, model),
            model.source,
            model.licence,
            model.original,
            model.author,
            model.title,
        )


def main() -> None:
    """Convert every usable model."""
    arguments = read_arguments(__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        unpack_package(arguments.deb, Path(temporary))
        write_meshes(arguments.out, furniture(Path(temporary)), arguments.sheet)


if __name__ == "__main__":
    main()
