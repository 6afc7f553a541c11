"""Is a dataset whole, and does it hold what it says?

Everything that `view_dataset_files` describes is compared with everything else: description,
manifest, list of failures, tar members, sample headers, images, cameras, hashes. All problems are
collected; the check ends early only where nothing is left to check.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from lrm_core.datasets.shard_check import (
    BOX_COLUMNS,
    ListedShard,
    Problem,
    Row,
    check_shard,
    check_shard_headers,
)
from lrm_core.errors import InputError
from lrm_core.io.view_dataset_files import (
    CAMERA_CONVENTION,
    COLUMNS,
    DESCRIPTION,
    FAILURES,
    MANIFEST,
    Splits,
    list_files,
    open_view_dataset,
    read_file,
    split_of,
)
from lrm_core.parallel import JobFailed, run_here
from lrm_core.structures.view_set import object_id_of

_SHARD = re.compile(r"shard-\d{6,}\.tar")
_VIEWS_WORTH_A_PROCESS = 256
"""A process takes seconds to start: enough to check a hundred views here."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class DatasetCheck:
    """What a check found.

    Attributes:
        num_objects: rows of the manifest.
        num_views: views of these objects.
        num_shards: shards in the description.
        problems: all that is wrong.
        notes: what is worth knowing and not wrong.
        sample_hash: sha256 of all samples by object id, however they are spread over shards; None
            after a fast check or where not every sample could be read.
    """

    num_objects: int
    num_views: int
    num_shards: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    sample_hash: str | None = None


def check_dataset(
    url: str,
    *,
    fast: bool = False,
    workers: int = 1,
    on_progress: Callable[[int], None] = lambda done: None,
) -> DatasetCheck:
    """Check a dataset.

    Args:
        url: folder or fsspec URL.
        fast: look at description, manifest, sizes of shards and headers of samples only; no shard
            is read whole and no image decoded.
        workers: processes.
        on_progress: called with the number of objects done since the last call.

    Raises:
        InputError: there is no dataset that can be opened.
    """
    dataset = open_view_dataset(url)
    shards = _listed_shards(dataset.description)
    problems = list(_check_columns(dataset.manifest))
    if problems:  # nothing can be compared with columns of another kind
        return DatasetCheck(len(dataset.manifest), 0, len(shards), tuple(problems))
    rows: list[Row] = [
        {str(name): value for name, value in row.items()}
        for row in dataset.manifest.to_dict("records")
    ]
    num_views = sum(row["num_views"] for row in rows)
    problems += _check_description(dataset.description, len(rows), num_views)
    problems += _check_rows(rows, _splits(dataset.description))
    problems += _check_failures(url, dataset.description, rows)
    by_shard: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_shard[row["shard"]].append(row)
    present = {name for name in list_files(url) if name.startswith("shard-")}
    problems += _check_shard_names(set(by_shard), set(shards), present)
    jobs = [
        (shards[name], by_shard[name]) for name in sorted(by_shard.keys() & shards.keys() & present)
    ]
    many = not fast and num_views > _VIEWS_WORTH_A_PROCESS
    outcomes = run_here(
        partial(_look, url, fast), jobs, workers=max(1, min(workers, len(jobs))) if many else 1
    )
    digests: dict[str, str] = {}
    for (shard, held), outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, JobFailed):
            problems.append(Problem(shard.name, outcome.reason))
        else:
            messages, hashes = outcome
            problems += messages
            digests |= hashes
        on_progress(len(held))
    return DatasetCheck(
        num_objects=len(rows),
        num_views=num_views,
        num_shards=len(shards),
        problems=tuple(problems),
        notes=tuple(_notes(dataset.manifest)),
        sample_hash=_hash_of(digests) if len(digests) == len(rows) else None,
    )


def _look(
    url: str, fast: bool, job: tuple[ListedShard, list[Row]]
) -> tuple[list[Problem], dict[str, str]]:
    """One shard: what a worker does."""
    shard, rows = job
    return (check_shard_headers(url, shard, rows), {}) if fast else check_shard(url, shard, rows)


def _check_columns(manifest: pd.DataFrame) -> Iterator[Problem]:
    is_of = {
        "str": pd.api.types.is_string_dtype,
        "int64": pd.api.types.is_integer_dtype,
        "float64": pd.api.types.is_float_dtype,
    }
    for name, kind in COLUMNS.items():
        if not is_of[kind](manifest[name]):
            yield Problem(MANIFEST, f"column {name} is of {manifest[name].dtype}, not {kind}")
        elif kind != "float64" and manifest[name].isna().any():
            yield Problem(MANIFEST, f"column {name} has gaps")


