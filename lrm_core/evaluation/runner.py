"""Many methods on many objects: predicted, observed and scored, with everything cached by content.

A run that was stopped goes on where it was: predictions and scores of one object are found again by
the hashes of what they depend on (protocol, asset, method with its weights), never by their age.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from lrm_core.baselines.loading import PredictorOptions, load_predictor
from lrm_core.baselines.placement import PlacedField
from lrm_core.baselines.predictor import Prediction, Predictor, View
from lrm_core.evaluation.alignment import Fit, place
from lrm_core.evaluation.collection import Collection
from lrm_core.evaluation.network_metrics import (
    REFERENCE,
    MetricNetwork,
    NetworkOutputs,
    NetworkScores,
)
from lrm_core.evaluation.observation import (
    Observation,
    observe,
    observe_field,
    surface_points,
)
from lrm_core.evaluation.predictions import predict
from lrm_core.evaluation.protocol import Protocol
from lrm_core.evaluation.reference import Reference, make_reference
from lrm_core.evaluation.result_cache import ResultCache
from lrm_core.evaluation.scoring import (
    SCORES_VERSION,
    Scores,
    sampling_floor,
    score_surface,
    score_views,
)
from lrm_core.evaluation.setups import Setup
from lrm_core.geometry.scene_conversion import transform_scene
from lrm_core.parallel import Engine, JobFailed, run_here, run_on_ray


@dataclass(frozen=True)
class ObjectScores:
    """One method on one object.

    Attributes:
        values: metric -> value.
        undefined: metric -> why it has no value.
        backends: metric -> what computed it.
        seconds: the method took when it was run (not when its answer was found in the cache).
        notes: what the method said.
        failure: why it predicted nothing, or None; it is then scored as an empty prediction.
        floor: metric of surface points -> what a perfect prediction scores on this object.
        features: Inception features of predicted and reference views, for the FID; or None.
    """

    values: dict[str, float]
    undefined: dict[str, str]
    backends: dict[str, str]
    seconds: float
    notes: tuple[str, ...] = ()
    failure: str | None = None
    floor: dict[str, float] = field(default_factory=dict)
    features: tuple[Float32[np.ndarray, "N D"], Float32[np.ndarray, "N D"]] | None = field(
        default=None, compare=False
    )


@dataclass(frozen=True)
class ScoreObject:
    """Scores all methods on one object; a job of `run_here` or `run_on_ray`.

    Attributes:
        protocol: what is measured.
        collection: the objects.
        setups: the methods and how they are scored.
        options: how predictors are loaded.
        cache: folder of predictions and scores, or None.
        networks: score pictures too, see `locate_networks`.
    """

    protocol: Protocol
    collection: Collection
    setups: tuple[Setup, ...]
    options: PredictorOptions
    cache: Path | None
    networks: tuple[MetricNetwork, ...] = ()

    def __call__(self, name: str) -> dict[str, ObjectScores]:
        """Label of the setup -> scores.

        Raises:
            LrmError: the object itself cannot be used.
        """
        scene, asset = self.collection.load(name)
        cache = ResultCache(self.cache)
        predictors = {s: _predictor(s.method, s.options(self.options)) for s in self.setups}
        owners = {setup: _owner(setup, predictor) for setup, predictor in predictors.items()}
        keys = {
            setup: [SCORES_VERSION, self.protocol.sha256, name, asset, owner]
            for setup, owner in owners.items()
        }
        scores = {setup: _read_scores(cache, key) for setup, key in keys.items()}
        outputs = NetworkOutputs(self.networks, (self.protocol.sha256, name, asset), cache)
        pending = [
            setup
            for setup in self.setups
            if scores[setup] is None or not outputs.is_cached(owners[setup])
        ]
        if pending or not outputs.is_cached(REFERENCE):
            reference = make_reference(name, scene, self.protocol)
            outputs.run(REFERENCE, reference.observation.rgb)
            measuring = _Measuring(self.protocol, reference, cache)
            with_field = {predictors[s].fingerprint for s in pending if s.views == "field"}
            for setup in pending:
                predictor = predictors[setup]
                observation, answer = measuring.observe(
                    setup, predictor, with_field=predictor.fingerprint in with_field
                )
                outputs.run(owners[setup], observation.rgb, reference.observation.rgb)
                if scores[setup] is None:
                    measured = measuring.score(setup, observation, answer)
                    _write_scores(cache, keys[setup], measured)
                    scores[setup] = measured
        return {
            setup.label: _joined(object_scores, outputs.summarize(owners[setup]))
            for setup, object_scores in scores.items()
            if object_scores is not None
        }


class _Measuring:
    """One object under measurement; what several setups need is computed once."""

    def __init__(self, protocol: Protocol, reference: Reference, cache: ResultCache) -> None:
        self._protocol = protocol
        self._reference = reference
        self._cache = cache
        self._answers: dict[str, tuple[Prediction, str | None]] = {}
        self._surfaces: dict[tuple[str, int, Fit | None], Scores] = {}
        self._floor: dict[str, float] | None = None

    def observe(
        self, setup: Setup, predictor: Predictor, *, with_field: bool
    ) -> tuple[Observation, tuple[Prediction, str | None]]:
        """The prediction where its reference is, and the answer that it comes from."""
        reference, protocol = self._reference, self._protocol
        if predictor.fingerprint not in self._answers:
            self._answers[predictor.fingerprint] = predict(
                predictor,
                reference.picture,
                reference.name,
                self._cache,
                with_field=with_field,
                further=self._further(setup),
            )
        prediction, failure = self._answers[predictor.fingerprint]
        scene, field = prediction.scene, prediction.field
        matrix = place(
            scene, predictor.alignment, setup.fit, reference, seed=protocol.geometry.seed
        )
        if matrix is not None:
            scene = None if scene is None else transform_scene(scene, matrix)
            field = None if field is None else PlacedField(field, matrix)
        observation = observe(scene, reference.cameras, protocol)
        if setup.views == "field" and field is not None:
            observation = observe_field(observation, field, reference.cameras, protocol)
        return observation, (prediction, failure)

    def _further(self, setup: Setup) -> list[View]:
        azimuths = self._protocol.input_view.further_azimuths_degrees
        views = list(zip(azimuths, self._reference.further, strict=False))
        return views[: setup.num_views - 1]

    def score(
        self, setup: Setup, observation: Observation, answer: tuple[Prediction, str | None]
    ) -> ObjectScores:
        """Scores of what was observed; the surface is that of the mesh, whatever was rendered."""
        thresholds = self._protocol.geometry.thresholds
        expected, (prediction, failure) = self._reference.observation, answer
        surface = self._surfaces.get((setup.method, setup.num_views, setup.fit))
        if surface is None:
            surface = score_surface(observation, expected, thresholds=thresholds)
            self._surfaces[setup.method, setup.num_views, setup.fit] = surface
        scores = score_views(observation, expected).joined(surface)
        return ObjectScores(
            values=scores.values,
            undefined=scores.undefined,
            backends=scores.backends,
            seconds=prediction.seconds,
            notes=prediction.notes,
            failure=failure,
            floor=self._sampling_floor(),
        )

    def _sampling_floor(self) -> dict[str, float]:
        scene, protocol = self._reference.scene, self._protocol
        if self._floor is None:
            self._floor = {}
            if scene is not None:
                other = surface_points(scene, protocol, seed=protocol.geometry.seed + 1)
                self._floor = sampling_floor(
                    *other,
                    self._reference.observation,
                    thresholds=protocol.geometry.thresholds,
                )
        return self._floor


@dataclass(frozen=True)
class EvaluationResult:
    """Scores of all methods on all objects.

    Attributes:
        scores: label of the setup -> object -> scores.
        unusable: object -> why the object itself could not be used.
    """

    scores: dict[str, dict[str, ObjectScores]]
    unusable: dict[str, str]


def evaluate(
    scorer: ScoreObject,
    *,
    workers: int = 1,
    engine: Engine = "local",
    on_object: Callable[[str], None] = lambda name: None,
) -> EvaluationResult:
    """Score all methods on all objects of a collection.

    Args:
        scorer: what is done with one object.
        workers: processes of the local engine.
        engine: `local` or `ray`.
        on_object: called with the name of each object that is done.

    Raises:
        MissingDependencyError: a method or metric needs a package that is not installed.
    """
    names = scorer.collection.names
    if engine == "ray":
        results = run_on_ray(scorer, names)
    else:
        results = run_here(scorer, names, workers=workers)
    scores: dict[str, dict[str, ObjectScores]] = {setup.label: {} for setup in scorer.setups}
    unusable = {}
    for name, result in zip(names, results, strict=True):
        if isinstance(result, JobFailed):
            unusable[name] = result.reason
        else:
            for label, object_scores in result.items():
                scores[label][name] = object_scores
        on_object(name)
    return EvaluationResult(scores, unusable)


def _owner(setup: Setup, predictor: Predictor) -> str:
    """Tells pictures of one setup from those of another: see `NetworkOutputs`."""
    fit = "as answered" if setup.fit is None else setup.fit.description
    return f"{predictor.fingerprint} {setup.views} {fit}"


def _read_scores(cache: ResultCache, key: list[object]) -> ObjectScores | None:
    kept = cache.get("scores", key)
    if kept is None:
        return None
    return ObjectScores(**kept.values | {"notes": tuple(kept.values["notes"])})


def _write_scores(cache: ResultCache, key: list[object], scores: ObjectScores) -> None:
    values = asdict(replace(scores, features=None))
    del values["features"]  # outputs of networks are kept apart
    cache.put("scores", key, values)


def _joined(scores: ObjectScores, by_networks: NetworkScores) -> ObjectScores:
    return replace(
        scores,
        values=scores.values | by_networks.values,
        undefined=scores.undefined | by_networks.undefined,
        backends=scores.backends | by_networks.backends,
        features=by_networks.features,
    )


@lru_cache(maxsize=8)
def _predictor(method: str, options: PredictorOptions) -> Predictor:
    """Loaded once in each process."""
    return load_predictor(method, options)
