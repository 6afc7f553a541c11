"""Numbers that papers published, with where they stand and what is known of how they were measured.

None of them was measured under a protocol of ours, and no two tables under the same one: they are
shown beside measured numbers for orientation, in tables of their own, never in the same column.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from lrm_core.config import bundled_presets, parse_config, read_yaml
from lrm_core.errors import ConfigError

MARK = "published (other protocol)"
"""What every row of published numbers is marked with."""


@dataclass(frozen=True, kw_only=True)
class PublishedMetric:
    """A column of a published table."""

    direction: Literal["higher", "lower"]
    """Which way is better."""
    meaning: str
    """What is known of its definition, and what is not."""


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """A method of a published table."""

    method: str
    values: dict[str, float]
    """Metric -> value; metrics that were not measured are left out."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """One table of one paper on one dataset: its numbers compare with one another only."""

    paper: str
    year: int
    table: str
    link: str
    read_from: str
    """Where we read the numbers."""
    second_hand: bool = False
    """Whether that was not the paper itself."""
    read_off_figure: bool = False
    """Whether they were measured in a figure."""
    dataset: str
    num_objects: int | None = None
    protocol: str
    """In words: what is known of how they were measured, and what is not."""
    metrics: dict[str, PublishedMetric]
    rows: tuple[PublishedRow, ...]

    @property
    def source(self) -> str:
        """Paper, table, year, link and how the numbers came to us, in one line."""
        doubts = []
        if self.second_hand:
            doubts.append(f"second hand: {self.read_from}")
        if self.read_off_figure:
            doubts.append("read off a figure")
        doubt = f" [{'; '.join(doubts)}]" if doubts else ""
        return f"{self.paper}, {self.year}, {self.table}, {self.link}{doubt}"


def published_names() -> list[str]:
    """Names of the published tables that ship with the package."""
    return list(bundled_presets("published"))


def load_published(name: str) -> PublishedTable:
    """A published table by name.

    Raises:
        ConfigError: no such table, an unknown key or a bad value.
    """
    if name not in published_names():
        raise ConfigError(
            f"no published table is called '{name}'",
            hint=f"tables: {', '.join(published_names())}",
        )
    path = bundled_presets("published")[name]
    return parse_published(read_yaml(path, origin=name), origin=name)


def parse_published(values: dict[str, Any], *, origin: str) -> PublishedTable:
    """A published table from plain values.

    Args:
        values: as YAML gives them.
        origin: what messages call it.

    Raises:
        ConfigError: an unknown key, a bad value, a value without a metric or a metric without one.
    """
    table = parse_config(PublishedTable, values, origin=origin)
    if not table.link.startswith("https://"):
        raise ConfigError(f"{origin}: link must start with https://, got '{table.link}'")
    methods = [row.method for row in table.rows]
    if not methods or len(set(methods)) < len(methods):
        raise ConfigError(f"{origin}: rows: expected methods, each of them once")
    used: set[str] = set()
    for row in table.rows:
        used |= set(row.values)
        unknown = set(row.values) - set(table.metrics)
        if unknown:
            raise ConfigError(f"{origin}: {row.method}: {min(unknown)} is not among the metrics")
        if not row.values or not all(map(math.isfinite, row.values.values())):
            raise ConfigError(f"{origin}: {row.method}: expected finite values")
    unused = set(table.metrics) - used
    if unused:
        raise ConfigError(f"{origin}: metrics: no method has a value of {min(unused)}")
    return table


def published_on(dataset: str) -> dict[str, PublishedTable]:
    """All published tables on a dataset, by name, older papers first."""
    tables = {name: load_published(name) for name in published_names()}
    chosen = [(table.year, name) for name, table in tables.items() if table.dataset == dataset]
    return {name: tables[name] for _, name in sorted(chosen)}
