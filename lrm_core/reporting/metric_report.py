"""The report of one method under one protocol: a JSON file and the scores behind it.

    reports/runs/PROTOCOL/METHOD/report.json     protocol, method, summaries, provenance
    reports/runs/PROTOCOL/METHOD/scores.parquet  one row per object

The same evaluation gives the same bytes: a report holds no date and no path.
"""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lrm_core.errors import InputError
from lrm_core.io.atomic_write import replacing

SCHEMA_VERSION = 1
REPORT, SCORES = "report.json", "scores.parquet"


@dataclass(frozen=True, kw_only=True)
class MetricSummary:
    """One metric over all objects.

    Attributes:
        direction: whether higher or lower values are better.
        num: objects with a value.
        mean: over them; None where there is none.
        low: lower end of the 95 % interval of the mean (`intervals.mean_interval`), or None.
        high: upper end.
        median: over them.
        std: standard deviation over them; None of one object.
        backend: what computed it.
        unavailable: why there is no value at all, or None.
    """

    direction: Literal["higher", "lower"]
    num: int = 0
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    median: float | None = None
    std: float | None = None
    backend: str
    unavailable: str | None = None


@dataclass(frozen=True)
class MetricReport:
    """What one method scored.

    Attributes:
        protocol: name, version, sha256 and content.
        dataset: name, licence, objects, missing (of the protocol's list).
        method: name, licence, source, fingerprint, alignment, and how it was scored.
        metrics: name -> summary, in the protocol's order.
        failures: object -> why the method or the object failed.
        notes: object -> what else is worth knowing.
        provenance: versions, machine, seeds, state of the repository.
        sampling_floor: metric of surface points -> mean score of the references' own surfaces,
            sampled with another seed: no method can be better.
    """

    protocol: dict[str, Any]
    dataset: dict[str, Any]
    method: dict[str, Any]
    metrics: dict[str, MetricSummary]
    failures: dict[str, str]
    notes: dict[str, list[str]]
    provenance: dict[str, Any]
    sampling_floor: dict[str, float] = field(default_factory=dict)

    @property
    def num_objects(self) -> int:
        """Objects that were evaluated."""
        return len(self.dataset["objects"])

    @property
    def count(self) -> str:
        """Objects that were evaluated, and of how many where the protocol names more."""
        evaluated = set(self.dataset["objects"])
        listed = set(self.protocol.get("content", {}).get("objects", ()))
        # a protocol without a list takes all that there are, usable or not
        listed = listed or evaluated | {*self.dataset["missing"], *self.failed_objects}
        if listed <= evaluated:
            return str(len(evaluated))
        if evaluated <= listed:
            return f"{len(evaluated)} of {len(listed)}"
        return f"{len(evaluated)} ({len(evaluated & listed)} of the protocol's {len(listed)})"

    @property
    def failed_objects(self) -> set[str]:
        """Objects on which the method, or they themselves, failed for at least one input."""
        evaluated = set(self.dataset["objects"])
        owners = {name: name.rpartition("/")[0] for name in self.failures}
        return {owner if owner in evaluated else name for name, owner in owners.items()}

    @property
    def scored_as(self) -> dict[str, str]:
        """How the method was scored: what was rendered, and how it was aligned."""
        views = str(self.method.get("views", "mesh"))  # older reports rendered meshes only
        level = self.method.get("iso_level")
        if level is not None:
            views += f", iso level {level:g}"
        if self.method.get("photo_colors"):
            views += ", photo colors"
        if "aligned" in self.method:
            aligned = self.method["aligned"] or "no"
        else:  # an older report says what the protocol does and what the method promises
            geometry = self.protocol.get("content", {}).get("geometry", {}).get("alignment")
            promised = self.method.get("alignment") == "canonical"
            unaligned = geometry == "none" or (geometry == "free_methods" and promised)
            aligned = "no" if unaligned else "search and ICP" if geometry else "unknown"
        return {"views": views, "aligned": aligned}

    def cell(self, metric: str) -> str:
        """A mean as tables show it: with its interval, and its n where objects have no value."""
        summary = self.metrics.get(metric)
        if summary is None or summary.mean is None:
            return "n/a"
        text = f"{summary.mean:.4g}"
        if summary.low is not None and summary.high is not None:
            text += f" [{summary.low:.4g}, {summary.high:.4g}]"
        short = summary.num < self.num_objects
        return f"{text} (n = {summary.num} of {self.num_objects})" if short else text


def report_folder(reports: Path, report: MetricReport) -> Path:
    """Where a report belongs; characters that a file name should not have become `_`."""
    return _run_folder(reports, report.protocol["name"], report.method["name"])


def run_files(reports: Path, protocol: str, method: str) -> tuple[Path, Path]:
    """Report and scores of a method under a protocol, written or not."""
    return report_files(_run_folder(reports, protocol, method))


def report_files(path: Path) -> tuple[Path, Path]:
    """Report and scores: of the report's own path, or that of its folder."""
    report = path if path.suffix == ".json" and not path.is_dir() else path / REPORT
    return report, report.parent / SCORES


def _run_folder(reports: Path, protocol: str, method: str) -> Path:
    names = (re.sub(r"[^A-Za-z0-9._-]+", "_", name) for name in (protocol, method))
    return reports.joinpath("runs", *names)


def in_utf8(name: str) -> str:
    """A name that reports can hold: names of files need not be UTF-8, other bytes are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def write_report(folder: Path, report: MetricReport, scores: pd.DataFrame) -> None:
    """Write a report and the scores of its objects; older ones are replaced.

    Args:
        folder: see `report_folder`.
        report: the report.
        scores: one row per object, the first column `object`, then one per metric.

    Raises:
        OutputError: a file cannot be written.
    """
    # pyarrow knows no names of files that are not UTF-8
    with replacing(folder / SCORES) as temporary, temporary.open("wb") as file:
        scores.to_parquet(file, index=False)
    content = {"schema_version": SCHEMA_VERSION, **asdict(report)}
    with replacing(folder / REPORT) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")


def read_report(path: Path) -> MetricReport:
    """Read a report from its file or its folder.

    Raises:
        InputError: no such file, not a report, or one of a newer program.
    """
    path = path / REPORT if path.is_dir() else path
    try:
        content = json.loads(path.read_text("utf-8"))
        version = content.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{path}: a report of schema {version}, this program reads {SCHEMA_VERSION}"
            )
        content["metrics"] = {
            name: MetricSummary(**summary) for name, summary in content["metrics"].items()
        }
        return MetricReport(**content)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not a report of `lrm evaluate` ({type(error).__name__}: {error})"
        ) from error


def read_scores(path: Path) -> pd.DataFrame:
    """The per-object scores beside a report.

    Raises:
        InputError: they are not there or not readable.
    """
    folder = path if path.is_dir() else path.parent
    try:
        return pd.read_parquet(io.BytesIO((folder / SCORES).read_bytes()))
    # the parser's errors are of many kinds
    except Exception as error:
        raise InputError(f"{folder / SCORES}: not readable ({error})") from error
