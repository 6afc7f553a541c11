import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from lrm_core.config import FieldConfig
from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.structures.triplane import Frustum, Triplane

CONFIG = FieldConfig(num_layers=3, width=16)


@pytest.fixture
def field() -> TriplaneField:
    torch.manual_seed(0)
    return TriplaneField(Triplane(torch.randn(1, 3, 4, 5, 5)), NerfMLP(12, CONFIG))


def test_matches_a_naive_loop_over_points(field: TriplaneField) -> None:
    points = torch.rand(20, 3) * 2 - 1
    planes = field.triplane.planes[0].numpy()
    density, rgb = field(points)
    for point, expected_density, expected_rgb in zip(
        points.numpy(), density.tolist(), rgb.tolist(), strict=True
    ):
        x, y, z = point
        features = []
        for plane, (u, v) in enumerate(((x, y), (x, z), (y, z))):
            column, row = (u + 1) / 2 * 5 - 0.5, (v + 1) / 2 * 5 - 0.5
            value = np.zeros(4)
            for i in (math.floor(row), math.floor(row) + 1):
                for j in (math.floor(column), math.floor(column) + 1):
                    if 0 <= i < 5 and 0 <= j < 5:
                        weight = (1 - abs(row - i)) * (1 - abs(column - j))
                        value += weight * planes[plane, :, i, j]
            features.append(value)
        raw = field.nerf_mlp(torch.tensor(np.concatenate(features), dtype=torch.float32))
        assert expected_density == pytest.approx(
            math.log1p(math.exp(raw[3].item() - 1)), rel=1e-4, abs=1e-6
        )
        assert expected_rgb == pytest.approx(torch.sigmoid(raw[:3]).tolist(), abs=1e-5)


def test_passes_change_nothing(field: TriplaneField, monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.rand(101, 3) * 2.4 - 1.2
    at_once = field.raw(points)
    monkeypatch.setattr("lrm_core.models.triplane_field.points_per_pass", lambda device: 7)
    torch.testing.assert_close(field.raw(points), at_once, rtol=1e-5, atol=1e-5)
    assert field.raw(points[:0]).shape == (0, 4)


@pytest.mark.parametrize("activation", ["softplus", "exp"])
def test_density_is_zero_outside_and_not_inside(activation: str) -> None:
    torch.manual_seed(0)
    mlp = NerfMLP(12, replace(CONFIG, density_activation=activation))
    field = TriplaneField(Triplane(torch.randn(1, 3, 4, 5, 5), extent=0.87), mlp)
    inside = torch.tensor([[0.87, -0.87, 0.87], [0.0, 0.0, -0.87]])
    outside = torch.tensor([[0.88, 0.0, 0.0], [0.0, -0.9, 0.0], [0.5, 0.5, 7.0]])
    assert (field(inside)[0] > 0).all()
    assert (field(outside)[0] == 0).all()
    # finite, so that renderers may average neighboring samples
    assert torch.isfinite(field.raw(outside)).all()


def test_frustum_region() -> None:
    torch.manual_seed(0)
    triplane = Triplane(torch.randn(1, 3, 4, 5, 5), frustum=Frustum(2.0, 0.75))
    field = TriplaneField(triplane, NerfMLP(12, CONFIG))
    # at y the image spans |x| <= (y + 2) / 1.5
    points = torch.tensor([[1.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.6, -1.0, 0.6], [0.0, -3.0, 0.0]])
    assert (field(points)[0] > 0).tolist() == [True, False, True, False]


def test_gradients_reach_planes_and_mlp(
    field: TriplaneField, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrm_core.models.triplane_field.points_per_pass", lambda device: 3)
    planes = field.triplane.planes.clone().requires_grad_()
    field = TriplaneField(Triplane(planes), field.nerf_mlp)
    density, rgb = field(torch.rand(10, 3))
    (density.sum() + rgb.sum()).backward()
    assert planes.grad is not None
    assert planes.grad.abs().sum() > 0
    assert field.nerf_mlp.linears[0].weight.grad is not None


def test_one_object_only() -> None:
    with pytest.raises(ValueError, match="one object"):
        TriplaneField(Triplane(torch.zeros(2, 3, 4, 5, 5)), NerfMLP(12, CONFIG))