def _check_description(
    description: dict[str, Any], num_objects: int, num_views: int
) -> Iterator[Problem]:
    if description.get("camera_convention") != CAMERA_CONVENTION:
        yield Problem(DESCRIPTION, "'camera_convention' is not the one that this program reads")
    for key, expected in (("num_objects", num_objects), ("num_views", num_views)):
        if description.get(key) != expected:
            yield Problem(
                DESCRIPTION, f"'{key}' is {description.get(key)}, the manifest has {expected}"
            )
    if not description.get("source"):
        yield Problem(DESCRIPTION, "'source' does not say where the objects come from")
    if _splits(description) is None:
        yield Problem(DESCRIPTION, "'splits' is not a list of names and shares")
    shards = description.get("shards")
    if not isinstance(shards, list) or len(_listed_shards(description)) != len(shards):
        yield Problem(DESCRIPTION, "'shards' is not a list of shard, bytes and sha256")


def _check_rows(rows: Sequence[Row], splits: Splits | None) -> Iterator[Problem]:
    object_ids = [row["object_id"] for row in rows]
    if object_ids != sorted(object_ids):
        yield Problem(MANIFEST, "is not sorted by object id")
    for object_id, count in Counter(object_ids).items():
        if count > 1:
            yield Problem(object_id, f"is {count} times in the manifest")
        if object_id_of(object_id) != object_id:
            yield Problem(object_id, "is not an object id: letters, digits, '_' and '-' only")
    for row in rows:
        object_id = row["object_id"]
        if not _SHA256.fullmatch(row["sha256"]):
            yield Problem(object_id, f"'{row['sha256']}' is not a sha256")
        if not row["licence"]:
            yield Problem(object_id, "has no licence")
        if splits is not None and row["split"] != (expected := split_of(object_id, splits)):
            yield Problem(object_id, f"is in split '{row['split']}', its hash says '{expected}'")
        box = np.array([row[name] for name in BOX_COLUMNS])
        is_box = np.isfinite(box).all() and (box[:3] <= box[3:]).all()
        if not is_box and not np.isnan(box).all():
            yield Problem(object_id, f"its bounding box {box.tolist()} is not one")


def _check_failures(url: str, description: dict[str, Any], rows: Sequence[Row]) -> list[Problem]:
    try:
        table = list(csv.reader(io.StringIO(read_file(url, FAILURES).decode())))
    except (InputError, ValueError, csv.Error) as error:
        return [Problem(FAILURES, str(error))]
    failed = [row[0] for row in table[1:] if row]
    problems = [
        Problem(object_id, "is in failures.csv and in the manifest")
        for object_id in sorted(set(failed) & {row["object_id"] for row in rows})
    ]
    expected = description.get("num_failures")
    if len(failed) != expected:
        problems.append(
            Problem(FAILURES, f"lists {len(failed)} objects, dataset.json says {expected}")
        )
    return problems


def _check_shard_names(named: set[str], listed: set[str], present: set[str]) -> list[Problem]:
    """Compare the shards of the manifest, of the description and of the folder."""
    findings = (
        (listed - present, "is missing"),
        (named - listed, "is in the manifest but not in dataset.json"),
        (listed - named, "holds no object of the manifest"),
        (present - listed, "is in the folder but not in dataset.json"),
    )
    return [Problem(name, message) for names, message in findings for name in sorted(names)]


def _notes(manifest: pd.DataFrame) -> Iterator[str]:
    copies = manifest.groupby("sha256")["split"].agg(["size", "nunique"])
    num_copies = int(copies["size"][copies["size"] > 1].sum())
    num_spread = int((copies["nunique"] > 1).sum())
    if num_copies:
        yield (
            f"{num_copies} objects share their asset with another one"
            + (f", {num_spread} assets are in several splits" if num_spread else "")
        )


def _listed_shards(description: dict[str, Any]) -> dict[str, ListedShard]:
    """Shards of dataset.json by name; entries that make no sense are left out."""
    entries = description.get("shards")
    return {
        entry["shard"]: ListedShard(entry["shard"], entry["bytes"], entry["sha256"])
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
        and _SHARD.fullmatch(str(entry.get("shard")))
        and isinstance(entry.get("bytes"), int)
        and isinstance(entry.get("sha256"), str)
    }


def _splits(description: dict[str, Any]) -> Splits | None:
    try:
        splits = tuple((str(name), float(share)) for name, share in description["splits"])
    except (KeyError, TypeError, ValueError):
        return None
    return splits if sum(share for _, share in splits) > 0 else None


def _hash_of(digests: dict[str, str]) -> str:
    lines = "".join(f"{object_id} {digests[object_id]}\n" for object_id in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()
