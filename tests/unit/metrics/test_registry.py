"""The list of reported numbers is complete, light and speaks clearly."""

import subprocess
import sys

import pytest

from lrm_core.errors import ConfigError
from lrm_core.metrics.registry import METRICS, find_metric


def test_every_metric_says_what_it_is() -> None:
    assert {name: metric.name for name, metric in METRICS.items()} == {n: n for n in METRICS}
    for metric in METRICS.values():
        assert metric.label
        assert metric.definition
        assert metric.source
    lower = {name for name, metric in METRICS.items() if metric.direction == "lower"}
    assert lower == {"lpips", "fid", "depth_error", "chamfer_squared", "chamfer_distance"}
    assert [name for name, metric in METRICS.items() if metric.scope == "set"] == ["fid"]


def test_a_distance_becomes_part_of_name_and_label() -> None:
    metric = find_metric("f_score@0.05")
    assert (metric.name, metric.label) == ("f_score@0.05", "F-score @ 0.05")
    assert metric.direction == "higher"
    assert find_metric("psnr") is METRICS["psnr"]


@pytest.mark.parametrize(
    "name", ["", "mse", "f_score", "f_score@", "f_score@x", "recall@-1", "precision@inf", "psnr@1"]
)
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        find_metric(name)


def test_it_is_light_to_import() -> None:
    code = "import lrm_core.metrics.registry, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"torch", "numpy", "scipy", "pydantic"}.isdisjoint(loaded)
