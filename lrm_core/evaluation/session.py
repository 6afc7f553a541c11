"""One evaluation from its request to the reports of all methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lrm_core.baselines.loading import PredictorOptions, load_predictor
from lrm_core.baselines.predictor import Predictor, SeveralViewsPredictor
from lrm_core.errors import ConfigError
from lrm_core.evaluation.aggregate import build_report
from lrm_core.evaluation.collection import Collection, find_objects
from lrm_core.evaluation.network_metrics import (
    MetricNetwork,
    UnavailableMetric,
    load_network,
    locate_networks,
)
from lrm_core.evaluation.protocol import Protocol, load_protocol
from lrm_core.evaluation.runner import EvaluationResult, ScoreObject, evaluate
from lrm_core.evaluation.setups import Setup, setups_of
from lrm_core.io.atomic_write import check_replaceable
from lrm_core.metrics.metric_weights import WeightsFile
from lrm_core.metrics.registry import find_metric
from lrm_core.parallel import Engine, one_per_core
from lrm_core.reporting.metric_report import MetricReport, report_folder, run_files, write_report
from lrm_core.reporting.provenance import provenance
from lrm_core.reporting.tables import table_files

_DEFAULT_PROTOCOLS = {
    "gso": "gso-v1",
    "procedural": "procedural-v1",
    "folder": "folder-v1",
    "views": "lrm2023-views",
}
_NEEDS_A_PLACE = ("folder", "views")


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """What is to be evaluated.

    Attributes:
        dataset: gso, procedural, folder:DIR, or views:DATASET (several with commas).
        methods: names of predictors.
        protocol: name or .yaml file; None for the dataset's own.
        metrics: names; None for the protocol's.
        data_root: folder of the data of gso; None for LRM_GSO_DIR.
        objects: names; ["all"] for all that are there; None for the protocol's.
        limit: the first so many objects only.
        up: up axis of meshes in a folder.
        options: how predictors are loaded.
        weights_dir: folder of weights of metric networks.
        download: whether those may be downloaded.
        require_all: a metric that cannot be computed is an error.
        num_views: how many pictures of each object methods are given; each number is a row.
        comparisons: score methods in other ways than the protocol's too, see `setups_of`.
    """

    dataset: str
    methods: tuple[str, ...] = ("lrm-mini",)
    protocol: str | None = None
    metrics: tuple[str, ...] | None = None
    data_root: Path | None = None
    objects: Sequence[str] | None = None
    limit: int | None = None
    up: Literal["y", "z"] = "y"
    options: PredictorOptions = PredictorOptions()
    weights_dir: Path | None = None
    download: bool = True
    require_all: bool = False
    num_views: tuple[int, ...] = (1,)
    comparisons: bool = False


@dataclass(frozen=True)
class EvaluationSession:
    """An evaluation that is ready to run.

    Attributes:
        protocol: how methods are scored.
        collection: the objects.
        metrics: names of those that are reported.
        setups: the methods and how they are scored.
        predictors: label of the setup -> its method, loaded.
        options: how predictors are loaded.
        networks: score pictures too.
        unavailable: metric -> why it cannot be computed.
    """

    protocol: Protocol
    collection: Collection
    metrics: tuple[str, ...]
    setups: tuple[Setup, ...]
    predictors: dict[str, Predictor]
    options: PredictorOptions
    networks: tuple[MetricNetwork, ...]
    unavailable: dict[str, UnavailableMetric]

    def run(
        self,
        *,
        workers: int | None = None,
        engine: Engine = "local",
        cache: Path | None = None,
        on_object: Callable[[str], None] = lambda name: None,
    ) -> EvaluationResult:
        """Score all methods on all objects.

        Args:
            workers: processes; None for one per core.
            engine: where they run.
            cache: folder of predictions and scores; None computes all anew.
            on_object: called with the name of each object that is done.
        """
        scorer = ScoreObject(
            self.protocol,
            self.collection,
            self.setups,
            self.options,
            cache,
            self.networks,
        )
        return evaluate(scorer, workers=one_per_core(workers), engine=engine, on_object=on_object)

    def check_outputs(self, out: Path, *, read: Sequence[Path | str | None]) -> None:
        """Find out before the work that no report or table takes the place of what is read.

        Args:
            out: folder of reports.
            read: files, or names of what is no file.

        Raises:
            OutputError: one would.
        """
        labels = (setup.label for setup in self.setups)
        runs = [file for label in labels for file in run_files(out, self.protocol.name, label)]
        tables = table_files(out, self.protocol.name).values()
        inputs = [Path(name) for name in read if name is not None]
        check_replaceable(*runs, *tables, overwrite=True, inputs=inputs)

    def write_reports(self, result: EvaluationResult, out: Path) -> dict[str, MetricReport]:
        """Build and write the report of every setup.

        Args:
            result: what `run` returned.
            out: folder of reports.

        Returns:
            reports by label; each lies in `report_folder(out, report)`.
        """
        origin = provenance(self.options.device) | {
            "seed": self.options.seed,
            "metric_weights": {network.name: network.sha256 for network in self.networks},
        }
        reports = {}
        for setup in self.setups:
            report, table = build_report(
                self.protocol,
                self.collection,
                self.predictors[setup.label],
                result,
                setup,
                origin,
                metrics=self.metrics,
                unavailable={key: value.reason for key, value in self.unavailable.items()},
            )
            write_report(report_folder(out, report), report, table)
            reports[setup.label] = report
        return reports


def open_session(
    request: EvaluationRequest,
    *,
    on_download: Callable[[WeightsFile], None] = lambda file: None,
) -> EvaluationSession:
    """Find protocol, objects, methods and metric networks; nothing is computed.

    Args:
        request: what is wanted.
        on_download: called before each download of metric weights.

    Raises:
        ConfigError: no such dataset, protocol or metric, or they do not fit one another.
        InputError: no data.
        CheckpointError: a method's weights cannot be loaded.
        LrmError: a metric cannot be computed though all are required.
    """
    protocol, root = _protocol_and_root(request)
    num_pictures = 1 + len(protocol.input_view.further_azimuths_degrees)
    if not 1 <= min(request.num_views) <= max(request.num_views) <= num_pictures:
        raise ConfigError(
            f"--views {max(request.num_views)}: protocol {protocol.name} has {num_pictures} "
            "pictures of each object",
            hint="gso-v1-multiview has four",
        )
    metrics = request.metrics or protocol.metrics
    for name in metrics:
        find_metric(name)
    collection = find_objects(
        protocol, root=root, names=request.objects, limit=request.limit, up=request.up
    )
    options = request.options
    if protocol.input_view.varied is not None:  # nobody is told such a camera
        options = replace(options, framing="crop")
    setups: list[Setup] = []
    predictors: dict[str, Predictor] = {}
    for method in dict.fromkeys(request.methods):
        predictor = load_predictor(method, options)
        for num_views in dict.fromkeys(request.num_views):
            if num_views > 1 and not isinstance(predictor, SeveralViewsPredictor):
                raise ConfigError(f"--views {num_views}: {method} takes one picture")
            for setup in setups_of(
                method,
                predictor,
                protocol,
                comparisons=request.comparisons,
                num_views=num_views,
            ):
                setups.append(setup)
                wanted = setup.options(options)
                same = wanted == options
                predictors[setup.label] = predictor if same else load_predictor(method, wanted)
    networks, unavailable = locate_networks(
        protocol,
        metrics,
        device=request.options.device,
        weights_dir=request.weights_dir,
        download=request.download,
        on_download=on_download,
    )
    if request.require_all:
        for missing in unavailable.values():
            raise missing.error
        for network in networks:
            load_network(network)  # what cannot be loaded is to be known now
    return EvaluationSession(
        protocol, collection, metrics, tuple(setups), predictors, options, networks, unavailable
    )


def _protocol_and_root(request: EvaluationRequest) -> tuple[Protocol, Path | str | None]:
    kind, _, place = request.dataset.partition(":")
    if kind not in _DEFAULT_PROTOCOLS or (kind in _NEEDS_A_PLACE) != bool(place):
        raise ConfigError(
            f"--dataset: there is no dataset '{request.dataset}'",
            hint="gso, procedural, folder:DIR or views:DATASET",
        )
    several = kind == "gso" and max(request.num_views) > 1
    usual = "gso-v1-multiview" if several else _DEFAULT_PROTOCOLS[kind]
    protocol = load_protocol(request.protocol or usual)
    if protocol.dataset != kind:
        raise ConfigError(
            f"protocol {protocol.name} is for the dataset {protocol.dataset}, not {kind}"
        )
    if kind == "views":  # URLs, not paths
        return protocol, place
    return protocol, Path(place) if place else request.data_root
