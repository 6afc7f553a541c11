"""LPIPS, CLIP similarity and FID of an evaluation: pictures shown to networks, once.

What a network says of an object's pictures (distances, embeddings, features) is cached by the hash
of its weights. Scores made while weights were missing are thus completed once they are there, and
nothing else is computed again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from lrm_core.errors import ConfigError, LrmError, MetricUnavailableError, MissingDependencyError
from lrm_core.evaluation.protocol import Protocol
from lrm_core.evaluation.result_cache import ResultCache
from lrm_core.evaluation.scoring import SCORES_VERSION, as_images
from lrm_core.metrics.clip_similarity import ClipImageEncoder, clip_similarity, load_clip
from lrm_core.metrics.fid import InceptionEncoder, load_inception
from lrm_core.metrics.lpips import Lpips, load_lpips
from lrm_core.metrics.metric_weights import (
    WEIGHTS,
    WeightsFile,
    accepted_files,
    find_weights,
    locate_weights,
)

REFERENCE = "reference"
"""The owner of the pictures of the object itself."""

NetworkMetric = Literal["lpips", "clip_similarity", "fid"]

_PACKAGES: dict[NetworkMetric, str] = {
    "lpips": "lpips",
    "clip_similarity": "open_clip",
    "fid": "pytorch_fid",
}
_KIND = "network_outputs"
_PATIENCE = 10.0  # seconds lost on failed downloads after which no further one is tried


@dataclass(frozen=True)
class MetricNetwork:
    """The network behind a metric; picklable, loaded where it is needed.

    Attributes:
        metric: what it computes.
        name: its weights, a key of `WEIGHTS`.
        weights: their file.
        sha256: of the file.
        device: where it computes.
    """

    metric: NetworkMetric
    name: str
    weights: Path
    sha256: str
    device: str


@dataclass(frozen=True)
class UnavailableMetric:
    """Why a metric cannot be computed.

    Attributes:
        reason: what reports say: the same in every run, without paths.
        error: all that is known, for the user of this run.
    """

    reason: str
    error: LrmError


@dataclass(frozen=True)
class NetworkOutput:
    """What a network says of N pictures.

    Attributes:
        numbers: (N,) distances from the reference (LPIPS), or (N, D) embeddings or features.
        backend: what computed them.
    """

    numbers: Float[np.ndarray, "N *D"]
    backend: str


@dataclass(frozen=True)
class NetworkScores:
    """Scores of one prediction by networks.

    Attributes:
        values: metric -> mean over views; FID, a number of all objects together, is not among them.
        undefined: metric -> why it has no value.
        backends: metric -> what computed it.
        features: Inception features of the N predicted and the N reference views, for the FID.
    """

    values: dict[str, float] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    backends: dict[str, str] = field(default_factory=dict)
    features: tuple[Float32[np.ndarray, "N D"], Float32[np.ndarray, "N D"]] | None = None


def locate_networks(
    protocol: Protocol,
    metrics: Collection[str],
    *,
    device: str = "cpu",
    weights_dir: Path | None = None,
    download: bool = True,
    on_download: Callable[[WeightsFile], None] = lambda file: None,
) -> tuple[tuple[MetricNetwork, ...], dict[str, UnavailableMetric]]:
    """Find the weights of the networks that metrics need; nothing is loaded.

    Args:
        protocol: names the networks.
        metrics: names of those wanted; the ones without a network are passed over.
        device: where networks will compute.
        weights_dir: folder of weights that the user named.
        download: whether weights that are not here may be downloaded.
        on_download: called before each download.

    Returns:
        the networks, and metric -> why there is none.

    Raises:
        ConfigError: the protocol names a network that is not known.
    """
    networks: list[MetricNetwork] = []
    unavailable: dict[str, UnavailableMetric] = {}
    lost = 0.0
    for metric, name in _network_names(protocol).items():
        if metric not in metrics:
            continue
        if name not in WEIGHTS:
            raise ConfigError(
                f"protocol {protocol.name}: {metric} by '{name}' is not known",
                hint=f"networks: {', '.join(WEIGHTS)}",
            )
        file = WEIGHTS[name]
        if find_spec(_PACKAGES[metric]) is None:
            reason = f"package {_PACKAGES[metric]} is not installed"
            error = MissingDependencyError(reason, hint="pip install 'lrm-toolkit[evaluate]'")
            unavailable[metric] = UnavailableMetric(reason, error)
            continue
        start = time.monotonic()
        try:
            path = find_weights(name, weights_dir=weights_dir)
            if path is None:
                # where nothing answers, each attempt lasts as long as the connection may take
                worthwhile = download and lost < _PATIENCE
                if worthwhile:
                    on_download(file)
                path = locate_weights(name, weights_dir=weights_dir, download=worthwhile)
        except MetricUnavailableError as failure:
            lost += time.monotonic() - start
            unavailable[metric] = UnavailableMetric(f"no weights {file.filename}", failure)
        else:
            (sha256,) = (f.sha256 for f in accepted_files(name) if f.filename == path.name)
            networks.append(MetricNetwork(metric, name, path, sha256, device))
    return tuple(networks), unavailable


@lru_cache(maxsize=len(_PACKAGES))
def load_network(network: MetricNetwork) -> Lpips | ClipImageEncoder | InceptionEncoder:
    """A network ready to compute, loaded once in each process.

    Raises:
        MissingDependencyError: its package cannot be imported.
        MetricUnavailableError: its weights do not fit.
    """
    _, _, model = network.name.partition("/")
    if network.metric == "lpips":
        backbone = cast(Literal["alex", "vgg"], model)
        return load_lpips(backbone, network.weights, device=network.device)
    if network.metric == "clip_similarity":
        return load_clip(model, network.weights, device=network.device)
    return load_inception(network.weights, device=network.device)


class NetworkOutputs:
    """What networks say of the pictures of one object, by their owner.

    An owner is `REFERENCE`, or whatever tells the pictures of one method from those of another.

    Args:
        networks: to show pictures to.
        key: what all pictures of the object depend on.
        cache: where outputs are kept.
    """

    def __init__(
        self, networks: Sequence[MetricNetwork], key: Sequence[str], cache: ResultCache
    ) -> None:
        self._networks = networks
        self._key = tuple(key)
        self._cache = cache
        self._outputs: dict[tuple[MetricNetwork, str], NetworkOutput] = {}
        self._failures: dict[MetricNetwork, str] = {}

    def is_cached(self, owner: str) -> bool:
        """Whether every network has seen the pictures of an owner."""
        return all(self._load(network, owner) is not None for network in self._networks_for(owner))

    def run(
        self,
        owner: str,
        pictures: UInt8[np.ndarray, "N H W 3"],
        reference: UInt8[np.ndarray, "N H W 3"] | None = None,
    ) -> None:
        """Show pictures to the networks that have not seen them.

        Args:
            owner: of the pictures.
            pictures: N views.
            reference: the same views of the reference; None for its own.
        """
        for network in self._networks_for(owner):
            if self._load(network, owner) is not None or network in self._failures:
                continue
            try:
                output = _run_network(network, pictures, reference)
            except (MissingDependencyError, MetricUnavailableError) as error:
                self._failures[network] = error.message
                continue
            self._outputs[network, owner] = output
            self._cache.put(
                _KIND,
                self._cache_key(network, owner),
                {"backend": output.backend},
                {"numbers": output.numbers},
            )

    def summarize(self, owner: str) -> NetworkScores:
        """Scores of an owner's pictures; `run` has shown them and those of the reference."""
        values: dict[str, float] = {}
        undefined: dict[str, str] = {}
        backends: dict[str, str] = {}
        features = None
        for network in self._networks:
            metric = network.metric
            predicted = self._load(network, owner)
            expected = self._load(network, REFERENCE) if metric != "lpips" else predicted
            if predicted is None or expected is None:
                undefined[metric] = self._failures[network]
                continue
            backends[metric] = predicted.backend
            if metric == "lpips":
                values[metric] = float(predicted.numbers.mean())
            elif metric == "clip_similarity":
                pair = (torch.from_numpy(side.numbers) for side in (predicted, expected))
                values[metric] = float(clip_similarity(*pair).mean())
            else:
                features = (predicted.numbers, expected.numbers)
        return NetworkScores(values, undefined, backends, features)

    def _networks_for(self, owner: str) -> list[MetricNetwork]:
        """LPIPS compares pictures directly: it has nothing to say of the reference alone."""
        return [
            network for network in self._networks if owner != REFERENCE or network.metric != "lpips"
        ]

    def _load(self, network: MetricNetwork, owner: str) -> NetworkOutput | None:
        if (network, owner) not in self._outputs:
            kept = self._cache.get(_KIND, self._cache_key(network, owner))
            if kept is not None:
                output = NetworkOutput(kept.arrays["numbers"], kept.values["backend"])
                self._outputs[network, owner] = output
        return self._outputs.get((network, owner))

    def _cache_key(self, network: MetricNetwork, owner: str) -> list[object]:
        return [
            SCORES_VERSION, network.name, network.sha256, network.device, *self._key, owner
        ]  # fmt: skip


def _network_names(protocol: Protocol) -> dict[NetworkMetric, str]:
    networks = protocol.networks
    return {
        "lpips": f"lpips/{networks.lpips}",
        "clip_similarity": f"clip/{networks.clip_model}/{networks.clip_weights}",
        "fid": "fid/inception",
    }


def _run_network(
    network: MetricNetwork,
    pictures: UInt8[np.ndarray, "N H W 3"],
    reference: UInt8[np.ndarray, "N H W 3"] | None,
) -> NetworkOutput:
    loaded = load_network(network)
    images = as_images(pictures)
    numbers: Any
    if isinstance(loaded, Lpips):
        assert reference is not None
        numbers = loaded(images, as_images(reference)).numpy()
    elif isinstance(loaded, ClipImageEncoder):
        numbers = loaded.embed(images).numpy()
    else:
        numbers = loaded.embed(images)
    return NetworkOutput(numbers, loaded.backend)
