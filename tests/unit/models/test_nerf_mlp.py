import numpy as np
import pytest
import torch

from lrm_core.config import FieldConfig
from lrm_core.models.nerf_mlp import NerfMLP


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_forward_matches_numpy(activation: str) -> None:
    torch.manual_seed(0)
    mlp = NerfMLP(6, FieldConfig(num_layers=4, width=8, activation=activation))
    assert len(mlp.linears) == 4
    features = torch.randn(5, 2, 6)
    x = features.numpy().astype(np.float64)
    for layer, linear in enumerate(mlp.linears):
        x = x @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
        if layer < 3:
            x = np.maximum(x, 0) if activation == "relu" else x / (1 + np.exp(-x))
    np.testing.assert_allclose(mlp(features).detach().numpy(), x, rtol=1e-4, atol=1e-5)


def test_raw_order_is_r_g_b_density() -> None:
    mlp = NerfMLP(6, FieldConfig(num_layers=2, width=8))
    density, rgb = mlp.activate(torch.tensor([[10.0, -10.0, 0.0, 5.0]]))
    torch.testing.assert_close(rgb, torch.tensor([[1.0, 0.0, 0.5]]), rtol=0, atol=1e-4)
    assert density.item() == pytest.approx(np.log1p(np.exp(4.0)), rel=1e-6)


def test_exponential_density_and_padded_color() -> None:
    config = FieldConfig(density_activation="exp", density_bias=-1.0, rgb_padding=0.001)
    density, rgb = NerfMLP(6, config).activate(torch.tensor([[100.0, -100.0, 0.0, 3.0]]))
    assert density.item() == pytest.approx(np.exp(2.0), rel=1e-6)
    assert rgb[0].tolist() == pytest.approx([1.001, -0.001, 0.5])


def test_ten_layers_of_relu_keep_their_signal() -> None:
    torch.manual_seed(0)
    mlp = NerfMLP(240, FieldConfig())
    raw = mlp(torch.randn(512, 240))
    assert 0.1 < raw.std(dim=0).mean() < 10.0
