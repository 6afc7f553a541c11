"""A dataset of views -> the folder layout that OpenLRM trains from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lrm_core.errors import OutputError
from lrm_core.io.openlrm_view_files import is_written, write_openlrm_views, write_uids
from lrm_core.io.view_dataset_files import ViewDataset, read_view_set
from lrm_core.parallel import JobFailed, run_here
from lrm_core.structures.view_set import object_id_of


@dataclass(frozen=True)
class OpenLrmExport:
    """What was written.

    Attributes:
        num_objects: objects in the folder.
        num_made: objects that this run wrote.
        uid_lists: a list of uids for each split.
        failures: (object id, reason) of those that could not be written.
    """

    num_objects: int
    num_made: int
    uid_lists: tuple[Path, ...]
    failures: tuple[tuple[str, str], ...]


def export_openlrm(
    dataset: ViewDataset,
    root: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> OpenLrmExport:
    """Write every object of a dataset as a folder, and `SPLIT_uids.json` for every split.

    Args:
        dataset: an open dataset.
        root: the folder; each object appears in it whole.
        workers: processes.
        resume: keep the objects that are there already.
        on_progress: called with the number of objects done since the last call.

    Raises:
        OutputError: objects are there already and `resume` is not set, or nothing can be written.
    """
    written = {object_id for object_id in dataset.object_ids if is_written(root, object_id)}
    if written and not resume:
        raise OutputError(
            f"{root} holds {len(written)} of the objects already",
            hint="add --resume to keep them, or name another folder",
        )
    to_do = [object_id for object_id in dataset.object_ids if object_id not in written]
    on_progress(len(written))
    outcomes = run_here(
        partial(_export_object, root),
        (_only(dataset, object_id) for object_id in to_do),
        workers=workers,
    )
    failures: dict[str, str] = {}
    for object_id, outcome in zip(to_do, outcomes, strict=True):
        if isinstance(outcome, JobFailed):
            failures[object_id] = outcome.reason
        on_progress(1)
    uid_lists = []
    for split, rows in dataset.manifest.groupby("split", sort=True):
        uid_lists.append(root / f"{object_id_of(str(split))}_uids.json")
        write_uids(uid_lists[-1], [uid for uid in rows["object_id"] if uid not in failures])
    num_objects = len(dataset.object_ids) - len(failures)
    num_made = num_objects - len(written)
    return OpenLrmExport(num_objects, num_made, tuple(uid_lists), tuple(failures.items()))


def _only(dataset: ViewDataset, object_id: str) -> ViewDataset:
    """The part of a dataset that a worker needs for an object."""
    manifest = dataset.manifest
    return replace(dataset, manifest=manifest[manifest["object_id"] == object_id])


def _export_object(root: Path, dataset: ViewDataset) -> None:
    write_openlrm_views(root, read_view_set(dataset, dataset.object_ids[0]))
