import csv
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrm_core.datasets.building import BuildOptions, BuildSummary, build_dataset
from lrm_core.errors import ConfigError, InputError, MissingDependencyError, OutputError
from lrm_core.geometry.trajectories import orbit
from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set, split_of
from lrm_core.structures.view_set import ObjectJob, ObjectSource, ViewSet

ROOT = Path(__file__).parents[3]


def make(job: ObjectJob) -> ViewSet:
    images = np.random.default_rng(int(job.location)).integers(0, 256, (2, 8, 8, 4), np.uint8)
    source = ObjectSource("t", "CC0-1.0", "0" * 64)
    return ViewSet(job.object_id, images, orbit(2, size=8), source)


def numbered(num: int) -> list[ObjectJob]:
    return [ObjectJob(f"object-{index:03d}", str(index)) for index in range(num)]


@dataclass(frozen=True)
class Noise:
    make: Callable[[ObjectJob], ViewSet] = make
    size: int = 8

    def jobs(self) -> list[ObjectJob]:
        return numbered(10)

    def describe(self) -> dict[str, Any]:
        return {"source": "test", "settings": {"size": self.size}}

    def __call__(self, job: ObjectJob) -> ViewSet:
        return self.make(job)


def build(out: Path, jobs: list[ObjectJob], make_views=make, **options) -> BuildSummary:
    settings = BuildOptions(**{"objects_per_shard": 3, **options})
    return build_dataset(str(out), Noise(make_views), jobs, options=settings)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_objects_are_written_and_read_back(tmp_path: Path) -> None:
    done: list[int] = []
    summary = build_dataset(
        str(tmp_path),
        Noise(),
        numbered(7),
        options=BuildOptions(objects_per_shard=3),
        on_progress=done.append,
    )
    assert summary == BuildSummary(7, 14, 7, ())
    assert sum(done) == 7
    dataset = open_view_dataset(tmp_path)
    assert list(dataset.manifest["shard"].value_counts().sort_index()) == [3, 3, 1]
    for job in numbered(7):
        np.testing.assert_array_equal(
            read_view_set(dataset, job.object_id).images, make(job).images
        )
    assert list(dataset.manifest["split"]) == [split_of(job.object_id) for job in numbered(7)]
    for shard in dataset.description["shards"]:
        content = (tmp_path / shard["shard"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == shard["sha256"]


def test_objects_that_fail_are_listed_and_do_not_stop_the_run(tmp_path: Path) -> None:
    def fussy(job: ObjectJob) -> ViewSet:
        if job.location == "1":
            raise InputError("caf\udce9: not a mesh")  # names of files need not be UTF-8
        if job.location == "2":
            raise ZeroDivisionError("ours,\nand it is long")
        if job.location in "345":
            raise MemoryError
        return make(job)

    summary = build(tmp_path, numbered(8), fussy)
    assert summary.num_objects == 3
    with (tmp_path / "failures.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[:3] == [
        ["object_id", "reason"],
        ["object-001", "caf\\udce9: not a mesh"],
        ["object-002", "ZeroDivisionError: ours, and it is long"],
    ]
    assert len(rows) == 6
    # a shard without objects is no file
    assert not (tmp_path / "shard-000001.tar").exists()
    assert open_view_dataset(tmp_path).object_ids == ["object-000", "object-006", "object-007"]


def test_a_missing_package_stops_the_run(tmp_path: Path) -> None:
    def lacking(job: ObjectJob) -> ViewSet:
        raise MissingDependencyError("no such package")

    with pytest.raises(MissingDependencyError):
        build(tmp_path, numbered(2), lacking)


def test_a_run_that_stopped_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    build(tmp_path / "whole", numbered(10))
    calls: list[str] = []

    def stops(job: ObjectJob) -> ViewSet:
        if job.location == "7":
            raise KeyboardInterrupt
        return make(job)

    def counted(job: ObjectJob) -> ViewSet:
        calls.append(job.location)
        return make(job)

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "parts", numbered(10), stops)
    assert not (tmp_path / "parts" / "dataset.json").exists()
    summary = build(tmp_path / "parts", numbered(10), counted, resume=True)
    assert calls == ["6", "7", "8", "9"]
    assert summary.num_made == 4
    assert summary.num_objects == 10
    assert digests(tmp_path / "parts") == digests(tmp_path / "whole")


def test_a_dataset_grows_and_shrinks_with_its_list(tmp_path: Path) -> None:
    build(tmp_path / "seven", numbered(7))
    build(tmp_path / "ten", numbered(10))
    build(tmp_path / "changing", numbered(7))
    summary = build(tmp_path / "changing", numbered(10), resume=True)
    assert summary.num_made == 4  # the last, partly filled shard and what follows
    assert digests(tmp_path / "changing") == digests(tmp_path / "ten")
    build(tmp_path / "changing", numbered(7), resume=True)
    assert digests(tmp_path / "changing") == digests(tmp_path / "seven")


def test_failures_are_tried_again_when_asked(tmp_path: Path) -> None:
    def fussy(job: ObjectJob) -> ViewSet:
        raise InputError("no luck")

    broken_at_first = [ObjectJob("object-000", "0"), ObjectJob("object-001", "1")]
    build(tmp_path / "again", broken_at_first, fussy)
    assert build(tmp_path / "again", broken_at_first, resume=True).num_objects == 0
    build(tmp_path / "again", broken_at_first, resume=True, retry_failed=True)
    build(tmp_path / "once", broken_at_first)
    assert digests(tmp_path / "again") == digests(tmp_path / "once")


def test_nothing_is_overwritten_or_mixed(tmp_path: Path) -> None:
    build(tmp_path / "data", numbered(3))
    with pytest.raises(OutputError, match="holds a dataset already"):
        build(tmp_path / "data", numbered(3))
    with pytest.raises(ConfigError, match="objects_per_shard: 3 then, 4 now"):
        build(tmp_path / "data", numbered(3), resume=True, objects_per_shard=4)
    with pytest.raises(ConfigError, match=r"settings\.size: 8 then, 16 now"):
        build_dataset(
            str(tmp_path / "data"),
            Noise(size=16),
            numbered(3),
            options=BuildOptions(objects_per_shard=3, resume=True),
        )
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match=r"not empty.*thesis\.tex"):
        build(tmp_path / "home", numbered(3), resume=True)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.tex"]


def test_no_objects_and_equal_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no object"):
        build(tmp_path, [])
    with pytest.raises(InputError, match="two objects are called 'a'"):
        build(tmp_path, [ObjectJob("a", "0"), ObjectJob("a", "1")])


def procedural(out: Path, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "lrm_cli", "preprocess", "procedural", "--num", "10", "-o"),
        *(str(out), "--size", "32", "--num-views", "2", "--objects-per-shard", "2", *options),
    ]


def test_a_killed_run_resumes_to_what_one_worker_makes_in_one_go(tmp_path: Path) -> None:
    pytest.importorskip("manifold3d")
    subprocess.run(procedural(tmp_path / "once", "--workers", "1", "-q"), check=True, cwd=ROOT)
    killed = tmp_path / "killed"
    run = subprocess.Popen(
        procedural(killed, "--workers", "2"), cwd=ROOT, stderr=subprocess.DEVNULL
    )
    first, last = killed / "records" / "shard-000000.json", killed / "records" / "shard-000004.json"
    for _ in range(3000):
        if first.exists():
            break
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert first.exists()
    assert not last.exists()
    assert not (killed / "dataset.json").exists()
    subprocess.run(procedural(killed, "--workers", "2", "--resume", "-q"), check=True, cwd=ROOT)
    assert digests(killed) == digests(tmp_path / "once")
