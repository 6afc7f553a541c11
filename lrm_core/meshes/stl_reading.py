"""Read STL, binary and ASCII, with the face colors of the two extensions that exist.

Source: 3D Systems, "StereoLithography Interface Specification" (1989); colors in the two spare
bytes of a facet as VisCAM (bit 15 set: a color) and Materialise Magics (bit 15 clear: a color, and
`COLOR=` in the header) write them.
"""

from __future__ import annotations

import codecs
import re

import numpy as np

from lrm_core.errors import InputError
from lrm_core.geometry.scene_conversion import MID_GRAY
from lrm_core.imaging.color import srgb_to_linear
from lrm_core.structures.scene import Material, ScenePart

_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("color", "<u2")])
_HEADER = 84
_SOLID = re.compile(rb"^\s*solid\b", re.IGNORECASE | re.MULTILINE)  # a comment may come first
_VERTEX = re.compile(rb"\bvertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)


def read_stl_parts(content: bytes) -> list[ScenePart]:
    """The facets, in the file's frame.

    Raises:
        InputError: truncated.
        ValueError: not numbers where numbers are expected.
    """
    count = int.from_bytes(content[80:_HEADER], "little")
    is_binary = len(content) == _HEADER + count * _FACET.itemsize
    text = content if is_binary else _as_utf8(content)
    begins_as_text = _SOLID.search(text[:512]) is not None
    # a binary header may say both words; behind it, only text does
    if not is_binary and begins_as_text and b"facet" in text[_HEADER:4096].lower():
        return _read_ascii(text)
    if not content.strip(b"\0 \r\n\t"):
        return []
    if len(content) < _HEADER + count * _FACET.itemsize:
        held = max(0, len(content) - _HEADER) // _FACET.itemsize
        raise InputError(f"is truncated: it promises {count} triangles and holds {held}")
    facets = np.frombuffer(content, _FACET, count, _HEADER)
    vertices = facets["corners"].reshape(-1, 3).astype(np.float64)
    faces = np.arange(len(vertices)).reshape(-1, 3)
    colors = _face_colors(facets["color"], content[:80])
    if colors is None:
        return [ScenePart(vertices, faces, MID_GRAY)]
    return [ScenePart(vertices, faces, Material(), vertex_colors=np.repeat(colors, 3, axis=0))]


def _as_utf8(content: bytes) -> bytes:
    """Text of any Unicode encoding, without its byte order mark."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").encode()
    return content.removeprefix(codecs.BOM_UTF8)


def _read_ascii(content: bytes) -> list[ScenePart]:
    text = content.replace(b"\0", b" ")
    if not re.search(rb"\bendsolid\b", text[-4096:], re.IGNORECASE):
        raise InputError("is truncated: its 'solid' has no 'endsolid'")
    words = [number for corner in _VERTEX.findall(text) for number in corner]
    vertices = np.array(list(map(float, words))).reshape(-1, 3)
    if len(vertices) % 3:
        raise InputError(f"is damaged: {len(vertices)} corners are not whole triangles")
    return [ScenePart(vertices, np.arange(len(vertices)).reshape(-1, 3), MID_GRAY)]


def _face_colors(packed: np.ndarray, header: bytes) -> np.ndarray | None:
    """(F, 4) linear RGBA of colors with 5 bits a channel; None where the file has none."""
    low, middle, high = ((packed >> shift & 31) / 31.0 for shift in (0, 5, 10))
    marked = (packed >> 15).astype(bool)
    at = header.find(b"COLOR=")
    if at >= 0 and len(header) >= at + 10:
        whole = np.frombuffer(header, np.uint8, 3, at + 6) / 255.0
        srgb = np.where(marked[:, None], whole, np.stack([low, middle, high], axis=1))
    elif marked.any() and not (packed == 0xFFFF).all():
        gray = np.full((len(packed), 3), 0.5)
        srgb = np.where(marked[:, None], np.stack([high, middle, low], axis=1), gray)
    else:
        return None
    return np.concatenate([srgb_to_linear(srgb), np.ones((len(srgb), 1))], axis=1)
