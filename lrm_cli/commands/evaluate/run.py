"""`lrm evaluate`: methods on the objects of a protocol, and a report of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lrm_cli.options import Device, JsonOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from lrm_core.evaluation.protocol import Protocol
    from lrm_core.reporting.metric_report import MetricReport

from lrm_cli.errors import PARTIAL_FAILURE

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
    weights: Annotated[
        str | None, typer.Option("--weights", help="Weights of shap-e or point-e: folder or id.")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option("--command", help="Of one-2-3-45: a template with {input} and {output}."),
    ] = None,
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
    options = PredictorOptions(device=choose_device(device), seed=seed)
    methods = tuple(dict.fromkeys(method or ["lrm-mini"]))
    predictors = {name: load_predictor(name, options) for name in methods}
    if collection.missing:
        output.info(
            f"{len(collection.missing)} of the {len(chosen.objects)} objects of {chosen.name} are "
            f"not here: the report says so, and its n is {len(collection.names)}"
        )
    scorer = ScoreObject(
        chosen, collection, methods, options, (cache or out / "cache") if resume else None
    )
    with output.progress("evaluating", total=len(collection.names)) as task:
        result = evaluate(
            scorer,
            workers=workers or os.cpu_count() or 1,
            engine=engine,
            on_object=lambda name: task.advance(1, f"evaluating {name}"),
        )
    origin = provenance(options.device)
    reports: dict[str, MetricReport] = {}
    for name in methods:
        report, table = build_report(
            chosen, collection, predictors[name], result, name, origin,
            metrics=names, unavailable={},
        )  # fmt: skip
        reports[name] = report
        place = report_folder(out, report)
        write_report(place, report, table)
        output.success(f"{place / 'report.json'}")
    for path in write_tables(out, chosen.name):
        output.info(f"{path}")
    _show(output, chosen, reports)
    for report in reports.values():
        for name, reason in report.failures.items():
            output.warning(f"{report.method['name']} on {name}: {reason}")
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


def _show(output: Output, protocol: Protocol, reports: dict[str, MetricReport]) -> None:
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
        if summary.unavailable
    }
    for metric, reason in reasons.items():
        output.info(f"{metric}: n/a ({reason})")


def _cell(report: MetricReport, metric: str) -> str:
    summary = report.metrics[metric]
    if summary.mean is None or summary.low is None or summary.high is None:
        return "n/a"
    short = f" (n={summary.num})" if summary.num != report.num_objects else ""
    return f"{summary.mean:.4g} [{summary.low:.4g}, {summary.high:.4g}]{short}"


def _count(reports: dict[str, MetricReport]) -> int:
    return max(report.num_objects for report in reports.values())
