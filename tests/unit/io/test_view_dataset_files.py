import hashlib
import json
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from lrm_core.errors import InputError, OutputError
from lrm_core.geometry.trajectories import orbit
from lrm_core.io.view_dataset_files import (
    DESCRIPTION,
    FORMAT,
    MANIFEST,
    SCHEMA_VERSION,
    encode_manifest,
    list_files,
    manifest_row,
    open_view_dataset,
    read_view_set,
    split_of,
    write_file,
)
from lrm_core.io.view_set_files import encode_view_set, write_samples
from lrm_core.structures.view_set import ObjectSource, ViewSet


def view_set(object_id: str, seed: int) -> ViewSet:
    images = np.random.default_rng(seed).integers(0, 256, (4, 16, 16, 4), dtype=np.uint8)
    return ViewSet(object_id, images, orbit(4, size=16), ObjectSource("test", "CC0-1.0", "0" * 64))


def write_dataset(url: str, view_sets: list[ViewSet]) -> None:
    content, places = write_samples([encode_view_set(one) for one in view_sets])
    write_file(url, "shard-000000.tar", content)
    rows = [
        manifest_row(one.object_id, one.source, 4, "train", "shard-000000.tar", place)
        for one, place in zip(view_sets, places, strict=True)
    ]
    write_file(url, MANIFEST, encode_manifest(rows))
    description = {"format": FORMAT, "schema_version": SCHEMA_VERSION}
    write_file(url, DESCRIPTION, json.dumps(description).encode())


@pytest.fixture(params=["local", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "dataset")
    return f"memory://{tmp_path.name}/dataset"


def test_a_dataset_is_read_back_from_any_filesystem(url: str) -> None:
    originals = {name: view_set(name, seed) for seed, name in enumerate(["cup", "bowl", "vase"])}
    write_dataset(url, list(originals.values()))
    dataset = open_view_dataset(url)
    assert dataset.object_ids == ["bowl", "cup", "vase"]
    for name, original in originals.items():
        read = read_view_set(dataset, name, views=[2, 1])
        np.testing.assert_array_equal(read.images, original.images[[2, 1]])
    assert list_files(url) == ["dataset.json", "manifest.parquet", "shard-000000.tar"]


def test_reading_one_view_reads_a_part_of_the_shard(url: str, monkeypatch) -> None:
    write_dataset(url, [view_set(name, 1) for name in "abcdef"])
    dataset = open_view_dataset(url)
    filesystem, _ = fsspec.core.url_to_fs(url)
    read: list[int] = []
    whole = type(filesystem).cat_file

    def counted(self, path, start=None, end=None, **kwargs):
        content = whole(self, path, start=start, end=end, **kwargs)
        read.append(len(content))
        return content

    monkeypatch.setattr(type(filesystem), "cat_file", counted)
    read_view_set(dataset, "d", views=[3])
    assert 0 < sum(read) < filesystem.size(f"{url}/shard-000000.tar") / 6


def test_splits_follow_the_hash_alone() -> None:
    ids = [f"object-{index}" for index in range(4000)]
    splits = (("train", 3.0), ("val", 1.0))
    for object_id in ids[:50]:
        position = int(hashlib.sha256(object_id.encode()).hexdigest()[:16], 16) / 16**16
        assert split_of(object_id, splits) == ("train" if position < 0.75 else "val")
    share = np.mean([split_of(object_id, splits) == "val" for object_id in ids])
    assert abs(share - 0.25) < 0.03
    assert {split_of(object_id, (("test", 1.0),)) for object_id in ids} == {"test"}
    assert {split_of(object_id, (("a", 0.0), ("b", 1.0))) for object_id in ids} == {"b"}


def test_what_is_no_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset\.json: cannot be read"):
        open_view_dataset(tmp_path)
    (tmp_path / DESCRIPTION).write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        open_view_dataset(tmp_path)
    (tmp_path / DESCRIPTION).write_text("[]")
    with pytest.raises(InputError, match="not a dataset of views"):
        open_view_dataset(tmp_path)
    (tmp_path / DESCRIPTION).write_text(json.dumps({"format": FORMAT, "schema_version": 99}))
    with pytest.raises(InputError, match="schema version 99"):
        open_view_dataset(tmp_path)
    (tmp_path / DESCRIPTION).write_text(json.dumps({"format": FORMAT, "schema_version": 1}))
    (tmp_path / MANIFEST).write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="not readable"):
        open_view_dataset(tmp_path)
    pd.DataFrame({"object_id": ["a"]}).to_parquet(tmp_path / MANIFEST)
    with pytest.raises(InputError, match="no column 'source'"):
        open_view_dataset(tmp_path)


def test_a_manifest_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    write_dataset(str(tmp_path), [view_set("cup", 0)])
    manifest = pd.read_parquet(tmp_path / MANIFEST)
    manifest["shard"] = "../secret.tar"
    manifest.to_parquet(tmp_path / MANIFEST)
    with pytest.raises(InputError, match="not the name of a shard"):
        read_view_set(open_view_dataset(tmp_path), "cup")


def test_missing_and_cut_shards_are_named(tmp_path: Path) -> None:
    write_dataset(str(tmp_path), [view_set("cup", 0)])
    dataset = open_view_dataset(tmp_path)
    with pytest.raises(InputError, match="no object 'jug'"):
        read_view_set(dataset, "jug")
    shard = tmp_path / "shard-000000.tar"
    shard.write_bytes(shard.read_bytes()[:4000])
    with pytest.raises(InputError, match="ends before byte"):
        read_view_set(dataset, "cup")
    shard.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_view_set(dataset, "cup")


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        write_file(str(tmp_path / "file"), "name", b"")
