"""Closed meshes made by code, and what paints them: shapes, solids, paints, prints, atlases."""

from collections.abc import Sequence

import numpy as np

# runtime checkers take annotations literally: an int is not a float to them
Real = float | int
Numbers = Sequence[float] | Sequence[int] | Sequence[Real] | np.ndarray
# rows of coordinates
Points = Sequence[Numbers] | np.ndarray
