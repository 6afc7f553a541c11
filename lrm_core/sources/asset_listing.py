"""Mesh files to be prepared: one file, a folder, or a list with their licences."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lrm_core.errors import InputError
from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES
from lrm_core.structures.view_set import ObjectJob, object_id_of

LIST_SUFFIXES = (".csv", ".txt", ".json")
_PATH_COLUMNS = ("path", "file", "filename")
_LICENCE_COLUMNS = ("licence", "license")
_SOURCE_COLUMNS = ("source", "dataset")


@dataclass(frozen=True)
class Asset:
    """A mesh file and what is known about it.

    Attributes:
        path: relative to the root of its listing, with `/`.
        licence: as its source states it, or empty.
        source: name of the collection it belongs to, or empty.
        problem: why it is unavailable, where that is known beforehand.
    """

    path: str
    licence: str = ""
    source: str = ""
    problem: str = ""

    def location(self) -> str:
        """All of it as the location of a job, so that a job needs no table beside it."""
        return json.dumps(asdict(self))

    @staticmethod
    def at(location: str) -> Asset:
        """The asset of a job's location."""
        return Asset(**json.loads(location))


def list_assets(
    source: Path, *, suffixes: Sequence[str] = SCENE_SUFFIXES
) -> tuple[Path, list[Asset]]:
    """The assets that `source` means.

    Args:
        source: a mesh file; a folder, taken with its sub-folders but without hidden files and
            links that lead out of it; or a list (.csv, .txt, .json) of paths relative to it.
        suffixes: names that are taken for meshes in a folder.

    Returns:
        the folder that the paths are relative to, and the assets sorted by path.

    Raises:
        InputError: nothing there, no mesh in it, or a list that is broken or leads out of its
            folder.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    if source.is_dir():
        assets = [Asset(path) for path in _walk(source, tuple(suffixes))]
        if not assets:
            raise InputError(f"{source}: holds no meshes ({' '.join(suffixes)})")
        return source, assets
    if source.suffix.lower() in LIST_SUFFIXES:
        root = source.parent
        listed = [replace(asset, path=_inside(root, asset.path)) for asset in read_table(source)]
        if not listed:
            raise InputError(f"{source}: lists no assets")
        once = {asset.path: asset for asset in listed}
        return root, [once[path] for path in sorted(once)]
    return source.parent, [Asset(source.name)]


def read_table(path: Path) -> list[Asset]:
    """Paths, licences and sources of assets.

    Args:
        path: .csv with a column `path` or `file`, and `licence`, `license`, `source` where known;
            .txt with a path in each line; .json with a list of paths or of objects with the keys
            of the CSV.

    Raises:
        InputError: cannot be read, or has no paths.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows: list[Any]
        if path.suffix.lower() == ".csv":
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
        elif path.suffix.lower() == ".json":
            rows = json.loads(text)
        else:
            lines = (line.strip() for line in text.splitlines())
            rows = [line for line in lines if line and not line.startswith("#")]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, csv.Error, RecursionError) as error:
        raise InputError(f"{path}: not a readable {path.suffix} file ({error})") from error
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a JSON list of paths")
    return [_asset_of_row(path, number, row) for number, row in enumerate(rows, start=1)]


def with_labels(assets: Sequence[Asset], labels: Sequence[Asset]) -> list[Asset]:
    """Assets with the licences and sources that a manifest gives them by their paths.

    Raises:
        InputError: the manifest names none of the assets.
    """
    known: Mapping[str, Asset] = {os.path.normpath(label.path): label for label in labels}
    labeled = [known.get(os.path.normpath(asset.path)) for asset in assets]
    if not any(labeled):
        raise InputError(
            "the manifest names none of the assets",
            hint="its paths are relative to the folder of the assets",
        )
    return [
        asset
        if label is None
        else replace(
            asset, licence=label.licence or asset.licence, source=label.source or asset.source
        )
        for asset, label in zip(assets, labeled, strict=True)
    ]


def asset_jobs(assets: Sequence[Asset]) -> list[ObjectJob]:
    """A job for each asset, sorted by object id.

    The id comes from the path without its suffix; files that differ in the suffix alone keep it.
    """
    stems = Counter(_stem(asset.path) for asset in assets)
    paths = {asset.path for asset in assets}
    jobs = []
    for asset in assets:
        stem = _stem(asset.path)
        name = stem if stems[stem] == 1 and stem not in paths else asset.path
        jobs.append(ObjectJob(object_id_of(name), asset.location()))
    return sorted(jobs, key=lambda job: job.object_id)


def _stem(path: str) -> str:
    return path[: len(path) - len(Path(path).suffix)]


def _walk(folder: Path, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Relative paths with one of the suffixes, sorted."""
    real_root = folder.resolve()
    paths = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        # folders too: what is called x.glb and cannot be read must be reported
        for name in [*folders, *files]:
            path = Path(parent, name)
            if name.startswith(".") or not name.lower().endswith(suffixes):
                continue
            # realpath leaves a circle of links as it is: it is then reported like any other file
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(real_root):
                continue
            paths.append(path.relative_to(folder).as_posix())
    yield from sorted(paths)


def _inside(root: Path, path: str) -> str:
    """The path relative to the root.

    Raises:
        InputError: it leads out of the root.
    """
    real_root = root.resolve()
    file = Path(os.path.normpath(real_root / path))
    try:
        if file.is_relative_to(real_root) and file.resolve().is_relative_to(real_root):
            return file.relative_to(real_root).as_posix()
    except (OSError, ValueError, RuntimeError):  # a null byte, a circle of links
        pass
    raise InputError(
        f"the list names '{path[:100]}', which leads out of its folder",
        hint="put the list into a folder above the assets; its paths are relative to it",
    )


def _asset_of_row(table: Path, number: int, row: Any) -> Asset:
    if isinstance(row, str):
        return Asset(row)
    path = _cell(row, _PATH_COLUMNS) if isinstance(row, dict) else ""
    if not path:
        raise InputError(
            f"{table}: entry {number} has no path",
            hint=f"name the column {' or '.join(_PATH_COLUMNS)}",
        )
    return Asset(path, _cell(row, _LICENCE_COLUMNS), _cell(row, _SOURCE_COLUMNS))


def _cell(row: Mapping[Any, Any], columns: Sequence[str]) -> str:
    """The first of the columns that has a value."""
    values = (row.get(column) for column in columns)
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), "")
