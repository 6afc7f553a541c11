import base64
import dataclasses
import hashlib
import io
import math
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lrm_core.errors import InputError, NotComparableError
from lrm_core.reporting.comparison import compare
from lrm_core.reporting.examples import ChosenObject, Example, ObjectPictures, choose_objects
from lrm_core.reporting.html_charts import bar_chart, round_values, strip_chart
from lrm_core.reporting.html_report import render_page, write_page
from lrm_core.reporting.metric_report import MetricReport, MetricSummary
from lrm_core.reporting.published import published_on

EVIL = "<script>alert('x')</script>\"&{{ 7 * 7 }}"
_VOID = {"meta", "img", "br", "link", "input"}
_DIRECTIONS = {"psnr": "higher", "chamfer_distance": "lower", "lpips": "lower"}


class Page(HTMLParser):
    """What a browser would see: tags in order, attributes, text, scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text: list[str] = []
        self.cells: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self.open and self.open[-1] != "style":
            self.text.append(data)
            if {"td", "th"} & set(self.open):
                self.cells[-1] += data


def scores_of(**columns: list[float | None]) -> pd.DataFrame:
    length = len(next(iter(columns.values())))
    table = pd.DataFrame({"object": [f"object-{at}" for at in range(length)]})
    for name, values in columns.items():
        table[name] = pd.array(values, dtype="Float64")
    return table


def report_of(method: str, table: pd.DataFrame, **changes) -> MetricReport:
    metrics = {}
    for name in table.columns[1:]:
        values = table[name].dropna().astype(float)
        mean = float(values.mean()) if len(values) else None
        low, high = (None, None) if mean is None else (mean - 0.125, mean + 0.125)
        metrics[name] = MetricSummary(
            direction=_DIRECTIONS[name], num=len(values), mean=mean, low=low, high=high,
            median=mean, std=0.1, backend="torch 9.9",
            unavailable=None if len(values) else "no weights here",
        )  # fmt: skip
    report = MetricReport(
        protocol={
            "name": "p", "version": 3, "sha256": "a" * 64,
            "content": {"description": "", "objects": [*table["object"], "absent"]},
        },
        dataset={
            "name": "gso", "licence": "CC-BY-4.0, Google LLC", "objects": list(table["object"]),
            "missing": ["absent"],
        },
        method={"name": method, "licence": "Apache-2.0", "fingerprint": "f" * 64},
        metrics=metrics,
        failures={},
        notes={},
        provenance={"packages": {"torch": "9.9"}, "git": None},
    )  # fmt: skip
    return dataclasses.replace(report, **changes)


FIRST = scores_of(
    psnr=[10.0, 12.0, 14.0], chamfer_distance=[0.5, 0.25, 0.75], lpips=[None, None, None]
)
SECOND = scores_of(
    psnr=[11.0, 15.0, 13.0], chamfer_distance=[0.5, None, 0.25], lpips=[None, None, None]
)


def webp(shade: int) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), shade, dtype=np.uint8)).save(encoded, "WEBP")
    return encoded.getvalue()


def example(name: str, mesh: bytes | None, remark: str = "") -> Example:
    pictures = ObjectPictures(name, webp(10), ("0°, 0°",), (webp(20),), b"the object itself")
    return Example(ChosenObject(name, "best", "psnr"), pictures, (webp(30),), mesh, remark)


def full_page(name: str = "object-0") -> str:
    tables = [table.replace({"object": {"object-0": name}}) for table in (FIRST, SECOND)]
    reports = [
        report_of(f"first {name}", tables[0], failures={name: name}, notes={name: [name]}),
        report_of(f"second {name}", tables[1], provenance={name: {name: name}}),
    ]
    return render_page(
        reports,
        tables,
        examples=[(example(name, b"by the first"),), (example(name, None, name),)],
        published=published_on("gso"),
    )


def test_the_page_is_whole_and_loads_nothing() -> None:
    text = full_page()
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "audio", "video")
        for name, value in attributes.items():
            if name in ("src", "srcset", "href", "poster", "data", "action", "xlink:href"):
                own = (value or "").startswith(("data:", "#"))
                assert own or (tag == "a" and name == "href"), (tag, name, value)
            assert not name.startswith("on")
        if tag == "img":
            assert attributes["alt"]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    anchors = {a["href"] for tag, a in page.tags if tag == "a" and a["href"].startswith("#")}
    assert anchors <= {f"#{one}" for one in ids}


def test_a_policy_in_the_page_allows_its_own_scripts_only() -> None:
    page = Page(full_page())
    (policy,) = (a["content"] for tag, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    run = [code for attributes, code in page.scripts if "type" not in attributes]
    assert len(run) == 2
    hashes = [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in run]
    (allowed,) = (part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert re.findall(r"'sha256-([^']+)'", allowed) == hashes
    assert "unsafe" not in allowed
    assert "connect-src" not in policy


def test_names_are_text_whatever_they_hold() -> None:
    harmless, evil = full_page(), full_page(EVIL)
    assert "<script>alert" not in evil
    page = Page(evil)
    assert "".join(page.text).count(EVIL) >= 8
    assert len(page.scripts) == len(Page(harmless).scripts)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in Page(harmless).tags]
    (button, _) = (a for tag, a in page.tags if a.get("class") == "open-3d")
    assert button["data-object"] == EVIL


def test_every_mesh_is_embedded_once() -> None:
    page = Page(full_page())
    meshes = {
        a["id"]: base64.b64decode(code) for a, code in page.scripts if "mesh" in a.get("id", "")
    }
    assert sorted(meshes.values()) == [b"by the first", b"the object itself"]
    buttons = [a for _, a in page.tags if a.get("class") == "open-3d"]
    assert meshes[buttons[0]["data-prediction"]] == b"by the first"
    assert buttons[1]["data-prediction"] == ""
    assert {meshes[a["data-reference"]] for a in buttons} == {b"the object itself"}


def test_without_pictures_there_is_no_viewer() -> None:
    text = render_page([report_of("only", FIRST)], [FIRST])
    page = Page(text)
    assert len(page.scripts) == 1
    assert "customElements" not in text
    assert not [a for _, a in page.tags if a.get("id") in ("examples", "differences", "published")]


def test_numbers_intervals_and_what_is_missing() -> None:
    page = Page(full_page())
    text = " ".join(page.text)
    assert "n = 3" in text
    assert "1 of the 4 objects of the protocol" in text
    assert "a" * 64 in text
    assert "CC-BY-4.0, Google LLC" in text
    assert "lpips: no weights here" in text
    assert "12" + "11.88 to 12.12" in page.cells  # first
    assert "13" + "12.88 to 13.12" in page.cells  # second, better
    assert "0.5" + "0.375 to 0.625" in page.cells
    assert page.cells.count("mesh") == 2  # what was rendered
    assert page.cells.count("unknown") == 2  # who was aligned: these reports do not say
    assert "0.375" + "0.25 to 0.5 (n = 2 of 3)" in page.cells
    assert page.cells.count("n/a1") == 2
    reasons = {a["title"] for tag, a in page.tags if tag == "abbr"}
    assert "no weights here" in reasons
    assert "published (other protocol)" in page.cells
    # second minus first, on the objects that both have: (0 - 0.5) / 2
    assert "-0.25" in page.cells
    assert "75 %" in page.cells


def test_the_best_mean_of_a_column_is_marked() -> None:
    text = full_page()
    best = re.findall(r'<td class="best"><strong>([^<]*)</strong>', text)
    assert best == ["13", "0.375"]


@pytest.mark.parametrize(
    ("values", "direction", "expected"),
    [
        ([3.0, 1.0, 2.0, None], "lower", {"best": 1, "median": 2, "worst": 0}),
        ([3.0, 1.0, 2.0, None], "higher", {"best": 0, "median": 2, "worst": 1}),
        ([4.0, 1.0, 2.0, 3.0], "lower", {"best": 1, "median": 2, "worst": 0}),
        ([2.0, 1.0], "lower", {"best": 1, "worst": 0}),
        ([None, 5.0], "lower", {"best": 1}),
    ],
)
def test_best_median_and_worst(values, direction: str, expected: dict[str, int]) -> None:
    metric = "chamfer_distance" if direction == "lower" else "psnr"
    table = scores_of(**{metric: values})
    chosen = choose_objects(report_of("m", table), table, metric)
    assert {one.rank: one.name for one in chosen} == {
        rank: f"object-{at}" for rank, at in expected.items()
    }
    assert [one.rank for one in chosen] == list(expected)


def test_a_method_without_the_metric_is_judged_by_psnr() -> None:
    table = scores_of(psnr=[1.0, 9.0, 5.0], chamfer_distance=[None] * 3)
    chosen = choose_objects(report_of("m", table), table, "chamfer_distance")
    assert (chosen[0].name, chosen[0].metric) == ("object-1", "psnr")
    nothing = scores_of(psnr=[None, None])
    assert choose_objects(report_of("m", nothing), nothing, "chamfer_distance") == ()


def test_strips_are_drawn_to_scale() -> None:
    values = pd.Series({"a": 2.0, "b": 4.0, "c": 10.0, "d": None, "e": math.inf}, dtype="Float64")
    chart = strip_chart([("m", values), ("none", pd.Series({"a": None}, dtype="Float64"))])
    assert chart is not None
    strip, empty = chart.strips
    assert [dot.title for dot in strip.dots] == ["a: 2", "b: 4", "c: 10"]
    a, b, c = (dot.x for dot in strip.dots)
    assert (b - a) / (c - a) == pytest.approx(0.25, abs=1e-3)
    assert strip.box is not None
    assert strip.box[2] == b  # the median
    for x, text in chart.ticks:
        assert x == pytest.approx(a + (float(text) - 2.0) / 8.0 * (c - a), abs=0.02)
    assert empty.box is None
    assert strip_chart([("m", pd.Series([None], dtype="Float64"))]) is None
    assert strip_chart([("m", pd.Series([3.0, 3.0]))]) is not None
    assert strip_chart([]) is None


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.7, 12.2), (0.0123, 0.0124), (1e5, 9e6)])
def test_axis_values_are_round_and_inside(low: float, high: float) -> None:
    values = round_values(low, high)
    assert 2 <= len(values) <= 6
    assert low - 1e-9 * abs(low) <= values[0] <= values[-1] <= high + 1e-9 * abs(high)
    step = (values[-1] - values[0]) / (len(values) - 1)
    assert float(f"{step:.3e}"[0]) in (1, 2, 5)
    assert np.allclose(np.array(values) / step, np.rint(np.array(values) / step))


def test_bars_rise_where_the_second_is_better() -> None:
    reports = [report_of("a", FIRST), report_of("b", SECOND)]
    differences = {one.metric: one for one in compare(reports, [FIRST, SECOND])}
    chart = bar_chart(differences["chamfer_distance"])  # changes 0 and -0.5: lower is better
    assert [(bar.gain, bar.height) for bar in chart.bars] == [(False, 0.0), (True, 60.0)]
    assert chart.bars[1].y == 0.0
    chart = bar_chart(differences["psnr"])  # changes -1, +1, +3
    assert [(bar.gain, bar.y, bar.height) for bar in chart.bars] == [
        (False, 60.0, 20.0),
        (True, 40.0, 20.0),
        (True, 0.0, 60.0),
    ]
    assert chart.bars[2].title == "object-1: 12 to 15"


def test_two_reports_of_one_method_are_told_apart() -> None:
    page = Page(render_page([report_of("m", FIRST), report_of("m", SECOND)], [FIRST, SECOND]))
    assert {"m (1)", "m (2)"} <= set(page.cells)


def test_reports_of_two_protocols_share_no_page(tmp_path: Path) -> None:
    other = report_of("m", FIRST)
    other.protocol["sha256"] = "b" * 64
    with pytest.raises(NotComparableError, match=r"aaaaaaaa.*bbbbbbbb"):
        write_page(tmp_path / "page.html", [report_of("m", FIRST), other], [FIRST, FIRST])
    with pytest.raises(InputError):
        write_page(tmp_path / "page.html", [], [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mesh-view.js", "page.js"])
def test_scripts_can_stand_in_a_page_as_they_are(name: str) -> None:
    code = (resources.files("lrm_core.reporting") / "html" / name).read_text("utf-8")
    assert Page(full_page()).scripts.count(({}, code)) == 1
    assert not re.search(r"</?script|<!--", code, re.IGNORECASE)
    # nor do they ask for what the policy forbids
    assert not re.search(r"\beval\b|\bFunction\(|https?:|\bimport\b|innerHTML|\.style\b", code)


def test_the_viewer_weighs_little() -> None:
    code = (resources.files("lrm_core.reporting") / "html" / "mesh-view.js").read_bytes()
    assert len(code) < 25_000
