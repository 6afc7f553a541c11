import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest

from lrm_core.baselines import loading
from lrm_core.baselines.loading import PredictorOptions
from lrm_core.baselines.placement import PlacedField
from lrm_core.baselines.predictor import Prediction, View
from lrm_core.errors import EmptyForegroundError, MissingDependencyError
from lrm_core.evaluation import runner
from lrm_core.evaluation.alignment import Fit
from lrm_core.evaluation.collection import Collection, find_objects
from lrm_core.evaluation.observation import surface_points
from lrm_core.evaluation.protocol import Protocol, load_protocol
from lrm_core.evaluation.reference import make_reference
from lrm_core.evaluation.runner import EvaluationResult, ScoreObject, evaluate
from lrm_core.evaluation.scoring import sampling_floor
from lrm_core.evaluation.setups import Setup
from lrm_core.geometry.scene_conversion import transform_scene
from lrm_core.rendering.mesh_renderer import render_scene
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
ONE = dataclasses.replace(COLLECTION, locations=COLLECTION.locations[:1])


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
    iso_level: float | None = None
    photo_colors: bool = False
    failing: str = ""
    asked: list[str] = dataclasses.field(default_factory=list)

    def predict(self, rgba: np.ndarray, *, name: str) -> Prediction:
        self.asked.append(name)
        if name == self.failing:
            raise EmptyForegroundError("cannot see it")
        scene, _ = COLLECTION.load(name)
        truth: Scene = make_reference(name, scene, PROTOCOL).scene
        return Prediction(truth, 1.5, ("easy",))


def run(
    monkeypatch,
    predictor: Oracle,
    cache: Path | None,
    setups: tuple[Setup, ...] = (Setup("oracle"),),
    protocol: Protocol = PROTOCOL,
    collection: Collection = COLLECTION,
) -> EvaluationResult:
    runner._predictor.cache_clear()
    monkeypatch.setattr(runner, "load_predictor", lambda name, options: predictor)
    scorer = ScoreObject(protocol, collection, setups, PredictorOptions(), cache)
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
    for path in (tmp_path / "scores").rglob("*.safetensors"):
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
    scorer = ScoreObject(PROTOCOL, COLLECTION, (Setup("oracle"),), PredictorOptions(), None)
    with pytest.raises(MissingDependencyError):
        evaluate(scorer)


def test_real_methods_are_scored_alike_by_processes() -> None:
    runner._predictor.cache_clear()
    setups = (Setup("balloon"), Setup("blank"))
    scorer = ScoreObject(PROTOCOL, COLLECTION, setups, PredictorOptions(), None)
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


