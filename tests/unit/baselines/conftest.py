"""A picture in which left, right, up and down all differ."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """256 x 256: a red disc over a blue box, right of and above the middle, on nothing."""
    rgba = np.zeros((256, 256, 4), dtype=np.uint8)
    rgba[..., 1] = 255  # hidden, and must stay so
    rows, columns = np.mgrid[:256, :256]
    rgba[(rows > 130) & (rows < 200) & (columns > 100) & (columns < 210)] = (30, 60, 200, 255)
    rgba[(rows - 100) ** 2 + (columns - 150) ** 2 < 45**2] = (210, 40, 30, 255)
    return rgba
