"""A dataset of view sets: WebDataset tar shards, a manifest and a description.

    DATASET/dataset.json          format, version, camera convention, renderer, settings, splits
    DATASET/manifest.parquet      one row per object, and where in which shard it lies
    DATASET/shard-000000.tar      samples, see `view_set_files`
    DATASET/records/shard-000000.json  what the shard holds; --resume goes by them
    DATASET/failures.csv          objects that could not be prepared, with the reason

The folder is a local path or any URL that fsspec knows (s3://, gs://, https://, memory://).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd

from lrm_core.errors import InputError, OutputError
from lrm_core.io.atomic_write import replacing
from lrm_core.io.view_set_files import decode_view_set, end_of_header
from lrm_core.structures.view_set import ObjectSource, ViewSet

FORMAT = "lrm-views"
SCHEMA_VERSION = 1
DESCRIPTION, MANIFEST, FAILURES = "dataset.json", "manifest.parquet", "failures.csv"

CAMERA_CONVENTION = {
    "world": "right-handed, z up, object in [-1, 1]^3",
    "c2w": "camera to world, OpenGL axes: +x right, +y up, looks along -z",
    "intrinsics": "fx, fy, cx, cy in pixels, pixel centers at +0.5",
}

Splits = tuple[tuple[str, float], ...]
DEFAULT_SPLITS: Splits = (("train", 0.98), ("val", 0.01), ("test", 0.01))

_BOUNDS = ("min_x", "min_y", "min_z", "max_x", "max_y", "max_z")
COLUMNS = {
    "object_id": "str",
    "source": "str",
    "licence": "str",
    "sha256": "str",
    "split": "str",
    "num_views": "int64",
    "shard": "str",
    "offset": "int64",
    "size": "int64",
    **dict.fromkeys(_BOUNDS, "float64"),
}
_SHARD_NAME = re.compile(r"shard-\d{6,}\.tar")


@dataclass(frozen=True)
class ViewDataset:
    """A dataset that can be read.

    Attributes:
        url: folder or fsspec URL.
        description: the content of dataset.json.
        manifest: one row per object, sorted by object id; columns as in `COLUMNS`. `offset` and
            `size` are those of the sample's JSON within its shard.
    """

    url: str
    description: dict[str, Any]
    manifest: pd.DataFrame

    @property
    def object_ids(self) -> list[str]:
        """All objects, sorted."""
        return list(self.manifest["object_id"])

    @cached_property
    def rows(self) -> pd.Index:
        """Object ids, hashed once: a read must not search the manifest."""
        index: pd.Index = pd.Index(self.manifest["object_id"])
        return index


def open_view_dataset(url: str | Path) -> ViewDataset:
    """Open a dataset; shards are read later, view by view.

    Raises:
        InputError: there is no dataset, or its description or manifest is damaged or newer than
            this program.
    """
    url = str(url)
    try:
        description = json.loads(read_file(url, DESCRIPTION))
    except ValueError as error:
        raise InputError(f"{url}/{DESCRIPTION}: not JSON ({error})") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(f"{url}/{DESCRIPTION}: not a dataset of views ('format' is not {FORMAT})")
    version = description.get("schema_version")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{url}: schema version {version!r:.20}, this program reads {SCHEMA_VERSION}",
            hint="install a newer lrm-toolkit, or prepare the data again",
        )
    content = read_file(url, MANIFEST)
    try:
        manifest = pd.read_parquet(io.BytesIO(content))
    # the parser's errors are of many kinds
    except Exception as error:
        raise InputError(f"{url}/{MANIFEST}: not readable ({error})") from error
    missing = [name for name in COLUMNS if name not in manifest.columns]
    if missing:
        raise InputError(f"{url}/{MANIFEST}: has no column '{missing[0]}'")
    return ViewDataset(url, description, manifest)


def view_dataset_contents(dataset: ViewDataset) -> list[tuple[str, str]]:
    """What makes a dataset this one, by name: shards with their hash, then objects.

    An object's content is its split, its number of views, and the hash of what it was made of.
    """
    shards = [(entry["shard"], entry["sha256"]) for entry in dataset.description.get("shards", [])]
    columns = (dataset.manifest[name] for name in ("object_id", "split", "num_views", "sha256"))
    return shards + [
        (object_id, f"{split}, {num_views} views, {sha256}")
        for object_id, split, num_views, sha256 in zip(*columns, strict=True)
    ]


def read_view_set(
    dataset: ViewDataset,
    object_id: str,
    views: Sequence[int] | None = None,
    *,
    depth: bool = False,
    normals: bool = False,
) -> ViewSet:
    """Read some views of an object, and only their bytes.

    Args:
        dataset: an open dataset.
        object_id: id of the object.
        views: indices in the order that is wanted; None for all.
        depth: whether depth is wanted.
        normals: whether normals are wanted.

    Raises:
        InputError: no such object or view, or the shard is missing or damaged.
    """
    row = dataset.rows.get_loc(object_id) if object_id in dataset.rows else None
    if not isinstance(row, int):  # none, or several
        raise InputError(
            f"{dataset.url}: there is no object '{object_id}'",
            hint="the manifest's column object_id lists them",
        )
    shard, offset, size = dataset.manifest.iloc[row][["shard", "offset", "size"]]
    if not _SHARD_NAME.fullmatch(shard):
        raise InputError(f"{dataset.url}: '{shard}' is not the name of a shard")
    base = end_of_header(int(offset), int(size))

    def fetch(ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return _read_ranges(
            dataset.url, shard, [(base + start, length) for start, length in ranges]
        )

    (header,) = _read_ranges(dataset.url, shard, [(int(offset), int(size))])
    return decode_view_set(header, fetch, views=views, depth=depth, normals=normals)


def split_of(object_id: str, splits: Splits = DEFAULT_SPLITS) -> str:
    """The split an object belongs to, by the hash of its id and nothing else.

    Args:
        object_id: id of the object.
        splits: (name, share) pairs; shares are relative.
    """
    position = int.from_bytes(hashlib.sha256(object_id.encode()).digest()[:8], "big") / 2**64
    ends = np.cumsum([share for _, share in splits])
    index = int(np.searchsorted(ends, position * ends[-1], side="right"))
    return splits[min(index, len(splits) - 1)][0]


def shard_name(index: int) -> str:
    """File name of a shard."""
    return f"shard-{index:06d}.tar"


def manifest_row(
    object_id: str,
    source: ObjectSource,
    num_views: int,
    split: str,
    shard: str,
    place: tuple[int, int],
) -> dict[str, Any]:
    """What the manifest says of one object; `place` is the offset and size of its JSON."""
    bounds = [None] * 6 if source.bounds is None else source.bounds.reshape(-1).tolist()
    return {
        "object_id": object_id,
        "source": source.name,
        "licence": source.licence,
        "sha256": source.sha256,
        "split": split,
        "num_views": num_views,
        "shard": shard,
        "offset": place[0],
        "size": place[1],
        **dict(zip(_BOUNDS, bounds, strict=True)),
    }


def encode_manifest(rows: Sequence[dict[str, Any]]) -> bytes:
    """The manifest's rows as Parquet, sorted by object id."""
    table = pd.DataFrame(list(rows), columns=list(COLUMNS)).astype(COLUMNS)
    buffer = io.BytesIO()
    table.sort_values("object_id", ignore_index=True).to_parquet(buffer, index=False)
    return buffer.getvalue()


