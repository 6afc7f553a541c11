"""Learned perceptual image patch similarity."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from lrm_core.errors import MetricUnavailableError
from lrm_core.metrics.metric_weights import read_weights
from lrm_core.optional import require

_BATCH = 4  # images at once: VGG keeps 30 MB for each at 256 x 256 pixels


@dataclass(frozen=True)
class Lpips:
    """LPIPS with one backbone, ready to compute.

    Attributes:
        network: the package's own `lpips.LPIPS`.
        device: where it computes.
        backend: what computes it, for reports.
    """

    network: Any
    device: str
    backend: str

    @torch.no_grad()
    def __call__(
        self, predicted: Float[Tensor, "B 3 H W"], reference: Float[Tensor, "B 3 H W"]
    ) -> Float[Tensor, "B"]:
        """Perceptual distance of each pair of images.

            LPIPS = sum over 5 layers l of mean over pixels of w_l . (f_l(a) - f_l(b))^2

        with features f_l of unit length at each pixel and weights w_l >= 0 learned from people's
        judgements (version 0.1).

        Args:
            predicted: (B, 3, H, W) in [0, 1], at least 64 pixels wide and high.
            reference: (B, 3, H, W) in [0, 1].

        Returns:
            (B,) float64, 0 for equal images.

        Source: Zhang, Isola, Efros, Shechtman, Wang, The Unreasonable Effectiveness of Deep
        Features as a Perceptual Metric (2018).
        """
        values = [
            self.network(
                a.to(self.device, torch.float32), b.to(self.device, torch.float32), normalize=True
            )
            for a, b in zip(
                torch.split(predicted, _BATCH), torch.split(reference, _BATCH), strict=True
            )
        ]
        return torch.cat(values).flatten().double().cpu()


def load_lpips(backbone: Literal["alex", "vgg"], weights: Path, *, device: str = "cpu") -> Lpips:
    """Build LPIPS; its learned weights come with the package, its backbone's from a file.

    Args:
        backbone: `alex`, which papers report, or `vgg`, which many train with.
        weights: one of `metric_weights.accepted_files("lpips/BACKBONE")`.
        device: where to compute.

    Raises:
        MissingDependencyError: without the package lpips.
        MetricUnavailableError: the file cannot be read or lacks the backbone.
    """
    lpips = require("lpips", extra="evaluate", purpose="LPIPS")
    with warnings.catch_warnings():  # it calls torchvision in an older way
        warnings.simplefilter("ignore", UserWarning)
        network = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False)
    read = read_weights(weights)
    # slices of torchvision's `features`, which keep their numbers: slice2.3.weight
    names = {name: f"features.{name.partition('.')[2]}" for name in network.net.state_dict()}
    try:
        network.net.load_state_dict({name: read[source] for name, source in names.items()})
    except (KeyError, RuntimeError) as error:
        raise MetricUnavailableError(
            f"{weights.name} does not hold the backbone '{backbone}' ({error})"
        ) from error
    network.requires_grad_(False).eval().to(device)
    backend = f"lpips {version('lpips')}, {backbone}, v0.1, float32, {device}"
    return Lpips(network, device, backend)
