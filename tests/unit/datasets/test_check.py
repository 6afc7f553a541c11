"""A good dataset passes; every way of breaking one is found and named."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lrm_core.datasets.building import BuildOptions, build_dataset
from lrm_core.datasets.check import check_dataset
from lrm_core.errors import InputError
from lrm_core.io.view_dataset_files import open_view_dataset
from lrm_core.sources.object_views import ViewSettings, render_object, sample_cameras
from lrm_core.structures.scene import Material, Scene, ScenePart
from lrm_core.structures.view_set import ObjectJob, ObjectSource, ViewSet

SETTINGS = ViewSettings(num_views=3, size=32, normals=True)
CORNERS = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
# two triangles per side, corners numbered as above
FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
     [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
)  # fmt: skip


def make_box(job: ObjectJob) -> ViewSet:
    sides = np.array([2.0, 0.8, 0.3 + 0.1 * int(job.location)])
    part = ScenePart((CORNERS * sides).astype(np.float32), FACES, Material())
    cameras = sample_cameras(SETTINGS, job.object_id)
    views = render_object(Scene((part,)), cameras, SETTINGS)
    source = ObjectSource("boxes", "CC0", f"{int(job.location):064x}", views.bounds)
    return ViewSet(job.object_id, views.images, cameras, source, views.depth, views.normals)


@pytest.fixture(scope="module")
def good(tmp_path_factory, source_of) -> Path:
    """Five boxes in two shards."""
    out = tmp_path_factory.mktemp("good")
    jobs = [ObjectJob(f"box-{index}", str(index)) for index in range(5)]
    build_dataset(
        str(out),
        source_of(make_box, "boxes"),
        jobs,
        options=BuildOptions(objects_per_shard=3, splits=(("train", 0.5), ("test", 0.5))),
    )
    return out


@pytest.fixture
def dataset(good, tmp_path) -> Path:
    """A copy to be broken."""
    return Path(shutil.copytree(good, tmp_path / "data"))


def problems(dataset: Path, *, fast: bool = False) -> list[str]:
    found = check_dataset(str(dataset), fast=fast)
    return [f"{problem.where} {problem.message}" for problem in found.problems]


def edit_manifest(dataset: Path, column: str, value: object, row: int = 1) -> None:
    manifest = pd.read_parquet(dataset / "manifest.parquet")
    manifest.loc[row, column] = value
    manifest.to_parquet(dataset / "manifest.parquet", index=False)


def edit_description(dataset: Path, **values: object) -> None:
    path = dataset / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def edit_header(dataset: Path, object_id: str, change) -> None:
    """Change a sample's JSON without changing its length, as far as blanks can make up for it."""
    row = pd.read_parquet(dataset / "manifest.parquet").set_index("object_id").loc[object_id]
    shard = bytearray((dataset / row["shard"]).read_bytes())
    place = slice(row["offset"], row["offset"] + row["size"])
    fields = json.loads(shard[place])
    change(fields)
    shard[place] = json.dumps(fields, separators=(",", ":")).encode().ljust(row["size"])
    assert len(shard) == (dataset / row["shard"]).stat().st_size
    (dataset / row["shard"]).write_bytes(shard)


def test_a_good_dataset_has_no_problem(good):
    done = []
    found = check_dataset(str(good), on_progress=done.append)
    assert found.problems == ()
    assert (found.num_objects, found.num_views, found.num_shards) == (5, 15, 2)
    assert sum(done) == 5
    assert found.notes == ()
    fast = check_dataset(str(good), fast=True)
    assert fast.problems == ()
    assert fast.sample_hash is None


def test_the_hash_of_the_samples_does_not_depend_on_the_shards(good, tmp_path, source_of):
    jobs = [ObjectJob(f"box-{index}", str(index)) for index in range(5)]
    hashes = [check_dataset(str(good)).sample_hash]
    for name, size, chosen in (("five", 5, jobs), ("four", 5, jobs[:4])):
        build_dataset(
            str(tmp_path / name),
            source_of(make_box, "boxes"),
            chosen,
            options=BuildOptions(objects_per_shard=size),
        )
        hashes.append(check_dataset(str(tmp_path / name)).sample_hash)
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("where", [0.1, 0.35, 0.5, 0.8])
def test_a_flipped_byte_is_found(dataset, where):
    shard = dataset / "shard-000000.tar"
    content = bytearray(shard.read_bytes())
    content[int(where * len(content))] ^= 0x40
    shard.write_bytes(content)
    found = problems(dataset)
    assert "shard-000000.tar its sha256 is not the one in dataset.json" in found
    assert all("shard-000001" not in text for text in found)


