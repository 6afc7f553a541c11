"""Closed meshes made by code, and what paints them: shapes, solids, paints, prints, atlases."""

from collections.abc import Sequence

import numpy as np

# runtime checkers take annotations at their word: to them an int is no float
Real = float | int
Numbers = Sequence[float] | Sequence[int] | Sequence[Real] | np.ndarray
