"""Typed arrays in the buffers of a glTF 2.0 file (specification, section 3.6.2)."""

from typing import Any

import numpy as np

_COMPONENT_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_NUM_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}


def read_accessor(gltf: dict[str, Any], buffers: list[bytes], index: int) -> np.ndarray:
    """Values of accessor `index`.

    Args:
        gltf: the document.
        buffers: their content.
        index: index of the accessor.

    Returns:
        (count, components) in the stored type; normalized integers as float32 in [0, 1] or
        [-1, 1].

    Raises:
        ValueError: the accessor reaches beyond its buffer.
    """
    accessor = gltf["accessors"][index]
    dtype = np.dtype(_COMPONENT_TYPES[accessor["componentType"]])
    count, width = int(accessor["count"]), _NUM_COMPONENTS[accessor["type"]]
    values: np.ndarray
    if "bufferView" in accessor:
        values = _read_view(gltf, buffers, accessor, dtype, count, width)
    else:
        # zeros that no byte of the file backs: bounded by what the file could hold otherwise
        if count > 1 << 22:
            raise ValueError(f"accessor {index} claims {count} elements")
        values = np.zeros((count, width), dtype=dtype)
    if "sparse" in accessor:
        sparse = accessor["sparse"]
        num_changed = int(sparse["count"])
        index_type = np.dtype(_COMPONENT_TYPES[sparse["indices"]["componentType"]])
        rows = _read_view(gltf, buffers, sparse["indices"], index_type, num_changed, 1)[:, 0]
        values = values.copy()
        values[rows] = _read_view(gltf, buffers, sparse["values"], dtype, num_changed, width)
    if accessor.get("normalized", False) and dtype.kind in "iu":
        scaled = values.astype(np.float32) / np.float32(np.iinfo(dtype).max)
        values = np.maximum(scaled, np.float32(-1.0))
    return values


def _read_view(
    gltf: dict[str, Any],
    buffers: list[bytes],
    source: dict[str, Any],
    dtype: np.dtype[Any],
    count: int,
    width: int,
) -> np.ndarray:
    """(count, width) elements of a buffer view, which may be interleaved with others."""
    view = gltf["bufferViews"][source["bufferView"]]
    row = dtype.itemsize * width
    stride = int(view.get("byteStride", row))
    start = int(view.get("byteOffset", 0)) + int(source.get("byteOffset", 0))
    buffer = buffers[view["buffer"]]
    if min(count, start) < 0 or stride < row or start + (count - 1) * stride + row > len(buffer):
        raise ValueError(f"{count} elements reach beyond a buffer of {len(buffer)} bytes")
    return np.ndarray((count, width), dtype, buffer, start, (stride, dtype.itemsize))
