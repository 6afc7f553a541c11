"""Does a shard hold the samples that the manifest says, and are they whole?"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import torch

from lrm_core.datasets.view_set_check import check_cameras, check_views
from lrm_core.errors import InputError
from lrm_core.io.view_dataset_files import read_file
from lrm_core.io.view_set_files import decode_view_set, end_of_header
from lrm_core.structures.cameras import Cameras

Row = dict[str, Any]
"""A row of the manifest."""
BOX_COLUMNS = ("min_x", "min_y", "min_z", "max_x", "max_y", "max_z")
# offset and size of each member of a tar
_Places = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: a file of the dataset or the id of an object.
        message: what is wrong with it.
    """

    where: str
    message: str


@dataclass(frozen=True)
class ListedShard:
    """A shard as dataset.json lists it: its name, its size in bytes, its hash."""

    name: str
    size: int
    sha256: str


def check_shard_headers(url: str, shard: ListedShard, rows: Iterable[Row]) -> list[Problem]:
    """A fast look at a shard: its size, and what the headers of its samples say.

    Args:
        url: folder or URL of the dataset.
        shard: a shard of it, which exists.
        rows: manifest rows of its objects.
    """
    filesystem, root = fsspec.core.url_to_fs(url)
    path = f"{root}/{shard.name}"
    try:
        problems = _check_size(shard, filesystem.size(path))
    except OSError as error:
        return [Problem(shard.name, f"cannot be read ({error})")]
    for row in rows:
        try:
            header = filesystem.cat_file(path, row["offset"], row["offset"] + row["size"])
            cameras = _all_cameras(header)
        except (InputError, OSError, ValueError) as error:
            problems.append(Problem(row["object_id"], str(error)))
            continue
        messages = [*_against_row(json.loads(header), row), *check_cameras(cameras)]
        problems += [Problem(row["object_id"], message) for message in messages]
    return problems


def check_shard(
    url: str, shard: ListedShard, rows: Iterable[Row]
) -> tuple[list[Problem], dict[str, str]]:
    """Check everything about a shard and its samples.

    Args:
        url: folder or URL of the dataset.
        shard: a shard of it, which exists.
        rows: manifest rows of its objects.

    Returns:
        the problems, and for each object that could be read the sha256 of its header and members.
    """
    try:
        content = read_file(url, shard.name)
    except InputError as error:
        return [Problem(shard.name, error.message)], {}
    problems = _check_size(shard, len(content))
    if not problems and hashlib.sha256(content).hexdigest() != shard.sha256:
        problems.append(Problem(shard.name, "its sha256 is not the one in dataset.json"))
    try:
        members = _members(content)
    except tarfile.TarError as error:
        return [*problems, Problem(shard.name, f"is not a tar of samples ({error})")], {}
    digests: dict[str, str] = {}
    for row in rows:
        messages, digest = _check_sample(content, members, row)
        problems += [Problem(row["object_id"], message) for message in messages]
        if digest is not None:
            digests[row["object_id"]] = digest
    if members:
        problems.append(
            Problem(
                shard.name, f"{len(members)} members belong to no sample, such as {min(members)}"
            )
        )
    return problems, digests


def _check_size(shard: ListedShard, size: int) -> list[Problem]:
    if size == shard.size:
        return []
    return [Problem(shard.name, f"has {size} bytes, dataset.json says {shard.size}")]


def _members(content: bytes) -> _Places:
    """Where each member of a tar lies.

    Raises:
        tarfile.TarError: it is not a tar, or holds something other than files, or a file twice.
    """
    members: _Places = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for member in tar:
            if not member.isreg() or member.name in members:
                raise tarfile.TarError(f"{member.name!r} is not a file, or there twice")
            members[member.name] = (member.offset_data, member.size)
    return members


def _check_sample(content: bytes, members: _Places, row: Row) -> tuple[list[str], str | None]:
    """What is wrong with a sample, and its hash; its members are taken out of `members`."""
    object_id, at = row["object_id"], (row["offset"], row["size"])
    place = members.pop(f"{object_id}.json", None)
    if place is None:
        return [f"its header is not in {row['shard']}"], None
    header = content[place[0] : sum(place)]
    try:
        cameras = _all_cameras(header)
    except InputError as error:
        return [error.message], None
    fields = json.loads(header)
    messages = _against_row(fields, row)
    if place != at:
        messages.append(f"its header is at {place}, the manifest says {at}")
    base = end_of_header(*place)
    digest = hashlib.sha256(header)
    for name, (start, size) in sorted(fields["members"].items()):
        place = (base + int(start), int(size))
        if members.pop(f"{object_id}.{name}", None) != place:
            return [*messages, f"{name} is not where its header says"], None
        digest.update(content[place[0] : sum(place)])

    def fetch(ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [content[base + start : base + start + size] for start, size in ranges]

    kinds = {name.partition(".")[2] for name in fields["members"]}
    if len(fields["members"]) != len(cameras) * len(kinds):
        messages.append(f"it has {len(fields['members'])} members for {len(cameras)} views")
    try:
        view_set = decode_view_set(
            header, fetch, depth="depth.png" in kinds, normals="normal.webp" in kinds
        )
    except InputError as error:
        return [*messages, *check_cameras(cameras), error.message], None
    return messages + check_views(view_set), digest.hexdigest()


def _all_cameras(header: bytes) -> Cameras:
    """The cameras of a sample.

    Raises:
        InputError: the header is damaged.
    """
    # checks all that the header says and fetches no member
    decode_view_set(header, lambda ranges: [], views=[])
    fields = json.loads(header)
    return Cameras(
        torch.tensor(fields["c2w"], dtype=torch.float32),
        torch.tensor(fields["intrinsics"], dtype=torch.float32),
        int(fields["width"]),
        int(fields["height"]),
    )


def _against_row(fields: dict[str, Any], row: Row) -> list[str]:
    """Where the header of a sample and its row of the manifest contradict each other."""
    source = fields["source"]
    stated = {
        "object_id": fields["object_id"],
        "num_views": len(fields["c2w"]),
        "source": source["name"],
        "licence": source["licence"],
        "sha256": source["sha256"],
    }
    messages = [
        f"its {name} is {value!r}, the manifest says {row[name]!r}"
        for name, value in stated.items()
        if value != row[name]
    ]
    in_row = np.array([row[name] for name in BOX_COLUMNS], np.float32)
    box = np.full(6, np.nan) if source["bounds"] is None else np.ravel(source["bounds"])
    if not np.array_equal(box.astype(np.float32), in_row, equal_nan=True):
        messages.append("its bounding box is not the one in the manifest")
    return messages
