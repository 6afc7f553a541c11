import numpy as np

from lrm_core.modeling import paints, palettes


def test_palettes_and_paints_stay_in_range():
    points = np.random.default_rng(0).uniform(-1, 1, size=(300, 3))
    normals = points / np.linalg.norm(points, axis=1, keepdims=True)
    for index in range(40):
        rng = np.random.default_rng(index)
        palette = palettes.random_palette(rng)
        assert palette.min() >= 0
        assert palette.max() <= 1
        colors = paints.weathered(rng, palettes.random_paint(rng, palette, 0), 0.3)(points, normals)
        assert colors.shape == (300, 3)
        assert colors.min() >= 0
        assert colors.max() <= 1
