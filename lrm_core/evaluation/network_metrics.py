"""LPIPS, CLIP similarity and FID of an evaluation: pictures shown to networks, once.

What a network says of an object's pictures (distances, embeddings, features) is cached by the hash
of its weights. Scores made while weights were missing are thus completed once they are there, and
nothing else is computed again.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
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
from lrm_core.evaluation.scoring import SCORES_VERSION, as_images
from lrm_core.io.atomic_write import replacing
from lrm_core.metrics.clip_similarity import ClipImageEncoder, clip_similarity, load_clip
from lrm_core.metrics.fid import InceptionEncoder, load_inception
from lrm_core.metrics.lpips import Lpips, load_lpips
from lrm_core.metrics.metric_weights import WEIGHTS, WeightsFile, find_weights, locate_weights

REFERENCE = "reference"
"""Whose pictures they are, where they are no method's."""

NetworkMetric = Literal["lpips", "clip_similarity", "fid"]

_PACKAGES: dict[NetworkMetric, str] = {
    "lpips": "lpips",
    "clip_similarity": "open_clip",
    "fid": "pytorch_fid",
}
_PATIENCE = 10.0  # seconds lost on failed downloads after which no further one is tried


@dataclass(frozen=True)
class MetricNetwork:
    """The network behind a metric; picklable, loaded where it is needed.

    Attributes:
        metric: that it serves.
        name: of its weights, a key of `WEIGHTS`.
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
        reason: for reports: the same in every run, without paths.
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
            networks.append(MetricNetwork(metric, name, path, file.sha256, device))
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
    """What networks say of the pictures of one object, by whose pictures they are.

    Args:
        networks: that are asked.
        key: what all pictures of the object depend on.
        cache: folder where outputs are kept, or None.
    """

    def __init__(
        self, networks: Sequence[MetricNetwork], key: Sequence[str], cache: Path | None
    ) -> None:
        self._networks = networks
        self._key = tuple(key)
        self._cache = cache
        self._outputs: dict[tuple[MetricNetwork, str], NetworkOutput] = {}
        self._failures: dict[MetricNetwork, str] = {}

    def known(self, whose: str) -> bool:
        """Whether every network has seen these pictures."""
        return all(self._find(network, whose) is not None for network in self._asked(whose))

    def show(
        self,
        whose: str,
        pictures: UInt8[np.ndarray, "N H W 3"],
        reference: UInt8[np.ndarray, "N H W 3"] | None = None,
    ) -> None:
        """Show pictures to the networks that have not seen them.

        Args:
            whose: `REFERENCE`, or the fingerprint of a method.
            pictures: N views.
            reference: the same views of the reference; None for its own.
        """
        for network in self._asked(whose):
            if self._find(network, whose) is not None or network in self._failures:
                continue
            try:
                output = _ask(network, pictures, reference)
            except (MissingDependencyError, MetricUnavailableError) as error:
                self._failures[network] = error.message
                continue
            self._outputs[network, whose] = output
            if self._cache is not None:
                _write_output(self._place(self._cache, network, whose), output)

    def scores(self, whose: str) -> NetworkScores:
        """Scores of a method's pictures, which have been shown as those of the reference have."""
        values: dict[str, float] = {}
        undefined: dict[str, str] = {}
        backends: dict[str, str] = {}
        features = None
        for network in self._networks:
            metric = network.metric
            predicted = self._find(network, whose)
            expected = self._find(network, REFERENCE) if metric != "lpips" else predicted
            if predicted is None or expected is None:
                undefined[metric] = self._failures[network]
                continue
            backends[metric] = predicted.backend
            if metric == "lpips":
                values[metric] = float(predicted.numbers.mean())
            elif metric == "clip_similarity":
                pair = (torch.from_numpy(one.numbers) for one in (predicted, expected))
                values[metric] = float(clip_similarity(*pair).mean())
            else:
                features = (predicted.numbers, expected.numbers)
        return NetworkScores(values, undefined, backends, features)

    def _asked(self, whose: str) -> list[MetricNetwork]:
        """LPIPS compares pictures directly: it has nothing to say of the reference alone."""
        return [one for one in self._networks if whose != REFERENCE or one.metric != "lpips"]

    def _find(self, network: MetricNetwork, whose: str) -> NetworkOutput | None:
        if (network, whose) not in self._outputs and self._cache is not None:
            stored = _read_output(self._place(self._cache, network, whose))
            if stored is not None:
                self._outputs[network, whose] = stored
        return self._outputs.get((network, whose))

    def _place(self, cache: Path, network: MetricNetwork, whose: str) -> Path:
        of_network = [network.name, network.sha256, network.device]
        key = json.dumps([SCORES_VERSION, *of_network, *self._key, whose])
        digest = hashlib.sha256(key.encode()).hexdigest()
        return cache / "network_outputs" / digest[:2] / f"{digest}.npz"


def _network_names(protocol: Protocol) -> dict[NetworkMetric, str]:
    networks = protocol.networks
    return {
        "lpips": f"lpips/{networks.lpips}",
        "clip_similarity": f"clip/{networks.clip_model}/{networks.clip_weights}",
        "fid": "fid/inception",
    }


def _ask(
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


def _write_output(path: Path, output: NetworkOutput) -> None:
    with replacing(path) as temporary:
        np.savez(temporary, numbers=output.numbers, backend=np.array(output.backend))


def _read_output(path: Path) -> NetworkOutput | None:
    """An output kept earlier; None where there is none that can be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return NetworkOutput(stored["numbers"], str(stored["backend"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
