import copy
from pathlib import Path

import pytest
import yaml

from lrm_core.errors import ConfigError
from lrm_core.reporting.published import (
    load_published,
    parse_published,
    published_names,
    published_on,
)


@pytest.mark.parametrize("name", published_names())
def test_every_table_is_read_and_says_where_it_is_from(name: str) -> None:
    table = load_published(name)
    assert str(table.year) in name
    assert table.link in table.source
    # only what was read in the paper itself goes without a flag
    assert table.second_hand or table.read_off_figure or table.read_from == "the paper"
    assert ("second hand" in table.source) == table.second_hand
    assert ("read off a figure" in table.source) == table.read_off_figure


def test_lrm_table_1_is_the_papers() -> None:
    """Typed from the paper a second time: FID, CLIP similarity, PSNR, LPIPS, CD."""
    paper = {
        "Point-E": (123.70, 0.741, 15.60, 0.308, 0.099),
        "Shap-E": (97.05, 0.805, 14.36, 0.289, 0.085),
        "One-2-3-45": (139.24, 0.713, 12.42, 0.448, 0.123),
        "LRM": (31.44, 0.902, 19.60, 0.163, 0.053),
    }
    table = load_published("lrm2023-gso")
    assert {row.method: tuple(row.values.values()) for row in table.rows} == paper
    assert tuple(table.metrics) == ("FID", "CLIP similarity", "PSNR", "LPIPS", "CD")
    assert table.num_objects == 100


def test_one_models_chamfer_distance_spans_a_factor_of_eight() -> None:
    """Why published numbers never stand in a column with measured ones."""
    distances = [
        row.values["CD"]
        for table in published_on("gso").values()
        for row in table.rows
        if row.method == "OpenLRM" and "CD" in row.values
    ]
    assert (min(distances), max(distances)) == (0.0255, 0.214)
    assert len(distances) == 5


def test_shares_lie_between_0_and_1_and_f_scores_grow_with_the_distance() -> None:
    for name in published_names():
        for row in load_published(name).rows:
            scores = [row.values[key] for key in ("F@0.1", "F@0.2", "F@0.5") if key in row.values]
            assert scores == sorted(scores), (name, row.method)
            shares = ("SSIM", "LPIPS", "volume IoU", "CLIP similarity", "F-score", "F@0.01")
            assert all(0 < row.values[key] < 1 for key in shares if key in row.values)


def test_tables_are_chosen_by_dataset() -> None:
    chosen = published_on("gso")
    assert "lrm2023-gso" in chosen
    assert not any("omniobject3d" in name for name in chosen)
    assert [table.year for table in chosen.values()] == sorted(t.year for t in chosen.values())
    assert published_on("procedural") == {}
    assert published_on("folder") == {}


def test_what_is_wrong_in_a_file_is_named() -> None:
    metric = {"direction": "lower", "meaning": "unknown"}
    good = {
        "paper": "P",
        "year": 2024,
        "table": "Table 1",
        "link": "https://arxiv.org/abs/1",
        "read_from": "the paper",
        "dataset": "gso",
        "protocol": "unknown",
        "metrics": {"CD": metric},
        "rows": [{"method": "A", "values": {"CD": 0.1}}],
    }
    assert parse_published(copy.deepcopy(good), origin="file").rows[0].values == {"CD": 0.1}
    for wrong, message in (
        ({"link": "ftp://paper"}, "https://"),
        ({"rows": []}, "each of them once"),
        ({"rows": good["rows"] * 2}, "each of them once"),
        ({"rows": [{"method": "A", "values": {"FID": 1.0}}]}, "FID is not among the metrics"),
        ({"rows": [{"method": "A", "values": {"CD": float("nan")}}]}, "finite"),
        ({"metrics": {"CD": metric, "FID": metric}}, "no method has a value of FID"),
        ({"metrics": {"CD": {"direction": "up", "meaning": ""}}}, "metrics.CD.direction"),
        ({"color": "red"}, "color"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_published(copy.deepcopy(good) | wrong, origin="file")
    with pytest.raises(ConfigError, match="no published table is called 'x'"):
        load_published("x")


def test_the_repository_shows_them_where_benchmarks_are() -> None:
    shown = Path(__file__).parents[3] / "benchmarks" / "published"
    if not shown.is_dir():
        pytest.skip("a checkout without links")
    assert sorted(path.stem for path in shown.glob("*.yaml")) == published_names()
    # numbers are written once, as numbers: YAML would read 1_0 or 0o1 silently
    for path in shown.glob("*.yaml"):
        for row in yaml.safe_load(path.read_text("utf-8"))["rows"]:
            assert all(type(value) is float for value in row["values"].values()), path.name
