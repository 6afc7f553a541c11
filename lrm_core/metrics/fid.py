"""Frechet inception distance between two sets of images."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lrm_core.errors import InputError, MetricUnavailableError
from lrm_core.metrics.metric_weights import read_weights
from lrm_core.optional import require

_BATCH = 8


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean and scatter of a set of features, gathered part by part.

    Attributes:
        count: how many features.
        mean: (D,) float64.
        scatter: (D, D) float64, sum of (f - mean) (f - mean)^T.
    """

    count: int
    mean: Float[np.ndarray, "D"]
    scatter: Float[np.ndarray, "D D"]

    @property
    def covariance(self) -> Float[np.ndarray, "D D"]:
        """Unbiased covariance (divided by count - 1), as pytorch-fid's.

        Raises:
            InputError: of fewer than two features.
        """
        if self.count < 2:
            raise InputError(f"a covariance needs 2 images or more, got {self.count}")
        return self.scatter / (self.count - 1)

    def merged(self, other: FeatureStatistics) -> FeatureStatistics:
        """Statistics of both sets together (Chan, Golub, LeVeque, 1979)."""
        count = self.count + other.count
        step = other.mean - self.mean
        return FeatureStatistics(
            count,
            self.mean + step * (other.count / count),
            self.scatter
            + other.scatter
            + np.outer(step, step) * (self.count * other.count / count),
        )


def feature_statistics(features: Float[np.ndarray, "N D"]) -> FeatureStatistics:
    """Statistics of N >= 1 features, in float64."""
    features = features.astype(np.float64)
    mean = features.mean(axis=0)
    centered = features - mean
    return FeatureStatistics(len(features), mean, centered.T @ centered)


def frechet_distance(predicted: FeatureStatistics, reference: FeatureStatistics) -> float:
    """Squared Frechet (2-Wasserstein) distance between the Gaussians fitted to two sets.

        d = |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2)

    The last trace is the sum of the roots of the eigenvalues of C1^(1/2) C2 C1^(1/2), a symmetric
    matrix: with fewer images than feature dimensions, where C1 and C2 are singular, this stays
    exact to rounding, unlike the square root of C1 C2 that pytorch-fid takes.

    Between Inception features this is the FID. It is biased: a value for n images is above that
    for more, by much below some 10,000. Compare only equal numbers of images.

    Args:
        predicted: statistics of the predicted views' features.
        reference: statistics of the reference views' features.

    Raises:
        InputError: a set of fewer than two images.

    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium (2017), equation 6; Dowson and Landau (1982).
    """
    c1, c2 = predicted.covariance, reference.covariance
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(values.clip(min=0.0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ c2 @ root).clip(min=0.0)).sum()
    step = predicted.mean - reference.mean
    return max(float(step @ step + np.trace(c1) + np.trace(c2) - 2.0 * cross), 0.0)


@dataclass(frozen=True)
class InceptionEncoder:
    """FID's Inception network up to its last pooling, ready to compute.

    Attributes:
        network: pytorch-fid's own `InceptionV3`.
        device: where it computes.
        backend: what computes it, for reports.
    """

    network: Any
    device: str
    backend: str

    @torch.no_grad()
    def embed(self, images: Float[Tensor, "B 3 H W"]) -> Float[np.ndarray, "B 2048"]:
        """Features of each image, which pytorch-fid resizes to 299 x 299 (bilinear).

        Args:
            images: (B, 3, H, W) in [0, 1].

        Returns:
            (B, 2048) float32.
        """
        found = [
            self.network(batch.to(self.device, torch.float32))[0].flatten(1).cpu()
            for batch in torch.split(images, _BATCH)
        ]
        features: np.ndarray = torch.cat(found).numpy()
        return features


def load_inception(weights: Path, *, device: str = "cpu") -> InceptionEncoder:
    """Build the network of FID.

    Args:
        weights: the file `fid/inception` of `metric_weights.WEIGHTS`.
        device: where to compute.

    Raises:
        MissingDependencyError: without the package pytorch-fid.
        MetricUnavailableError: the file cannot be read or holds another network.
    """
    inception: Any = require("pytorch_fid.inception", extra="evaluate", purpose="FID")
    read = read_weights(weights)
    # its constructor downloads the weights, unchecked; it is handed ours instead
    download = inception.load_state_dict_from_url
    inception.load_state_dict_from_url = lambda *_, **__: read
    try:
        network = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    except RuntimeError as error:
        raise MetricUnavailableError(
            f"{weights.name} does not hold FID's Inception network ({error})"
        ) from error
    finally:
        inception.load_state_dict_from_url = download
    network.eval().to(device)
    backend = f"pytorch-fid {version('pytorch-fid')}, Inception 2015-12-05, float32, {device}"
    return InceptionEncoder(network, device, backend)
