"""MLP_nerf: triplane features of a point -> color and density.

Source: paper, section 3.3 and equation 7.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrm_core.config import FieldConfig

DENSITY = 3
"""Position of the raw density in the output, after r, g, b."""


def points_per_pass(device: torch.device) -> int:
    """How many points go through the MLP at once: on a CPU the activations stay in its cache."""
    return 2**18 if device.type == "cuda" else 2**13


class NerfMLP(nn.Module):
    """Linear layers with an activation between, and the activations of its output.

    Hidden layers start as He et al. (2015) for rectifiers, biases at zero: with PyTorch's own
    default the signal of ten layers of ReLU would shrink to nothing.

    Args:
        in_features: length of the concatenated features of three planes, 3 C.
        config: number of layers, width and activations.

    Attributes:
        linears: the linear layers, first to last.
    """

    def __init__(self, in_features: int, config: FieldConfig) -> None:
        super().__init__()
        self.config = config
        widths = [in_features, *[config.width] * (config.num_layers - 1), 4]
        linears = [nn.Linear(before, after) for before, after in itertools.pairwise(widths)]
        for linear in linears:
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            nn.init.zeros_(linear.bias)
        nn.init.xavier_uniform_(linears[-1].weight)
        self.linears = nn.ModuleList(linears)

    @torch.no_grad()
    def add_no_density(self) -> None:
        """Begin with raw density zero everywhere, where another part of the model gives it."""
        last = self.linears[-1]
        assert isinstance(last, nn.Linear)
        last.weight[DENSITY] = 0.0
        last.bias[DENSITY] = 0.0

    @property
    def activation(self) -> Callable[..., Tensor]:
        """What lies between the layers."""
        return F.relu if self.config.activation == "relu" else F.silu

    def layers(self) -> list[tuple[Float[Tensor, "_ _"], Float[Tensor, "_"]]]:
        """Weight and bias of every layer in float32, first to last, for those that fold them."""
        return [
            (linear.weight.float(), linear.bias.float())
            for linear in self.linears
            if isinstance(linear, nn.Linear)
        ]

    def forward(self, features: Float[Tensor, "*B F"]) -> Float[Tensor, "*B 4"]:
        """Raw r, g, b, density of points from their features (..., 3 C), before activation."""
        x = features
        for linear in self.linears[:-1]:
            x = self.activation(linear(x))
        raw: Tensor = self.linears[-1](x)
        return raw

    def activate(
        self, raw: Float[Tensor, "*B 4"]
    ) -> tuple[Float[Tensor, "*B"], Float[Tensor, "*B 3"]]:
        """Raw outputs -> density >= 0 and rgb.

        Args:
            raw: (..., 4) r, g, b, density as `forward` returns them.

        Returns:
            Density (...), and rgb (..., 3) in [0, 1] (in [-padding, 1 + padding] with padding).
        """
        shifted = raw[..., 3] + self.config.density_bias
        softplus = self.config.density_activation == "softplus"
        density = F.softplus(shifted) if softplus else shifted.exp()
        padding = self.config.rgb_padding
        rgb = torch.sigmoid(raw[..., :3]) * (1.0 + 2.0 * padding) - padding
        return density, rgb
