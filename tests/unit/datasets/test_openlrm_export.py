"""Datasets become OpenLRM folders and come back."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from lrm_core.datasets.building import BuildOptions, build_dataset
from lrm_core.datasets.openlrm_export import export_openlrm
from lrm_core.errors import InputError, OutputError
from lrm_core.geometry.trajectories import orbit
from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set
from lrm_core.sources.openlrm import OpenLrmSource
from lrm_core.structures.view_set import ObjectJob, ObjectSource, ViewSet

SPLITS = (("train", 0.5), ("val", 0.5))


def make(job: ObjectJob) -> ViewSet:
    images = np.random.default_rng(int(job.location)).integers(0, 256, (3, 12, 12, 4), np.uint8)
    images[:, :4, :, 3] = 0  # with colors under it
    source = ObjectSource("noise", "CC0", "0" * 64)
    return ViewSet(job.object_id, images, orbit(3, size=12), source)


@pytest.fixture
def dataset(tmp_path, source_of):
    jobs = [ObjectJob(f"object-{index}", str(index)) for index in range(5)]
    build_dataset(
        str(tmp_path / "data"),
        source_of(make, "noise"),
        jobs,
        options=BuildOptions(splits=SPLITS),
    )
    return open_view_dataset(tmp_path / "data")


def test_there_and_back_again(dataset, tmp_path):
    root = tmp_path / "openlrm"
    done = []
    export = export_openlrm(dataset, root, on_progress=done.append)
    assert (export.num_objects, export.num_made, export.failures) == (5, 5, ())
    assert sum(done) == 5
    build_dataset(
        str(tmp_path / "back"),
        OpenLrmSource(root),
        OpenLrmSource(root).jobs(),
        options=BuildOptions(splits=SPLITS),
    )
    back = open_view_dataset(tmp_path / "back")
    assert back.object_ids == dataset.object_ids
    for object_id in dataset.object_ids:
        before, after = (read_view_set(data, object_id) for data in (dataset, back))
        np.testing.assert_array_equal(after.images, before.images)
        assert torch.equal(after.cameras.c2w, before.cameras.c2w)
        torch.testing.assert_close(
            after.cameras.intrinsics, before.cameras.intrinsics, rtol=1e-7, atol=0
        )


def test_splits_become_lists_of_uids(dataset, tmp_path):
    export = export_openlrm(dataset, tmp_path / "openlrm")
    lists = {path.name: json.loads(path.read_text()) for path in export.uid_lists}
    by_split = dataset.manifest.groupby("split")["object_id"].agg(list).to_dict()
    assert lists == {f"{split}_uids.json": ids for split, ids in by_split.items()}


def test_what_is_there_is_kept_or_refused(dataset, tmp_path):
    root = tmp_path / "openlrm"
    first = dataclasses.replace(dataset, manifest=dataset.manifest[:2])
    export_openlrm(first, root)
    kept = (root / "object-0" / "rgba" / "000.png").stat().st_mtime_ns
    with pytest.raises(OutputError, match="holds 2 of the objects already"):
        export_openlrm(dataset, root)
    # an object without its last file was not finished
    (root / "object-1" / "intrinsics.npy").unlink()
    export = export_openlrm(dataset, root, resume=True)
    assert (export.num_objects, export.num_made) == (5, 4)
    assert (root / "object-0" / "rgba" / "000.png").stat().st_mtime_ns == kept


def test_processes_write_the_same_and_failures_cost_one_object(dataset, tmp_path):
    shard = tmp_path / "data" / "shard-000000.tar"
    place = int(dataset.manifest["offset"][2])
    content = bytearray(shard.read_bytes())
    content[place : place + 8] = b"damaged!"
    shard.write_bytes(content)
    for workers in (1, 2):
        root = tmp_path / f"openlrm{workers}"
        export = export_openlrm(dataset, root, workers=workers)
        ((failed, reason),) = export.failures
        assert failed == "object-2"
        assert "damaged" in reason
        listed = [json.loads(path.read_text()) for path in export.uid_lists]
        assert sorted(uid for uids in listed for uid in uids) == [
            "object-0", "object-1", "object-3", "object-4"
        ]  # fmt: skip
    files = [
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.*")}
        for root in (tmp_path / "openlrm1", tmp_path / "openlrm2")
    ]
    assert files[0] == files[1]


def test_ids_that_lead_elsewhere_are_refused(dataset, tmp_path):
    manifest = dataset.manifest.copy()
    manifest.loc[0, "object_id"] = "../object"
    with pytest.raises(InputError, match="not an object id"):
        export_openlrm(dataclasses.replace(dataset, manifest=manifest), tmp_path / "openlrm")
