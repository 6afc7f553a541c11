"""Whether a report is worse than one that was accepted: the check that a CI runs.

Each metric has a band, and beside it where the band comes from: a difference within the band is
noise (another machine, another number of threads), one beyond it is a change for the better or the
worse. Reports are compared only where they measured the same thing in the same way.

A mean over fewer objects is never an improvement: objects on which a method fails now, or has no
value any more, are a regression whatever the mean of the others says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lrm_core.errors import ConfigError, InputError, OutputError
from lrm_core.io.atomic_write import check_replaceable, replacing
from lrm_core.reporting.metric_report import MetricReport, MetricSummary

Status = Literal["unchanged", "improved", "regressed", "missing", "not comparable"]

FAILURES = "failures"
"""What the verdict on the number of failures is called."""

_VERSION = re.compile(r"\s+v?\d[\w.+-]*|:\d+")


@dataclass(frozen=True)
class Band:
    """How far a metric may move without meaning.

    Attributes:
        width: largest difference, in the metric's unit.
        origin: how it was found.
    """

    width: float
    origin: str


@dataclass(frozen=True)
class AcceptedValue:
    """The value of a metric that later ones are compared with.

    Attributes:
        mean: over objects.
        direction: whether higher or lower values are better.
        backend: what computed it.
        band: see `Band`.
        num: objects that had a value; None in files of older programs, which did not keep it.
    """

    mean: float
    direction: Literal["higher", "lower"]
    backend: str
    band: Band
    num: int | None = None


@dataclass(frozen=True)
class AcceptedReport:
    """Values that were accepted, and why.

    Attributes:
        reason: why these values are the ones to keep.
        protocol: name, version and sha256.
        method: name of the method.
        objects: names of those that were evaluated.
        metrics: name -> value.
        failures: objects on which the method failed.
        fingerprint: the method's; None in files of older programs, which did not keep it.
    """

    reason: str
    protocol: dict[str, Any]
    method: str
    objects: tuple[str, ...]
    metrics: dict[str, AcceptedValue]
    failures: int = 0
    fingerprint: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What became of one metric.

    Attributes:
        metric: its name, or `FAILURES`.
        status: regressed where it moved beyond the band for the worse, or over fewer objects.
        accepted: the older mean or number of failures.
        measured: the newer one; None where the report has none.
        band: width of the band, or None.
        reason: why, where the status is not `unchanged`.
    """

    metric: str
    status: Status
    accepted: float | None
    measured: float | None
    band: float | None
    reason: str


def accept(report: MetricReport, *, reason: str, bands: Mapping[str, Band]) -> AcceptedReport:
    """Make a report the one that later ones are compared with.

    Args:
        report: the report.
        reason: why, for those who ask later.
        bands: one for each guarded metric; others are left out.

    Raises:
        ConfigError: no reason, a band of a metric that the report has no value of, or a width that
            is not positive.
    """
    if not reason.strip():
        raise ConfigError("accepting a report needs a reason", hint="say why with --reason")
    metrics = {}
    for name, band in bands.items():
        summary = report.metrics.get(name)
        if summary is None or summary.mean is None:
            raise ConfigError(f"the report has no value of {name}, which is to be guarded")
        if not band.width > 0:
            raise ConfigError(f"the band of {name} must be above 0, got {band.width}")
        metrics[name] = AcceptedValue(
            mean=summary.mean,
            direction=summary.direction,
            backend=summary.backend,
            band=band,
            num=summary.num,
        )
    if not metrics:
        raise ConfigError("no metric is guarded", hint="name bands, such as psnr=0.05")
    return AcceptedReport(
        reason=reason.strip(),
        protocol={key: report.protocol[key] for key in ("name", "version", "sha256")},
        method=report.method["name"],
        objects=tuple(report.dataset["objects"]),
        metrics=metrics,
        failures=len(report.failed_objects & set(report.dataset["objects"])),
        fingerprint=report.method.get("fingerprint"),
    )


def check_regression(report: MetricReport, accepted: AcceptedReport) -> list[Verdict]:
    """Compare every guarded metric of a report, and its failures, with what was accepted."""
    other_method = _other_protocol_or_method(report, accepted)
    obstacle = other_method or _other_objects(report, accepted)
    return [
        *(
            _verdict(name, report.metrics.get(name), value, obstacle)
            for name, value in accepted.metrics.items()
        ),
        _failures(report, accepted, other_method),
    ]


def method_change(report: MetricReport, accepted: AcceptedReport) -> str | None:
    """How the method differs from the accepted one of its name, in words; None if it does not."""
    now, then = report.method.get("fingerprint"), accepted.fingerprint
    if then is None:
        return (
            "the accepted file does not say which weights and options it is of: "
            "renew it with `lrm evaluate accept`"
        )
    if now == then:
        return None
    return (
        f"weights, options or version of {accepted.method} changed: fingerprint {then[:8]} then, "
        f"{str(now)[:8]} now"
    )


def overall(verdicts: list[Verdict]) -> Status:
    """The one word for a check: the worst of its verdicts."""
    # what is known to be worse is not excused by what is not known
    order: tuple[Status, ...] = ("regressed", "missing", "not comparable", "improved")
    found = {verdict.status for verdict in verdicts}
    return next((status for status in order if status in found), "unchanged")


