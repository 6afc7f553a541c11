"""Geometry of the charts of a page; the template draws them as SVG.

Charts are laid out in CSS pixels of a narrow column, so that their text stays readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrm_core.reporting.comparison import PairedDifference

WIDTH = 340
_MARGIN, _ROW_HEIGHT, _AXIS_HEIGHT = 8, 40, 22
_LABEL_LENGTH = 44
_MOST_DOTS = 300
_BAR_HEIGHT = 120


@dataclass(frozen=True)
class Dot:
    """One object: where it is drawn, and what is said when it is pointed at."""

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Strip:
    """One method: its objects as dots, over a box from the lower to the upper quartile.

    Attributes:
        label: name of the method.
        label_y: base line of the label.
        y: middle of the strip.
        box: x of smallest value, lower quartile, median, upper quartile, largest value; None
            where there is no value.
        dots: all objects, or none where there are too many to draw.
        summary: the box in words.
    """

    label: str
    label_y: float
    y: float
    box: tuple[float, float, float, float, float] | None
    dots: tuple[Dot, ...]
    summary: str


@dataclass(frozen=True)
class StripChart:
    """Distributions of one metric, a strip for each method.

    Attributes:
        strips: from top to bottom.
        ticks: (x, text) of the axis.
        height: height of the drawing.
    """

    strips: tuple[Strip, ...]
    ticks: tuple[tuple[float, str], ...]
    height: int
    width: int = WIDTH


@dataclass(frozen=True)
class Bar:
    """One object's gain, up or down from the middle."""

    x: float
    y: float
    height: float
    gain: bool
    title: str


@dataclass(frozen=True)
class BarChart:
    """Gains of all objects, from the greatest loss to the greatest gain.

    Attributes:
        bars: one unit wide each.
        width: width of the drawing: as many units as there are bars.
        height: height of the drawing; no gain lies in the middle.
        largest: gain or loss that reaches an edge.
    """

    bars: tuple[Bar, ...]
    width: int
    height: int
    largest: float


def strip_chart(columns: Sequence[tuple[str, pd.Series]]) -> StripChart | None:
    """Distributions of one metric.

    Args:
        columns: (method, value by object); objects without a value are left out.

    Returns:
        the chart, or None where no method has a value.
    """
    as_floats = [(label, column.dropna().astype("float64")) for label, column in columns]
    known = [(label, column[np.isfinite(column)]) for label, column in as_floats]
    everything = np.concatenate([[], *(column.to_numpy() for _, column in known)])
    if not len(everything):
        return None
    low, high = float(everything.min()), float(everything.max())
    if low == high:  # a single value in the middle of something
        low, high = low - max(abs(low), 1.0) * 0.5, high + max(abs(high), 1.0) * 0.5
    scale = (WIDTH - 2 * _MARGIN) / (high - low)

    def place(value: float) -> float:
        return round(_MARGIN + (value - low) * scale, 2)

    strips = []
    for row, (label, column) in enumerate(known):
        y = row * _ROW_HEIGHT + 27.0
        box, summary = None, "no value"
        if len(column):
            least, lower, median, upper, most = np.quantile(
                column.to_numpy(), [0.0, 0.25, 0.5, 0.75, 1.0]
            ).tolist()
            box = (place(least), place(lower), place(median), place(upper), place(most))
            summary = (
                f"{len(column)} objects, quartiles {lower:.4g}, {median:.4g}, {upper:.4g}, "
                f"from {least:.4g} to {most:.4g}"
            )
        dots = tuple(
            # the golden ratio spreads neighbors without drawing random numbers
            Dot(place(value), round(y + 12.0 * ((at * 0.618034) % 1.0 - 0.5), 2),
                f"{name}: {value:.4g}")
            for at, (name, value) in enumerate(column.items())
        )  # fmt: skip
        strips.append(
            Strip(
                label if len(label) <= _LABEL_LENGTH else f"{label[: _LABEL_LENGTH - 1]}…",
                row * _ROW_HEIGHT + 13.0,
                y,
                box,
                dots if len(dots) <= _MOST_DOTS else (),
                summary,
            )
        )
    ticks = tuple((place(value), f"{value:.4g}") for value in round_values(low, high))
    return StripChart(tuple(strips), ticks, len(known) * _ROW_HEIGHT + _AXIS_HEIGHT)


def round_values(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers in a range: multiples of 1, 2 or 5 times a power of ten, at most `most`."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    steps = (power * factor for factor in (1, 2, 5, 10, 20))
    step = next(step for step in steps if (high - low) / step <= most - 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def bar_chart(difference: PairedDifference) -> BarChart:
    """The gain of the second method over the first on every object; see `compare`."""
    sign = 1.0 if difference.direction == "higher" else -1.0
    gains = [sign * (second - first) for _, first, second in difference.objects]
    largest = max(map(abs, gains))
    middle = _BAR_HEIGHT / 2
    bars = []
    for at, ((name, first, second), gain) in enumerate(zip(difference.objects, gains, strict=True)):
        height = round(middle * abs(gain) / largest, 2) if largest else 0.0
        bars.append(
            Bar(
                float(at),
                middle - height if gain > 0 else middle,
                height,
                gain > 0,
                f"{name}: {first:.4g} to {second:.4g}",
            )
        )
    return BarChart(tuple(bars), len(bars), _BAR_HEIGHT, largest)
