import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest

from lrm_core.baselines import loading
from lrm_core.baselines.loading import PredictorOptions
from lrm_core.baselines.predictor import Prediction
from lrm_core.errors import EmptyForegroundError, MissingDependencyError
from lrm_core.evaluation import runner
from lrm_core.evaluation.collection import find_objects
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.evaluation.reference import make_reference
from lrm_core.evaluation.runner import EvaluationResult, ScoreObject, evaluate
from lrm_core.structures.scene import Scene

pytest.importorskip("manifold3d")

PROTOCOL = load_protocol("procedural-v1")
PROTOCOL = dataclasses.replace(
    PROTOCOL,
    objects=("0", "1", "2"),
    input_view=dataclasses.replace(PROTOCOL.input_view, size=64),
    reference_views=dataclasses.replace(PROTOCOL.reference_views, size=32, num_views=3),
    geometry=dataclasses.replace(PROTOCOL.geometry, num_points=500),
)
COLLECTION = find_objects(PROTOCOL)


@pytest.fixture(autouse=True, scope="module")
def objects_made_once():
    """Making them takes longer than looking at them."""
    collection_type = type(COLLECTION)
    load = collection_type.load
    collection_type.load = functools.lru_cache(load)
    yield
    collection_type.load = load


@dataclasses.dataclass
class Oracle:
    """Knows the answer; counts how often it is asked."""

    name: str = "oracle"
    licence: str = "none"
    source: str = "the references"
    fingerprint: str = "f" * 64
    alignment: str = "canonical"
    failing: str = ""
    asked: list[str] = dataclasses.field(default_factory=list)

    def predict(self, rgba: np.ndarray, *, name: str) -> Prediction:
        self.asked.append(name)
        if name == self.failing:
            raise EmptyForegroundError("cannot see it")
        scene, _ = COLLECTION.load(name)
        truth: Scene = make_reference(name, scene, PROTOCOL).scene
        return Prediction(truth, 1.5, ("easy",))


def run(monkeypatch, predictor: Oracle, cache: Path | None) -> EvaluationResult:
    runner._predictor.cache_clear()
    monkeypatch.setattr(runner, "load_predictor", lambda name, options: predictor)
    scorer = ScoreObject(PROTOCOL, COLLECTION, ("oracle",), PredictorOptions(), cache)
    return evaluate(scorer)


def test_the_truth_scores_full_marks(monkeypatch) -> None:
    result = run(monkeypatch, Oracle(), None)
    assert list(result.scores["oracle"]) == ["0", "1", "2"]
    for scores in result.scores["oracle"].values():
        assert scores.values["ssim"] == pytest.approx(1.0)
        assert scores.values["chamfer_distance"] == 0.0
        assert scores.values["silhouette_iou"] == 1.0
        assert scores.seconds == 1.5
        assert scores.notes == ("easy",)


def test_a_second_run_takes_everything_from_the_cache(monkeypatch, tmp_path: Path) -> None:
    first = run(monkeypatch, Oracle(), tmp_path)
    again = Oracle()
    assert run(monkeypatch, again, tmp_path) == first
    assert again.asked == []


def test_scores_that_are_gone_are_made_again_from_the_kept_predictions(
    monkeypatch, tmp_path: Path
) -> None:
    first = run(monkeypatch, Oracle(), tmp_path)
    for path in (tmp_path / "scores").rglob("*.json"):
        path.unlink()
    again = Oracle()
    assert run(monkeypatch, again, tmp_path) == first
    assert again.asked == []


def test_another_method_or_protocol_finds_nothing_in_the_cache(monkeypatch, tmp_path: Path) -> None:
    run(monkeypatch, Oracle(), tmp_path)
    other = Oracle(fingerprint="e" * 64)
    run(monkeypatch, other, tmp_path)
    assert other.asked == ["0", "1", "2"]


def test_a_method_that_fails_is_scored_as_nothing_not_left_out(monkeypatch, tmp_path: Path) -> None:
    for _ in range(2):  # the second time from the cache
        result = run(monkeypatch, Oracle(failing="1"), tmp_path)
        failed = result.scores["oracle"]["1"]
        assert failed.failure == "cannot see it"
        assert failed.values["f_score@0.1"] == 0.0
        assert result.unusable == {}


def test_an_object_that_cannot_be_used_is_named(monkeypatch) -> None:
    def broken(self, name: str):
        raise EmptyForegroundError("no such object")

    monkeypatch.setattr(type(COLLECTION), "load", broken)
    result = run(monkeypatch, Oracle(), None)
    assert result.scores == {"oracle": {}}
    assert result.unusable == dict.fromkeys(("0", "1", "2"), "no such object")


def test_a_missing_package_ends_the_run(monkeypatch) -> None:
    def lacking(name: str, options: PredictorOptions):
        raise MissingDependencyError("no such package")

    runner._predictor.cache_clear()
    monkeypatch.setattr(runner, "load_predictor", lacking)
    scorer = ScoreObject(PROTOCOL, COLLECTION, ("oracle",), PredictorOptions(), None)
    with pytest.raises(MissingDependencyError):
        evaluate(scorer)


def test_real_methods_are_scored_alike_by_processes() -> None:
    runner._predictor.cache_clear()
    scorer = ScoreObject(PROTOCOL, COLLECTION, ("balloon", "blank"), PredictorOptions(), None)
    here, there = evaluate(scorer), evaluate(scorer, workers=2)
    for method in ("balloon", "blank"):
        for name in COLLECTION.names:
            assert here.scores[method][name].values == there.scores[method][name].values
    assert loading.BASELINES[0] == "blank"
    better = [
        here.scores["balloon"][n].values["psnr"] > here.scores["blank"][n].values["psnr"]
        for n in COLLECTION.names
    ]
    assert sum(better) >= 2
