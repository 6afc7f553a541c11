"""Objaverse 1.0: 798,759 objects from Sketchfab as GLB, each under its author's own licence.

Source: M. Deitke et al., Objaverse: A Universe of Annotated 3D Objects, CVPR 2023; found, labeled
and downloaded by the authors' package `objaverse`, which keeps everything in ~/.objaverse.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lrm_core.errors import ConfigError, InputError
from lrm_core.optional import require
from lrm_core.sources.asset_listing import Asset
from lrm_core.sources.assets import AssetSource, CheckedRenderer
from lrm_core.sources.object_views import AssetRenderer, ViewSettings
from lrm_core.structures.view_set import ObjectJob, ViewSet, object_id_of

SOURCE = "objaverse-1.0"
# Sketchfab's short names of licences -> SPDX
LICENCES = {
    "by": "CC-BY-4.0",
    "by-sa": "CC-BY-SA-4.0",
    "by-nd": "CC-BY-ND-4.0",
    "by-nc": "CC-BY-NC-4.0",
    "by-nc-sa": "CC-BY-NC-SA-4.0",
    "by-nc-nd": "CC-BY-NC-ND-4.0",
    "cc0": "CC0-1.0",
}

_DOWNLOADS_AT_ONCE = 64  # between two reports of progress
_LONGEST_NAME = 100


@dataclass(frozen=True)
class ObjaverseSource:
    """Downloaded objects as a `Source`.

    Attributes:
        root: folder that the jobs' paths are relative to.
        downloaded: jobs of `download_objects`.
        settings: which views, and how.
        renderer: what renders them, within its limits.
    """

    root: Path
    downloaded: Sequence[ObjectJob]
    settings: ViewSettings = field(default_factory=ViewSettings)
    renderer: AssetRenderer = field(default_factory=CheckedRenderer)

    def __getstate__(self) -> dict[str, Any]:
        # workers are given their jobs one by one and need no list of 800,000
        return {**vars(self), "downloaded": ()}

    def jobs(self) -> list[ObjectJob]:
        """See `Source`."""
        return list(self.downloaded)

    def describe(self) -> dict[str, Any]:
        """See `Source`."""
        return {
            "source": "Objaverse 1.0 (Deitke et al., CVPR 2023); licences: see the manifest",
            "renderer": self.renderer.name,
            "settings": {**self.settings.describe(), **self.renderer.describe()},
            "limits": asdict(self.renderer.limits),
        }

    def __call__(self, job: ObjectJob) -> ViewSet:
        """The views of an object; see `AssetSource`."""
        return AssetSource(self.root, self.settings, renderer=self.renderer)(job)


@dataclass(frozen=True)
class ObjaverseObject:
    """An object of Objaverse.

    Attributes:
        uid: its name there and on Sketchfab; also its object id.
        licence: SPDX name, or `unknown`.
        author: to be named, as Creative Commons licences ask.
        problem: why it is unavailable, or empty.
    """

    uid: str
    licence: str = "unknown"
    author: str = ""
    problem: str = ""


def read_uids(path: Path) -> list[str]:
    """Uids of a file: one per line (`#` starts a comment), or a JSON list.

    Raises:
        InputError: it cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
        lines = json.loads(text) if path.suffix.lower() == ".json" else text.splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable list of uids ({error})") from error
    if not isinstance(lines, list):
        raise InputError(f"{path}: expected a JSON list of uids")
    uids = [str(line).split("#")[0].strip() for line in lines]
    return [uid for uid in uids if uid]


def lvis_uids(categories: Sequence[str]) -> list[str]:
    """Uids of the objects in LVIS categories, such as `mug` or `Christmas_tree`.

    Raises:
        InputError: there is no such category, or Objaverse cannot be reached.
        MissingDependencyError: the package `objaverse` is not installed.
    """
    with _asking_objaverse() as objaverse:
        annotations: dict[str, list[str]] = objaverse.load_lvis_annotations()
    for category in categories:
        if category not in annotations:
            similar = difflib.get_close_matches(category, annotations, n=4, cutoff=0.5)
            raise InputError(
                f"Objaverse has no LVIS category '{category}'",
                hint=f"did you mean {', '.join(similar)}?" if similar else "",
            )
    return [uid for category in categories for uid in annotations[category]]


