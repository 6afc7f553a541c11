"""`lrm evaluate`: methods on the objects of a protocol, and a report of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from lrm_cli.commands.evaluate.guard import check_against
from lrm_cli.errors import PARTIAL_FAILURE
from lrm_cli.option_groups import expand_options
from lrm_cli.options import Device, DType, JsonOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, InputError
from lrm_core.io.atomic_write import check_replaceable

if TYPE_CHECKING:
    from collections.abc import Collection

    from lrm_core.evaluation.session import EvaluationSession
    from lrm_core.metrics.metric_weights import WeightsFile
    from lrm_core.reporting.metric_report import MetricReport


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What methods are scored on."""

    panel: ClassVar[str] = "Data"

    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="NAME",
            help="gso, procedural, folder:DIR of your own meshes, or views:DATASET of "
            "`lrm preprocess` (several with commas).",
        ),
    ] = None
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help="Name or .yaml file [default: the dataset's own]."),
    ] = None
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", help="Folder of the data [default of gso: LRM_GSO_DIR]."),
    ] = None
    objects: Annotated[
        str | None,
        typer.Option(
            "--objects",
            help="File of names, names separated by commas, or all [default: the protocol's].",
        ),
    ] = None
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Take the first N objects only.")
    ] = None
    up: Annotated[Literal["y", "z"], typer.Option("--up", help="Up axis of your own meshes.")] = "y"
    views: Annotated[
        str,
        typer.Option(
            "--views",
            metavar="N",
            help="Pictures of each object that methods get, up to 4; 1,2,4 gives three rows.",
        ),
    ] = "1"

    @property
    def num_views(self) -> tuple[int, ...]:
        """Numbers of pictures, one for each row."""
        if not re.fullmatch(r"\d(,\d)*", self.views):
            raise ConfigError(f"--views: '{self.views}' is not a number", hint="2, or 1,2,4")
        return tuple(map(int, self.views.split(",")))


