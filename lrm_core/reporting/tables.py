"""Tables of reports through pandas: CSV for programs, Markdown and LaTeX for people.

What papers published on the same dataset follows in tables of its own, every row marked: none of it
was measured under our protocols, and two columns of one name need not mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lrm_core.io.atomic_write import replacing
from lrm_core.reporting.metric_report import REPORT, MetricReport, read_report
from lrm_core.reporting.published import MARK, PublishedTable, published_on

_ARROWS = {"higher": "↑", "lower": "↓"}
_LATEX_ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}


def reports_of_protocol(reports: Path, protocol: str) -> list[MetricReport]:
    """All reports in `reports/runs` that followed a protocol, sorted by method.

    Raises:
        InputError: a report cannot be read.
    """
    found = sorted((reports / "runs" / protocol).glob(f"*/{REPORT}"))
    return [read_report(path) for path in found]


def score_table(reports: Sequence[MetricReport]) -> pd.DataFrame:
    """One row per method: n, then mean, 95 % interval and n of every metric.

    Args:
        reports: reports of one version of one protocol.
    """
    rows = []
    for report in reports:
        row: dict[str, object] = {
            "method": report.method["name"],
            "protocol": f"{report.protocol['name']} v{report.protocol['version']}",
            "n": report.num_objects,
            "objects": report.count,
            **report.scored_as,
        }
        for name, summary in report.metrics.items():
            row[name] = summary.mean
            row[f"{name} low"], row[f"{name} high"] = summary.low, summary.high
            row[f"{name} n"] = summary.num
        rows.append(row)
    return pd.DataFrame(rows)


def readable_table(reports: Sequence[MetricReport]) -> pd.DataFrame:
    """The same for people: one column per metric, `mean [low, high]` or n/a.

    A mean over fewer objects than the method was evaluated on says over how many; an evaluation of
    fewer objects than the protocol names says so in the column n.
    """
    metrics = {name: summary for report in reports for name, summary in report.metrics.items()}
    return pd.DataFrame(
        [
            {
                "method": report.method["name"],
                "n": report.count,
                **report.scored_as,
                **{
                    f"{name} {_ARROWS[summary.direction]}": report.cell(name)
                    for name, summary in metrics.items()
                },
            }
            for report in reports
        ]
    )


def markdown_table(table: pd.DataFrame) -> str:
    """A readable table as Markdown."""
    rows = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def latex_table(table: pd.DataFrame) -> str:
    """A readable table as a LaTeX tabular of booktabs."""

    def escaped(text: object) -> str:
        escaped_text = str(text).replace("_", r"\_").replace("%", r"\%")
        for arrow, command in _LATEX_ARROWS.items():
            escaped_text = escaped_text.replace(arrow, command)
        return escaped_text

    lines = [
        rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(map(escaped, table.columns)) + r" \\",
        r"\midrule",
        *(" & ".join(map(escaped, row)) + r" \\" for row in table.to_numpy().tolist()),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def published_scores(tables: Mapping[str, PublishedTable]) -> pd.DataFrame:
    """Published numbers for programs: one row per number.

    Args:
        tables: by name.
    """
    return pd.DataFrame(
        [
            {
                "kind": MARK,
                "table": name,
                "method": row.method,
                "metric": metric,
                "value": value,
                "direction": table.metrics[metric].direction,
                "meaning": table.metrics[metric].meaning,
                "protocol": table.protocol,
                "source": table.source,
                "note": row.note,
            }
            for name, table in tables.items()
            for row in table.rows
            for metric, value in row.values.items()
        ]
    )


def readable_published_table(table: PublishedTable) -> pd.DataFrame:
    """A published table for people: one row per method, one column per metric."""
    return pd.DataFrame(
        [
            {
                "method": f"{row.method} ({row.note})" if row.note else row.method,
                "kind": MARK,
                **{
                    f"{name} {_ARROWS[metric.direction]}": f"{row.values[name]:g}"
                    if name in row.values
                    else ""
                    for name, metric in table.metrics.items()
                },
            }
            for row in table.rows
        ]
    )


def published_markdown(tables: Mapping[str, PublishedTable]) -> str:
    """Published tables as a section of Markdown, each with its source and what is known of it."""
    sections = [
        "\n## Published (other protocol)\n\n"
        "Copied from papers, not measured here. Each table compares with itself only: objects, "
        "views, alignment, units and definitions differ, also where metrics have the same name.\n"
    ]
    for name, table in tables.items():
        meanings = "; ".join(f"{key}: {value.meaning}" for key, value in table.metrics.items())
        sections.append(
            f"\n### {name}\n\nSource: {table.source}. Protocol: {table.protocol} "
            f"Metrics: {meanings}.\n\n{markdown_table(readable_published_table(table))}"
        )
    return "".join(sections)


def published_latex(tables: Mapping[str, PublishedTable]) -> str:
    """Published tables as LaTeX tabulars, one after the other, the source of each as a comment."""
    return "\n".join(
        f"% {name}: {table.source}\n{latex_table(readable_published_table(table))}"
        for name, table in tables.items()
    )


def _floor_note(reports: Sequence[MetricReport]) -> str:
    """What a perfect method would score, below a table; reports over most objects say it."""
    report = max(reports, key=lambda report: (bool(report.sampling_floor), report.num_objects))
    known = {name: value for name, value in report.sampling_floor.items() if name in report.metrics}
    if not known:
        return ""
    values = ", ".join(f"{name} {value:.4g}" for name, value in known.items())
    return f"\nSampling floor, the references against themselves with other points: {values}.\n"


_SUFFIXES = ("csv", "md", "tex", "published.csv", "published.tex")


def table_files(reports: Path, protocol: str) -> dict[str, Path]:
    """Where the tables of a protocol belong, by what they are."""
    return {suffix: reports / "tables" / f"{protocol}.{suffix}" for suffix in _SUFFIXES}


def write_tables(reports: Path, protocol: str) -> list[Path]:
    """Write `reports/tables/PROTOCOL.{csv,md,tex}` from all reports of a protocol.

    Where papers published numbers on its dataset, these close the Markdown file and are written as
    `PROTOCOL.published.{csv,tex}`: a CSV file holds one table, and a tabular goes into a paper.
    Reports of an older version of the protocol are left out: their numbers mean something else.

    Args:
        reports: the folder of reports.
        protocol: its name.

    Raises:
        InputError: a report cannot be read.
        OutputError: a table cannot be written.
    """
    found = reports_of_protocol(reports, protocol)
    newest = max(report.protocol["version"] for report in found)
    current = [report for report in found if report.protocol["version"] == newest]
    published = published_on(current[0].protocol["content"]["dataset"])
    readable = readable_table(current)
    contents = {
        "csv": score_table(current).to_csv(index=False),
        "md": markdown_table(readable) + _floor_note(current),
        "tex": latex_table(readable),
    }
    if published:
        contents["md"] += published_markdown(published)
        contents["published.csv"] = published_scores(published).to_csv(index=False)
        contents["published.tex"] = published_latex(published)
    written = []
    for suffix, content in contents.items():
        path = table_files(reports, protocol)[suffix]
        with replacing(path) as temporary:
            temporary.write_text(content, "utf-8", errors="backslashreplace")
        written.append(path)
    return written
