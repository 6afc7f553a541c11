"""Read actors of the game 0 A.D. from its archive: meshes, textures, player colors and props."""

from __future__ import annotations

import colorsys
import io
import re
import struct
import xml.etree.ElementTree as ET
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from lrm_core.errors import InputError
from lrm_core.structures.frames import WORLD_TO_GLTF
from lrm_core.structures.scene import Material, Scene, ScenePart

DEEPEST_PROP = 3  # a prop of a prop of a prop
# what an actor carries that is no part of it: effects, marks on the ground and in the air, crews
# and riders, who stand upright in their bind pose
LEFT_OUT_PROPS = re.compile(
    r"particle/|decals?[/_.]|_decal|aura|garrison|waypoint|blood|dirt|mud|water|operator|infantry"
    r"|^units/.*_(r|d)\d?(_[a-z]+)?\.xml"
)
CROP_MARGIN = 4  # texels


@dataclass(frozen=True)
class Pmd:
    """A mesh of the game: left-handed, y up, front -z."""

    vertices: np.ndarray  # (V, 3)
    uv: np.ndarray  # (V, 2) of the base texture, origin at the top left
    faces: np.ndarray  # (F, 3), counter-clockwise seen from outside once a side is mirrored
    points: dict[str, np.ndarray]  # name -> (4, 4) where a prop is attached


@dataclass
class Actor:
    """What the first variant of every group says."""

    mesh: str = ""
    texture: str = ""
    color: tuple[float, ...] = (1.0, 1.0, 1.0)
    material: str = "default.xml"
    props: dict[str, list[str]] = field(default_factory=dict)  # attach point -> actors


def pose(translation: np.ndarray, quaternion: np.ndarray) -> np.ndarray:
    """(4, 4) of a translation and a quaternion x, y, z, w."""
    matrix = np.eye(4)
    if np.linalg.norm(quaternion) > 0:
        matrix[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    matrix[:3, 3] = translation
    return matrix


def read_pmd(content: bytes) -> Pmd:
    """The mesh of a PMD file of version 4.

    Layout: "PSMD", version, bytes of the rest, vertices V, UV sets S; V times position, normal,
    S UVs, 4 bone indices (bytes), 4 weights; faces F, F times 3 indices (16 bits); bones B, B times
    translation, quaternion; props P, P times length, name, translation, quaternion, bone (a byte).

    Raises:
        InputError: another version.
    """
    if content[:4] != b"PSMD" or struct.unpack_from("<I", content, 4)[0] != 4:
        raise InputError("not a PMD file of version 4")
    count, sets = struct.unpack_from("<2I", content, 12)
    layout = [("position", "<f4", 3), ("normal", "<f4", 3), ("uv", "<f4", (sets, 2))]
    vertex = np.dtype([*layout, ("bones", "u1", 4), ("weights", "<f4", 4)])
    vertices = np.frombuffer(content, vertex, count, 20)
    offset = 20 + count * vertex.itemsize
    (count,) = struct.unpack_from("<I", content, offset)
    faces = np.frombuffer(content, "<u2", 3 * count, offset + 4).reshape(-1, 3)
    offset += 4 + 6 * count
    (count,) = struct.unpack_from("<I", content, offset)
    bones = np.frombuffer(content, "<f4", 7 * count, offset + 4).reshape(-1, 7)
    offset += 4 + 28 * count
    (count,) = struct.unpack_from("<I", content, offset)
    offset += 4
    points = {"root": np.eye(4)}
    for _ in range(count):
        (length,) = struct.unpack_from("<I", content, offset)
        name = content[offset + 4 : offset + 4 + length].decode("latin-1")
        offset += 4 + length
        numbers = np.frombuffer(content, "<f4", 7, offset).astype(np.float64)
        bone = content[offset + 28]
        offset += 29
        points[name] = pose(numbers[:3], numbers[3:])
        if bone < len(bones):
            points[name] = pose(bones[bone, :3], bones[bone, 3:]) @ points[name]
    return Pmd(
        vertices["position"].astype(np.float64),
        vertices["uv"][:, 0].astype(np.float64) * [1.0, -1.0] + [0.0, 1.0],
        faces.astype(np.int64),
        points,
    )


class Game:
    """The archive `public.zip` of the game."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = set(archive.namelist())
        self.image = lru_cache(maxsize=64)(self._image)

    @property
    def actors(self) -> list[str]:
        """Every actor's path below art/actors, in order."""
        start = "art/actors/"
        return sorted(
            name.removeprefix(start)
            for name in self._names
            if name.startswith(start) and name.endswith(".xml")
        )

    def _read(self, name: str) -> bytes:
        if name not in self._names:
            raise InputError(f"the package lacks {name}")
        return self._archive.read(name)

    def _image(self, name: str) -> np.ndarray:
        """(H, W, 4) texels of a texture, row 0 at the top."""
        content = self._read(f"art/textures/skins/{name}.cached.dds")
        try:
            return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))
        except (OSError, NotImplementedError, ValueError) as error:
            raise InputError(f"{name}: {error}") from None

    def actor(self, name: str) -> Actor:
        """The actor in its best quality.

        Raises:
            InputError: the package lacks the actor or a variant that it names.
        """
        root: ET.Element | None = ET.fromstring(self._read(f"art/actors/{name}"))
        if root is not None and root.tag == "qualitylevels":
            inline = root.find("inline")
            files = [entry.get("file") for entry in root.findall("actor")]
            if inline is None and files[-1]:
                return self.actor(files[-1])
            root = inline
        actor = Actor()
        if root is None:
            return actor
        actor.material = (root.findtext("material") or actor.material).strip()
        for group in root.findall("group"):
            variants = [entry for entry in group.findall("variant") if best(entry)]
            if variants:
                self._apply(variants[0], actor)
        return actor

    def _apply(self, variant: ET.Element, actor: Actor) -> None:
        """Take over what a variant, and the file it is based on, state."""
        if variant.get("file"):
            self._apply(ET.fromstring(self._read(f"art/variants/{variant.get('file')}")), actor)
        for mesh in filter(best, variant.findall("mesh")):
            actor.mesh = (mesh.text or "").strip()
        for texture in filter(best, variant.findall("textures/texture")):
            if texture.get("name") == "baseTex":
                actor.texture = texture.get("file", "")
        if variant.findtext("color"):
            actor.color = tuple(int(c) / 255 for c in variant.findtext("color", "").split())
        props = [prop for prop in variant.findall("props/prop") if best(prop)]
        for prop in props:
            actor.props[prop.get("attachpoint", "root")] = []
        for prop in props:
            if prop.get("actor"):
                actor.props[prop.get("attachpoint", "root")].append(prop.get("actor", ""))

    def scene(self, name: str) -> Scene:
        """The actor with its props, in our frame and the game's units.

        Raises:
            InputError: it has no mesh, or the package lacks a file that it names.
        """
        actor = self.actor(name)
        hue = zlib.crc32(actor.mesh.encode()) / 2**32
        parts = self._parts(actor, np.eye(4), colorsys.hsv_to_rgb(hue, 0.85, 0.85), 0)
        if not actor.mesh or not parts:
            raise InputError("no mesh")
        return Scene(tuple(parts))

    def _parts(
        self, actor: Actor, matrix: np.ndarray, player: tuple[float, ...], depth: int
    ) -> list[ScenePart]:
        """The actor and its props at a place of the game's frame."""
        points: dict[str, np.ndarray] = {"root": np.eye(4)}
        parts = []
        if actor.mesh:
            pmd = read_pmd(self._read(f"art/meshes/{actor.mesh}.cached.pmd"))
            points = pmd.points
            texels = self.image(actor.texture)
            parts.append(game_part(pmd, matrix, texels, actor, player))
        for point, names in actor.props.items():
            place = points.get(point)
            for name in names if place is not None and depth < DEEPEST_PROP else ():
                if not LEFT_OUT_PROPS.search(name):
                    prop = self.actor(name)
                    parts += self._parts(prop, matrix @ place, player, depth + 1)
        return parts


