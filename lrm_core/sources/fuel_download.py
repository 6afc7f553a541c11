"""Models from Gazebo Fuel, such as the Google Scanned Objects.

The REST interface, as its server's source and clients use it, under `{base_url}/{owner}`:

| request                          | answer                                                        |
|----------------------------------|---------------------------------------------------------------|
| `models?page=N&per_page=100`     | a JSON list of models with their licences, and X-Total-Count; |
|                                  | 404 behind the last page                                      |
| `models/NAME/VERSION/NAME.zip`   | the zip, or a redirection to it; VERSION may be `tip`         |
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from lrm_core.errors import InputError, LrmError, OutputError
from lrm_core.io.file_hash import sha256_of
from lrm_core.io.json_files import read_json, write_json
from lrm_core.io.resumable_download import HttpSource
from lrm_core.io.safe_archives import unpack_zip
from lrm_core.sources.gso import RECORD_NAME, model_file

FUEL_URL = "https://fuel.gazebosim.org/1.0"
GSO_OWNER = "GoogleResearch"
_PER_PAGE = 100
_MOST_PAGES = 1000
_MOST_ARCHIVE_BYTES = 2**30
# holds archives on their way; object folders start with no dot
_DOWNLOADS = ".downloads"


@dataclass(frozen=True)
class FuelModel:
    """One model as the server lists it.

    Attributes:
        name: name of the model and of its folder.
        licence: its name, empty where the server gives none.
        licence_url: where the licence can be read.
        version: its number, or `tip` for the newest.
    """

    name: str
    licence: str
    licence_url: str
    version: str = "tip"


@dataclass(frozen=True)
class DownloadSummary:
    """What became of the requested models.

    Attributes:
        downloaded: names of those that were fetched.
        present: names of those that were there already, intact.
        failures: name and reason.
    """

    downloaded: tuple[str, ...]
    present: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]


def list_models(
    http: HttpSource, *, base_url: str = FUEL_URL, owner: str = GSO_OWNER
) -> list[FuelModel]:
    """All models of an owner, sorted by name.

    Raises:
        InputError: the server cannot be reached, has none, or answers something else.
    """
    url = f"{base_url.rstrip('/')}/{quote(owner, safe='')}/models"
    models: dict[str, FuelModel] = {}
    for page in range(1, _MOST_PAGES):
        answer = http.get_json(url, {"page": page, "per_page": _PER_PAGE})
        if answer is None:
            break
        entries, headers = answer
        if not isinstance(entries, list):
            raise InputError(f"{url}: the answer is not a list of models")
        known = len(models)
        for entry in entries:
            model = _parse_model(entry, url)
            models[model.name] = model
        if len(models) == known or headers.get("X-Total-Count") == str(len(models)):
            break
    if not models:
        raise InputError(f"{url}: no models there")
    return sorted(models.values(), key=lambda model: model.name)


def choose_models(
    models: Sequence[FuelModel], names: Sequence[str] | None = None, limit: int | None = None
) -> list[FuelModel]:
    """The models of these names, at most `limit`, in the order given.

    Raises:
        InputError: the server has no model of that name.
    """
    missing = sorted(set(names or ()) - {model.name for model in models})
    if missing:
        raise InputError(f"the server has no model '{missing[0]}'")
    return [model for model in models if names is None or model.name in names][:limit]


def download_models(
    root: Path,
    models: Sequence[FuelModel],
    http: HttpSource,
    *,
    base_url: str = FUEL_URL,
    owner: str = GSO_OWNER,
    workers: int = 4,
    on_progress: Callable[[str], None] = lambda name: None,
) -> DownloadSummary:
    """Fetch and unpack models, each into `root/NAME` with a record of licence and hashes beside it.

    A folder appears whole or not at all. Models that are there are compared with their record and
    fetched again where a file is damaged; folders without a record are the user's own and stay as
    they are. What an interrupted run left is continued. An archive that is damaged or unsafe is
    fetched once more before it counts as failed. One model's failure stops no other.

    Args:
        root: folder of the objects; created.
        models: see `list_models`.
        http: the client.
        base_url: URL of the interface, with its version.
        owner: owner of the models.
        workers: parallel downloads.
        on_progress: called with the name of each finished model.

    Raises:
        OutputError: `root` cannot be created.
    """
    try:
        (root / _DOWNLOADS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{root} cannot be created ({error.strerror})") from error
    done: dict[str, str] = {}
    failures: dict[str, str] = {}
    pool = ThreadPoolExecutor(workers, thread_name_prefix="download")
    try:
        prefix = f"{base_url.rstrip('/')}/{quote(owner, safe='')}/models"
        futures: dict[Future[Literal["downloaded", "present"]], str] = {
            pool.submit(_fetch_model, root, model, http, prefix): model.name for model in models
        }
        for future in as_completed(futures):
            name = futures[future]
            try:
                done[name] = future.result()
            except LrmError as error:
                failures[name] = error.message
            except OSError as error:
                failures[name] = f"cannot be written ({error.strerror or error})"
            on_progress(name)
    except BaseException:
        http.stopped.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    if not any((root / _DOWNLOADS).iterdir()):
        (root / _DOWNLOADS).rmdir()
    return DownloadSummary(
        downloaded=tuple(sorted(name for name, how in done.items() if how == "downloaded")),
        present=tuple(sorted(name for name, how in done.items() if how == "present")),
        failures=tuple(sorted(failures.items())),
    )


def _parse_model(entry: Any, url: str) -> FuelModel:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name:
        raise InputError(f"{url}: lists a model without a name")
    version = entry.get("version")
    return FuelModel(
        name=name,
        licence=str(entry.get("license_name") or ""),
        licence_url=str(entry.get("license_url") or ""),
        version=str(version) if isinstance(version, int) and version > 0 else "tip",
    )


def _fetch_model(
    root: Path, model: FuelModel, http: HttpSource, prefix: str
) -> Literal["downloaded", "present"]:
    if model.name.startswith(".") or not model.name.isprintable() or set(model.name) & set("/\\:"):
        raise InputError(f"{model.name!r} is not a name for a folder")
    folder = root / model.name
    record = _read_record(folder)
    if folder.exists() and (
        model_file(folder) is not None if record is None else _is_intact(folder, record)
    ):
        return "present"
    if folder.exists() and record is None:
        raise OutputError(f"{folder} is there, but holds no model")
    escaped = quote(model.name, safe="")
    url = f"{prefix}/{escaped}/{model.version}/{escaped}.zip"
    archive = root / _DOWNLOADS / f"{model.name}.zip"
    for last_attempt in (False, True):
        digest = http.download(url, archive, max_bytes=_MOST_ARCHIVE_BYTES)
        try:
            if record is not None and digest != record.get("archive_sha256"):
                raise InputError(
                    f"{url}: its SHA-256 is {digest}, at the first download it was "
                    f"{record.get('archive_sha256')}; delete {folder} to accept it"
                )
            _install(archive, folder, model, url, digest)
        except InputError:
            if last_attempt:
                raise
        else:
            break
        finally:
            archive.unlink(missing_ok=True)
    return "downloaded"


def _install(archive: Path, folder: Path, model: FuelModel, url: str, digest: str) -> None:
    """Unpack an archive and put it in the place of `folder`."""
    unpacked, old = archive.with_suffix(".unpacked"), archive.with_suffix(".old")
    for leftover in (unpacked, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        unpack_zip(archive, unpacked)
        if model_file(unpacked) is None:
            raise InputError(f"{url}: holds no meshes/model.obj")
        record = {
            "name": model.name,
            "url": url,
            "licence": model.licence,
            "licence_url": model.licence_url,
            "archive_sha256": digest,
            "files_sha256": _hash_files(unpacked),
        }
        write_json(unpacked / RECORD_NAME, record)
        if folder.exists():
            folder.rename(old)
        unpacked.rename(folder)
    finally:
        for leftover in (unpacked, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder` except the record, by its path."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / RECORD_NAME
    }


def _read_record(folder: Path) -> dict[str, Any] | None:
    """The record of an earlier download, None where there is none."""
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        record = read_json(path)
    except InputError as error:
        raise InputError(error.message, hint="delete its folder") from error
    if not isinstance(record.get("files_sha256"), dict):
        raise InputError(f"{path}: not a record of a download", hint="delete its folder")
    return record


def _is_intact(folder: Path, record: dict[str, Any]) -> bool:
    """Whether every file of the record is there as it was; files of others do not matter."""
    recorded: dict[str, str] = record["files_sha256"]
    return recorded.items() <= _hash_files(folder).items()
