"""The empty answer: what a metric says of it is what a method must beat to say anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import UInt8

from lrm_core.baselines.predictor import (
    NO_WEIGHTS,
    Alignment,
    Prediction,
    fingerprint_of,
    require_object,
)


@dataclass(frozen=True)
class BlankPredictor:
    """Predicts that there is no surface: white views, an empty silhouette, no points."""

    name: ClassVar[str] = "blank"
    licence: ClassVar[str] = NO_WEIGHTS
    source: ClassVar[str] = "this package"
    alignment: ClassVar[Alignment] = "canonical"
    iso_level: ClassVar[None] = None
    photo_colors: ClassVar[bool] = False

    @property
    def fingerprint(self) -> str:
        """See `Predictor`."""
        return fingerprint_of("blank", {})

    def predict(self, rgba: UInt8[np.ndarray, "H W 4"], *, name: str) -> Prediction:
        """Nothing, whatever the picture shows; see `Predictor.predict`."""
        require_object(rgba)
        return Prediction(None, seconds=0.0)