class MeshField:
    """A field that looks like a mesh."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def render(self, cameras):
        return render_scene(self.scene, cameras, channels=("rgb", "depth", "alpha"))


class WithField(Oracle):
    """Its field is the truth, its mesh a smaller copy of it."""

    iso_level = 10.0

    def predict(self, rgba: np.ndarray, *, name: str) -> Prediction:
        truth = super().predict(rgba, name=name).scene
        small = PlacedField(MeshField(truth), np.diag([0.7, 0.7, 0.7, 1.0]))
        mesh = transform_scene(truth, small.matrix)
        return Prediction(mesh, 1.0, field=MeshField(truth))


MESH, FIELD = Setup("oracle"), Setup("oracle", views="field", suffix="+field")


def test_views_are_those_of_the_field_and_the_surface_that_of_the_mesh(
    monkeypatch, tmp_path: Path
) -> None:
    both = run(monkeypatch, WithField(), tmp_path, (MESH, FIELD)).scores
    for name in COLLECTION.names:
        mesh, field = both["oracle"][name].values, both["oracle+field"][name].values
        assert field["silhouette_iou"] == 1.0
        assert field["ssim"] == pytest.approx(1.0)
        assert mesh["silhouette_iou"] < 0.7
        for metric in ("chamfer_distance", "f_score@0.1", "volume_iou", "normal_consistency"):
            assert mesh.get(metric) == field.get(metric), metric
        assert mesh["chamfer_distance"] > 0.05
    again = WithField()
    assert (
        run(monkeypatch, again, tmp_path, (FIELD,)).scores["oracle+field"] == both["oracle+field"]
    )
    assert again.asked == []


def test_a_field_is_asked_for_again_where_only_the_mesh_was_kept(
    monkeypatch, tmp_path: Path
) -> None:
    run(monkeypatch, WithField(), tmp_path, (MESH,))
    again = WithField()
    result = run(monkeypatch, again, tmp_path, (MESH, FIELD))
    assert again.asked == ["0", "1", "2"]
    assert result.scores["oracle+field"]["0"].values["silhouette_iou"] == 1.0


class Turned(Oracle):
    """Upright, by an unknown angle."""

    def predict(self, rgba: np.ndarray, *, name: str) -> Prediction:
        quarter = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        truth = super().predict(rgba, name=name).scene
        turned = transform_scene(truth, quarter)
        return Prediction(turned, 1.0, field=MeshField(turned))


def test_alignment_carries_mesh_and_field(monkeypatch) -> None:
    method = Turned(alignment="free_azimuth", iso_level=10.0)
    fit = Fit("azimuth")
    setups = (
        Setup("oracle", fit=fit),
        Setup("oracle", views="field", fit=fit, suffix="+field"),
        Setup("oracle", suffix="+unaligned"),
    )
    scores = run(monkeypatch, method, None, setups).scores
    for name in COLLECTION.names:
        aligned, field, unaligned = (scores[setup.label][name].values for setup in setups)
        assert aligned["silhouette_iou"] > 0.9
        assert field["silhouette_iou"] == pytest.approx(aligned["silhouette_iou"], abs=0.02)
        assert unaligned["chamfer_distance"] > 1.5 * aligned["chamfer_distance"]


def test_the_sampling_floor_is_what_other_points_of_the_reference_score(monkeypatch) -> None:
    scores = run(monkeypatch, Oracle(), None).scores["oracle"]["0"]
    # the same surface with the same points is exact, with other points it is not
    assert scores.values["chamfer_distance"] == 0.0
    assert 0.01 < scores.floor["chamfer_distance"] < 0.2
    assert scores.floor["f_score@0.2"] > 0.95


def with_geometry(**settings: object) -> Protocol:
    geometry = dataclasses.replace(PROTOCOL.geometry, **settings)
    return dataclasses.replace(PROTOCOL, geometry=geometry)


def test_seed_and_thresholds_are_the_protocols(monkeypatch) -> None:
    """Neither is that of a bundled protocol."""
    protocol = with_geometry(seed=7, thresholds=(0.03,))
    scores = run(monkeypatch, Oracle(), None, protocol=protocol, collection=ONE).scores["oracle"][
        "0"
    ]
    at_distances = {name for name in (*scores.values, *scores.floor) if "@" in name}
    assert at_distances == {"f_score@0.03", "precision@0.03", "recall@0.03"}
    reference = make_reference("0", COLLECTION.load("0")[0], protocol)
    assert reference.scene is not None
    others = surface_points(reference.scene, protocol, seed=8)
    expected = sampling_floor(*others, reference.observation, thresholds=(0.03,))
    assert scores.floor == expected


def test_an_alignment_draws_its_points_by_the_protocols_seed(monkeypatch) -> None:
    seeds: list[int] = []

    def place(*arguments: object, seed: int) -> None:
        seeds.append(seed)

    monkeypatch.setattr(runner, "place", place)
    run(monkeypatch, Oracle(), None, protocol=with_geometry(seed=7), collection=ONE)
    assert seeds == [7]


def test_scores_are_kept_for_one_protocol_one_asset_and_one_way_of_scoring(
    monkeypatch, tmp_path: Path
) -> None:
    """Whatever moves a number is found in the cache by that number's own circumstances."""
    looked_at: list[str] = []

    def counting(name: str, *arguments: object):
        looked_at.append(name)
        return make_reference(name, *arguments)

    monkeypatch.setattr(runner, "make_reference", counting)
    fit = Fit("azimuth")
    setups = (Setup("oracle", fit=fit), Setup("oracle", suffix="+unaligned"))
    method = Turned(alignment="free_azimuth")
    first = run(monkeypatch, method, tmp_path, setups, collection=ONE)
    assert run(monkeypatch, method, tmp_path, setups, collection=ONE) == first
    assert looked_at == ["0"]
    aligned, unaligned = (first.scores[setup.label]["0"].values for setup in setups)
    assert aligned["chamfer_distance"] < unaligned["chamfer_distance"]

    looked_at.clear()
    other = run(monkeypatch, method, tmp_path, setups, with_geometry(seed=9), ONE)
    assert looked_at == ["0"]
    assert other != first

    looked_at.clear()
    load = type(COLLECTION).load
    monkeypatch.setattr(type(COLLECTION), "load", lambda self, n: (load(self, n)[0], "e" * 64))
    run(monkeypatch, method, tmp_path, setups, collection=ONE)
    assert looked_at == ["0"]


class FromSeveral(Oracle):
    """Takes several pictures, and notes from where they were taken."""

    def predict_views(self, views: list[View]) -> Prediction:
        self.azimuths = [azimuth for azimuth, _ in views]
        return Prediction(None, 1.0)


@pytest.mark.parametrize(("num_views", "azimuths"), [(2, [0.0, 180.0]), (3, [0.0, 180.0, 90.0])])
def test_methods_are_given_as_many_pictures_as_the_setup_says(
    monkeypatch, num_views: int, azimuths: list[float]
) -> None:
    given = dataclasses.replace(PROTOCOL.input_view, further_azimuths_degrees=(180.0, 90.0, 270.0))
    protocol = dataclasses.replace(PROTOCOL, input_view=given)
    method = FromSeveral()
    run(monkeypatch, method, None, (Setup("oracle", num_views=num_views),), protocol, ONE)
    assert method.azimuths == azimuths
    assert method.asked == []
