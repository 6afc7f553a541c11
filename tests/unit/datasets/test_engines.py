import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lrm_core.datasets.building import BuildOptions, BuildSummary, build_dataset
from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set
from lrm_core.sources.source import Source
from lrm_core.structures.view_set import ObjectJob

ROOT = Path(__file__).parents[3]

# what worker processes import: it lies in a file of its own, which they find by sys.path
WORK = """
import os, time
import numpy as np
from lrm_core.errors import InputError
from lrm_core.geometry.trajectories import orbit
from lrm_core.structures.view_set import ObjectSource, ViewSet

class Noise:
    def jobs(self):
        return []

    def describe(self):
        return {"source": "test", "settings": {"size": 8}}

    def __call__(self, job):
        if job.location == "dies":
            os._exit(7)
        if job.location == "hangs":
            time.sleep(600)
        if job.location == "broken":
            raise InputError("not a mesh")
        if job.location == "bug":
            raise ZeroDivisionError("ours")
        images = np.random.default_rng(int(job.location)).integers(0, 256, (2, 8, 8, 4), np.uint8)
        source = ObjectSource("t", "CC0-1.0", "0" * 64)
        return ViewSet(job.object_id, images, orbit(2, size=8), source)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "work_of_test.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    sys.modules.pop("work_of_test", None)
    source: Source = importlib.import_module("work_of_test").Noise()
    return source


def build(out: Path, jobs: list[ObjectJob], source: Source, **options) -> BuildSummary:
    settings = BuildOptions(objects_per_shard=3, **options)
    return build_dataset(str(out), source, jobs, options=settings)


def test_processes_that_die_or_hang_cost_one_object_each(tmp_path: Path, work) -> None:
    locations = ["0", "dies", "2", "hangs", "broken", "5", "bug", "7"]
    jobs = [ObjectJob(f"object-{n:03d}", location) for n, location in enumerate(locations)]
    summary = build(tmp_path / "out", jobs, work, workers=2, time_limit=4.0)
    reasons = dict(summary.failures)
    assert reasons == {
        "object-001": "its process died (exit code 7)",
        "object-003": "took longer than 4 s",
        "object-004": "not a mesh",
        "object-006": "ZeroDivisionError: ours",
    }
    good = [job for job in jobs if job.object_id not in reasons]
    dataset = open_view_dataset(tmp_path / "out")
    assert dataset.object_ids == [job.object_id for job in good]
    for job in good:
        np.testing.assert_array_equal(
            read_view_set(dataset, job.object_id).images, work(job).images
        )


RAY_RUN = """
import json, sys
import ray
from lrm_core.datasets.building import BuildOptions, build_dataset
from lrm_core.structures.view_set import ObjectJob
from work_of_test import Noise

jobs = [ObjectJob(f"object-{n:03d}", place) for n, place in enumerate(json.loads(sys.argv[2]))]
ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
options = BuildOptions(objects_per_shard=3, engine="ray")
summary = build_dataset(sys.argv[1], Noise(), jobs, options=options)
print(json.dumps(summary.failures))
"""


def test_a_ray_cluster_makes_the_same_dataset(tmp_path: Path, work) -> None:
    pytest.importorskip("ray")
    locations = ["0", "1", "broken", "3", "bug", "5", "dies", "7"]
    done = subprocess.run(
        [sys.executable, "-c", RAY_RUN, str(tmp_path / "ray"), json.dumps(locations)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'modules'}{os.pathsep}{ROOT}"},
    )
    assert done.returncode == 0, done.stderr
    reasons = dict(json.loads(done.stdout.splitlines()[-1]))
    assert reasons["object-002"] == "not a mesh"
    assert reasons["object-004"] == "ZeroDivisionError: ours"
    assert "died" in reasons["object-006"]
    jobs = [ObjectJob(f"object-{n:03d}", place) for n, place in enumerate(locations)]
    build(tmp_path / "here", jobs, work, workers=2)
    names = sorted(path.name for path in (tmp_path / "here").glob("shard-*.tar"))
    assert len(names) == 3
    for name in [*names, "manifest.parquet"]:
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