@dataclass(frozen=True, kw_only=True)
class MetricOptions:
    """What is measured."""

    panel: ClassVar[str] = "Metrics"

    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="Names separated by commas [default: the protocol's]."),
    ] = None
    weights_dir: Annotated[
        Path | None, typer.Option("--weights-dir", help="Folder of weights of LPIPS, CLIP and FID.")
    ] = None
    download: Annotated[
        bool,
        typer.Option("--download/--no-download", help="Fetch those weights if they are missing."),
    ] = True
    require_all: Annotated[
        bool,
        typer.Option(
            "--require-all", help="Stop if a metric is unavailable instead of reporting n/a."
        ),
    ] = False
    comparisons: Annotated[
        bool,
        typer.Option(
            "--comparisons",
            help="Score methods in other ways than the protocol's too: mesh and radiance field, "
            "without colors from the photo, as answered before alignment. Takes several times as "
            "long.",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How the work is done."""

    panel: ClassVar[str] = "Running"

    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes [default: one per core].")
    ] = None
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option("--engine", help="This machine, or the Ray cluster named by RAY_ADDRESS."),
    ] = "local"
    device: Annotated[
        Device, typer.Option("--device", help="Where methods compute; auto takes a GPU.")
    ] = "auto"
    seed: Annotated[int, typer.Option("--seed", help="Seed of methods that draw noise.")] = 0
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Folder of predictions and scores [default: OUT/cache]."),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--fresh",
            help="Reuse cached predictions and scores of the same content, or compute all again.",
        ),
    ] = True


@dataclass(frozen=True, kw_only=True)
class BaselineOptions:
    """Options of single methods."""

    panel: ClassVar[str] = "Options of single methods"

    resolution: Annotated[
        int | None,
        typer.Option(
            "--resolution",
            min=16,
            max=2048,
            help="Models: grid points per axis [default: the model's own].",
        ),
    ] = None
    dtype: Annotated[DType, typer.Option("--dtype", help="Models: number format.")] = "auto"
    shap_e_weights: Annotated[
        str | None, typer.Option("--shap-e-weights", help="shap-e: folder or Hugging Face id.")
    ] = None
    point_e_weights: Annotated[
        Path | None, typer.Option("--point-e-weights", help="point-e: folder of its downloads.")
    ] = None
    command: Annotated[
        str | None,
        typer.Option("--command", help="one-2-3-45: a template with {input} and {output}."),
    ] = None
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=1, help="one-2-3-45: seconds per object.")
    ] = 900.0
    log_folder: Annotated[
        Path | None, typer.Option("--log-folder", help="one-2-3-45: folder of its logs.")
    ] = None
    external_up: Annotated[
        Literal["y", "z"], typer.Option("--external-up", help="external:DIR: up axis of meshes.")
    ] = "y"
    external_alignment: Annotated[
        Literal["canonical", "free_azimuth", "free"],
        typer.Option(
            "--external-alignment",
            help="external:DIR: meshes are in the picture's frame, upright, or in any frame.",
        ),
    ] = "canonical"


_DATA = DataOptions()
_METRICS = MetricOptions()
_WORK = RunOptions()
_SINGLE = BaselineOptions()


@expand_options
def run(
    ctx: typer.Context,
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
    data: DataOptions = _DATA,
    measured: MetricOptions = _METRICS,
    work: RunOptions = _WORK,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of reports.")] = Path("reports"),
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="Check the report against these accepted values, as `lrm evaluate check` does.",
        ),
    ] = None,
    single: BaselineOptions = _SINGLE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score methods on objects and write a report of each.

    `lrm evaluate --dataset gso` scores lrm-mini on Google Scanned Objects under protocol gso-v1.
    """
    if ctx.invoked_subcommand is not None:
        return
    output = Output(as_json=as_json, quiet=quiet)
    if data.dataset is None:
        raise ConfigError("--dataset is missing", hint="gso, procedural, folder:DIR, views:DATASET")
    methods = tuple(dict.fromkeys(method or ["lrm-mini"]))
    guarded = _guarded(against, methods)
    check_replaceable(out / "runs" / "report.json", overwrite=True)  # before any download
    session = _open(output, data, measured, work, single, methods)
    session.check_outputs(out, read=(data.objects, data.protocol, against))
    with output.progress("evaluating", total=len(session.collection.names)) as task:
        result = session.run(
            workers=work.workers,
            engine=work.engine,
            cache=(work.cache or out / "cache") if work.resume else None,
            on_object=lambda name: task.advance(1, f"evaluating {name}"),
        )
    reports = session.write_reports(result, out)
    places = _show(output, session, reports, out)
    verdicts = {}
    if against is not None and guarded is not None:
        verdicts = check_against(output, places[guarded], against, None)
    output.result(
        {
            "protocol": session.protocol.label,
            "num_objects": len(session.collection.names),
            "missing": session.collection.missing,
            "reports": {
                name: {
                    "report": str(places[name] / "report.json"),
                    "metrics": {key: value.mean for key, value in report.metrics.items()},
                    "failures": report.failures,
                }
                for name, report in reports.items()
            },
            **verdicts,
        }
    )
    if any(report.failures for report in reports.values()):
        raise typer.Exit(PARTIAL_FAILURE)


def _open(
    output: Output,
    data: DataOptions,
    measured: MetricOptions,
    work: RunOptions,
    single: BaselineOptions,
    methods: tuple[str, ...],
) -> EvaluationSession:
    """Open the session and print what is missing from it."""
    from lrm_core.baselines.loading import PredictorOptions
    from lrm_core.device import choose_device
    from lrm_core.evaluation.session import EvaluationRequest, open_session

    assert data.dataset is not None
    request = EvaluationRequest(
        dataset=data.dataset,
        methods=methods,
        protocol=data.protocol,
        metrics=tuple(measured.metrics.split(",")) if measured.metrics else None,
        data_root=data.data_root,
        objects=_names(data.objects),
        limit=data.limit,
        num_views=data.num_views,
        up=data.up,
        options=PredictorOptions(device=choose_device(work.device), seed=work.seed, **vars(single)),
        weights_dir=measured.weights_dir,
        download=measured.download,
        require_all=measured.require_all,
        comparisons=measured.comparisons,
    )
    session = open_session(request, on_download=lambda file: _announce(output, file))
    missing = session.collection.missing
    for name, reason in session.collection.skipped:
        output.info(f"{name} is skipped: {reason}")
    if missing:
        output.info(
            f"{len(missing)} of the {len(session.protocol.objects)} objects of "
            f"{session.protocol.name} are not here: the report says so, and its n is "
            f"{len(session.collection.names)}"
        )
    for metric, unavailable in session.unavailable.items():
        error = unavailable.error
        output.warning(f"{metric} is n/a: {error.message}; {error.hint}")
    return session


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
    """The method whose values were accepted; read before the work, needed after it."""
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
    output: Output, session: EvaluationSession, reports: dict[str, MetricReport], out: Path
) -> dict[str, Path]:
    """Print where reports and tables lie, the scores, and why cells are empty.

    Returns:
        the folder of each report.
    """
    from lrm_core.reporting.metric_report import report_folder
    from lrm_core.reporting.tables import write_tables

    places = {name: report_folder(out, report) for name, report in reports.items()}
    for place in places.values():
        output.success(f"{place / 'report.json'}")
    for path in write_tables(out, session.protocol.name):
        output.info(f"{path}")
    rows = [
        *(
            [key, *(report.scored_as[key] for report in reports.values())]
            for key in ("views", "aligned")
        ),
        *(
            [metric, *(report.cell(metric) for report in reports.values())]
            for metric in session.metrics
        ),
    ]
    counts = {name: report.count for name, report in reports.items()}
    if len(set(counts.values())) == 1:
        title = f"{session.protocol.label}, n = {next(iter(counts.values()))}"
    else:
        title = session.protocol.label
        rows.insert(0, ["n", *counts.values()])
    output.table(["", *reports], rows, title=title)
    floor = next(iter(reports.values())).sampling_floor
    if "chamfer_distance" in floor:
        output.info(
            "sampling floor (references against themselves): "
            f"chamfer_distance {floor['chamfer_distance']:.4g}"
        )
    reasons = {
        metric: summary.unavailable
        for report in reports.values()
        for metric, summary in report.metrics.items()
        if summary.unavailable and metric not in session.unavailable
    }
    for metric, reason in reasons.items():
        output.info(f"{metric}: n/a ({reason})")
    for name, report in reports.items():
        for failed, reason in report.failures.items():
            output.warning(f"{name} on {failed}: {reason}")
    return places
