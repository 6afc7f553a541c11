"""`lrm evaluate compare`, `check`, `accept`: reports side by side, and against accepted values."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrm_cli.options import JsonOption, OverwriteOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, NotComparableError, RegressionError
from lrm_core.io.atomic_write import check_replaceable

if TYPE_CHECKING:
    from lrm_core.reporting.comparison import PairedDifference

_SHOWN = 5

ReportArgument = Annotated[
    Path, typer.Argument(metavar="REPORT", help="report.json, or the folder that holds it.")
]


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A report or its folder.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    metric: Annotated[
        str | None, typer.Option("--metric", help="Show the objects that moved most in this one.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show what moved between two reports, on average and object by object."""
    output = Output(as_json=as_json, quiet=quiet)
    from lrm_core.reporting.comparison import compare as compare_reports
    from lrm_core.reporting.metric_report import read_report, read_scores

    reports = [read_report(path) for path in (first, second)]
    differences = compare_reports(reports, [read_scores(path) for path in (first, second)])
    output.table(
        ["metric", "n", "B - A", "95 % interval", "B better on"],
        [
            [
                difference.metric,
                str(difference.num),
                f"{difference.mean:+.4g}",
                _interval(difference),
                f"{difference.better:.0%}",
            ]
            for difference in differences
        ],
        title=f"A: {reports[0].method['name']}, B: {reports[1].method['name']}",
    )
    if metric is not None:
        chosen = [difference for difference in differences if difference.metric == metric]
        if not chosen:
            raise ConfigError(f"the reports have no values of '{metric}' in common")
        moved = chosen[0].objects
        shown = moved if len(moved) <= 2 * _SHOWN else (*moved[:_SHOWN], *moved[-_SHOWN:])
        output.table(
            ["object", "A", "B"],
            [[name, f"{a:.4g}", f"{b:.4g}"] for name, a, b in shown],
            title=f"{metric}: greatest losses and gains of B",
        )
    output.result({"differences": [asdict(difference) for difference in differences]})


def check(
    report: ReportArgument,
    against: Annotated[
        Path, typer.Option("--against", help="Accepted values, of `lrm evaluate accept`.")
    ],
    summary: Annotated[
        Path | None, typer.Option("--summary", help="Also write the verdicts as Markdown.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare a report with accepted values: exit code 5 if a metric regressed, 6 if incomparable.

    A metric is unchanged while it stays within its band, which stands in the file with its origin.
    Failures on more objects, or values of fewer objects, are regressions whatever the means say.
    """
    output = Output(as_json=as_json, quiet=quiet)
    output.result(check_against(output, report, against, summary))


def check_against(
    output: Output, report: Path, against: Path, summary: Path | None
) -> dict[str, Any]:
    """Check a report and print the verdicts.

    Returns:
        status, verdicts and how the method changed, for JSON.

    Raises:
        RegressionError: a metric regressed or is missing.
        NotComparableError: the report measured something else.
    """
    from lrm_core.io.atomic_write import replacing
    from lrm_core.reporting.metric_report import read_report, report_files
    from lrm_core.reporting.regression import (
        check_regression,
        check_summary,
        markdown_summary,
        method_change,
        overall,
        read_accepted,
    )

    if summary is not None:
        check_summary(summary, inputs=[*report_files(report), against])

    accepted, measured = read_accepted(against), read_report(report)
    verdicts = check_regression(measured, accepted)
    status = overall(verdicts)
    if summary is not None:
        with replacing(summary) as temporary:
            temporary.write_text(markdown_summary(verdicts, accepted), "utf-8")
    output.table(
        ["metric", "accepted", "measured", "band", "verdict"],
        [
            [
                verdict.metric,
                *(
                    "n/a" if value is None else f"{value:.4g}"
                    for value in (verdict.accepted, verdict.measured, verdict.band)
                ),
                verdict.status,
            ]
            for verdict in verdicts
        ],
        title=f"{accepted.method} on {accepted.protocol['name']}: {status}",
    )
    change = method_change(measured, accepted)
    if change is not None and status != "not comparable":
        output.info(change)
    bad = [verdict for verdict in verdicts if verdict.status in ("regressed", "missing")]
    if bad:
        raise RegressionError(
            f"{len(bad)} of {len(verdicts)} metrics regressed or are missing: "
            + "; ".join(f"{verdict.metric} ({verdict.reason})" for verdict in bad),
            hint="`lrm evaluate compare` shows on which objects",
        )
    if status == "not comparable":
        raise NotComparableError(
            f"the report cannot be compared with {against.name}: "
            + next(v.reason for v in verdicts if v.status == "not comparable"),
            hint="evaluate in the same way, or accept the new report",
        )
    return {
        "status": status,
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "method_change": change,
    }


def accept(
    report: ReportArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="File of accepted values (.json).")],
    reason: Annotated[str, typer.Option("--reason", help="Why these values are the ones to keep.")],
    band: Annotated[
        list[str],
        typer.Option(
            "--band",
            metavar="METRIC=WIDTH:ORIGIN",
            help="A metric to guard, how far it may move, and how that was found; repeatable.",
        ),
    ],
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make the values of a report the ones that later reports are checked against."""
    output = Output(as_json=as_json, quiet=quiet)
    from lrm_core.reporting.metric_report import read_report, report_files
    from lrm_core.reporting.regression import Band, write_accepted
    from lrm_core.reporting.regression import accept as accept_report

    check_replaceable(out, overwrite=overwrite, inputs=report_files(report))
    bands = {}
    for text in band:
        name, _, rest = text.partition("=")
        width, _, origin = rest.partition(":")
        try:
            bands[name] = Band(float(width), origin.strip())
        except ValueError as error:
            raise ConfigError(
                f"--band: '{text}' is not a band", hint='write it as "psnr=0.05:spread over seeds"'
            ) from error
        if not origin.strip():
            raise ConfigError(f"--band: '{text}' does not say where its width comes from")
    accepted = accept_report(read_report(report), reason=reason, bands=bands)
    write_accepted(out, accepted)
    output.success(f"{out}  {len(bands)} metrics of {accepted.method}")
    output.result({"accepted": str(out), "metrics": sorted(bands)})


def _interval(difference: PairedDifference) -> str:
    if difference.low is None or difference.high is None:
        return "n/a"
    return f"[{difference.low:+.4g}, {difference.high:+.4g}]"