def best(element: ET.Element) -> bool:
    """Whether the game uses an element at its best quality ("maxquality" is the first without)."""
    return element.get("maxquality") is None


def game_part(
    pmd: Pmd,
    matrix: np.ndarray,
    texels: np.ndarray,
    actor: Actor,
    player: tuple[float, ...],
) -> ScenePart:
    """A mesh at a place of the game's frame, as a part in our frame."""
    placed = pmd.vertices @ matrix[:3, :3].T + matrix[:3, 3]
    # mirrored, as the game's frame is left-handed
    vertices = (placed * [1.0, 1.0, -1.0]) @ WORLD_TO_GLTF
    texels, uv = cropped(texels, pmd.uv[np.unique(pmd.faces)], pmd.uv)
    alpha = texels[..., 3:] / 255
    kind = actor.material
    material = Material()
    colors = texels[..., :3].astype(np.float64)
    # the game multiplies stored (sRGB) values
    if kind.startswith("player"):
        colors = colors * (alpha + (1 - alpha) * np.array(player))
    elif kind.startswith("objectcolor"):
        colors = colors * (alpha + (1 - alpha) * np.array(actor.color))
    elif kind.startswith(("basic_trans", "trans", "blend")):
        material = replace(material, alpha_mode="MASK")
    if material.alpha_mode == "OPAQUE":
        alpha = np.ones_like(alpha)
    stored = np.concatenate([colors, alpha * 255], axis=-1)
    texture = np.round(stored).clip(0, 255).astype(np.uint8)
    uv = np.stack([uv[:, 0], 1.0 - uv[:, 1]], axis=1)
    return ScenePart(vertices, pmd.faces, replace(material, texture=texture), uv=uv)


def cropped(texels: np.ndarray, used: np.ndarray, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The region of an atlas that a mesh uses, and the UVs in it; all of it where UVs repeat."""
    start = np.floor(used.min(axis=0) + 1e-3)
    lower, upper = used.min(axis=0) - start, used.max(axis=0) - start
    if not (upper <= 1.0 + 1e-3).all():
        return texels, uv
    size = np.array([texels.shape[1], texels.shape[0]])
    first = np.maximum(np.floor(lower * size).astype(int) - CROP_MARGIN, 0)
    last = np.minimum(np.ceil(upper * size).astype(int) + CROP_MARGIN, size)
    region = texels[first[1] : last[1], first[0] : last[0]]
    return region, ((uv - start) * size - first) / (last - first)