def test_a_shard_that_is_missing_or_cut_is_found(dataset):
    for fast in (False, True):
        assert problems(dataset, fast=fast) == []
    shard = dataset / "shard-000001.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    for fast in (False, True):
        assert any("bytes, dataset.json says" in text for text in problems(dataset, fast=fast))
    assert any(text.startswith("box-4 ") for text in problems(dataset))
    shard.unlink()
    for fast in (False, True):
        assert problems(dataset, fast=fast) == ["shard-000001.tar is missing"]


def test_shards_that_nobody_asked_for_are_found(dataset):
    shutil.copy(dataset / "shard-000000.tar", dataset / "shard-000007.tar")
    assert problems(dataset) == ["shard-000007.tar is in the folder but not in dataset.json"]


def test_members_that_nobody_asked_for_are_found(dataset):
    with tarfile.open(dataset / "shard-000000.tar", "a") as tar:
        info = tarfile.TarInfo("../evil.sh")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"ls\n"))
    found = problems(dataset)
    assert any("1 members belong to no sample, such as ../evil.sh" in text for text in found)
    with tarfile.open(dataset / "shard-000001.tar", "a") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert any("'link' is not a file" in text for text in problems(dataset))


@pytest.mark.parametrize(
    ("column", "value", "words", "seen_fast"),
    [
        ("split", "nowhere", "box-1 is in split 'nowhere', its hash says", True),
        ("licence", "MIT", "box-1 its licence is 'CC0', the manifest says 'MIT'", True),
        ("licence", "", "box-1 has no licence", True),
        ("source", "else", "box-1 its source is 'boxes'", True),
        ("sha256", "f" * 64, "box-1 its sha256 is", True),
        ("sha256", "xyz", "box-1 'xyz' is not a sha256", True),
        ("num_views", 9, "box-1 its num_views is 3, the manifest says 9", True),
        ("min_x", -0.5, "box-1 its bounding box is not the one in the manifest", True),
        ("min_x", 5.0, "box-1 its bounding box [5.0", True),
        ("object_id", "box-0", "box-0 is 2 times in the manifest", True),
        ("object_id", "../x", "../x is not an object id", True),
        ("object_id", "boy", "boy its header is not in shard-000000.tar", False),
        ("shard", "shard-000001.tar", "box-1 its header is not in shard-000001.tar", False),
        ("shard", "../../etc/passwd", "is in the manifest but not in dataset.json", True),
        ("offset", 1024, "box-1 its header is at", False),
        ("size", 5, "box-1 ", True),
    ],
)
def test_a_changed_manifest_is_found(dataset, column, value, words, seen_fast):
    edit_manifest(dataset, column, value)
    assert any(words in text for text in problems(dataset)), problems(dataset)
    if seen_fast:
        assert any(words in text for text in problems(dataset, fast=True))


def test_a_row_that_is_gone_is_found(dataset):
    manifest = pd.read_parquet(dataset / "manifest.parquet")
    manifest.drop(index=1).to_parquet(dataset / "manifest.parquet", index=False)
    found = problems(dataset)
    assert "dataset.json 'num_objects' is 5, the manifest has 4" in found
    assert any("members belong to no sample, such as box-1." in text for text in found)