def read_file(url: str, name: str) -> bytes:
    """A file of a dataset.

    Raises:
        InputError: it cannot be read.
    """
    filesystem, root = fsspec.core.url_to_fs(url)
    try:
        return bytes(filesystem.cat_file(f"{root}/{name}"))
    except OSError as error:
        raise InputError(
            f"{url}/{name}: cannot be read ({error.strerror or error})",
            hint="expected a dataset written by `lrm preprocess`",
        ) from error


def has_file(url: str, name: str) -> bool:
    """Whether a dataset has a file."""
    filesystem, root = fsspec.core.url_to_fs(url)
    return bool(filesystem.exists(f"{root}/{name}"))


def list_files(url: str, folder: str = "") -> list[str]:
    """Names of the files in a folder of a dataset; none where there is no such folder."""
    filesystem, root = fsspec.core.url_to_fs(url)
    try:
        paths = filesystem.ls(f"{root}/{folder}".rstrip("/"), detail=False)
    except FileNotFoundError:
        return []
    return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in paths)


def write_file(url: str, name: str, content: bytes) -> None:
    """Write a file of a dataset: whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    filesystem, root = fsspec.core.url_to_fs(url)
    if "file" in filesystem.protocol:
        with replacing(Path(root) / name) as temporary:
            temporary.write_bytes(content)
        return
    try:
        filesystem.makedirs(f"{root}/{name}".rsplit("/", 1)[0], exist_ok=True)
        filesystem.pipe_file(f"{root}/{name}", content)  # object stores show whole objects only
    except OSError as error:
        raise OutputError(f"{url}/{name} cannot be written ({error})") from error


def remove_file(url: str, name: str) -> None:
    """Remove a file of a dataset."""
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.rm_file(f"{root}/{name}")


def _read_ranges(url: str, name: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    filesystem, root = fsspec.core.url_to_fs(url)
    path = f"{root}/{name}"
    try:
        contents = filesystem.cat_ranges(
            [path] * len(ranges),
            [start for start, _ in ranges],
            [start + size for start, size in ranges],
            on_error="raise",
        )
    except OSError as error:
        raise InputError(f"{url}/{name}: cannot be read ({error.strerror or error})") from error
    for content, (start, size) in zip(contents, ranges, strict=True):
        if len(content) != size:
            raise InputError(f"{url}/{name}: ends before byte {start + size}")
    return list(contents)