def find_objects(uids: Sequence[str]) -> list[ObjaverseObject]:
    """Objects with their licences and authors, each once, sorted by uid.

    Raises:
        InputError: Objaverse cannot be reached.
        MissingDependencyError: the package `objaverse` is not installed.
    """
    wanted = sorted({uid.removesuffix(".glb") for uid in uids})
    with _asking_objaverse() as objaverse:
        known = set(objaverse.load_uids())
        listed = [uid for uid in wanted if uid in known]
        about: Mapping[str, Mapping[str, Any]] = (
            objaverse.load_annotations(listed) if listed else {}
        )
    return [
        ObjaverseObject(uid, *_licence_and_author(about.get(uid, {})))
        if uid in known
        else ObjaverseObject(uid, problem="is not in Objaverse")
        for uid in wanted
    ]


def with_licences(
    objects: Sequence[ObjaverseObject], licences: Sequence[str]
) -> list[ObjaverseObject]:
    """The objects under one of these licences; those that are not in Objaverse stay.

    Args:
        objects: as found.
        licences: short names, keys of `LICENCES`.

    Raises:
        ConfigError: an unknown name.
    """
    unknown = [licence for licence in licences if licence not in LICENCES]
    if unknown:
        raise ConfigError(
            f"there is no licence '{unknown[0]}'", hint=f"licences: {', '.join(LICENCES)}"
        )
    allowed = {LICENCES[licence] for licence in licences}
    return [item for item in objects if item.licence in allowed or item.problem]


def download_objects(
    objects: Sequence[ObjaverseObject],
    *,
    processes: int = 1,
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[Path, list[ObjectJob]]:
    """Fetch what is not on this machine yet, and make a job for each object.

    Args:
        objects: as found; unavailable ones become jobs that fail with their problem.
        processes: downloads at a time.
        on_progress: called with the number of objects done since the last call.

    Returns:
        the folder that the jobs' paths are relative to, and the jobs, sorted by id.

    Raises:
        InputError: not one object could be downloaded.
        MissingDependencyError: the package `objaverse` is not installed.
    """
    wanted = [item.uid for item in objects if not item.problem]
    files: dict[str, str] = {}
    on_progress(len(objects) - len(wanted))
    with _asking_objaverse() as objaverse:
        root = Path(objaverse.BASE_PATH)
        for start in range(0, len(wanted), _DOWNLOADS_AT_ONCE):
            uids = wanted[start : start + _DOWNLOADS_AT_ONCE]
            got, reason = _download(objaverse, uids, processes)
            files |= got
            if not files:
                raise InputError(f"no object of Objaverse could be downloaded ({reason})")
            on_progress(len(uids))
    jobs = []
    for item in objects:
        path = f"{item.uid}.glb"
        problem = item.problem
        if item.uid in files:
            path = Path(files[item.uid]).relative_to(root).as_posix()
        elif not problem:
            problem = "could not be downloaded"
        licence = f"{item.licence}, {item.author}" if item.author else item.licence
        asset = Asset(path, licence, SOURCE, f"{item.uid} {problem}" if problem else "")
        jobs.append(ObjectJob(object_id_of(item.uid), asset.location()))
    return root, sorted(jobs, key=lambda job: job.object_id)


def _download(objaverse: Any, uids: Sequence[str], processes: int) -> tuple[dict[str, str], str]:
    """Uid -> file of those that could be fetched, and why the others could not.

    One failure ends a whole call of the package, so the rest is requested again in halves.
    """
    try:
        return objaverse.load_objects(list(uids), download_processes=processes), ""
    except OSError as error:
        if len(uids) == 1:
            return {}, str(error)
        middle = len(uids) // 2
        first, reason = _download(objaverse, uids[:middle], processes)
        second, later_reason = _download(objaverse, uids[middle:], processes)
        return first | second, later_reason or reason


@contextlib.contextmanager
def _asking_objaverse() -> Iterator[Any]:
    """The package, which prints and warns, in silence.

    Raises:
        InputError: what is asked needs the network, and that fails.
        MissingDependencyError: it is not installed.
    """
    package = require("objaverse", extra="objaverse", purpose="downloading Objaverse")
    silence = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(silence),
            contextlib.redirect_stderr(silence),
        ):
            warnings.simplefilter("ignore")
            yield package
    except OSError as error:
        raise InputError(
            f"Objaverse cannot be reached ({error})", hint="it is downloaded from huggingface.co"
        ) from error


def _licence_and_author(about: Mapping[str, Any]) -> tuple[str, str]:
    short = str(about.get("license") or "unknown")
    user = about.get("user")
    author = user.get("displayName") or user.get("username") if isinstance(user, dict) else None
    return LICENCES.get(short, short), " ".join(str(author or "").split())[:_LONGEST_NAME]
