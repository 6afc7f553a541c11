"""Training folders of OpenLRM as a source of views: `lrm preprocess convert`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrm_core.errors import InputError
from lrm_core.io.openlrm_view_files import openlrm_folders, read_openlrm_views
from lrm_core.structures.view_set import ObjectJob, ViewSet, object_id_of


@dataclass(frozen=True)
class OpenLrmSource:
    """The objects of an OpenLRM folder as a `Source`.

    Attributes:
        root: the folder.
        name: name of the data set.
        licence: licence of its objects; the layout itself states none.
    """

    root: Path
    name: str = "openlrm"
    licence: str = "unknown"

    def jobs(self) -> list[ObjectJob]:
        """A job for each folder of an object, unfinished ones included: they fail by name.

        Raises:
            InputError: no such folder, or no object in it.
        """
        folders = openlrm_folders(self.root)
        jobs = [ObjectJob(object_id_of(folder), folder) for folder in folders]
        return sorted(jobs, key=lambda job: job.object_id)

    def describe(self) -> dict[str, Any]:
        """See `Source`."""
        return {
            "source": f"{self.name}, read from OpenLRM's layout; licence: {self.licence}",
            "renderer": "unknown",
            "settings": {"name": self.name, "licence": self.licence},
        }

    def __call__(self, job: ObjectJob) -> ViewSet:
        """The views of an object; see `read_openlrm_views`.

        Raises:
            InputError: files are missing, damaged, too large or contradict one another.
        """
        if Path(job.location).name != job.location:
            raise InputError(f"'{job.location}' is not the name of a folder")
        return read_openlrm_views(self.root / job.location, source=self.name, licence=self.licence)
