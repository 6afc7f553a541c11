"""`lrm preprocess check`, `show` and `convert` as a user types them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NUM_OBJECTS, NUM_VIEWS, SIZE = 3, 4, 24


@pytest.fixture
def openlrm(tmp_path: Path) -> Path:
    """Three objects as OpenLRM's renderer leaves them, and one that it did not finish."""
    root = tmp_path / "openlrm"
    for index in range(NUM_OBJECTS):
        folder = root / f"uid{index}"
        (folder / "rgba").mkdir(parents=True)
        (folder / "pose").mkdir()
        for view in range(NUM_VIEWS):
            image = np.zeros((SIZE, SIZE, 4), np.uint8)
            image[8:16, 8:16] = (80 * index, 60 * view, 200, 255)
            Image.fromarray(image).save(folder / "rgba" / f"{view:03d}.png")
            pose = np.array([[1.0, 0, 0, 0], [0, 0, -1, -2 - view], [0, 1, 0, 0]])
            np.save(folder / "pose" / f"{view:03d}.npy", pose)
        np.save(folder / "intrinsics.npy", np.array([[18.0, 18], [12, 12], [SIZE, SIZE]]))
    (root / "unfinished" / "rgba").mkdir(parents=True)
    return root


@pytest.fixture
def dataset(lrm, openlrm, tmp_path) -> Path:
    out = tmp_path / "data"
    result = lrm(
        "preprocess", "convert", str(openlrm), "-o", str(out), "--workers", "1",
        "--objects-per-shard", "2", "--licence", "CC0-1.0", "--limit", "3",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return out


def test_an_openlrm_folder_becomes_a_dataset_and_back(lrm, openlrm, tmp_path):
    out, back = tmp_path / "data", tmp_path / "back"
    result = lrm("preprocess", "convert", str(openlrm), "-o", str(out), "--workers", "1", "--json")
    assert result.exit_code == 3  # the unfinished one
    document = json.loads(result.stdout)
    assert (document["num_objects"], document["num_views"]) == (NUM_OBJECTS, 12)
    assert document["failures"][0]["object_id"] == "unfinished"
    assert any("licence" in warning for warning in document["warnings"])
    convert = ("preprocess", "convert", str(out), "--to", "openlrm", "-o", str(back))
    result = lrm(*convert, "--workers", "1", "--limit", "2")
    assert result.exit_code == 0, result.output
    assert "num_all_views is 4" in result.stderr
    result = lrm(*convert, "--workers", "1")
    assert result.exit_code == 4
    assert "--resume" in result.stderr
    result = lrm(*convert, "--workers", "1", "--resume", "--json")
    document = json.loads(result.stdout)
    assert (document["num_objects"], document["num_made"]) == (3, 1)
    lists = [json.loads(Path(path).read_text()) for path in document["uid_lists"]]
    assert sorted(uid for uids in lists for uid in uids) == ["uid0", "uid1", "uid2"]
    for path in sorted(openlrm.rglob("*.png")):
        with Image.open(path) as first, Image.open(back / path.relative_to(openlrm)) as second:
            np.testing.assert_array_equal(np.array(first), np.array(second))
    for path in sorted(openlrm.rglob("*.npy")):
        np.testing.assert_allclose(np.load(path), np.load(back / path.relative_to(openlrm)))


def test_a_good_dataset_is_clean_and_drawn(lrm, dataset, tmp_path):
    page = tmp_path / "page.png"
    result = lrm("preprocess", "check", str(dataset), "-o", str(page))
    assert result.exit_code == 0, result.output
    assert "3 objects, 12 views, 2 shards: no problem found" in result.stdout
    with Image.open(page) as image:
        assert image.width > image.height
    document = json.loads(lrm("preprocess", "check", str(dataset), "--fast", "--json").stdout)
    assert document["problems"] == []
    assert document["sample_hash"] is None
    again = lrm("preprocess", "check", str(dataset), "-o", str(page))
    assert again.exit_code == 4
    assert "--overwrite" in again.stderr


def test_all_problems_are_told(lrm, dataset, tmp_path):
    (dataset / "shard-000001.tar").unlink()
    shard = dataset / "shard-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-512])
    result = lrm("preprocess", "check", str(dataset), "-o", str(tmp_path / "page.png"))
    assert result.exit_code == 4
    assert "shard-000001.tar" in result.stdout
    assert "is missing" in result.stdout
    assert "dataset.json says" in result.stdout
    assert "2 problems" in result.stderr
    assert "no page was drawn" in result.stderr
    result = lrm("preprocess", "check", str(dataset), "--json")
    assert result.exit_code == 4
    document = json.loads(result.stdout)
    assert {problem["where"] for problem in document["problems"]} == {
        "shard-000000.tar", "shard-000001.tar"
    }  # fmt: skip


def test_show_draws_what_it_is_asked_for(lrm, dataset, tmp_path):
    page = tmp_path / "page.png"
    show = ("preprocess", "show", str(dataset), "-o", str(page))
    result = lrm(*show, "--object", "uid2", "--object", "uid0", "--views", "2", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["objects"] == ["uid2", "uid0"]
    with Image.open(page) as image:
        pixels = np.asarray(image.convert("RGB"))
    rows = {
        index: np.nonzero((pixels == (80 * index, 120, 200)).all(-1))[0] for index in range(3)
    }  # the third view of each
    assert len(rows[1]) == 0
    assert rows[2].mean() < rows[0].mean()
    assert lrm(*show).exit_code == 4
    assert lrm(*show, "--overwrite", "--views", "1", "--objects", "2").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "DATA", "-o", "page.jpg"], 4, "end it with .png"),
        (["check", "DATA", "-o", "page.jpg"], 4, "end it with .png"),
        (["show", "DATA", "-o", "TMP/p.png", "--channels", "rgb,heat"], 2, "no channel 'heat'"),
        (["show", "DATA", "-o", "TMP/p.png", "--channels", "depth"], 4, "depth"),
        (["show", "DATA", "-o", "TMP/p.png", "--object", "absent"], 4, "no object 'absent'"),
        (["show", "TMP/absent", "-o", "TMP/p.png"], 4, "cannot be read"),
        (["check", "TMP/absent"], 4, "cannot be read"),
        (["convert", "TMP/absent", "-o", "TMP/out"], 4, "no such folder"),
        (["convert", "DATA", "--to", "openlrm", "-o", "s3://bucket/x"], 4, "local folder"),
    ],
)
def test_mistakes_are_explained(lrm, dataset, tmp_path, arguments, code, words):
    places = {"DATA": str(dataset), "TMP": str(tmp_path)}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    result = lrm("preprocess", *arguments)
    assert result.exit_code == code, result.output
    assert words in " ".join(result.stderr.split())
