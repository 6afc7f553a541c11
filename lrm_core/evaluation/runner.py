"""Many methods on many objects: predicted, observed and scored, with everything cached by content.

A run that was stopped goes on where it was: predictions and scores of one object are found again by
the hashes of what they depend on (protocol, asset, method with its weights), never by their age.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from lrm_core.baselines.loading import PredictorOptions, load_predictor
from lrm_core.baselines.predictor import Prediction, Predictor
from lrm_core.errors import LrmError, MissingDependencyError
from lrm_core.evaluation.alignment import align_scene
from lrm_core.evaluation.collection import Collection
from lrm_core.evaluation.network_metrics import (
    REFERENCE,
    MetricNetwork,
    NetworkOutputs,
    NetworkScores,
)
from lrm_core.evaluation.observation import observe
from lrm_core.evaluation.protocol import Protocol
from lrm_core.evaluation.reference import Reference, make_reference
from lrm_core.evaluation.scoring import SCORES_VERSION, score
from lrm_core.io.json_files import read_json, write_json
from lrm_core.io.stored_scenes import read_stored_scene, store_scene
from lrm_core.parallel import Engine, JobFailed, run_here, run_on_ray
from lrm_core.structures.scene import Scene


@dataclass(frozen=True)
class ObjectScores:
    """One method on one object.

    Attributes:
        values: metric -> value.
        undefined: metric -> why it has no value.
        backends: metric -> what computed it.
        seconds: the method took, when it was asked (not when its answer was found in the cache).
        notes: of the method.
        failure: why it predicted nothing, or None; it is then scored as an empty prediction.
        features: Inception features of predicted and reference views, for the FID; or None.
    """

    values: dict[str, float]
    undefined: dict[str, str]
    backends: dict[str, str]
    seconds: float
    notes: tuple[str, ...] = ()
    failure: str | None = None
    features: tuple[Float32[np.ndarray, "N D"], Float32[np.ndarray, "N D"]] | None = field(
        default=None, compare=False
    )


@dataclass(frozen=True)
class ScoreObject:
    """Scores all methods on one object; a job of `run_here` or `run_on_ray`.

    Attributes:
        protocol: how.
        collection: the objects.
        methods: names of predictors.
        options: of the predictors.
        cache: folder of predictions and scores, or None.
        networks: that score too, see `locate_networks`.
    """

    protocol: Protocol
    collection: Collection
    methods: tuple[str, ...]
    options: PredictorOptions
    cache: Path | None
    networks: tuple[MetricNetwork, ...] = ()

    def __call__(self, name: str) -> dict[str, ObjectScores]:
        """Method -> scores.

        Raises:
            LrmError: the object itself cannot be used.
        """
        scene, asset = self.collection.load(name)
        predictors = {method: _predictor(method, self.options) for method in self.methods}
        found = {
            method: self._cached(name, asset, predictor) for method, predictor in predictors.items()
        }
        outputs = NetworkOutputs(self.networks, (self.protocol.sha256, name, asset), self.cache)
        seen = all(outputs.known(predictor.fingerprint) for predictor in predictors.values())
        if None in found.values() or not seen or not outputs.known(REFERENCE):
            reference = make_reference(name, scene, self.protocol)
            outputs.show(REFERENCE, reference.observation.rgb)
            for method, predictor in predictors.items():
                if found[method] is None or not outputs.known(predictor.fingerprint):
                    scores = self._score(reference, asset, predictor, found[method], outputs)
                    found[method] = scores
        return {
            method: _joined(scores, outputs.scores(predictors[method].fingerprint))
            for method, scores in found.items()
            if scores is not None
        }

    def _score(
        self,
        reference: Reference,
        asset: str,
        predictor: Predictor,
        scores: ObjectScores | None,
        outputs: NetworkOutputs,
    ) -> ObjectScores:
        """Scores of a method, made anew where there are none; its pictures shown to networks."""
        prediction, failure = predict(predictor, reference.picture, reference.name, self.cache)
        placed = self.aligned(prediction.scene, predictor, reference)
        observation = observe(placed, reference.cameras, self.protocol)
        outputs.show(predictor.fingerprint, observation.rgb, reference.observation.rgb)
        if scores is not None:
            return scores
        measured = score(
            observation, reference.observation, thresholds=self.protocol.geometry.thresholds
        )
        scores = ObjectScores(
            measured.values,
            measured.undefined,
            measured.backends,
            prediction.seconds,
            prediction.notes,
            failure,
        )
        if self.cache is not None:
            content = asdict(scores)
            del content["features"]  # of networks, which have files of their own
            write_json(self._score_file(reference.name, asset, predictor), content)
        return scores

    def _score_file(self, name: str, asset: str, predictor: Predictor) -> Path:
        key = [SCORES_VERSION, self.protocol.sha256, name, asset, predictor.fingerprint]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        assert self.cache is not None
        return self.cache / "scores" / digest[:2] / f"{digest}.json"

    def _cached(self, name: str, asset: str, predictor: Predictor) -> ObjectScores | None:
        if self.cache is None:
            return None
        path = self._score_file(name, asset, predictor)
        if not path.is_file():
            return None
        content = read_json(path)
        return ObjectScores(**content | {"notes": tuple(content["notes"])})

    def aligned(
        self, scene: Scene | None, predictor: Predictor, reference: Reference
    ) -> Scene | None:
        """A prediction, turned to its reference where the protocol wants that of this method."""
        geometry = self.protocol.geometry
        promised = predictor.alignment == "canonical"
        if scene is None or geometry.alignment == "none" or reference.scene is None:
            return scene  # of photos there is no surface to turn it to
        if promised and geometry.alignment == "free_methods":
            return scene
        return align_scene(
            scene,
            reference.observation.points,
            freedom="azimuth" if predictor.alignment == "free_azimuth" else "rotation",
            rescale=geometry.rescale,
            seed=geometry.seed,
        )


@dataclass(frozen=True)
class EvaluationResult:
    """Scores of all methods on all objects.

    Attributes:
        scores: method -> object -> scores.
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
    scores: dict[str, dict[str, ObjectScores]] = {method: {} for method in scorer.methods}
    unusable = {}
    for name, result in zip(names, results, strict=True):
        if isinstance(result, JobFailed):
            unusable[name] = result.reason
        else:
            for method, of_method in result.items():
                scores[method][name] = of_method
        on_object(name)
    return EvaluationResult(scores, unusable)


