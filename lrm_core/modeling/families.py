"""Families of things: tables of kinds, each with the function that makes it and its weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.draws import draw
from lrm_core.modeling.palettes import Palette

Maker = Callable[[np.random.Generator, Palette], list[Piece]]


@dataclass(frozen=True)
class Family:
    """Things of one sort.

    Attributes:
        kinds: name -> how to make one, and how often.
    """

    kinds: Mapping[str, tuple[Maker, Real]]

    def draw(self, rng: np.random.Generator) -> str:
        """The name of a kind, drawn by weight."""
        return draw(rng, [(name, weight) for name, (_, weight) in self.kinds.items()])

    def __call__(self, rng: np.random.Generator, palette: Palette, kind: str = "") -> list[Piece]:
        """The pieces of one thing; `kind` is a name of the table, drawn if empty."""
        make, _ = self.kinds[kind or self.draw(rng)]
        return make(rng, palette)
