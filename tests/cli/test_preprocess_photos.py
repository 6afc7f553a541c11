"""`lrm preprocess photos` as a user types it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos of boxes on gray, one with a mask beside it, and a file that is no image."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, left in (("cup__image", 20), ("lamp", 30)):
        image = np.full((80, 80, 3), 235, np.uint8)
        image[20:60, left:50] = (200, 30, 40)
        Image.fromarray(image).save(folder / f"{name}.png")
    mask = np.zeros((80, 80), np.uint8)
    mask[20:60, 20:30] = 255
    Image.fromarray(mask).save(folder / "cup__mask.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def test_a_folder_of_photos(lrm, photos, tmp_path):
    out = tmp_path / "out"
    result = lrm("preprocess", "photos", str(photos), "-o", str(out), "--size", "64", "--json")
    assert result.exit_code == 3, result.output  # one of them failed
    document = json.loads(result.stdout)
    assert [photo["name"] for photo in document["photos"]] == ["cup__image", "lamp"]
    assert [photo["method"] for photo in document["photos"]] == ["u2netp", "u2netp"]
    assert [Path(entry["photo"]).name for entry in document["failures"]] == ["broken.jpg"]
    assert any("broken.jpg failed" in warning for warning in document["warnings"])
    assert {Path(file).name for file in document["files"]} == {"contact_sheet.png", "photos.json"}
    for name in ("cup__image", "lamp"):
        with Image.open(out / f"{name}.png") as image:
            assert (image.mode, image.size) == ("RGBA", (64, 64))
    assert not (out / "cup__mask.png").exists()


def test_words_name_methods_and_the_next_step(lrm, photos, tmp_path):
    out = tmp_path / "out"
    result = lrm(
        "preprocess", "photos", str(photos / "lamp.png"), str(photos / "cup__image.png"),
        "-o", str(out), "--background-removal", "grabcut",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "2 of 2 photos, background: 2 grabcut" in result.stdout
    # one warning for both, not one each
    assert result.stderr.count("GrabCut") == 1
    assert "lamp, cup__image:" in result.stderr
    assert f"lrm reconstruct {out}/lamp.png" in result.stderr


@pytest.mark.parametrize("option", ["--mask", "--masks"])
def test_masks_go_before_everything(lrm, photos, tmp_path, option):
    mask = photos / "cup__mask.png" if option == "--mask" else photos
    result = lrm(
        "preprocess", "photos", str(photos / "cup__image.png"), "-o", str(tmp_path / "out"),
        option, str(mask), "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    (photo,) = json.loads(result.stdout)["photos"]
    assert photo["method"] == "mask"
    assert photo["box"] == pytest.approx([20, 20, 30, 60], abs=1)


def test_a_photo_without_its_mask_fails(lrm, photos, tmp_path):
    result = lrm(
        "preprocess", "photos", str(photos), "-o", str(tmp_path / "out"), "--masks", str(photos)
    )
    assert result.exit_code == 3
    assert "lamp__mask.png: no such file" in result.stderr
    assert "1 of 3 photos" in result.stdout


def test_resume_overwrite_limit(lrm, photos, tmp_path):
    out = tmp_path / "out"
    arguments = ("preprocess", "photos", str(photos), "-o", str(out), "--size", "32", "--json")
    limited = json.loads(lrm(*arguments, "--limit", "2").stdout)  # broken.jpg and the cup
    assert (limited["num_made"], len(limited["failures"])) == (1, 1)
    again = lrm(*arguments)
    assert again.exit_code == 4
    assert "--resume" in json.loads(again.stdout)["error"]["hint"]
    resumed = json.loads(lrm(*arguments, "--resume").stdout)
    assert (resumed["num_made"], len(resumed["photos"])) == (1, 2)
    assert json.loads(lrm(*arguments, "--overwrite").stdout)["num_made"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--mask", "a.png", "--masks", "."], 2, "exclude one another"),
        (["--resume", "--overwrite"], 2, "exclude one another"),
        (["--mask", "a.png"], 4, "names the mask of one photo, but there are 3"),
        (["--masks", "absent"], 4, "no such folder"),
        (["--background-removal", "alpha"], 4, "none of the 3 photos could be prepared"),
        (["--background-removal", "magic"], 2, "magic"),
        (["--foreground-ratio", "2"], 2, "foreground-ratio"),
    ],
)
def test_mistakes_are_explained(lrm, photos, tmp_path, arguments, code, words):
    result = lrm("preprocess", "photos", str(photos), "-o", str(tmp_path / "out"), *arguments)
    assert result.exit_code == code
    assert words in result.stderr


def test_show_writes_what_the_model_sees(lrm, photos, tmp_path):
    out = tmp_path / "out"
    arguments = ("preprocess", "photos", str(photos / "lamp.png"), "-o", str(out), "--show")
    assert lrm(*arguments).exit_code == 0
    with Image.open(out / "lamp.sheet.png") as sheet:
        assert sheet.width > 3 * 384
    # neither is taken for a photo of that folder
    listing = lrm("preprocess", "photos", str(out), "-o", str(tmp_path / "again"), "--json")
    assert [photo["name"] for photo in json.loads(listing.stdout)["photos"]] == ["lamp"]


def test_a_photo_without_an_object_leaves_the_picture_of_its_mask(lrm, tmp_path):
    photo = tmp_path / "wall.png"
    Image.new("RGB", (80, 60), (180, 190, 200)).save(photo)
    result = lrm("preprocess", "photos", str(photo), "-o", str(tmp_path / "out"))
    assert result.exit_code == 4
    assert "wall.mask.png" in result.stderr
    with Image.open(tmp_path / "out" / "wall.mask.png") as mask:
        assert mask.size == (80, 60)


@pytest.mark.parametrize(("keep", "right"), [("largest", 60), ("all", 130)])
def test_keep_of_several_objects(lrm, tmp_path, keep, right):
    image = np.full((100, 150, 3), 240, np.uint8)
    image[20:80, 10:60] = (200, 30, 40)
    image[40:70, 100:130] = (30, 60, 200)
    Image.fromarray(image).save(tmp_path / "two.png")
    result = lrm(
        "preprocess", "photos", str(tmp_path / "two.png"), "-o", str(tmp_path / "out"),
        "--background-removal", "border", "--keep", keep, "--json",
    )  # fmt: skip
    document = json.loads(result.stdout)
    assert document["photos"][0]["box"][2] == pytest.approx(right, abs=1)
    warnings = document.get("warnings", [])
    assert any("--keep all" in warning for warning in warnings) == (keep == "largest")


def test_camera_raw_files_in_a_folder_are_named(lrm, photos, tmp_path):
    (photos / "broken.jpg").unlink()
    (photos / "IMG_1.DNG").write_bytes(b"II*\0")
    result = lrm("preprocess", "photos", str(photos), "-o", str(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.output
    (warning,) = json.loads(result.stdout)["warnings"]
    assert "IMG_1.DNG not read" in warning
