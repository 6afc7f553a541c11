"""Read the materials of a Wavefront MTL library.

Kd and vertex colors are sRGB, as most programs that write and show such files take them. A texture
takes the place of Kd instead of being multiplied by it (as in Blender), because many exporters
write a meaningless Kd, such as 0.4 or 0.8, beside it.
Source: the MTL format of Wavefront's Advanced Visualizer, version 4.2.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from lrm_core.geometry.scene_conversion import MID_GRAY
from lrm_core.imaging.color import linear_to_srgb, srgb_to_linear
from lrm_core.meshes.mesh_assets import MeshAssets, with_alpha, without_comment
from lrm_core.structures.scene import Material

Fields = dict[str, str]
"""A material as its library spells it: keyword in lower case -> the rest of its line."""

_XYZ_TO_LINEAR = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
)
"""CIE XYZ to linear sRGB (IEC 61966-2-1)."""

# how many values follow each option of a map; -1: one to three numbers
_MAP_OPTIONS = {
    "-blendu": 1, "-blendv": 1, "-boost": 1, "-bm": 1, "-cc": 1, "-clamp": 1, "-colorspace": 1,
    "-imfchan": 1, "-mm": 2, "-o": -1, "-s": -1, "-t": -1, "-texres": 1, "-type": 1,
}  # fmt: skip


@dataclass(frozen=True)
class TextureMap:
    """A texture and where it lies.

    Attributes:
        name: its file, as the library spells it.
        scale: (2,) factor of texture coordinates.
        offset: (2,) added to them afterwards.
        gain: factor of its texels, and what is added to them.
        clamp: whether its edge is drawn out instead of repeating it.
    """

    name: str
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    gain: tuple[float, float] = (1.0, 0.0)
    clamp: bool = False

    def place(self, uv: Float[np.ndarray, "V 2"]) -> Float[np.ndarray, "V 2"]:
        """Texture coordinates after scale and offset."""
        placed: np.ndarray = uv * self.scale + self.offset
        return placed


def statements(content: bytes) -> Iterator[tuple[str, str]]:
    """Keyword in lower case and the rest of every line of an OBJ or MTL file.

    Any line ends, indentation, byte order marks and lines that go on after a backslash are
    understood. Bytes that are not UTF-8 keep their value (PEP 383), as in the names of files.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", "replace")
    else:
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\\\n", " ").replace("\0", " ")
    for line in text.split("\n"):
        words = line.split(None, 1)
        if words and not words[0].startswith("#"):
            yield words[0].lower(), words[1].strip() if len(words) > 1 else ""


def read_mtl(content: bytes) -> dict[str, Fields]:
    """Materials of a library by name."""
    materials: dict[str, Fields] = {}
    fields: Fields = {}
    for keyword, rest in statements(content):
        if keyword == "newmtl":
            fields = materials[rest] = {}
            materials.setdefault(without_comment(rest), fields)
        else:
            fields[keyword] = rest
    return materials


def material_of(fields: Fields, assets: MeshAssets) -> tuple[Material, TextureMap | None]:
    """A material, and how its texture lies on surfaces; None without a texture.

    Raises:
        InputError: a texture that it names is missing or not an image.
    """
    color_map, alpha_map = _map(fields.get("map_kd", "")), _map(fields.get("map_d", ""))
    opacity = _opacity(fields)
    alpha_mode: Literal["OPAQUE", "MASK", "BLEND"] = "BLEND" if opacity < 1 else "OPAQUE"
    color = _color(fields.get("kd", ""))
    if color_map is None and not np.any(color or 0.0):  # what glows and reflects nothing
        color_map, glow = _map(fields.get("map_ke", "")), _color(fields.get("ke", ""))
        color = glow if np.any(glow or 0.0) else color
    base = _linear(color)
    texture = None
    if color_map is not None:
        base, texture = (1.0, 1.0, 1.0), assets.texture(color_map.name)
        if color_map.gain != (1.0, 0.0):
            texture = texture.copy()
            changed = texture[..., :3] * color_map.gain[0] + 255.0 * color_map.gain[1]
            texture[..., :3] = np.clip(np.rint(changed), 0, 255)
    if alpha_map is not None:
        mask = assets.texture(alpha_map.name)
        if texture is None:
            texture = with_alpha(np.full_like(mask, 255), mask)
        elif color_map is None or alpha_map.name != color_map.name:
            texture = with_alpha(texture, mask)
        alpha_mode = "MASK" if alpha_mode == "OPAQUE" else alpha_mode
    lies = color_map or alpha_map
    wrap: Literal["REPEAT", "CLAMP"] = "CLAMP" if lies is not None and lies.clamp else "REPEAT"
    return Material((*base, opacity), texture, alpha_mode, wrap=(wrap, wrap)), lies


