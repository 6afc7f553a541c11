import dataclasses
from pathlib import Path

import pytest

from lrm_core.errors import ConfigError, InputError
from lrm_core.reporting.metric_report import MetricReport, MetricSummary
from lrm_core.reporting.regression import (
    AcceptedReport,
    Band,
    accept,
    check_regression,
    markdown_summary,
    overall,
    read_accepted,
    write_accepted,
)


def summary(mean: float | None, direction="higher", backend="torch 2.0") -> MetricSummary:
    return MetricSummary(direction, 3, mean, mean, mean, mean, 0.0, backend, None)


def report(**means: float | None) -> MetricReport:
    directions = {"psnr": "higher", "chamfer_distance": "lower"}
    return MetricReport(
        protocol={"name": "p", "version": 1, "sha256": "a" * 64},
        dataset={"name": "d", "objects": ["x", "y", "z"], "missing": []},
        method={"name": "m"},
        metrics={name: summary(mean, directions[name]) for name, mean in means.items()},
        failures={},
        notes={},
        provenance={},
    )


BANDS = {"psnr": Band(0.1, "three seeds"), "chamfer_distance": Band(0.01, "three seeds")}
ACCEPTED = accept(report(psnr=18.0, chamfer_distance=0.2), reason="first release", bands=BANDS)


@pytest.mark.parametrize(
    ("psnr", "chamfer", "expected"),
    [
        (18.0, 0.2, "unchanged"),
        (18.09, 0.209, "unchanged"),
        (17.91, 0.191, "unchanged"),
        (17.85, 0.2, "regressed"),
        (18.15, 0.2, "improved"),
        (18.0, 0.215, "regressed"),
        (18.0, 0.185, "improved"),
        (19.0, 0.25, "regressed"),
        (None, 0.2, "missing"),
    ],
)
def test_the_direction_and_the_band_decide(psnr, chamfer, expected) -> None:
    verdicts = check_regression(report(psnr=psnr, chamfer_distance=chamfer), ACCEPTED)
    assert overall(verdicts) == expected
    assert {verdict.metric for verdict in verdicts} == {"psnr", "chamfer_distance"}


def test_a_metric_that_is_gone_is_missing() -> None:
    verdicts = check_regression(report(psnr=18.0), ACCEPTED)
    assert [verdict.status for verdict in verdicts] == ["unchanged", "missing"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol": {"name": "p", "version": 2, "sha256": "a" * 64}}, "version 2"),
        ({"protocol": {"name": "p", "version": 1, "sha256": "b" * 64}}, "bbbbbbbb"),
        ({"protocol": {"name": "q", "version": 1, "sha256": "a" * 64}}, "q version 1"),
        ({"dataset": {"objects": ["x", "y"]}}, "3 objects then, 2 now"),
        ({"dataset": {"objects": ["x", "y", "w"]}}, "not the same"),
    ],
)
def test_what_was_measured_otherwise_is_not_compared(change, words: str) -> None:
    other = dataclasses.replace(report(psnr=10.0, chamfer_distance=0.9), **change)
    verdicts = check_regression(other, ACCEPTED)
    assert overall(verdicts) == "not comparable"
    assert words in verdicts[0].reason


def test_another_backend_is_not_comparable_but_another_version_of_it_is() -> None:
    same = report(psnr=18.0, chamfer_distance=0.2)
    for backend, expected in (("torch 2.9.1", "unchanged"), ("kaolin 2.0", "not comparable")):
        changed = dataclasses.replace(
            same, metrics=same.metrics | {"psnr": summary(18.0, backend=backend)}
        )
        assert overall(check_regression(changed, ACCEPTED)) == expected


def test_accepting_needs_a_reason_and_bands_that_make_sense() -> None:
    good = report(psnr=18.0, chamfer_distance=None)
    with pytest.raises(ConfigError, match="reason"):
        accept(good, reason="  ", bands={"psnr": Band(0.1, "seeds")})
    with pytest.raises(ConfigError, match="no value of chamfer_distance"):
        accept(good, reason="new", bands={"chamfer_distance": Band(0.1, "seeds")})
    with pytest.raises(ConfigError, match="above 0"):
        accept(good, reason="new", bands={"psnr": Band(0.0, "seeds")})
    with pytest.raises(ConfigError, match="no metric is guarded"):
        accept(good, reason="new", bands={})


def test_accepted_values_are_kept_exactly(tmp_path: Path) -> None:
    write_accepted(tmp_path / "a.json", ACCEPTED)
    assert read_accepted(tmp_path / "a.json") == ACCEPTED
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InputError, match="accepted values"):
        read_accepted(tmp_path / "a.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_accepted(tmp_path / "b.json")


def test_the_summary_tells_a_pull_request_what_moved() -> None:
    verdicts = check_regression(report(psnr=17.0), ACCEPTED)
    text = markdown_summary(verdicts, ACCEPTED)
    assert "**regressed**" in text
    assert "| psnr | 18 | 17 | 0.1 | regressed |" in text
    assert "| chamfer_distance | 0.2 | n/a | 0.01 | missing (not in the report) |" in text
    assert isinstance(ACCEPTED, AcceptedReport)
