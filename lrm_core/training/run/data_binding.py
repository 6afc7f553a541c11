"""The data that a run is bound to: a run resumes only on what it was begun with.

The object of a sample follows from the seed and the sample's number among all objects. With one
object more, every later sample is another one, and a length given in epochs is another one too.

`OUT/objects.csv` lists what samples are drawn from, and every checkpoint holds its hash.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lrm_core.errors import TrainingError
from lrm_core.io.atomic_write import replacing

Contents = Sequence[tuple[str, str]]
"""Name and content of each object and file, in the order that samples are drawn by."""

LISTING = "objects.csv"
_HEADER = ("name", "content")
_MOST_NAMES = 3  # of a kind in a message


def summarize(contents: Contents) -> dict[str, Any]:
    """What a checkpoint says about the data of its run: number of entries, and their hash."""
    listed = json.dumps([list(entry) for entry in contents])
    return {"entries": len(contents), "sha256": hashlib.sha256(listed.encode()).hexdigest()}


def write_listing(folder: Path, contents: Contents) -> None:
    """Write `objects.csv` into the folder of a run."""
    with (
        replacing(folder / LISTING) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([_HEADER, *contents])


def require_same_data(
    before: dict[str, Any] | None, contents: Contents, folder: Path, checkpoint: Path
) -> None:
    """Refuse to resume a run whose data has changed.

    Args:
        before: summary in the checkpoint; None in those of older releases, which are not bound.
        contents: what samples would be drawn from now.
        folder: folder of the run.
        checkpoint: where the run would resume, for the message.

    Raises:
        TrainingError: the data is not that of the checkpoint.
    """
    now = summarize(contents)
    if before is None or before == now:
        return
    then = _read_listing(folder)
    if then is not None and summarize(then) == before:
        difference = _difference(then, contents)
    else:  # the checkpoint was copied here, or the listing was removed
        difference = f"{now['entries']:,} objects and shards, were {before['entries']:,}"
        if now["entries"] == before["entries"]:
            difference = f"{now['entries']:,} objects and shards with other names or contents"
    raise TrainingError(
        f"the data has changed since the checkpoints of {folder}: {difference}",
        hint="put the data back as it was, or start a new run from these weights: "
        f"lrm train --init {checkpoint} -o ANOTHER_FOLDER",
    )


def _read_listing(folder: Path) -> list[tuple[str, str]] | None:
    """The listing in the folder of a run, or None where there is none that can be read."""
    try:
        with (folder / LISTING).open(encoding="utf-8", newline="") as file:
            return [(name, content) for name, content in csv.reader(file)][1:]
    except (OSError, ValueError):  # absent, not text, or rows of another length
        return None


def _difference(before: Contents, now: Contents) -> str:
    """How many entries were added, removed and changed, and the first of each by name."""
    gone, come = Counter(before) - Counter(now), Counter(now) - Counter(before)
    old, new = {name for name, _ in gone}, {name for name, _ in come}
    kinds = {"added": new - old, "removed": old - new, "changed": old & new}
    parts = []
    for kind, names in kinds.items():
        if names:
            first = ", ".join(sorted(names)[:_MOST_NAMES])
            more = ", ..." if len(names) > _MOST_NAMES else ""
            parts.append(f"{len(names):,} {kind} ({first}{more})")
    return "; ".join(parts) or "the same objects in another order"
