from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrm_core.errors import NotComparableError
from lrm_core.reporting.comparison import compare
from lrm_core.reporting.metric_report import MetricReport, MetricSummary

DIRECTIONS: dict[str, Any] = {"psnr": "higher", "chamfer_distance": "lower"}


def report(sha256: str = "a" * 64, version: int = 1) -> MetricReport:
    return MetricReport(
        protocol={"name": "p", "version": version, "sha256": sha256},
        dataset={"objects": [], "missing": []},
        method={"name": "m"},
        metrics={
            name: MetricSummary(direction=direction, num=1, mean=0.0, backend="b")
            for name, direction in DIRECTIONS.items()
        },
        failures={},
        notes={},
        provenance={},
    )


def table(names: str, **columns: list[float | None]) -> pd.DataFrame:
    return pd.DataFrame(
        {"object": list(names)}
        | {name: pd.array(values, dtype="Float64") for name, values in columns.items()}
    )


def test_objects_are_paired_by_name_and_ranked_from_loss_to_gain() -> None:
    first = table("abcd", psnr=[10.0, 12.0, 14.0, 9.0], chamfer_distance=[0.4, 0.2, 0.3, None])
    second = table("dcbe", psnr=[9.0, 16.0, 10.0, 99.0], chamfer_distance=[0.1, 0.2, 0.3, 0.1])
    psnr, chamfer = compare([report(), report()], [first, second])
    assert (psnr.metric, psnr.num) == ("psnr", 3)
    assert psnr.objects == (("b", 12.0, 10.0), ("d", 9.0, 9.0), ("c", 14.0, 16.0))
    assert psnr.mean == pytest.approx((-2 + 0 + 2) / 3)
    assert psnr.better == 0.5  # one of three, and half of the tie
    # lower is better: b is worse by 0.1, c better by 0.1; d has one value only
    assert chamfer.objects == (("b", 0.2, 0.3), ("c", 0.3, 0.2))
    assert (chamfer.num, chamfer.mean, chamfer.better) == (2, pytest.approx(0.0), 0.5)


def test_several_inputs_of_an_object_are_one_value() -> None:
    first = table("abc", psnr=[10.0, 14.0, 20.0]).assign(cluster=["x", "x", "y"])
    second = table("abc", psnr=[12.0, 18.0, 19.0]).assign(cluster=["x", "x", "y"])
    (psnr,) = compare([report(), report()], [first, second])
    assert psnr.objects == (("y", 20.0, 19.0), ("x", 12.0, 15.0))
    assert (psnr.num, psnr.mean) == (2, 1.0)


@pytest.mark.parametrize(("num", "quantile"), [(10, 2.262), (400, 1.96)])
def test_the_interval_is_that_of_95_percent(num: int, quantile: float) -> None:
    """Student's t of 9 degrees of freedom and the normal distribution, from tables."""
    names = [str(index) for index in range(num)]
    rng = np.random.default_rng(num)
    before, change = rng.normal(size=num), rng.normal(0.3, 1.0, num)
    tables = [
        pd.DataFrame({"object": names, "psnr": values}) for values in (before, before + change)
    ]
    (psnr,) = compare([report(), report()], tables)
    assert psnr.low is not None
    assert psnr.high is not None
    half_width = quantile * change.std(ddof=1) / num**0.5
    assert (psnr.high - psnr.low) / 2 == pytest.approx(half_width, rel=0.07)
    assert (psnr.high + psnr.low) / 2 == pytest.approx(change.mean(), abs=0.1 * half_width)


def test_one_object_has_a_difference_but_no_interval() -> None:
    (psnr,) = compare([report(), report()], [table("a", psnr=[1.0]), table("a", psnr=[2.0])])
    assert (psnr.mean, psnr.low, psnr.high) == (1.0, None, None)


@pytest.mark.parametrize("other", [report("b" * 64), report("b" * 64, version=2)])
def test_reports_of_different_protocols_are_refused(other: MetricReport) -> None:
    scores = table("a", psnr=[1.0])
    with pytest.raises(NotComparableError, match="not one protocol"):
        compare([report(), other], [scores, scores])


def test_reports_without_a_common_object_are_refused() -> None:
    with pytest.raises(NotComparableError, match="no object"):
        compare([report(), report()], [table("a", psnr=[1.0]), table("b", psnr=[1.0])])
