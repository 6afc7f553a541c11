"""`lrm evaluate`: methods on the objects of a protocol, and a report of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lrm_cli.commands.evaluate.guard import check_against
from lrm_cli.options import Device, DType, JsonOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Collection

    from lrm_core.evaluation.protocol import Protocol
    from lrm_core.metrics.metric_weights import WeightsFile
    from lrm_core.reporting.metric_report import MetricReport

from lrm_cli.errors import PARTIAL_FAILURE

_BASELINES = "Options of single methods"
_DEFAULT_PROTOCOLS = {"gso": "gso-v1", "procedural": "procedural-v1"}


def run(
    ctx: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="NAME",
            help="gso, procedural, or folder:DIR of meshes of one's own.",
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            metavar="NAME",
            help="lrm-mini, any loadable model, balloon, blank, external:DIR, shap-e, point-e, "
            "one-2-3-45; may be given several times [default: lrm-mini].",
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help="Name or .yaml file [default: the dataset's own]."),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", help="Names with commas [default: the protocol's].")
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", help="Folder of the data [default of gso: LRM_GSO_DIR]."),
    ] = None,
    objects: Annotated[
        str | None,
        typer.Option(
            "--objects", help="File of names, names with commas, or all [default: the protocol's]."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Take the first N objects only.")
    ] = None,
    up: Annotated[
        Literal["y", "z"], typer.Option("--up", help="Up axis of meshes of one's own.")
    ] = "y",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes [default: one per core].")
    ] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option("--engine", help="This machine, or the Ray cluster named by RAY_ADDRESS."),
    ] = "local",
    device: Annotated[
        Device, typer.Option("--device", help="Where methods compute; auto takes a GPU.")
    ] = "auto",
    seed: Annotated[int, typer.Option("--seed", help="Of methods that draw noise.")] = 0,
    weights_dir: Annotated[
        Path | None,
        typer.Option("--weights-dir", help="Folder of weights of LPIPS, CLIP and FID."),
    ] = None,
    download: Annotated[
        bool,
        typer.Option("--download/--no-download", help="Fetch those weights if they are missing."),
    ] = True,
    require_all: Annotated[
        bool,
        typer.Option("--require-all", help="Stop if a metric cannot be computed, not say n/a."),
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Folder of predictions and scores [default: OUT/cache]."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--fresh",
            help="Take cached predictions and scores of the same content, or compute all anew.",
        ),
    ] = True,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of reports.")] = Path("reports"),
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", metavar="FILE", help="Then check the report as `lrm evaluate check` does."
        ),
    ] = None,
    resolution: Annotated[
        int,
        typer.Option(
            "--resolution",
            min=16,
            max=2048,
            help="Models: grid points per axis.",
            rich_help_panel=_BASELINES,
        ),
    ] = 256,
    dtype: Annotated[
        DType,
        typer.Option("--dtype", help="Models: number format.", rich_help_panel=_BASELINES),
    ] = "auto",
    shap_e_weights: Annotated[
        str | None,
        typer.Option(
            "--shap-e-weights",
            help="shap-e: folder or Hugging Face id.",
            rich_help_panel=_BASELINES,
        ),
    ] = None,
    point_e_weights: Annotated[
        Path | None,
        typer.Option(
            "--point-e-weights",
            help="point-e: folder of its downloads.",
            rich_help_panel=_BASELINES,
        ),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(
            "--command",
            help="one-2-3-45: a template with {input} and {output}.",
            rich_help_panel=_BASELINES,
        ),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(
            "--time-limit",
            min=1,
            help="one-2-3-45: seconds per object.",
            rich_help_panel=_BASELINES,
        ),
    ] = 900.0,
    log_folder: Annotated[
        Path | None,
        typer.Option(
            "--log-folder", help="one-2-3-45: keeps what it says.", rich_help_panel=_BASELINES
        ),
    ] = None,
    external_up: Annotated[
        Literal["y", "z"],
        typer.Option(
            "--external-up", help="external:DIR: up axis of meshes.", rich_help_panel=_BASELINES
        ),
    ] = "y",
    external_alignment: Annotated[
        Literal["canonical", "free_azimuth", "free"],
        typer.Option(
            "--external-alignment",
            help="external:DIR: of the picture's frame, upright, or of none.",
            rich_help_panel=_BASELINES,
        ),
    ] = "canonical",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score methods on objects and write a report of each.

    `lrm evaluate --dataset gso` scores lrm-mini on Google Scanned Objects under protocol gso-v1.
    """
    if ctx.invoked_subcommand is not None:
        return
    output = Output(json=json, quiet=quiet)
    if dataset is None:
        raise ConfigError("--dataset is missing", hint="gso, procedural or folder:DIR")
    kind, _, folder = dataset.partition(":")
    if kind not in ("gso", "procedural", "folder") or (kind == "folder") != bool(folder):
        raise ConfigError(
            f"--dataset: there is no dataset '{dataset}'", hint="gso, procedural or folder:DIR"
        )
    import os

    from lrm_core.baselines.loading import PredictorOptions, load_predictor
    from lrm_core.device import choose_device
    from lrm_core.evaluation.aggregate import build_report
    from lrm_core.evaluation.collection import find_objects
    from lrm_core.evaluation.network_metrics import load_network, locate_networks
    from lrm_core.evaluation.runner import ScoreObject, evaluate
    from lrm_core.metrics.registry import find_metric
    from lrm_core.reporting.metric_report import report_folder, write_report
    from lrm_core.reporting.provenance import provenance
    from lrm_core.reporting.tables import write_tables

    chosen = _protocol(kind, protocol)
    names = tuple(metrics.split(",")) if metrics else chosen.metrics
    for name in names:
        find_metric(name)
    collection = find_objects(
        chosen,
        root=Path(folder) if folder else data_root,
        names=_names(objects),
        limit=limit,
        up=up,
    )
    options = PredictorOptions(
        device=choose_device(device),
        dtype=dtype,
        resolution=resolution,
        seed=seed,
        shap_e_weights=shap_e_weights,
        point_e_weights=point_e_weights,
        command=command,
        time_limit=time_limit,
        log_folder=log_folder,
        external_up=external_up,
        external_alignment=external_alignment,
    )
    methods = tuple(dict.fromkeys(method or ["lrm-mini"]))
    guarded = _guarded(against, methods)
    predictors = {name: load_predictor(name, options) for name in methods}
    if collection.missing:
        output.info(
            f"{len(collection.missing)} of the {len(chosen.objects)} objects of {chosen.name} are "
            f"not here: the report says so, and its n is {len(collection.names)}"
        )
    networks, unavailable = locate_networks(
        chosen,
        names,
        device=options.device,
        weights_dir=weights_dir,
        download=download,
        on_download=lambda file: _announce(output, file),
    )
    for metric, missing in unavailable.items():
        if require_all:
            raise missing.error
        output.warning(f"{metric} is n/a: {missing.error.message}; {missing.error.hint}")
    if require_all:
        for network in networks:
            load_network(network)  # what cannot be loaded is to be known now
    scorer = ScoreObject(
        chosen,
        collection,
        methods,
        options,
        (cache or out / "cache") if resume else None,
        networks,
    )
    with output.progress("evaluating", total=len(collection.names)) as task:
        result = evaluate(
            scorer,
            workers=workers or os.cpu_count() or 1,
            engine=engine,
            on_object=lambda name: task.advance(1, f"evaluating {name}"),
        )
    origin = provenance(options.device) | {
        "seed": seed,
        "metric_weights": {network.name: network.sha256 for network in networks},
    }
    reports: dict[str, MetricReport] = {}
    for name in methods:
        report, table = build_report(
            chosen, collection, predictors[name], result, name, origin,
            metrics=names, unavailable={key: value.reason for key, value in unavailable.items()},
        )  # fmt: skip
        reports[name] = report
        place = report_folder(out, report)
        write_report(place, report, table)
        output.success(f"{place / 'report.json'}")
    for path in write_tables(out, chosen.name):
        output.info(f"{path}")
    _show(output, chosen, reports, told=unavailable)
    for report in reports.values():
        for name, reason in report.failures.items():
            output.warning(f"{report.method['name']} on {name}: {reason}")
    verdicts = {}
    if against is not None and guarded is not None:
        verdicts = check_against(output, report_folder(out, reports[guarded]), against, None)
    output.result(
        {
            "protocol": chosen.label,
            "num_objects": len(collection.names),
            "missing": collection.missing,
            "reports": {
                name: {
                    "report": str(report_folder(out, report) / "report.json"),
                    "metrics": {key: value.mean for key, value in report.metrics.items()},
                    "failures": report.failures,
                }
                for name, report in reports.items()
            },
            **verdicts,
        }
    )
    if result.unusable:
        raise typer.Exit(PARTIAL_FAILURE)


