"""Photos as models see them."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from lrm_core.structures.photo_camera import AssumedCamera


@dataclass(frozen=True)
class FramedPhoto:
    """A cut-out on a square, at the size and place that a model was trained with.

    Attributes:
        rgba: (1, 4, S, S) in [0, 1], straight alpha; the background's gray level where alpha is 0.
        detail: a finer copy of it, or None.
        background_removal: how the background was removed, in words.
        warning: what the user should look at, in one line, or None.
        camera: the camera that it counts as taken with; None for the model's canonical one.
    """

    rgba: Float[Tensor, "1 4 S S"]
    detail: Float[Tensor, "1 4 D D"] | None = None
    background_removal: str = ""
    warning: str | None = None
    camera: AssumedCamera | None = None
