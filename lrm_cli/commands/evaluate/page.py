"""`lrm evaluate page`: reports as one HTML page with pictures and 3D models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from lrm_cli.option_groups import expand_options
from lrm_cli.options import JsonOption, OverwriteOption, QuietOption
from lrm_cli.output import Output
from lrm_core.io.atomic_write import check_replaceable

if TYPE_CHECKING:
    import pandas as pd

    from lrm_core.reporting.examples import Example
    from lrm_core.reporting.metric_report import MetricReport

_LARGE_PAGE = 15e6


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """Which objects are shown, and what they are rendered from."""

    panel: ClassVar[str] = "Pictures"

    metric: Annotated[
        str, typer.Option("--metric", help="Metric by which the best and worst objects are chosen.")
    ] = "chamfer_distance"
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures/--no-pictures",
            help="Show objects, rendered again from the data and the cache.",
        ),
    ] = True
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache",
            help="Cache of the evaluation [default: REPORTS/cache beside the first report].",
        ),
    ] = None
    data_root: Annotated[
        Path | None,
        typer.Option(
            "--data-root",
            help="Folder of the data, as in folder:DIR [default of gso: LRM_GSO_DIR].",
        ),
    ] = None
    up: Annotated[Literal["y", "z"], typer.Option("--up", help="Up axis of your own meshes.")] = "y"


_PICTURES = PictureOptions()


@expand_options
def page(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="REPORT",
            help="Reports of one protocol or their folders; all are compared with the first.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page (.html).")],
    options: PictureOptions = _PICTURES,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write one HTML page of reports that needs no network: tables, distributions, objects, 3D.

    `lrm evaluate page reports/runs/gso-v1/* -o page.html`
    """
    output = Output(as_json=as_json, quiet=quiet)
    from lrm_core.metrics.registry import find_metric
    from lrm_core.reporting.html_report import require_one_protocol, write_page
    from lrm_core.reporting.metric_report import read_report, read_scores, report_files
    from lrm_core.reporting.published import published_on

    inputs = [file for path in paths for file in report_files(path)]
    check_replaceable(out, overwrite=overwrite, inputs=inputs)
    find_metric(options.metric)
    reports = [read_report(path) for path in paths]
    scores = [read_scores(path) for path in paths]
    require_one_protocol(reports)
    examples = (
        _make_examples(output, paths[0], reports, scores, options) if options.pictures else []
    )
    published = published_on(reports[0].dataset["name"])
    write_page(out, reports, scores, metric=options.metric, examples=examples, published=published)
    methods = [report.method["name"] for report in reports]
    for method, of_method in zip(methods, examples, strict=False):
        for example in of_method:
            if example.remark:
                output.info(f"{method} on {example.chosen.name}: {example.remark}")
    size = out.stat().st_size
    if size > _LARGE_PAGE:
        output.warning(f"{out} has {size / 1e6:.0f} MB: fewer methods make a lighter page")
    output.success(f"{out}  {size / 1e6:.1f} MB")
    objects = {example.chosen.name for of_method in examples for example in of_method}
    output.result({"page": str(out), "bytes": size, "methods": methods, "objects": sorted(objects)})


def _make_examples(
    output: Output,
    first: Path,
    reports: Sequence[MetricReport],
    scores: Sequence[pd.DataFrame],
    options: PictureOptions,
) -> list[tuple[Example, ...]]:
    """Pictures and meshes of the best, median and worst objects of each method."""
    from lrm_core.evaluation.collection import find_objects
    from lrm_core.evaluation.gallery import make_examples, protocol_of
    from lrm_core.reporting.examples import choose_objects

    chosen = [
        choose_objects(report, table, options.metric)
        for report, table in zip(reports, scores, strict=True)
    ]
    names = list(dict.fromkeys(example.name for of_method in chosen for example in of_method))
    if not names:
        return []
    protocol = protocol_of(reports[0])
    collection = find_objects(protocol, root=options.data_root, names=names, up=options.up)
    with output.progress("rendering objects", total=len(names)) as task:
        return make_examples(
            protocol,
            collection,
            reports,
            chosen,
            options.cache or _cache_beside(first),
            on_object=lambda name: task.advance(1, f"rendered {name}"),
        )


def _cache_beside(report: Path) -> Path:
    """REPORTS/cache of REPORTS/runs/PROTOCOL/METHOD/report.json."""
    folder = report.resolve()
    if not folder.is_dir():
        folder = folder.parent
    return folder.parents[2] / "cache"
