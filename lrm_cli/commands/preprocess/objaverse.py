"""`lrm preprocess objaverse`: views of objects of Objaverse 1.0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lrm_cli.commands.preprocess.asset_options import DEFAULT_TIME_LIMIT, AssetOptions
from lrm_cli.commands.preprocess.shared import (
    DEFAULT_SPLITS,
    BuildChoices,
    LimitOption,
    OutOption,
    SplitsOption,
    ViewOptions,
    run_build,
)
from lrm_cli.option_groups import expand_options
from lrm_cli.options import JsonOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, InputError

_VIEWS = ViewOptions()
_ASSETS = AssetOptions()
_BUILD = BuildChoices(time_limit=DEFAULT_TIME_LIMIT)


@expand_options
def objaverse(
    out: OutOption,
    uids: Annotated[
        list[str] | None,
        typer.Option(
            "--uids",
            metavar="UID|FILE",
            help="A uid, or a file of uids (one per line, or a JSON list); repeatable.",
        ),
    ] = None,
    lvis: Annotated[
        list[str] | None,
        typer.Option("--lvis", metavar="CATEGORY", help="Objects of an LVIS category; repeatable."),
    ] = None,
    licences: Annotated[
        str | None,
        typer.Option(
            "--licences", metavar="by,cc0,...", help="Take objects under these licences only."
        ),
    ] = None,
    download_processes: Annotated[
        int, typer.Option("--download-processes", min=1, help="Downloads at a time.")
    ] = 4,
    limit: LimitOption = None,
    views: ViewOptions = _VIEWS,
    kinds: AssetOptions = _ASSETS,
    splits: SplitsOption = DEFAULT_SPLITS,
    build: BuildChoices = _BUILD,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Download objects of Objaverse 1.0 and render views of them.

    Each object has a licence of its own, which goes into the manifest with its author's name; some
    forbid commercial use: see --licences.
    """
    output = Output(as_json=as_json, quiet=quiet)
    if not uids and not lvis:
        raise ConfigError(
            "no objects were named", hint="--uids UID or FILE, --lvis CATEGORY, or both"
        )
    from lrm_core.sources.objaverse import (
        ObjaverseSource,
        download_objects,
        find_objects,
        lvis_uids,
        with_licences,
    )

    renderer, time_limit = kinds.renderer_and_limit(build)
    objects = find_objects([*_uids(uids or []), *(lvis_uids(lvis) if lvis else [])])
    if licences is not None:
        objects = with_licences(objects, [name.strip() for name in licences.split(",")])
    objects = objects[:limit]
    if not objects:
        raise InputError("no object is left to prepare", hint="allow more licences")
    counts = Counter(found.licence for found in objects if not found.problem)
    output.info("licences: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))
    with output.progress("downloading objects", total=len(objects)) as task:
        root, jobs = download_objects(
            objects, processes=download_processes, on_progress=lambda done: task.advance(done)
        )
    source = ObjaverseSource(root, jobs, views.settings(), renderer)
    options = replace(build, time_limit=time_limit).options(splits=splits)
    run_build(output, out, source, jobs, options)


def _uids(values: Sequence[str]) -> list[str]:
    """Uids given one by one or in files."""
    from lrm_core.sources.objaverse import read_uids

    uids = []
    for value in values:
        path = Path(value)
        uids += read_uids(path) if path.suffix or path.is_file() else [value]
    return uids
