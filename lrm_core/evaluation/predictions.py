"""Answers of methods to pictures, kept by picture and method."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from lrm_core.baselines.predictor import (
    Prediction,
    Predictor,
    SeveralViewsPredictor,
    View,
)
from lrm_core.errors import InputError, LrmError, MissingDependencyError
from lrm_core.evaluation.result_cache import ResultCache
from lrm_core.meshes.stored_scenes import scene_arrays, scene_from_arrays

_KIND = "predictions"


def predict(
    predictor: Predictor,
    picture: UInt8[np.ndarray, "S S 4"],
    name: str,
    cache: ResultCache,
    *,
    with_field: bool = False,
    further: Sequence[View] = (),
) -> tuple[Prediction, str | None]:
    """A method's answer to a picture, from the cache where it was given before.

    Args:
        predictor: the method.
        picture: (S, S, 4) what it is given.
        name: the object's name.
        cache: keeps scenes; radiance fields are not kept.
        with_field: whether the radiance field is needed too: then nothing but a failure is
            taken from the cache.
        further: pictures from other directions, for methods that take several.

    Returns:
        the prediction, and why it is empty where the method failed.

    Raises:
        MissingDependencyError: the method needs a package that is not installed.
    """
    digest = hashlib.sha256(np.ascontiguousarray(picture).tobytes())
    for azimuth, other in further:
        digest.update(f"{azimuth:g}".encode() + np.ascontiguousarray(other).tobytes())
    content = digest.hexdigest()
    key = [predictor.fingerprint, content, name]
    kept = _read(cache, key)
    if kept is not None and (not with_field or kept[1] is not None):
        return kept
    failure = None
    try:
        if further:
            assert isinstance(predictor, SeveralViewsPredictor)
            prediction = predictor.predict_views([(0.0, picture), *further])
        else:
            prediction = predictor.predict(picture, name=name)
    except MissingDependencyError:
        raise
    except LrmError as error:  # scored as what it is: nothing
        prediction, failure = Prediction(None, 0.0), error.message
    arrays: dict[str, np.ndarray] = {}
    materials: list[dict[str, Any]] | None = None
    if prediction.scene is not None:
        arrays, materials = scene_arrays(prediction.scene)
    values = {
        "materials": materials,
        "seconds": prediction.seconds,
        "notes": prediction.notes,
        "failure": failure,
    }
    cache.put(_KIND, key, values, arrays)
    return prediction, failure


def _read(cache: ResultCache, key: Sequence[object]) -> tuple[Prediction, str | None] | None:
    kept = cache.get(_KIND, key)
    if kept is None:
        return None
    values, scene = kept.values, None
    if values["materials"] is not None:
        try:
            scene = scene_from_arrays(kept.arrays, values["materials"])
        except InputError:
            return None
    return Prediction(scene, values["seconds"], tuple(values["notes"])), values["failure"]
