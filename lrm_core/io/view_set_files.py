"""One object's views as the members of a WebDataset tar: images, depth, normals, cameras.

A sample is `ID.json` followed by `ID.000.rgba.webp`, `ID.000.depth.png`, `ID.000.normal.webp`,
`ID.001.rgba.webp`, ... The JSON holds cameras, provenance and where each member lies, counted
from the JSON's own end, so that a reader fetches the views that it needs and nothing else.

Colors are WebP without loss (also under alpha 0), depths 16-bit PNG in multiples of a unit that
the JSON names, normals 8-bit WebP, (n + 1) / 2, black where there is none.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.io.image_writing import depth_unit, encode_depth, to_uint8
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.view_set import ObjectSource, ViewSet

# Bytes of members by (offset from the JSON's end, size), all at once.
FetchRanges = Callable[[Sequence[tuple[int, int]]], Sequence[bytes]]

_BLOCK = tarfile.BLOCKSIZE
_MAX_SIDE = 16_384


@dataclass(frozen=True)
class EncodedViewSet:
    """A sample as the bytes that go into a shard.

    Attributes:
        object_id: id of the sample.
        source: origin of the object.
        num_views: images in the sample.
        header: the JSON.
        members: tar members after the JSON, headers and padding included.
    """

    object_id: str
    source: ObjectSource
    num_views: int
    header: bytes
    members: bytes


def encode_view_set(view_set: ViewSet) -> EncodedViewSet:
    """Compress a view set; the same views give the same bytes."""
    unit = None
    if view_set.depth is not None:
        seen = view_set.depth[np.isfinite(view_set.depth)]
        unit = depth_unit(float(seen.max()) if seen.size else 1.0)
    block, places = io.BytesIO(), {}
    for index in range(len(view_set.cameras)):
        images = {"rgba.webp": _webp(view_set.images[index])}
        if view_set.depth is not None and unit is not None:
            images["depth.png"] = _png(encode_depth(view_set.depth[index], unit))
        if view_set.normals is not None:
            images["normal.webp"] = _webp(_encode_normals(view_set.normals[index]))
        for kind, content in images.items():
            name = f"{index:03d}.{kind}"
            start = _append(block, f"{view_set.object_id}.{name}", content)
            places[name] = (start, len(content))
    cameras, source = view_set.cameras, view_set.source
    header = {
        "object_id": view_set.object_id,
        "width": cameras.width,
        "height": cameras.height,
        "c2w": cameras.c2w.tolist(),
        "intrinsics": cameras.intrinsics.tolist(),
        "depth_unit": unit,
        "source": {
            "name": source.name,
            "licence": source.licence,
            "sha256": source.sha256,
            "bounds": None if source.bounds is None else source.bounds.tolist(),
        },
        "members": places,
    }
    return EncodedViewSet(
        view_set.object_id,
        source,
        len(cameras),
        json.dumps(header, separators=(",", ":")).encode(),
        block.getvalue(),
    )


def write_samples(samples: Sequence[EncodedViewSet]) -> tuple[bytes, list[tuple[int, int]]]:
    """Samples as one tar.

    Returns:
        the tar, and for each sample (offset, size) of its JSON's bytes.
    """
    tar, headers = io.BytesIO(), []
    for sample in samples:
        start = _append(tar, f"{sample.object_id}.json", sample.header)
        headers.append((start, len(sample.header)))
        tar.write(sample.members)
    tar.write(bytes(2 * _BLOCK))
    tar.write(bytes(-tar.tell() % tarfile.RECORDSIZE))
    return tar.getvalue(), headers


def end_of_header(offset: int, size: int) -> int:
    """Where the members of a sample begin, whose JSON lies at `offset`."""
    return offset + size + -size % _BLOCK


def decode_view_set(
    header: bytes,
    fetch: FetchRanges,
    *,
    views: Sequence[int] | None = None,
    depth: bool = False,
    normals: bool = False,
) -> ViewSet:
    """Read some views of a sample.

    Args:
        header: the sample's JSON.
        fetch: gives the bytes of members.
        views: indices in the order that is wanted; None for all.
        depth: whether depth is wanted.
        normals: whether normals are wanted.

    Raises:
        InputError: the header or an image is damaged, or something wanted is not in the sample.
    """
    content = _parse(header)
    object_id, places = content["object_id"], _places(content)
    cameras = _cameras(content)
    chosen = list(range(len(cameras))) if views is None else list(views)
    beyond = [index for index in chosen if not 0 <= index < len(cameras)]
    if beyond:
        raise InputError(f"{object_id}: there is no view {beyond[0]} among {len(cameras)}")
    kinds = ["rgba.webp", *["depth.png"] * depth, *["normal.webp"] * normals]
    names = [f"{index:03d}.{kind}" for kind in kinds for index in chosen]
    missing = [name for name in names if name not in places]
    if missing:
        raise InputError(f"{object_id}: the sample holds no {missing[0]}")
    files = dict(zip(names, fetch([places[name] for name in names]), strict=True))
    size = (cameras.width, cameras.height)

    def images(kind: str, mode: str) -> np.ndarray:
        return np.stack(
            [
                _decode(files[f"{index:03d}.{kind}"], mode, size, f"{object_id}.{index:03d}.{kind}")
                for index in chosen
            ]
        )

    shape = (0, cameras.height, cameras.width)
    if not chosen:
        return ViewSet(object_id, np.zeros((*shape, 4), np.uint8), _picked(cameras, []),
                       _source(content))  # fmt: skip
    return ViewSet(
        object_id,
        images("rgba.webp", "RGBA"),
        _picked(cameras, chosen),
        _source(content),
        _decode_depth(images("depth.png", "I;16"), content["depth_unit"]) if depth else None,
        _decode_normals(images("normal.webp", "RGB")) if normals else None,
    )


def _append(tar: io.BytesIO, name: str, content: bytes) -> int:
    """Add a member that says nothing of who wrote it and when; where its bytes begin."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    tar.write(info.tobuf(tarfile.GNU_FORMAT))
    start = tar.tell()
    tar.write(content)
    tar.write(bytes(-len(content) % _BLOCK))
    return start


