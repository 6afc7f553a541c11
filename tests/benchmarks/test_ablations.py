"""The ablation tables: what the YAML files hold, against the paper and the training recipes."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from lrm_core.config import load_preset
from lrm_core.errors import ConfigError
from lrm_core.training.config import TrainingConfig, model_config, read_training_config

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TABLES = [f"table{number}" for number in range(3, 11)] + ["d6"]
# table 2, second row
BASELINE = {"psnr": 19.0, "clip_similarity": 87.8, "ssim": 77.4, "lpips": 19.1}


@pytest.fixture(scope="module")
def ablations(load_benchmark) -> Iterator[ModuleType]:
    with load_benchmark("ablations") as module:
        yield module


def configs(ablations: ModuleType, name: str, scale: str) -> dict[str, TrainingConfig]:
    data = Path("views") if scale == "tiny" else None
    rows = [row.at(scale) for row in ablations.read_table(name).rows]
    return {
        row.name: ablations.row_config(row, ablations.read_scale(scale), seed=1, data=data)
        for row in rows
        if row.skip is None
    }


def test_all_tables_are_there(ablations: ModuleType) -> None:
    assert ablations.table_names() == TABLES


@pytest.mark.parametrize("name", TABLES)
def test_rows_differ_in_one_setting_of_the_baseline(ablations: ModuleType, name: str) -> None:
    """Every row is a valid run; the baseline's is the recipe lrm-small itself."""
    table = ablations.read_table(name)
    (baseline,) = [row.name for row in table.rows if row.baseline]
    recipe = read_training_config("lrm-small", {"seed": 1})
    runs = configs(ablations, name, "paper")
    for row, config in runs.items():
        assert config.seed == 1
        same = config.views == recipe.views and config.rendering == recipe.rendering
        same = same and model_config(config) == load_preset("lrm-small")
        assert same == (row == baseline), row
        assert config.optimizer == recipe.optimizer
        assert config.epochs == recipe.epochs


@pytest.mark.parametrize("name", TABLES)
def test_rows_at_the_scale_tiny(ablations: ModuleType, name: str) -> None:
    runs = configs(ablations, name, "tiny")
    distinct = {(config.views, config.rendering, str(model_config(config)))
                for config in runs.values()}  # fmt: skip
    assert len(distinct) == len(runs)
    for config in runs.values():
        assert config.views.sources[0].url == "views"
        with torch.device("meta"):
            assert model_config(config).decoder.width < 128


@pytest.mark.parametrize("name", TABLES)
def test_baseline_has_the_scores_of_table_2(ablations: ModuleType, name: str) -> None:
    (baseline,) = [row for row in ablations.read_table(name).rows if row.baseline]
    assert vars(baseline.paper) == BASELINE


def test_the_papers_numbers(ablations: ModuleType) -> None:
    """Tables 5, 8 and 10, row by row as the paper prints them."""
    printed = """
    table5 6 19.0 87.7 77.6 19.1
    table5 16 19.0 87.8 77.4 19.1
    table5 24 19.1 88.0 77.6 18.9
    table8 None 15.3 83.4 70.1 28.9
    table8 Random 18.0 85.6 75.7 21.1
    table8 Normalized 19.0 87.8 77.4 19.1
    table10 32 18.8 86.3 77.0 20.1
    table10 64 19.0 87.8 77.4 19.1
    table10 128 19.4 89.0 78.3 18.0
    """
    for line in printed.strip().splitlines():
        table, name, *numbers = line.split()
        (row,) = [row for row in ablations.read_table(table).rows if row.name == name]
        assert list(vars(row.paper).values()) == [float(number) for number in numbers]


@pytest.mark.parametrize(
    ("name", "row", "setting", "value"),
    [
        ("table4", "8", "views.max_views", 8),
        ("table5", "24", "model.decoder.num_layers", 24),
        ("table6", "2", "model.nerf.num_layers", 2),
        ("table7", "128up", "model.decoder.plane_resolution", 128),
        ("table8", "Random", "views.camera_poses", "random"),
        ("table9", "1", "views.num_side_views", 1),
        ("table10", "128", "views.crop", 128),
        ("d6", "MSE", "rendering.perceptual", "none"),
    ],
)
def test_what_a_row_changes(
    ablations: ModuleType, name: str, row: str, setting: str, value: Any
) -> None:
    config = configs(ablations, name, "paper")[row]
    first, *rest = setting.split(".")
    found: Any = model_config(config) if first == "model" else getattr(config, first)
    for part in rest:
        found = getattr(found, part)
    assert found == value


def test_unknown_keys_of_a_table_are_refused(
    ablations: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (BENCHMARKS / "ablations" / "table9.yaml").read_text()
    (tmp_path / "table9.yaml").write_text(text.replace("settings:", "setings:", 1))
    monkeypatch.setattr(ablations, "_FOLDER", tmp_path)
    with pytest.raises(ConfigError, match="setings"):
        ablations.read_table("table9")


def test_markdown(ablations: ModuleType) -> None:
    def runs(*values: float) -> list[dict[str, Any]]:
        return [
            {"scores": {"psnr": value, "ssim": 50.0}, "steps": 10, "samples": 1000}
            for value in values
        ]

    rows = [
        {"name": "a", "baseline": False, "skipped": None, "paper_name": "A", "runs": runs(10, 12),
         "paper": BASELINE | {"psnr": None}},
        {"name": "b", "baseline": True, "skipped": "not run: no data", "paper_name": "B",
         "runs": [], "paper": BASELINE},
    ]  # fmt: skip
    report = {
        "table": "table0", "title": "Title", "varies": "What", "remark": "Remark.", "scale": "tiny",
        "evaluation": {"num_objects": 8, "num_inputs": 1, "num_views": 6, "size": 64},
        "missing": {"lpips": "no weights"}, "rows": rows,
    }  # fmt: skip
    text = ablations.as_markdown(report)
    cells = [re.split(r" *\| *", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    assert cells[0][:5] == ["What", "PSNR", "CLIP", "SSIM", "LPIPS"]
    assert cells[2] == [
        "a", "11.00 ± 1.00", "n/a", "50.00 ± 0.00", "n/a", "10", "1,000",
        "A", "not given", "87.8", "77.4", "19.1",
    ]  # fmt: skip
    assert cells[3][:5] == ["b (baseline)", *["not run"] * 4]
    assert "b: not run: no data." in text
    assert "LPIPS is n/a: no weights." in text
    assert "many thousand times as large" in text
