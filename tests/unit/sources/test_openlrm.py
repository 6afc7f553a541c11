"""OpenLRM's folders as a source of views; `test_openlrm_view_files` looks at the files."""

from pathlib import Path

import numpy as np
import pytest

from lrm_core.errors import InputError
from lrm_core.geometry.trajectories import orbit
from lrm_core.io.openlrm_view_files import write_openlrm_views
from lrm_core.sources.openlrm import OpenLrmSource
from lrm_core.structures.view_set import ObjectJob, ObjectSource, ViewSet, object_id_of


def write(root: Path, name: str) -> None:
    images = np.full((2, 8, 8, 4), 255, np.uint8)
    views = ViewSet(name, images, orbit(2, size=8), ObjectSource("made", "CC0", "00"))
    write_openlrm_views(root, views)


def test_jobs_name_every_object_even_unfinished_ones(tmp_path: Path) -> None:
    for name in ("b", "c"):
        write(tmp_path, name)
    (tmp_path / "c").rename(tmp_path / "a.x")
    (tmp_path / "unfinished" / "rgba").mkdir(parents=True)
    source = OpenLrmSource(tmp_path, "mine", "CC0-1.0")
    jobs = source.jobs()
    assert {job.location for job in jobs} == {"b", "a.x", "unfinished"}
    assert [job.object_id for job in jobs] == sorted(job.object_id for job in jobs)
    views = source(ObjectJob(object_id_of("a.x"), "a.x"))
    assert views.object_id == object_id_of("a.x") in {job.object_id for job in jobs}
    assert (views.source.name, views.source.licence) == ("mine", "CC0-1.0")


def test_no_path_leads_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, "chair")
    with pytest.raises(InputError, match="not the name of a folder"):
        OpenLrmSource(tmp_path / "inner")(ObjectJob("chair", "../chair"))