def write_accepted(path: Path, accepted: AcceptedReport) -> None:
    """Write accepted values; older ones are replaced.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(asdict(accepted), indent=1) + "\n", "utf-8")


def read_accepted(path: Path) -> AcceptedReport:
    """Read accepted values.

    Raises:
        InputError: no such file, or not one of `write_accepted`.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        metrics = {
            name: AcceptedValue(**value | {"band": Band(**value["band"])})
            for name, value in content.pop("metrics").items()
        }
        objects = tuple(content.pop("objects"))
        return AcceptedReport(**content, objects=objects, metrics=metrics)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not a file of accepted values ({type(error).__name__}: {error})",
            hint="make one with `lrm evaluate accept`",
        ) from error


_SUMMARY_HEADER = "| metric | accepted | measured | band | verdict |"


def check_summary(path: Path, *, inputs: Sequence[Path]) -> None:
    """Find out before the work whether a summary can be written: over an earlier one, or nothing.

    Args:
        path: the file.
        inputs: files that are read, which are never replaced.

    Raises:
        OutputError: it is an input, or holds something else.
    """
    try:
        older = path.read_text("utf-8", errors="replace") if path.is_file() else ""
    except OSError as error:
        raise OutputError(f"{path} cannot be read ({error.strerror})") from error
    ours = not older.strip() or _SUMMARY_HEADER in older
    check_replaceable(path, overwrite=ours, hint="name another file", inputs=inputs)


def markdown_summary(verdicts: list[Verdict], accepted: AcceptedReport) -> str:
    """The check as a Markdown table, for a pull request."""
    lines = [
        f"**{accepted.method}** on {accepted.protocol['name']} (version "
        f"{accepted.protocol['version']}), n = {len(accepted.objects)}: **{overall(verdicts)}**",
        "",
        _SUMMARY_HEADER,
        "|---|---|---|---|---|",
    ]
    for verdict in verdicts:
        cells = [_number(value) for value in (verdict.accepted, verdict.measured, verdict.band)]
        note = f" ({verdict.reason})" if verdict.reason else ""
        lines.append(f"| {verdict.metric} | {' | '.join(cells)} | {verdict.status}{note} |")
    return "\n".join(lines) + "\n"


def _other_protocol_or_method(report: MetricReport, accepted: AcceptedReport) -> str | None:
    """Why nothing of the two can be compared, or None."""
    then, now = accepted.protocol, report.protocol
    if any(then[key] != now[key] for key in ("name", "version", "sha256")):
        return (
            f"protocol {then['name']} version {then['version']} ({then['sha256'][:8]}) then, "
            f"{now['name']} version {now['version']} ({now['sha256'][:8]}) now"
        )
    if report.method["name"] != accepted.method:
        return f"{accepted.method} then, {report.method['name']} now"
    return None


def _other_objects(report: MetricReport, accepted: AcceptedReport) -> str | None:
    objects = tuple(report.dataset["objects"])
    if set(objects) == set(accepted.objects):
        return None
    return f"{len(accepted.objects)} objects then, {len(objects)} now, not the same ones"


def _failures(report: MetricReport, accepted: AcceptedReport, other_method: str | None) -> Verdict:
    """The verdict on how many of the accepted objects the method failed on."""
    num = len(report.failed_objects & set(accepted.objects))

    def verdict(status: Status, reason: str = "") -> Verdict:
        return Verdict(FAILURES, status, float(accepted.failures), float(num), 0.0, reason)

    if other_method is not None:
        return verdict("not comparable", other_method)
    if num > accepted.failures:
        return verdict("regressed", f"{accepted.failures} failures then, {num} now")
    return verdict("improved" if num < accepted.failures else "unchanged")


def _verdict(
    name: str, summary: MetricSummary | None, value: AcceptedValue, obstacle: str | None
) -> Verdict:
    mean = None if summary is None else summary.mean

    def verdict(status: Status, reason: str) -> Verdict:
        return Verdict(name, status, value.mean, mean, value.band.width, reason)

    if obstacle is not None:
        return verdict("not comparable", obstacle)
    if summary is None or mean is None:
        reason = "not in the report" if summary is None else summary.unavailable or "no value"
        return verdict("missing", reason)
    if value.num is not None and summary.num != value.num:
        counts = f"{value.num} objects had a value then, {summary.num} now"
        return verdict("regressed" if summary.num < value.num else "not comparable", counts)
    if _kind(summary.backend) != _kind(value.backend):
        return verdict("not comparable", f"{value.backend} then, {summary.backend} now")
    gain = (mean - value.mean) * (1.0 if value.direction == "higher" else -1.0)
    if abs(gain) <= value.band.width:
        return verdict("unchanged", "")
    return verdict(
        "improved" if gain > 0 else "regressed", f"{value.mean:.4g} then, {mean:.4g} now"
    )


def _kind(backend: str) -> str:
    """A backend without what changes with every update or machine: versions, which GPU it is."""
    if backend.startswith("kaolin"):  # older reports name the GPU too
        backend = ", ".join(backend.split(", ")[:2])
    return _VERSION.sub("", backend)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4g}"
