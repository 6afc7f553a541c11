import numpy as np
import pandas as pd
import pytest

from lrm_core.baselines.predictor import Alignment, Prediction
from lrm_core.evaluation import aggregate
from lrm_core.evaluation.aggregate import (
    build_report,
    mean_by_object,
    summarize,
    summarize_fid,
)
from lrm_core.evaluation.alignment import Fit
from lrm_core.evaluation.collection import Collection
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.evaluation.runner import EvaluationResult, ObjectScores
from lrm_core.evaluation.setups import Setup
from lrm_core.metrics.fid import feature_statistics, frechet_distance
from lrm_core.reporting.metric_report import MetricReport


def test_the_interval_covers_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        summary = summarize(rng.normal(3.0, 1.0, 40).tolist(), metric="psnr", backend="")
        assert summary.low is not None
        assert summary.high is not None
        hits += summary.low <= 3.0 <= summary.high
    assert 180 <= hits <= 198


def test_the_numbers_are_those_of_numpy() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    summary = summarize(values, metric="chamfer_distance", backend="b")
    assert summary.mean == pytest.approx(np.mean(values))
    assert summary.median == pytest.approx(3.0)
    assert summary.std == pytest.approx(np.std(values, ddof=1))
    assert (summary.num, summary.direction, summary.backend) == (4, "lower", "b")
    assert summarize(values, metric="chamfer_distance", backend="b") == summary


def test_equal_values_have_a_point_for_an_interval_and_one_value_none() -> None:
    summary = summarize([2.5, 2.5, 2.5], metric="psnr", backend="")
    assert summary.low == summary.mean == summary.high == 2.5
    single = summarize([2.5], metric="psnr", backend="")
    assert (single.num, single.mean, single.low, single.high) == (1, 2.5, None, None)
    assert single.std is None
    nothing = summarize([], metric="psnr", backend="", unavailable="no weights")
    assert nothing.mean is None
    assert nothing.unavailable == "no weights"


def with_features(predicted: np.ndarray, expected: np.ndarray) -> ObjectScores:
    features = (predicted.astype(np.float32), expected.astype(np.float32))
    return ObjectScores({}, {}, {"fid": "a network"}, 0.0, features=features)


def test_the_fid_is_that_of_all_views_of_all_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregate, "_BLOCK", 3)  # 7 objects: blocks of 3, 3 and 1
    rng = np.random.default_rng(41)
    predicted, expected = rng.normal(size=(7, 5, 6)), rng.normal(1.0, 2.0, size=(7, 5, 6))
    scores = [with_features(*pair) for pair in zip(predicted, expected, strict=True)]
    without = ObjectScores({}, {"fid": "no such package"}, {}, 0.0)
    summary = summarize_fid([*scores, without])
    whole = (
        feature_statistics(side.reshape(35, 6).astype(np.float32)) for side in (predicted, expected)
    )
    assert summary.mean == pytest.approx(frechet_distance(*whole), rel=1e-9)
    assert (summary.num, summary.direction, summary.backend) == (7, "lower", "a network")
    assert (summary.low, summary.high, summary.median, summary.std) == (None,) * 4


def test_without_features_there_is_no_fid_but_a_reason() -> None:
    without = ObjectScores({}, {}, {}, 0.0)
    assert summarize_fid([without], unavailable="no weights").unavailable == "no weights"
    one_view = with_features(np.ones((1, 4)), np.ones((1, 4)))
    assert summarize_fid([one_view]).unavailable == "needs 2 views or more"
    assert summarize_fid([one_view]).mean is None
    assert summarize_fid([one_view, one_view]).mean == 0.0


def test_inputs_of_one_object_are_one_value() -> None:
    """Five inputs of an object are nearly the same number: counted alone they would shrink it."""
    rng = np.random.default_rng(0)
    objects = [f"object-{index}" for index in range(8) for _ in range(5)]
    values = np.repeat(rng.normal(20.0, 3.0, 8), 5) + rng.normal(0.0, 0.01, 40)
    by_object = mean_by_object(pd.Series(values), objects)
    assert by_object == pytest.approx(values.reshape(8, 5).mean(axis=1).tolist())
    clustered = summarize(by_object, metric="psnr", backend="")
    naive = summarize(values.tolist(), metric="psnr", backend="")
    assert clustered.num == 8
    assert clustered.mean == pytest.approx(naive.mean)
    assert clustered.high - clustered.low > 2.0 * (naive.high - naive.low)


