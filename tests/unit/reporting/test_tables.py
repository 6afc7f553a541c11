import csv
import dataclasses
import io
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrm_core.reporting.metric_report import (
    MetricReport,
    MetricSummary,
    read_report,
    read_scores,
    report_folder,
    write_report,
)
from lrm_core.reporting.published import MARK, published_on
from lrm_core.reporting.tables import published_scores, write_tables


def report(method: str, dataset: str, version: int = 1, psnr: float | None = 17.0) -> MetricReport:
    if psnr is None:
        summary = MetricSummary(direction="higher", backend="", unavailable="no weights")
    else:
        summary = MetricSummary(
            direction="higher", num=2, mean=psnr, low=psnr - 1, high=psnr + 1, median=psnr,
            std=0.5, backend="torch",
        )  # fmt: skip
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
    assert (rows[1]["psnr low"], rows[1]["psnr high"], rows[1]["psnr n"]) == ("16.0", "18.0", "2")
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


def scored(**changes: Any) -> MetricReport:
    one = report("m", "gso")
    return dataclasses.replace(one, **changes)


@pytest.mark.parametrize(
    ("method", "views", "aligned"),
    [
        ({"views": "mesh", "iso_level": None, "aligned": None}, "mesh", "no"),
        (
            {"views": "field", "iso_level": 25.0, "aligned": "search, then ICP of rotation"},
            "field, iso level 25",
            "search, then ICP of rotation",
        ),
        (
            {"views": "mesh", "iso_level": 10.0, "photo_colors": True, "aligned": None},
            "mesh, iso level 10, photo colors",
            "no",
        ),
        ({}, "mesh", "unknown"),  # an older report, of a protocol that is not in it
    ],
)
def test_every_table_says_what_was_rendered_and_who_was_aligned(
    tables, method: dict, views: str, aligned: str
) -> None:
    written = tables(scored(method={"name": "m", **method}))
    (row,) = csv.DictReader(io.StringIO(written["csv"]))
    assert (row["views"], row["aligned"]) == (views, aligned)
    for suffix in ("md", "tex"):
        assert views in written[suffix]
        assert aligned in written[suffix]


@pytest.mark.parametrize(
    ("geometry", "promise", "aligned"),
    [
        ("free_methods", "canonical", "no"),
        ("free_methods", "free_azimuth", "search and ICP"),
        ("all", "canonical", "search and ICP"),
        ("none", "free", "no"),
    ],
)
def test_older_reports_say_who_was_aligned_by_their_protocol(geometry, promise, aligned) -> None:
    old = report("m", "gso")
    old.protocol["content"]["geometry"] = {"alignment": geometry}
    old.method["alignment"] = promise
    assert old.scored_as == {"views": "mesh", "aligned": aligned}


@pytest.mark.parametrize(
    ("listed", "objects", "missing", "failures", "count"),
    [
        (["a", "b"], ["a", "b"], [], {}, "2"),
        (["a", "b", "c"], ["a", "b"], ["c"], {}, "2 of 3"),
        (["a", "b"], ["a", "x", "y"], ["b"], {}, "3 (1 of the protocol's 2)"),
        ([], ["a", "b"], [], {}, "2"),
        ([], ["a", "b"], [], {"c": "unreadable"}, "2 of 3"),
        ([], ["a", "b"], [], {"b/3": "too dark", "b/7": "too dark"}, "2"),  # two inputs of b
    ],
)
def test_fewer_objects_than_the_protocols_are_marked(
    listed, objects, missing, failures, count
) -> None:
    fewer = scored(
        dataset={"name": "gso", "objects": objects, "missing": missing}, failures=failures
    )
    fewer.protocol["content"]["objects"] = listed
    assert fewer.count == count


def test_a_mean_over_fewer_objects_is_marked_in_its_cell() -> None:
    one = report("m", "gso")
    summary = dataclasses.replace(one.metrics["psnr"], num=1)
    partial = dataclasses.replace(one, metrics={"psnr": summary})
    assert one.cell("psnr") == "17 [16, 18]"
    assert partial.cell("psnr") == "17 [16, 18] (n = 1 of 2)"
    assert partial.cell("ssim") == "n/a"


def test_the_sampling_floor_stands_below_the_table(tables) -> None:
    written = tables(scored(sampling_floor={"psnr": 0.0125, "f_score@0.1": 0.99}))
    assert "Sampling floor" in written["md"]
    assert "psnr 0.0125" in written["md"]
    assert "f_score" not in written["md"].partition("## Published")[0]  # not in this table


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are Unicode there")
def test_folders_whose_names_are_not_utf8(tmp_path: Path) -> None:
    out = tmp_path / os.fsdecode(b"caf\xe9")
    one = report("lrm-mini", "folder")
    scores = pd.DataFrame({"object": ["a", "b"], "psnr": [1.0, 2.0]})
    write_report(out / "run", one, scores)
    assert read_report(out / "run").method == one.method
    pd.testing.assert_frame_equal(read_scores(out / "run"), scores)
    write_report(report_folder(out, one), one, scores)
    assert all(path.is_file() for path in write_tables(out, "p-1"))