def test_columns_of_another_kind_are_found(dataset):
    manifest = pd.read_parquet(dataset / "manifest.parquet")
    manifest.astype({"offset": "float64"}).to_parquet(dataset / "manifest.parquet")
    (problem,) = problems(dataset)
    assert "column offset is of float64, not int64" in problem
    manifest["licence"] = None
    manifest.to_parquet(dataset / "manifest.parquet")
    assert any("column licence" in text for text in problems(dataset))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"camera_convention": {"world": "y up"}}, "'camera_convention' is not"),
        ({"num_objects": 4}, "'num_objects' is 4, the manifest has 5"),
        ({"num_views": "many"}, "'num_views' is many"),
        ({"num_failures": 2}, "failures.csv lists 0 objects, dataset.json says 2"),
        ({"source": None}, "'source' does not say"),
        ({"splits": [["train"]]}, "'splits' is not a list"),
        ({"splits": [["train", 1.0]]}, "is in split 'test', its hash says 'train'"),
        ({"shards": "all"}, "'shards' is not a list"),
        ({"shards": []}, "is in the manifest but not in dataset.json"),
        ({"shards": [{"shard": "../a.tar", "bytes": 1, "sha256": ""}]}, "'shards' is not a list"),
    ],
)
def test_a_changed_description_is_found(dataset, values, words):
    edit_description(dataset, **values)
    for fast in (False, True):
        assert any(words in text for text in problems(dataset, fast=fast)), problems(dataset)


def test_failures_are_compared_with_the_manifest(dataset):
    (dataset / "failures.csv").write_text("object_id,reason\nbox-3,broken\n")
    assert "box-3 is in failures.csv and in the manifest" in problems(dataset)
    (dataset / "failures.csv").unlink()
    assert any(text.startswith("failures.csv") for text in problems(dataset))


def test_cameras_of_other_views_are_found(dataset):
    edit_header(dataset, "box-2", lambda fields: fields["c2w"].insert(0, fields["c2w"].pop()))
    found = problems(dataset)
    assert any("box-2 view 0:" in text and "box" in text for text in found)
    assert all(text.startswith(("box-2", "shard-000000")) for text in found)


def test_cameras_that_are_not_rigid_are_found(dataset):
    def mirror(fields):
        for row in fields["c2w"][1]:
            row[0] = -row[0]

    # no room for two more signs: make some in the intrinsics
    def mirror_in_place(fields):
        fields["intrinsics"] = [[int(n) for n in lens] for lens in fields["intrinsics"]]
        mirror(fields)

    edit_header(dataset, "box-2", mirror_in_place)
    for fast in (False, True):
        assert any("box-2 view 1: its camera" in text for text in problems(dataset, fast=fast))


def test_images_of_another_size_are_found(dataset):
    def wider(fields):
        fields["width"] = 30

    edit_header(dataset, "box-0", wider)
    assert any("pixels, the cameras say 30 x 32" in text for text in problems(dataset))


def test_members_that_lie_elsewhere_are_found(dataset):
    def swap(fields):
        places = fields["members"]
        first, second = "000.rgba.webp", "001.rgba.webp"
        places[first], places[second] = places[second], places[first]

    edit_header(dataset, "box-0", swap)
    assert any("000.rgba.webp is not where its header says" in text for text in problems(dataset))


def test_a_damaged_header_does_not_hide_the_rest(dataset):
    edit_header(dataset, "box-0", lambda fields: fields.pop("c2w"))
    edit_header(dataset, "box-1", lambda fields: fields.update(members=3))
    edit_manifest(dataset, "split", "nowhere", row=4)
    for fast in (False, True):
        found = problems(dataset, fast=fast)
        assert any(text.startswith("box-0 the header of a sample has no") for text in found)
        assert any(text.startswith("box-1") and "damaged list" in text for text in found)
        assert any(text.startswith("box-4 is in split") for text in found)
    assert check_dataset(str(dataset)).sample_hash is None


def test_copies_are_noted_but_no_problem(tmp_path, source_of):
    def same(job: ObjectJob) -> ViewSet:
        return make_box(ObjectJob(job.object_id, "0"))

    build_dataset(
        str(tmp_path),
        source_of(same, "boxes"),
        [ObjectJob(f"copy-{index}", "0") for index in range(6)],
        options=BuildOptions(splits=(("train", 0.5), ("test", 0.5))),
    )
    found = check_dataset(str(tmp_path))
    assert found.problems == ()
    assert set(open_view_dataset(tmp_path).manifest["split"]) == {"train", "test"}
    assert found.notes == ("6 objects share their asset with another one, 1 assets are in "
                           "several splits",)  # fmt: skip


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(InputError):
        check_dataset(str(tmp_path))
