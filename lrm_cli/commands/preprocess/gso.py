"""`lrm preprocess gso`: views of Google Scanned Objects, for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lrm_cli.commands.preprocess.shared import (
    BuildChoices,
    LimitOption,
    OutOption,
    ViewOptions,
    run_build,
)
from lrm_cli.option_groups import expand_options
from lrm_cli.options import JsonOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, InputError

_VIEWS = ViewOptions(num_views=20)
_BUILD = BuildChoices()


@expand_options
def gso(
    out: OutOption,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source",
            envvar="LRM_GSO_DIR",
            help="Folder of the objects: NAME/meshes/model.obj, as from Gazebo Fuel, or "
            "NAME/model.obj.",
        ),
    ] = None,
    download: Annotated[
        bool,
        typer.Option("--download", help="Fetch what is missing in --source from Gazebo Fuel."),
    ] = False,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--names",
            metavar="NAME|FILE",
            help="Take these objects only: a name, or a file with a name per line; repeatable.",
        ),
    ] = None,
    limit: LimitOption = None,
    views: ViewOptions = _VIEWS,
    build: BuildChoices = _BUILD,
    connections: Annotated[
        int, typer.Option("--connections", min=1, max=32, help="Parallel downloads.")
    ] = 4,
    fuel_url: Annotated[
        str, typer.Option("--fuel-url", envvar="LRM_FUEL_URL", help="Where --download fetches.")
    ] = "https://fuel.gazebosim.org/1.0",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Render views of Google Scanned Objects (CC-BY-4.0, Google LLC), all in the split `test`.

    They are for evaluation: never train on them.
    """
    output = Output(as_json=as_json, quiet=quiet)
    if source is None:
        raise ConfigError(
            "no objects: neither --source nor LRM_GSO_DIR names a folder",
            hint="--source DIR takes a local copy; --source DIR --download fetches the objects "
            "into it (13 GB; --limit or --names for fewer)",
        )
    if not source.is_dir() and not download:
        raise InputError(
            f"{source}: no such folder", hint="add --download to fetch the objects into it"
        )
    wanted = _read_names(names)
    from lrm_core.sources.gso import ATTRIBUTION, GsoSource

    unavailable: dict[str, str] = {}
    if download:
        wanted, unavailable = _download(output, source, wanted, limit, fuel_url, connections)
    objects = GsoSource(source.absolute(), views.settings(), wanted, unavailable)
    jobs = objects.jobs()[:limit]
    output.info(f"{ATTRIBUTION}: for evaluation, never train on them")
    run_build(output, out, objects, jobs, build.options(splits="test=1"))


def _read_names(values: Sequence[str] | None) -> list[str] | None:
    """Names given one by one or in files, where `#` starts a comment."""
    if not values:
        return None
    names: list[str] = []
    for value in values:
        path = Path(value)
        if not path.is_file():
            names.append(value)
            continue
        try:
            lines = path.read_text("utf-8").splitlines()
        except ValueError as error:
            raise InputError(f"--names: {value} is not a text file") from error
        found = [line.split("#")[0].strip() for line in lines]
        names += [name for name in found if name]
    return list(dict.fromkeys(names))


def _download(
    output: Output,
    folder: Path,
    names: Sequence[str] | None,
    limit: int | None,
    url: str,
    connections: int,
) -> tuple[list[str], dict[str, str]]:
    """Fetch objects into `folder`; the names asked for, and the reasons of those that failed."""
    from lrm_core.io.resumable_download import HttpSource, open_client
    from lrm_core.sources.fuel_download import choose_models, download_models, list_models
    from lrm_core.version import __version__

    with open_client(f"lrm-toolkit/{__version__}") as client:
        http = HttpSource(client)
        models = choose_models(list_models(http, base_url=url), names, limit)
        with output.progress("downloading objects", total=len(models)) as task:
            summary = download_models(
                folder,
                models,
                http,
                base_url=url,
                workers=connections,
                on_progress=lambda name: task.advance(1),
            )
    failures = {name: f"not downloaded: {reason}" for name, reason in summary.failures}
    if len(failures) == len(models):
        raise InputError(
            f"none of the {len(models)} objects could be downloaded; "
            f"{summary.failures[0][0]}: {summary.failures[0][1]}"
        )
    output.info(
        f"{len(summary.downloaded)} objects downloaded, {len(summary.present)} there already"
    )
    return [model.name for model in models], failures
