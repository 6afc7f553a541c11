import dataclasses
import json
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
    method_change,
    overall,
    read_accepted,
    write_accepted,
)


def summary(mean: float | None, direction="higher", backend="torch 2.0", num=3) -> MetricSummary:
    num = 0 if mean is None else num
    return MetricSummary(
        direction=direction, num=num, mean=mean, low=mean, high=mean, median=mean, std=0.0,
        backend=backend,
    )  # fmt: skip


def report(**means: float | None) -> MetricReport:
    directions = {"psnr": "higher", "chamfer_distance": "lower"}
    return MetricReport(
        protocol={"name": "p", "version": 1, "sha256": "a" * 64},
        dataset={"name": "d", "objects": ["x", "y", "z"], "missing": []},
        method={"name": "m", "fingerprint": "f" * 64},
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
    assert [verdict.metric for verdict in verdicts] == ["psnr", "chamfer_distance", "failures"]


def test_a_metric_that_is_gone_is_missing() -> None:
    verdicts = check_regression(report(psnr=18.0), ACCEPTED)
    assert [verdict.status for verdict in verdicts] == ["unchanged", "missing", "unchanged"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol": {"name": "p", "version": 2, "sha256": "a" * 64}}, "version 2"),
        ({"protocol": {"name": "p", "version": 1, "sha256": "b" * 64}}, "bbbbbbbb"),
        ({"protocol": {"name": "q", "version": 1, "sha256": "a" * 64}}, "q version 1"),
        ({"method": {"name": "balloon"}}, "m then, balloon now"),
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


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        ("kaolin 0.17, float32, NVIDIA A100", "kaolin 0.18, float32, NVIDIA H100 80GB HBM3", True),
        ("kaolin 0.17, float32, NVIDIA A100", "kaolin 0.18, float32, cuda", True),
        ("kaolin 0.18, float32, cuda", "scipy 1.16 cKDTree, float64", False),
        (
            "lpips 0.1.4, alex, v0.1, float32, cuda:0",
            "lpips 0.1.5, alex, v0.1, float32, cuda",
            True,
        ),
        ("lpips 0.1.4, alex, v0.1, float32, cpu", "lpips 0.1.4, vgg, v0.1, float32, cpu", False),
        ("scipy 1.16 cKDTree, float64", "scipy 1.16 cKDTree, float32", False),
    ],
)
def test_a_backend_is_the_same_on_another_machine(then: str, now: str, same: bool) -> None:
    before = report(psnr=18.0)
    before = dataclasses.replace(before, metrics={"psnr": summary(18.0, backend=then)})
    accepted = accept(before, reason="r", bands={"psnr": Band(0.1, "seeds")})
    after = dataclasses.replace(before, metrics={"psnr": summary(18.0, backend=now)})
    expected = "unchanged" if same else "not comparable"
    assert overall(check_regression(after, accepted)) == expected


def crashed(**failures: str) -> MetricReport:
    """Only the easy object is left: every mean is better than what was accepted."""
    metrics = {
        "psnr": summary(25.0, num=3),
        "chamfer_distance": summary(0.05, "lower", num=1),
    }
    return dataclasses.replace(report(), metrics=metrics, failures=failures)


def test_a_crash_is_not_an_improvement() -> None:
    verdicts = check_regression(crashed(x="out of memory", y="out of memory"), ACCEPTED)
    found = {verdict.metric: (verdict.status, verdict.reason) for verdict in verdicts}
    assert found == {
        "psnr": ("improved", "18 then, 25 now"),
        "chamfer_distance": ("regressed", "3 objects had a value then, 1 now"),
        "failures": ("regressed", "0 failures then, 2 now"),
    }
    assert overall(verdicts) == "regressed"


def test_a_crash_is_not_an_improvement_over_a_file_of_older_programs(tmp_path: Path) -> None:
    write_accepted(tmp_path / "a.json", ACCEPTED)
    content = json.loads((tmp_path / "a.json").read_text())
    del content["failures"], content["fingerprint"]
    for value in content["metrics"].values():
        del value["num"]
    (tmp_path / "a.json").write_text(json.dumps(content))
    older = read_accepted(tmp_path / "a.json")
    assert overall(check_regression(report(psnr=18.0, chamfer_distance=0.2), older)) == "unchanged"
    assert overall(check_regression(crashed(x="out of memory"), older)) == "regressed"
    assert "renew it" in (method_change(report(psnr=18.0), older) or "")


def test_an_object_that_became_unusable_is_a_failure() -> None:
    fewer = dataclasses.replace(
        crashed(x="unreadable"), dataset={"objects": ["y", "z"], "missing": []}
    )
    verdicts = check_regression(fewer, ACCEPTED)
    assert [v.status for v in verdicts] == ["not comparable", "not comparable", "regressed"]
    assert overall(verdicts) == "regressed"


def test_inputs_of_an_object_fail_with_it() -> None:
    failing = dataclasses.replace(
        report(psnr=18.0, chamfer_distance=0.2), failures={"x/3": "dark", "x/9": "dark"}
    )
    verdict = check_regression(failing, ACCEPTED)[-1]
    assert (verdict.metric, verdict.status, verdict.measured) == ("failures", "regressed", 1.0)


def test_values_of_more_objects_need_to_be_accepted() -> None:
    fewer = dataclasses.replace(report(), metrics={"psnr": summary(18.0, num=2)})
    accepted = accept(fewer, reason="r", bands={"psnr": Band(0.1, "seeds")})
    verdicts = check_regression(report(psnr=18.0), accepted)
    assert verdicts[0].status == "not comparable"
    assert verdicts[0].reason == "2 objects had a value then, 3 now"


def test_a_regression_outranks_what_cannot_be_compared() -> None:
    mixed = dataclasses.replace(
        report(psnr=10.0),
        metrics={
            "psnr": summary(10.0),
            "chamfer_distance": summary(0.2, "lower", backend="kaolin 0.17, float32, cuda"),
        },
    )
    verdicts = check_regression(mixed, ACCEPTED)
    assert {v.status for v in verdicts} == {"regressed", "not comparable", "unchanged"}
    assert overall(verdicts) == "regressed"


def test_a_changed_method_is_named_and_compared() -> None:
    same = report(psnr=18.0, chamfer_distance=0.2)
    assert method_change(same, ACCEPTED) is None
    other = dataclasses.replace(same, method={"name": "m", "fingerprint": "e" * 64})
    assert overall(check_regression(other, ACCEPTED)) == "unchanged"
    assert "fingerprint ffffffff then, eeeeeeee now" in (method_change(other, ACCEPTED) or "")


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
    assert "| psnr | 18 | 17 | 0.1 | regressed (18 then, 17 now) |" in text
    assert "| failures | 0 | 0 | 0 | unchanged |" in text
    assert "| chamfer_distance | 0.2 | n/a | 0.01 | missing (not in the report) |" in text
    assert isinstance(ACCEPTED, AcceptedReport)


def test_failures_that_were_accepted_are_no_news() -> None:
    """Of the objects that were evaluated; one more is a regression, one less an improvement."""
    crashed = {"x": "crashed", "elsewhere": "crashed"}
    failing = dataclasses.replace(report(psnr=18.0), failures=crashed)
    accepted = accept(failing, reason="r", bands={"psnr": Band(0.1, "seeds")})
    assert accepted.failures == 1
    more = dataclasses.replace(failing, failures=crashed | {"y": "crashed"})
    statuses = [overall(check_regression(r, accepted)) for r in (failing, more, report(psnr=18.0))]
    assert statuses == ["unchanged", "regressed", "improved"]