def _protocol(dataset: str, name: str | None) -> Protocol:
    from lrm_core.evaluation.protocol import load_protocol

    if name is None and dataset not in _DEFAULT_PROTOCOLS:
        name = "folder-v1"
    protocol = load_protocol(name or _DEFAULT_PROTOCOLS[dataset])
    if protocol.dataset != dataset:
        raise ConfigError(
            f"protocol {protocol.name} is for the dataset {protocol.dataset}, not {dataset}"
        )
    return protocol


def _names(text: str | None) -> list[str] | None:
    """Objects by a file with one name a line, or by names with commas."""
    if text is None:
        return None
    path = Path(text)
    if path.suffix == ".txt" or path.is_file():
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read as a list of names ({error})") from error
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [name.strip() for name in text.split(",") if name.strip()]


def _guarded(against: Path | None, methods: Collection[str]) -> str | None:
    """The method that accepted values are of; known before the work as it is needed after it."""
    if against is None:
        return None
    from lrm_core.reporting.regression import read_accepted

    accepted = read_accepted(against)
    if accepted.method not in methods:
        raise ConfigError(
            f"--against: {against.name} holds values of {accepted.method}, which is not evaluated",
            hint=f"add --method {accepted.method}",
        )
    return accepted.method


def _announce(output: Output, file: WeightsFile) -> None:
    output.info(
        f"downloading {file.filename} ({file.num_bytes / 1e6:.0f} MB, {file.licence}) "
        f"from {file.url}"
    )


