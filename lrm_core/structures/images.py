"""Images as models see them."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class FramedImage:
    """The square image that a model sees.

    Attributes:
        rgba: (1, 4, S, S) in [0, 1], straight alpha; the background's grey level where alpha is 0.
        rgb: (1, 3, S, S) in [0, 1], the same composited on the background.
    """

    rgba: Float[Tensor, "1 4 S S"]
    rgb: Float[Tensor, "1 3 S S"]
