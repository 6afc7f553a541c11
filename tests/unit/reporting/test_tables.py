import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrm_core.reporting.metric_report import (
    MetricReport,
    MetricSummary,
    report_folder,
    write_report,
)
from lrm_core.reporting.published import MARK, published_on
from lrm_core.reporting.tables import published_scores, write_tables


def report(method: str, dataset: str, version: int = 1, psnr: float | None = 17.0) -> MetricReport:
    if psnr is None:
        summary = MetricSummary("higher", 0, None, None, None, None, None, "", "no weights")
    else:
        summary = MetricSummary("higher", 2, psnr, psnr - 1, psnr + 1, psnr, 0.5, "torch")
    protocol: dict[str, Any] = {"name": "p-1", "version": version, "sha256": "0" * 64}
    return MetricReport(
        protocol=protocol | {"content": {"dataset": dataset}},
        dataset={"name": dataset, "licence": "x", "objects": ["a", "b"], "missing": []},
        method={"name": method},
        metrics={"psnr": summary},
        failures={},
        notes={},
        provenance={},
    )


@pytest.fixture
def tables(tmp_path: Path):
    def write(*reports: MetricReport) -> dict[str, str]:
        for one in reports:
            write_report(report_folder(tmp_path, one), one, pd.DataFrame({"object": ["a", "b"]}))
        paths = write_tables(tmp_path, "p-1")
        assert all(path.parent == tmp_path / "tables" for path in paths)
        return {path.name.removeprefix("p-1."): path.read_text("utf-8") for path in paths}

    return write


def test_measured_tables_hold_measured_numbers_only(tables) -> None:
    written = tables(report("lrm-mini", "gso"), report("blank", "gso", psnr=None))
    rows = list(csv.DictReader(io.StringIO(written["csv"])))
    assert [(row["method"], row["n"], row["psnr"]) for row in rows] == [
        ("blank", "2", ""),
        ("lrm-mini", "2", "17.0"),
    ]
    for content in (written["csv"], written["tex"]):
        assert MARK not in content
        assert "arxiv" not in content
    assert "17 [16, 18]" in written["tex"]
    assert "n/a" in written["md"]


def test_published_numbers_follow_in_tables_of_their_own_every_row_marked(tables) -> None:
    written = tables(report("lrm-mini", "gso"))
    measured, _, published = written["md"].partition("## Published (other protocol)")
    assert "lrm-mini" in measured
    assert MARK not in measured
    rows = [
        line
        for line in published.splitlines()
        if line.startswith("| ") and not line.startswith(("| method |", "| ---"))
    ]
    expected = sum(len(table.rows) for table in published_on("gso").values())
    assert len(rows) == expected
    assert all(f"| {MARK} |" in row for row in rows)
    assert "lrm-mini" not in published
    for table in published_on("gso").values():
        assert table.source in published
    # LRM's own row: FID, CLIP similarity, PSNR, LPIPS, CD
    assert f"| LRM | {MARK} | 31.44 | 0.902 | 19.6 | 0.163 | 0.053 |" in rows
    # no column of a published table bears the name of a measured one
    assert "| psnr" not in published
    assert "chamfer_distance" not in published


def test_published_numbers_for_programs_are_one_row_each(tables) -> None:
    written = tables(report("lrm-mini", "gso"))
    rows = list(csv.DictReader(io.StringIO(written["published.csv"])))
    assert {row["kind"] for row in rows} == {MARK}
    assert len(rows) == sum(
        len(row.values) for table in published_on("gso").values() for row in table.rows
    )
    (lrm,) = (r for r in rows if (r["table"], r["method"], r["metric"])
              == ("lrm2023-gso", "LRM", "CD"))  # fmt: skip
    assert float(lrm["value"]) == 0.053
    assert lrm["direction"] == "lower"
    assert "not said" in lrm["meaning"]
    assert "2311.04400" in lrm["source"]
    frame = published_scores(published_on("gso"))
    assert frame.notna().all().all()


def test_latex_has_one_tabular_per_published_table(tables) -> None:
    written = tables(report("lrm-mini", "gso"))
    content = written["published.tex"]
    assert content.count(r"\begin{tabular}") == len(published_on("gso"))
    lines = [line for line in content.splitlines() if line and not line.startswith("%")]
    # no bare percent sign, which would begin a comment
    assert not any("%" in line.replace(r"\%", "") for line in lines)


def test_nothing_is_published_on_ones_own_objects(tables) -> None:
    written = tables(report("lrm-mini", "procedural"))
    assert set(written) == {"csv", "md", "tex"}
    assert "Published" not in written["md"]


def test_an_older_version_of_the_protocol_is_left_out(tables) -> None:
    written = tables(report("old", "procedural", version=1), report("new", "procedural", version=2))
    assert "new" in written["csv"]
    assert "old" not in written["csv"]
