import numpy as np
import pandas as pd
import pytest

from lrm_core.reporting.comparison import PairedDifference
from lrm_core.reporting.html_charts import WIDTH, bar_chart, round_values, strip_chart


def column(*values: float | None) -> pd.Series:
    names = [f"object-{index}" for index in range(len(values))]
    return pd.Series(pd.array(values, dtype="Float64"), index=names)


def test_a_strip_shows_quartiles_and_every_object_on_one_scale() -> None:
    chart = strip_chart([("a", column(0.0, 1.0, 2.0, 10.0)), ("b", column(5.0, None))])
    assert chart is not None
    first, second = chart.strips
    left = first.dots[0].x
    unit = (first.dots[3].x - left) / 10.0
    assert 0 < left < first.dots[3].x < WIDTH
    quartiles = np.quantile([0.0, 1.0, 2.0, 10.0], [0, 0.25, 0.5, 0.75, 1])
    assert first.box == pytest.approx([left + unit * value for value in quartiles], abs=0.02)
    assert [dot.title for dot in first.dots][:2] == ["object-0: 0", "object-1: 1"]
    assert [dot.x for dot in second.dots] == pytest.approx([left + 5 * unit], abs=0.02)
    assert second.y > max(dot.y for dot in first.dots)
    assert "1 objects" in second.summary
    for x, text in chart.ticks:
        assert x == pytest.approx(left + unit * float(text), abs=0.02)


def test_values_that_cannot_be_drawn_are_left_out() -> None:
    chart = strip_chart([("a", column(None, np.inf, 3.0)), ("b", column(None))])
    assert chart is not None
    assert len(chart.strips[0].dots) == 1
    assert chart.strips[1].box is None
    assert chart.strips[1].summary == "no value"
    assert strip_chart([("a", column(None))]) is None
    assert strip_chart([]) is None


def test_many_objects_are_a_box_without_dots_and_long_labels_are_cut() -> None:
    chart = strip_chart([("m" * 60, column(*np.arange(301.0)))])
    assert chart is not None
    (strip,) = chart.strips
    assert strip.dots == ()
    assert strip.box is not None
    assert len(strip.label) == 44
    assert strip.label.endswith("…")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (0.13, 0.41, [0.2, 0.3, 0.4]),
        (-1.0, 1.0, [-1, -0.5, 0, 0.5, 1]),
        (17.9, 18.3, [17.9, 18.0, 18.1, 18.2, 18.3]),
    ],
)
def test_ticks_are_round_and_few(low: float, high: float, expected: list[float]) -> None:
    assert round_values(low, high) == pytest.approx(expected)


def test_bars_rise_for_gains_and_hang_for_losses() -> None:
    objects = (("a", 1.0, 3.0), ("b", 2.0, 2.0), ("c", 2.0, 1.0))  # lower is better
    chart = bar_chart(
        PairedDifference(
            metric="chamfer_distance", direction="lower", num=3, mean=1 / 3, low=None, high=None,
            better=0.5, objects=objects,
        )
    )  # fmt: skip
    middle = chart.height / 2
    loss, tie, gain = chart.bars
    assert chart.largest == 2.0
    assert (loss.gain, loss.y, loss.height) == (False, middle, middle)
    assert tie.height == 0.0
    assert (gain.gain, gain.y, gain.height) == (True, middle / 2, middle / 2)
    assert gain.title == "c: 2 to 1"
    assert [bar.x for bar in chart.bars] == [0.0, 1.0, 2.0]
