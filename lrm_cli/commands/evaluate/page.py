"""`lrm evaluate page`: reports as one HTML page with pictures and 3D models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lrm_cli.options import JsonOption, OverwriteOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import OutputError

_LARGE_PAGE = 15e6


def page(
    reports: Annotated[
        list[Path],
        typer.Argument(
            metavar="REPORT...",
            help="Reports of one protocol or their folders; all are compared with the first.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page (.html).")],
    metric: Annotated[
        str, typer.Option("--metric", help="By which best and worst objects are chosen.")
    ] = "chamfer_distance",
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures/--no-pictures",
            help="Show objects; they are rendered again from data and cache.",
        ),
    ] = True,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache", help="Of the evaluation [default: REPORTS/cache beside the first report]."
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(
            "--data-root",
            help="Folder of the data, as in folder:DIR [default of gso: LRM_GSO_DIR].",
        ),
    ] = None,
    up: Annotated[
        Literal["y", "z"], typer.Option("--up", help="Up axis of meshes of one's own.")
    ] = "y",
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write one HTML page of reports that needs no network: tables, distributions, objects, 3D.

    `lrm evaluate page reports/runs/gso-v1/* -o page.html`
    """
    output = Output(json=json, quiet=quiet)
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists already", hint="add --overwrite to replace it")
    from lrm_core.evaluation.collection import find_objects
    from lrm_core.evaluation.gallery import make_examples, protocol_of
    from lrm_core.metrics.registry import find_metric
    from lrm_core.reporting.examples import Example, choose_objects
    from lrm_core.reporting.html_report import require_one_protocol, write_page
    from lrm_core.reporting.metric_report import read_report, read_scores
    from lrm_core.reporting.published import published_on

    find_metric(metric)
    found = [read_report(path) for path in reports]
    scores = [read_scores(path) for path in reports]
    require_one_protocol(found)
    examples: list[tuple[Example, ...]] = []
    if pictures:
        chosen = [
            choose_objects(report, table, metric)
            for report, table in zip(found, scores, strict=True)
        ]
        names = list(dict.fromkeys(one.name for of_method in chosen for one in of_method))
        if names:
            protocol = protocol_of(found[0])
            collection = find_objects(protocol, root=data_root, names=names, up=up)
            with output.progress("rendering objects", total=len(names)) as task:
                examples = make_examples(
                    protocol,
                    collection,
                    found,
                    chosen,
                    cache or _cache_beside(reports[0]),
                    on_object=lambda name: task.advance(1, f"rendered {name}"),
                )
    published = published_on(found[0].dataset["name"])
    write_page(out, found, scores, metric=metric, examples=examples, published=published)
    remarks = [
        (report.method["name"], one.chosen.name, one.remark)
        for report, of_method in zip(found, examples, strict=False)
        for one in of_method
        if one.remark
    ]
    for method, name, remark in remarks:
        output.info(f"{method} on {name}: {remark}")
    size = out.stat().st_size
    if size > _LARGE_PAGE:
        output.warning(f"{out} has {size / 1e6:.0f} MB: fewer methods make a lighter page")
    output.success(f"{out}  {size / 1e6:.1f} MB")
    output.result(
        {
            "page": str(out),
            "bytes": size,
            "methods": [report.method["name"] for report in found],
            "objects": sorted({one.chosen.name for of in examples for one in of}),
        }
    )


def _cache_beside(report: Path) -> Path:
    """REPORTS/cache of REPORTS/runs/PROTOCOL/METHOD/report.json."""
    folder = report.resolve()
    if not folder.is_dir():
        folder = folder.parent
    return folder.parents[2] / "cache"