def test_objects_and_inputs_without_a_value_are_left_out() -> None:
    values = pd.Series(pd.array([1.0, None, None, 4.0, 6.0], dtype="Float64"))
    assert mean_by_object(values, ["a", "a", "b", "c", "c"]) == [1.0, 5.0]


class Method:
    """A method with a field, and colors of the photo on its meshes."""

    name = "method"
    licence = "MIT"
    source = "here"
    fingerprint = "f" * 64
    alignment: Alignment = "free_azimuth"
    iso_level = 3.0
    photo_colors = True

    def predict(self, rgba: np.ndarray, *, name: str) -> Prediction:
        raise AssertionError


def report_of(
    scored: dict[str, ObjectScores],
    setup: Setup,
    *,
    metrics: tuple[str, ...] = ("psnr",),
    unavailable: dict[str, str] | None = None,
    unusable: dict[str, str] | None = None,
) -> tuple[MetricReport, pd.DataFrame]:
    names = [*scored, *(unusable or {})]
    collection = Collection("folder", None, tuple((n, "") for n in names), ("absent",), "CC0")
    return build_report(
        load_protocol("folder-v1"),
        collection,
        Method(),
        EvaluationResult({setup.label: scored}, unusable or {}),
        setup,
        {},
        metrics=metrics,
        unavailable=unavailable or {},
    )


def scored_as(psnr: float | None, **others: object) -> ObjectScores:
    values = {} if psnr is None else {"psnr": psnr}
    undefined = {"psnr": "all pictures are equal"} if psnr is None else {}
    return ObjectScores(values, undefined, {"psnr": "torch"}, 2.0, **others)


def test_a_report_names_every_object_that_failed_whoever_is_to_blame() -> None:
    scored = {"a": scored_as(10.0), "b": scored_as(0.0, failure="crashed", notes=("slow",))}
    report, table = report_of(scored, Setup("m"), unusable={"c": "damaged"})
    assert report.failures == {"b": "crashed", "c": "damaged"}
    assert report.notes == {"b": ["slow"]}
    assert report.dataset["objects"] == ["a", "b"]
    assert report.dataset["missing"] == ["absent"]
    # an empty answer counts in the mean
    assert report.metrics["psnr"].mean == 5.0
    assert table["object"].tolist() == ["a", "b"]
    assert table["psnr"].tolist() == [10.0, 0.0]


def test_a_report_says_why_a_metric_has_no_value() -> None:
    scored = {"a": scored_as(None), "b": scored_as(None)}
    report, _ = report_of(
        scored,
        Setup("m"),
        metrics=("psnr", "lpips", "fid", "ssim"),
        unavailable={"lpips": "no weights x.pth", "fid": "no weights y.pth"},
    )
    assert {name: value.unavailable for name, value in report.metrics.items()} == {
        "psnr": "all pictures are equal",
        "lpips": "no weights x.pth",
        "fid": "no weights y.pth",
        "ssim": "not computed",
    }
    some, _ = report_of({**scored, "c": scored_as(7.0)}, Setup("m"))
    assert (some.metrics["psnr"].num, some.metrics["psnr"].unavailable) == (1, None)


@pytest.mark.parametrize(("views", "colors"), [("mesh", True), ("field", False)])
def test_a_report_says_how_the_method_was_scored(views, colors: bool) -> None:
    """A field is rendered as it is: colors of the photo lie on the mesh alone."""
    fit = Fit("azimuth", translate=True)
    report, _ = report_of({"a": scored_as(1.0)}, Setup("m", views=views, fit=fit))
    method = report.method
    assert (method["views"], method["photo_colors"]) == (views, colors)
    assert (method["iso_level"], method["aligned"]) == (3.0, fit.description)
    assert report_of({"a": scored_as(1.0)}, Setup("m"))[0].method["aligned"] is None


def test_the_sampling_floor_is_the_mean_over_objects_that_have_one() -> None:
    floors = [{"chamfer_distance": 0.02}, {}, {"chamfer_distance": 0.05}]
    scored = {str(index): scored_as(1.0, floor=floor) for index, floor in enumerate(floors)}
    report, _ = report_of(scored, Setup("m"))
    assert report.sampling_floor == {"chamfer_distance": pytest.approx(0.035)}
