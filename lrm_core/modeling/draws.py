"""Random draws by weight.

Datasets record seeds, so what a generator is asked for, once it is asked, stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from lrm_core.modeling import Real

Item = TypeVar("Item")


def draw(rng: np.random.Generator, items: Sequence[tuple[Item, Real]]) -> Item:
    """One item of (item, weight), with a probability in proportion to its weight."""
    weights = np.array([weight for _, weight in items])
    alike = (weights == weights[0]).all()
    # numpy takes an integer for even odds and a fraction for uneven ones
    index = rng.choice(len(items), p=None if alike else weights / weights.sum())
    return items[index][0]