def without_texture(fields: Fields) -> Material:
    """The material on faces that have no texture coordinates: its Kd."""
    opacity = _opacity(fields)
    color = _color(fields.get("kd", ""))
    return Material((*_linear(color), opacity), alpha_mode="BLEND" if opacity < 1 else "OPAQUE")


def _map(line: str) -> TextureMap | None:
    """A line such as `-s 2 2 1 -clamp on my wood.png`; None where it names no file."""
    options: dict[str, list[str]] = {}
    while (words := line.split(None, 1)) and words[0].lower() in _MAP_OPTIONS:
        option, line = words[0].lower(), words[1] if len(words) > 1 else ""
        wanted = _MAP_OPTIONS[option]
        values: list[str] = options.setdefault(option, [])
        for _ in range(3 if wanted < 0 else wanted):
            words = line.split(None, 1)
            if not words or (wanted < 0 and _number(words[0]) is None):
                break
            values.append(words[0])
            line = words[1] if len(words) > 1 else ""
    name = line.strip().strip('"')
    if name.strip("./\\") == "":  # Blender writes "." for a picture that it has lost
        return None
    base, gain = _pair(options.get("-mm", []), 0.0, 1.0)
    return TextureMap(
        name,
        scale=_pair(options.get("-s", []), 1.0, 1.0),
        offset=_pair(options.get("-o", []), 0.0, 0.0),
        gain=(gain, base),
        clamp=options.get("-clamp", ["off"])[:1] == ["on"],
    )


def _pair(values: list[str], first: float, second: float) -> tuple[float, float]:
    """The first two numbers of `values`; the defaults where there are none."""
    numbers = [number for number in map(_number, values[:2]) if number is not None]
    numbers += [first, second][len(numbers) :]
    return numbers[0], numbers[1]


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _color(line: str) -> tuple[float, float, float] | None:
    """sRGB in [0, 1] of `r g b`, `xyz x y z` or one value for all; None without numbers."""
    words = line.lower().split()
    is_xyz = words[:1] == ["xyz"]
    numbers = [number for number in map(_number, words[int(is_xyz) :][:3]) if number is not None]
    if not numbers or words[0] == "spectral":  # a file with a curve
        return None
    red, green, blue = (numbers * 3)[:3] if len(numbers) == 1 else (*numbers, 0.0, 0.0)[:3]
    if is_xyz:
        linear = np.clip(_XYZ_TO_LINEAR @ (red, green, blue), 0.0, 1.0)
        red, green, blue = linear_to_srgb(linear).tolist()
    return red, green, blue


def _linear(color: tuple[float, float, float] | None) -> tuple[float, float, float]:
    """Linear RGB of an sRGB color in 8 bits; mid gray where there is none."""
    if color is None:
        return MID_GRAY.base_color[:3]
    rounded = np.rint(np.clip(color, 0.0, 1.0) * 255.0).astype(np.float32) / np.float32(255.0)
    red, green, blue = srgb_to_linear(rounded).tolist()
    return red, green, blue


def _opacity(fields: Fields) -> float:
    """`d`, else 1 - `Tr`; invisible is a common mistake of exporters for opaque."""
    dissolve = [_number(word) for word in fields.get("d", "").split() if word != "-halo"][:1]
    transparency = [_number(word) for word in fields.get("tr", "").split()][:1]
    opacity = 1.0
    if dissolve and dissolve[0] is not None:
        opacity = dissolve[0]
    elif transparency and transparency[0] is not None:
        opacity = 1.0 - transparency[0]
    return min(opacity, 1.0) if opacity > 0 else 1.0