def _webp(image: UInt8[np.ndarray, "H W C"]) -> bytes:
    """WebP without loss: smaller than PNG and faster to read."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(
        buffer, format="WEBP", lossless=True, quality=50, method=2, exact=True
    )
    return buffer.getvalue()


def _png(depth: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(depth).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def _encode_normals(normals: Float32[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    seen = np.any(normals != 0.0, axis=-1, keepdims=True)
    # black stands for none; no unit vector comes near (-1, -1, -1)
    return np.where(seen, to_uint8((normals + 1.0) / 2.0), np.uint8(0))


def _decode_normals(encoded: UInt8[np.ndarray, "N H W 3"]) -> Float32[np.ndarray, "N H W 3"]:
    seen = np.any(encoded != 0, axis=-1, keepdims=True)
    normals = encoded.astype(np.float32) * np.float32(2.0 / 255.0) - np.float32(1.0)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), np.float32(1e-6))
    return np.where(seen, normals, np.float32(0.0))


def _decode_depth(encoded: np.ndarray, unit: float) -> Float32[np.ndarray, "N H W"]:
    depth = encoded.astype(np.float32) * np.float32(unit)
    return np.where(encoded == 0, np.float32(np.inf), depth)


def _decode(content: bytes, mode: str, size: tuple[int, int], name: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content), formats=("WEBP", "PNG")) as image:
            # looked at before a pixel is decoded
            if image.size != size:
                raise InputError(f"{name} is {image.size[0]} x {image.size[1]} pixels, the "
                                 f"cameras say {size[0]} x {size[1]}")  # fmt: skip
            return np.asarray(image.convert(mode) if image.mode != mode else image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{name} is damaged ({error})") from error


def _parse(header: bytes) -> dict[str, Any]:
    try:
        content = json.loads(header)
        keys = ("object_id", "width", "height", "c2w", "intrinsics", "members", "source")
        absent = [key for key in keys if key not in content]
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"the header of a sample is damaged ({error})") from error
    if absent:
        raise InputError(f"the header of a sample has no '{absent[0]}'")
    return dict(content)


def _cameras(content: dict[str, Any]) -> Cameras:
    try:
        width, height = int(content["width"]), int(content["height"])
        if not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE):
            raise ValueError(f"images of {width} x {height} pixels")
        c2w = torch.tensor(content["c2w"], dtype=torch.float32)
        intrinsics = torch.tensor(content["intrinsics"], dtype=torch.float32)
        return Cameras(c2w, intrinsics, width, height)
    except (ValueError, TypeError) as error:
        raise InputError(f"{content['object_id']}: damaged cameras ({error})") from error


def _places(content: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Offset and size of every member."""
    try:
        places = {
            name: (int(start), int(size)) for name, (start, size) in content["members"].items()
        }
        if any(start < 0 or size <= 0 for start, size in places.values()):
            raise ValueError("members before the header")
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{content['object_id']}: damaged list of members ({error})") from error
    return places


def _picked(cameras: Cameras, views: list[int]) -> Cameras:
    return Cameras(cameras.c2w[views], cameras.intrinsics[views], cameras.width, cameras.height)


def _source(content: dict[str, Any]) -> ObjectSource:
    try:
        source = content["source"]
        bounds = source["bounds"]
        box = None if bounds is None else np.array(bounds, dtype=np.float32).reshape(2, 3)
        return ObjectSource(source["name"], source["licence"], source["sha256"], box)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{content['object_id']}: damaged provenance ({error})") from error
