import numpy as np
import pandas as pd
import pytest

from lrm_core.evaluation import aggregate
from lrm_core.evaluation.aggregate import mean_by_object, summarize, summarize_fid
from lrm_core.evaluation.runner import ObjectScores
from lrm_core.metrics.fid import feature_statistics, frechet_distance


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