def _show(
    output: Output,
    protocol: Protocol,
    reports: dict[str, MetricReport],
    *,
    told: Collection[str],
) -> None:
    """The table, and why cells are empty where that was not told before."""
    columns = ["", *reports]
    rows = []
    for metric in next(iter(reports.values())).metrics:
        cells = [_cell(report, metric) for report in reports.values()]
        rows.append([metric, *cells])
    output.table(columns, rows, title=f"{protocol.label}, n = {_count(reports)}")
    reasons: dict[str, Any] = {
        metric: summary.unavailable
        for report in reports.values()
        for metric, summary in report.metrics.items()
        if summary.unavailable and metric not in told
    }
    for metric, reason in reasons.items():
        output.info(f"{metric}: n/a ({reason})")


def _cell(report: MetricReport, metric: str) -> str:
    summary = report.metrics[metric]
    if summary.mean is None:
        return "n/a"
    short = f" (n={summary.num})" if summary.num != report.num_objects else ""
    if summary.low is None or summary.high is None:
        return f"{summary.mean:.4g}{short}"
    return f"{summary.mean:.4g} [{summary.low:.4g}, {summary.high:.4g}]{short}"


def _count(reports: dict[str, MetricReport]) -> int:
    return max(report.num_objects for report in reports.values())
