"""The elements of a PLY file, ASCII or binary, with lists of any length.

Source: Turk, "The PLY Polygon File Format" (1994).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lrm_core.errors import InputError

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2",
    "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "int64": "i8", "uint64": "u8", "float16": "f2", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip


@dataclass(frozen=True)
class Property:
    """One property of an element.

    Attributes:
        name: as the file calls it.
        dtype: of its values.
        count_dtype: of the number before each list; None for a single value.
    """

    name: str
    dtype: np.dtype
    count_dtype: np.dtype | None = None


@dataclass
class Element:
    """All rows of one element.

    Attributes:
        name: as the file calls it.
        count: number of rows.
        properties: in the order of the file.
        values: (N,) values of each property, those of lists one after the other.
        sizes: (N,) lengths of the lists of each list property.
    """

    name: str
    count: int
    properties: list[Property] = field(default_factory=list)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    sizes: dict[str, np.ndarray] = field(default_factory=dict)


def read_ply(content: bytes) -> tuple[dict[str, Element], list[str]]:
    """Elements by name, and the comments of the header.

    Raises:
        InputError: not a PLY file, or truncated.
        ValueError: a header or values that are not understood.
    """
    lines, body = _split_header(content)
    encoding, elements, comments = _parse_header(lines)
    if encoding == "ascii":  # read like a binary file of nothing but doubles
        body = np.array(list(map(float, body.rstrip(b"\0").split()))).tobytes()
    at = 0
    for element in elements:
        if element.properties:
            stored = [_as_stored(prop, encoding) for prop in element.properties]
            at = _read_equal_rows(element, stored, body, at) or _read_rows(
                element, stored, body, at
            )
    return {element.name: element for element in elements}, comments


def _split_header(content: bytes) -> tuple[list[str], bytes]:
    """Lines of the header with any line ends, and what follows it."""
    start = content[:4096].lstrip(b"\xef\xbb\xbf")
    if start[:3].lower() != b"ply":
        raise InputError("does not begin with 'ply'")
    found = content.find(b"end_header")
    if found < 0:
        raise InputError("is truncated: its header has no end")
    end = found + len(b"end_header")
    after = content[end : end + 64].lstrip(b" \t")
    end = content.index(after, end) if after else len(content)
    if after[:2] == b"\r\n":
        end += 2
    elif after[:1] in (b"\r", b"\n"):
        end += 1
    header = content[:found].decode("utf-8", "surrogateescape").lstrip("\ufeff")
    return header.replace("\r\n", "\n").replace("\r", "\n").split("\n"), content[end:]


def _parse_header(lines: list[str]) -> tuple[str, list[Element], list[str]]:
    encoding = ""
    elements: list[Element] = []
    comments: list[str] = []
    for line in lines[1:]:
        words = line.split()
        if not words:
            continue
        match words[0].lower(), words[1:]:
            case "format", [str(name), *_]:
                encoding = name.lower()
            case (("comment" | "obj_info"), _):
                comments.append(line.strip().split(None, 1)[-1])
            case "element", [str(name), str(count)]:
                elements.append(Element(name, int(count)))
            case "property", ["list", str(count_type), str(kind), str(name)] if elements:
                prop = Property(name, np.dtype(_TYPES[kind]), np.dtype(_TYPES[count_type]))
                elements[-1].properties.append(prop)
            case "property", [str(kind), str(name)] if elements:
                elements[-1].properties.append(Property(name, np.dtype(_TYPES[kind])))
            case _:
                raise ValueError(f"header line '{line.strip()[:60]}'")
    if encoding not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise ValueError(f"format '{encoding[:40]}'")
    return encoding, elements, comments


def _as_stored(prop: Property, encoding: str) -> Property:
    """The property with the types and the byte order of the bytes that are read."""
    order: Literal["<", ">"] = ">" if "big" in encoding else "<"
    number = np.dtype("f8") if encoding == "ascii" else prop.dtype.newbyteorder(order)
    if prop.count_dtype is None:
        return Property(prop.name, number)
    count = np.dtype("f8") if encoding == "ascii" else prop.count_dtype.newbyteorder(order)
    return Property(prop.name, number, count)


def _read_equal_rows(element: Element, stored: list[Property], body: bytes, at: int) -> int | None:
    """Read an element whose lists are as long in every row as in the first one.

    Returns:
        where it ends in `body`; None where it is not such an element, or truncated.
    """
    fields: list[tuple[Any, ...]] = []
    end = at
    for index, prop in enumerate(stored):
        if prop.count_dtype is None:
            fields.append((f"value{index}", prop.dtype))
            end += prop.dtype.itemsize
            continue
        if end + prop.count_dtype.itemsize > len(body):
            return None
        length = _length(body, end, prop.count_dtype)
        fields += [(f"count{index}", prop.count_dtype), (f"value{index}", prop.dtype, (length,))]
        end += prop.count_dtype.itemsize + length * prop.dtype.itemsize
    row = end - at
    if at + row * element.count > len(body):
        return None
    rows = np.frombuffer(body, np.dtype(fields), element.count, at)
    for index, prop in enumerate(stored):
        values = rows[f"value{index}"]
        if prop.count_dtype is not None:
            counts = rows[f"count{index}"]
            if len(counts) and not (counts == counts[0]).all():
                return None
            element.sizes[prop.name] = counts.astype(np.int64)
        element.values[prop.name] = values.reshape(-1).astype(values.dtype.newbyteorder("="))
    return at + row * element.count


def _read_rows(element: Element, stored: list[Property], body: bytes, at: int) -> int:
    """Read an element row by row; returns where it ends in `body`."""
    chunks: dict[str, list[bytes]] = {prop.name: [] for prop in stored}
    sizes: dict[str, list[int]] = {prop.name: [] for prop in stored}
    for row in range(element.count):
        for prop in stored:
            length = 1
            if prop.count_dtype is not None and at + prop.count_dtype.itemsize <= len(body):
                length = _length(body, at, prop.count_dtype)
                at += prop.count_dtype.itemsize
            end = at + length * prop.dtype.itemsize
            if end > len(body):
                raise InputError(
                    f"is truncated: it promises {element.count} rows of '{element.name}' "
                    f"and ends in row {row + 1}"
                )
            chunks[prop.name].append(body[at:end])
            sizes[prop.name].append(length)
            at = end
    for prop in stored:
        values = np.frombuffer(b"".join(chunks[prop.name]), prop.dtype)
        element.values[prop.name] = values.astype(values.dtype.newbyteorder("="))
        if prop.count_dtype is not None:
            element.sizes[prop.name] = np.array(sizes[prop.name], dtype=np.int64)
    return at


def _length(body: bytes, at: int, dtype: np.dtype) -> int:
    """The number before a list."""
    length = int(np.frombuffer(body, dtype, 1, at)[0])
    if length < 0:
        raise ValueError(f"a list of {length} values")
    return length