def predict(
    predictor: Predictor, picture: UInt8[np.ndarray, "S S 4"], name: str, cache: Path | None
) -> tuple[Prediction, str | None]:
    """A method's answer to a picture, from the cache where it was given before.

    Returns:
        the prediction, and why it is empty where the method failed.

    Raises:
        MissingDependencyError: the method needs a package that is not installed.
    """
    place = None
    if cache is not None:
        key = hashlib.sha256(np.ascontiguousarray(picture).tobytes() + name.encode()).hexdigest()
        place = cache / "predictions" / predictor.fingerprint[:32] / f"{key}.json"
        if place.is_file():
            content = read_json(place)
            scene = (
                read_stored_scene(place.with_suffix(".safetensors")) if content["scene"] else None
            )
            return (
                Prediction(scene, content["seconds"], tuple(content["notes"])),
                content["failure"],
            )
    failure = None
    try:
        prediction = predictor.predict(picture, name=name)
    except MissingDependencyError:
        raise
    except LrmError as error:  # scored as what it is: nothing
        prediction, failure = Prediction(None, 0.0), error.message
    if place is not None:
        if prediction.scene is not None:
            store_scene(place.with_suffix(".safetensors"), prediction.scene)
        content = {
            "scene": prediction.scene is not None,
            "seconds": prediction.seconds,
            "notes": prediction.notes,
            "failure": failure,
        }
        write_json(place, content)
    return prediction, failure


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
