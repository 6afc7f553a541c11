"""Objects -> a dataset of view sets: ten objects or a million, in one run or resumed.

The list of objects is cut into shards of fixed size; each is written whole, followed by a record
of what it holds. A resumed run skips every shard whose record fits its objects, so a dataset
is the same bytes whether it was made in one go or in ten, by one worker or by a cluster.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lrm_core.config import changed_settings
from lrm_core.datasets.engines import Outcome, Shard, build_here, build_on_ray
from lrm_core.errors import ConfigError, InputError, OutputError
from lrm_core.io.view_dataset_files import (
    CAMERA_CONVENTION,
    DEFAULT_SPLITS,
    DESCRIPTION,
    FAILURES,
    FORMAT,
    MANIFEST,
    SCHEMA_VERSION,
    Splits,
    encode_manifest,
    has_file,
    list_files,
    manifest_row,
    read_file,
    remove_file,
    shard_name,
    split_of,
    write_file,
)
from lrm_core.io.view_set_files import EncodedViewSet, write_samples
from lrm_core.parallel import Engine, JobFailed
from lrm_core.sources.source import Source
from lrm_core.structures.view_set import ObjectJob
from lrm_core.version import __version__

_PLAN = "records/plan.json"


@dataclass(frozen=True)
class BuildOptions:
    """How a dataset is built.

    Attributes:
        objects_per_shard: objects in one tar; also the most that a killed run loses.
        workers: number of processes of the local engine.
        engine: `local` or `ray`.
        resume: continue a dataset that was begun.
        retry_failed: with `resume`, make shards again that miss objects.
        time_limit: seconds per object; None for no limit.
        splits: (name, share) pairs; an object's split follows from the hash of its id.
    """

    objects_per_shard: int = 16
    workers: int = 1
    engine: Engine = "local"
    resume: bool = False
    retry_failed: bool = False
    time_limit: float | None = None
    splits: Splits = DEFAULT_SPLITS


@dataclass(frozen=True)
class BuildSummary:
    """What a dataset holds after a run.

    Attributes:
        num_objects: objects in it.
        num_views: views of all objects.
        num_made: objects that this run prepared.
        failures: (object id, reason) of those that could not be prepared, in any run.
    """

    num_objects: int
    num_views: int
    num_made: int
    failures: tuple[tuple[str, str], ...]


def build_dataset(
    out: str,
    source: Source,
    jobs: Sequence[ObjectJob],
    *,
    options: BuildOptions = BuildOptions(),
    on_progress: Callable[[int], None] = lambda done: None,
) -> BuildSummary:
    """Prepare objects and write them as a dataset (see `view_dataset_files` for the files).

    Args:
        out: folder or fsspec URL.
        source: makes the views; its description goes into dataset.json.
        jobs: the source's jobs, or the part of them that is wanted; their ids differ.
        options: shards, workers, splits, whether to resume.
        on_progress: called with the number of objects done since the last call.

    Raises:
        InputError: no objects, or two with the same id.
        OutputError: a dataset exists already and `resume` is not set.
        ConfigError: the dataset that was begun had other settings.
    """
    if not jobs:
        raise InputError("there are no objects to prepare")
    _check_ids(jobs)
    description = source.describe()
    _begin(out, description, options)
    shards = [
        Shard(index, tuple(jobs[start : start + options.objects_per_shard]))
        for index, start in enumerate(range(0, len(jobs), options.objects_per_shard))
    ]
    records: dict[int, dict[str, Any]] = {}
    if options.resume:
        records = _finished(out, shards, options)
        on_progress(sum(len(shards[index].jobs) for index in records))
    to_do = [shard for shard in shards if shard.index not in records]
    write = functools.partial(_write_shard, out, options.splits)
    if options.engine == "ray":
        made = build_on_ray(
            to_do, source, write, time_limit=options.time_limit, on_object=on_progress
        )
    else:
        made = build_here(
            to_do,
            source,
            write,
            workers=options.workers,
            time_limit=options.time_limit,
            on_object=on_progress,
        )
    for shard, record in made:
        records[shard.index] = record | {"jobs": _fingerprint(shard)}
        write_file(out, f"records/{_record_name(shard.index)}", _json(records[shard.index]))
    num_made = sum(len(records[shard.index]["rows"]) for shard in to_do)
    return _finish(out, [records[shard.index] for shard in shards], description, options, num_made)


def _check_ids(jobs: Sequence[ObjectJob]) -> None:
    seen: set[str] = set()
    for job in jobs:
        if job.object_id in seen:
            raise InputError(f"two objects are called '{job.object_id}'")
        seen.add(job.object_id)


def _begin(out: str, description: dict[str, Any], options: BuildOptions) -> None:
    """Make sure that nothing else is in the folder, and record what is being made."""
    if out in ("", "-"):
        raise OutputError(f"'{out}' is not the name of a dataset", hint="name a folder or a URL")
    plan = _json(
        {
            "description": description,
            "objects_per_shard": options.objects_per_shard,
            "splits": options.splits,
        }
    )
    if not has_file(out, _PLAN):
        others = [name for name in list_files(out) if not name.startswith(".")]
        if others:
            raise OutputError(
                f"{out} is not empty and holds no dataset of `lrm preprocess` ({others[0]})",
                hint="name another folder",
            )
        write_file(out, _PLAN, plan)
        return
    if not options.resume:
        raise OutputError(
            f"{out} holds a dataset already", hint="add --resume to continue it, or name another"
        )
    begun = read_file(out, _PLAN)
    if begun != plan:
        raise ConfigError(
            f"{out} was begun with other settings ({_difference(begun, plan)})",
            hint="resume with the settings it was begun with, or name another folder",
        )


def _difference(begun: bytes, plan: bytes) -> str:
    """The first setting that differs, as `name: then, now`."""
    for name, then, now in changed_settings(json.loads(begun), json.loads(plan)):
        return f"{name}: {then} then, {now} now"
    return "their order"


def _finished(
    out: str, shards: Sequence[Shard], options: BuildOptions
) -> dict[int, dict[str, Any]]:
    """Records of the shards that need not be made again."""
    present = set(list_files(out))
    recorded = set(list_files(out, "records"))
    records = {}
    for shard in shards:
        if _record_name(shard.index) not in recorded:
            continue
        record = json.loads(read_file(out, f"records/{_record_name(shard.index)}"))
        whole = record["shard"] is None or record["shard"] in present
        tried = not (options.retry_failed and record["failures"])
        if record["jobs"] == _fingerprint(shard) and whole and tried:
            records[shard.index] = record
    return records


def _write_shard(
    out: str, splits: Splits, shard: Shard, outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """Write a shard; what it holds."""
    samples = [outcome for outcome in outcomes if isinstance(outcome, EncodedViewSet)]
    failures = [
        [job.object_id, outcome.reason]
        for job, outcome in zip(shard.jobs, outcomes, strict=True)
        if isinstance(outcome, JobFailed)
    ]
    if not samples:
        return {"shard": None, "bytes": 0, "sha256": None, "rows": [], "failures": failures}
    content, places = write_samples(samples)
    name = shard_name(shard.index)
    write_file(out, name, content)
    rows = [
        manifest_row(
            sample.object_id,
            sample.source,
            sample.num_views,
            split_of(sample.object_id, splits),
            name,
            place,
        )
        for sample, place in zip(samples, places, strict=True)
    ]
    return {
        "shard": name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "rows": rows,
        "failures": failures,
    }


def _finish(
    out: str,
    records: Sequence[dict[str, Any]],
    description: dict[str, Any],
    options: BuildOptions,
    num_made: int,
) -> BuildSummary:
    """Write what describes the whole dataset, from the records of its shards."""
    _remove_older_shards(out, len(records))
    rows = [row for record in records for row in record["rows"]]
    failures = [(failed, reason) for record in records for failed, reason in record["failures"]]
    write_file(out, MANIFEST, encode_manifest(rows))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows([("object_id", "reason"), *failures])
    write_file(out, FAILURES, table.getvalue().encode("utf-8", "backslashreplace"))
    num_views = sum(row["num_views"] for row in rows)
    content = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "made_with": f"lrm-toolkit {__version__}",
        **description,
        "camera_convention": CAMERA_CONVENTION,
        "splits": options.splits,
        "num_objects": len(rows),
        "num_views": num_views,
        "num_failures": len(failures),
        "shards": [
            {key: record[key] for key in ("shard", "bytes", "sha256")}
            for record in records
            if record["shard"] is not None
        ],
    }
    write_file(out, DESCRIPTION, _json(content))
    return BuildSummary(len(rows), num_views, num_made, tuple(failures))


def _remove_older_shards(out: str, num_shards: int) -> None:
    """Shards of a longer list of objects that this one replaces."""
    kept = {shard_name(index) for index in range(num_shards)}
    for name in list_files(out):
        if name.startswith("shard-") and name not in kept:
            remove_file(out, name)
    kept_records = {_record_name(index) for index in range(num_shards)}
    for name in list_files(out, "records"):
        if name.startswith("shard-") and name not in kept_records:
            remove_file(out, f"records/{name}")


def _record_name(index: int) -> str:
    return f"{shard_name(index).removesuffix('.tar')}.json"


def _fingerprint(shard: Shard) -> str:
    listed = json.dumps([[job.object_id, job.location] for job in shard.jobs])
    return hashlib.sha256(listed.encode()).hexdigest()


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()
