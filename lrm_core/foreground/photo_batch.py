"""Many photos -> a folder of cut-outs with an index; it can be stopped and resumed.

OUT/NAME.png           square RGBA of each photo
OUT/NAME.sheet.png     photo, mask and result side by side, where asked for
OUT/NAME.mask.png      what was found in a photo that could not be prepared
OUT/photos.json        settings, what was done to each photo, and which failed
OUT/contact_sheet.png  photos beside their cut-outs
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from lrm_core.errors import ConfigError, InputError, LrmError
from lrm_core.foreground.mask_picture import MASK_SUFFIX, with_mask_picture
from lrm_core.foreground.photo_preparation import (
    PhotoJob,
    PhotoSettings,
    PreparedPhoto,
    fingerprint,
    photo_sheet,
    prepare_photo,
)
from lrm_core.io.atomic_write import check_replaceable
from lrm_core.io.image_writing import write_png
from lrm_core.io.json_files import write_json
from lrm_core.io.photo_listing import SHEET_NAME
from lrm_core.parallel import Engine, JobFailed, run_here, run_on_ray
from lrm_core.version import __version__

INDEX = "photos.json"
_INDEX_EVERY = 100


@dataclass(frozen=True)
class PhotoRun:
    """What a folder of prepared photos holds.

    Attributes:
        prepared: photos, in the order in which they were given.
        failures: (photo, reason) of those that could not be prepared.
        num_made: photos prepared by this run.
        files: sheet and index.
    """

    prepared: tuple[PreparedPhoto, ...]
    failures: tuple[tuple[str, str], ...]
    num_made: int
    files: tuple[Path, ...]


def prepare_photos(
    jobs: Sequence[PhotoJob],
    settings: PhotoSettings,
    out: Path,
    *,
    workers: int = 1,
    engine: Engine = "local",
    show: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> PhotoRun:
    """Prepare photos; one that fails does not end the run.

    Args:
        jobs: at least one photo, see `plan_photos`.
        settings: how.
        out: folder of the results.
        workers: processes of the local engine.
        engine: `local`, or `ray` where every machine sees the photos and `out` at the same paths.
        show: also write a sheet of each photo, its mask and the result.
        resume: keep what an earlier run finished, as long as photo and mask are the same.
        overwrite: replace earlier results, and remove those that none of these jobs replaces.
        on_progress: called with the number of photos done since the last call.

    Raises:
        OutputError: there are results already and neither `resume` nor `overwrite` is set; a
            result would replace a photo or mask; the folder cannot be written.
        ConfigError: `resume`, and the folder was made with other settings.
    """
    _check_targets(jobs, out, show=show, replace=resume or overwrite)
    done = _finished(jobs, settings, out) if resume else {}
    failures: dict[str, str] = {}
    on_progress(len(done))
    to_do = [job for job in jobs if job.name not in done]

    def write_index() -> tuple[PreparedPhoto, ...]:
        prepared = tuple(done[job.name] for job in jobs if job.name in done)
        content = {
            "made_with": f"lrm-toolkit {__version__}",
            "settings": settings.describe(),
            "photos": [asdict(photo) for photo in prepared],
            "failures": [{"photo": photo, "reason": why} for photo, why in failures.items()],
        }
        write_json(out / INDEX, content)
        return prepared

    stale = _stale(jobs, out, show=show) if overwrite else []
    write_index()  # before any image, so that a killed run can be resumed
    for file in stale:
        file.unlink(missing_ok=True)
    try:
        if engine == "ray":
            outcomes = run_on_ray(partial(_prepare_from, Path.cwd(), settings, out, show), to_do)
        else:
            outcomes = run_here(
                partial(_prepare_and_write, settings, out, show),
                to_do,
                # a process takes seconds to start, a photo about one
                workers=min(workers, math.ceil(len(to_do) / 4)) or 1,
            )
        for count, (job, outcome) in enumerate(zip(to_do, outcomes, strict=True), start=1):
            if isinstance(outcome, JobFailed):
                failures[str(job.photo)] = outcome.reason
            else:
                done[job.name] = outcome
            on_progress(1)
            if count % _INDEX_EVERY == 0:
                write_index()
    finally:
        prepared = write_index()
    files = [out / INDEX]
    if prepared:
        files.insert(0, out / f"{SHEET_NAME}.png")
        write_png(files[0], photo_sheet(prepared, out))
    num_made = sum(job.name in done for job in to_do)
    return PhotoRun(prepared, tuple(failures.items()), num_made, tuple(files))


def _check_targets(jobs: Sequence[PhotoJob], out: Path, *, show: bool, replace: bool) -> None:
    """Refuse, before the work, to write over what must stay."""
    names = [job.name for job in jobs]
    sheets = [f"{name}.sheet" for name in names if show]
    targets = [out / f"{name}.png" for name in (SHEET_NAME, *names, *sheets)]
    check_replaceable(*targets, overwrite=True, inputs=_inputs(jobs))
    check_replaceable(
        out / INDEX,
        *targets,
        overwrite=replace,
        hint="add --resume to resume in that folder, or --overwrite to replace it",
    )


def _stale(jobs: Sequence[PhotoJob], out: Path, *, show: bool) -> list[Path]:
    """Files of an earlier run, as its index tells, that would lie beside results of this one."""
    try:
        content = json.loads((out / INDEX).read_bytes())
        earlier = {entry["name"] for entry in content["photos"]}
        failed = {entry["photo"] for entry in content["failures"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    names = {job.name for job in jobs}
    stale = [f"{name}.png" for name in earlier - names]
    stale += [f"{name}.sheet.png" for name in earlier if not show or name not in names]
    stale += [f"{job.name}{MASK_SUFFIX}" for job in jobs if str(job.photo) in failed]
    read = {os.path.realpath(path) for path in _inputs(jobs)}
    files = [out / name for name in stale if Path(name).name == name]
    return [file for file in files if os.path.realpath(file) not in read]


def _inputs(jobs: Sequence[PhotoJob]) -> list[Path]:
    """Photos and masks."""
    return [path for job in jobs for path in (job.photo, job.mask) if path is not None]


def _finished(
    jobs: Sequence[PhotoJob], settings: PhotoSettings, out: Path
) -> dict[str, PreparedPhoto]:
    """What an earlier run made of the same photos, by name."""
    if not (out / INDEX).exists():
        return {}
    try:
        content = json.loads((out / INDEX).read_text(encoding="utf-8"))
        if content["settings"] != settings.describe():
            raise ConfigError(
                f"{out} was begun with {content['settings']}, not {settings.describe()}",
                hint="use the same settings, another folder, or --overwrite",
            )
        records = [
            PreparedPhoto(
                **entry | {"image_size": tuple(entry["image_size"]), "box": tuple(entry["box"])}
            )
            for entry in content["photos"]
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{out / INDEX} is damaged ({error})", hint="start over with --overwrite"
        ) from error
    by_name = {record.name: record for record in records}
    return {
        job.name: by_name[job.name]
        for job in jobs
        if job.name in by_name and _same(job, by_name[job.name], out)
    }


def _same(job: PhotoJob, record: PreparedPhoto, out: Path) -> bool:
    try:
        return (out / f"{job.name}.png").is_file() and record.sha256 == fingerprint(job)
    except InputError:
        return False


def _prepare_and_write(
    settings: PhotoSettings, out: Path, show: bool, job: PhotoJob
) -> PreparedPhoto:
    """One photo to its file; where it fails, no older result of it stays."""
    path = out / f"{job.name}.png"
    try:
        prepared, image, sheet = prepare_photo(job, settings, show=show)
    except LrmError as error:
        path.unlink(missing_ok=True)
        raise with_mask_picture(error, path, overwrite=False) from error
    except Exception:
        path.unlink(missing_ok=True)
        raise
    write_png(path, image)
    if sheet is not None:
        write_png(path.with_suffix(".sheet.png"), sheet)
    return prepared


def _prepare_from(
    folder: Path, settings: PhotoSettings, out: Path, show: bool, job: PhotoJob
) -> PreparedPhoto:
    """The same on another machine: relative paths start where the command was given."""
    os.chdir(folder)
    return _prepare_and_write(settings, out, show, job)
