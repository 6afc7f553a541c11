import numpy as np
import pytest
import trimesh

from lrm_core.modeling import deformations, shapes


def test_twist_keeps_volume_and_bend_keeps_the_length_of_the_axis():
    bar = shapes.box([0.2, 0.2, 2.0], divisions=40)
    twisted = bar.warped(deformations.twist(90.0))
    assert trimesh.Trimesh(twisted.vertices, twisted.faces).volume == pytest.approx(0.08, rel=0.01)
    axis = np.stack([np.zeros(200), np.zeros(200), np.linspace(-1, 1, 200)], axis=1)
    bent = deformations.bend(0.9)(axis)
    assert np.linalg.norm(np.diff(bent, axis=0), axis=1).sum() == pytest.approx(2.0, rel=1e-3)
