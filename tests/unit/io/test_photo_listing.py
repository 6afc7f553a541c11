"""Photos of files and folders, and a name for each."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.io.image_formats import IMAGE_FORMATS
from lrm_core.io.photo_listing import distinct_names, left_out_lines, list_photos, photos_in
from lrm_core.io.video_files import write_video


def names(paths):
    return [path.name for path in paths]


def fill(folder, *files):
    for name in files:
        (folder / name).write_bytes(b"")


def test_photos_are_sorted_and_other_files_are_not_photos(tmp_path):
    fill(tmp_path, "b.JPG", "a.png", "c.heic", "notes.txt", ".hidden.png", "._b.JPG")
    (tmp_path / "folder.png").mkdir()
    listing = photos_in(tmp_path)
    assert names(listing.photos) == ["a.png", "b.JPG", "c.heic"]
    assert listing.left_out == ()


def test_kinds_that_are_not_read_are_named(tmp_path):
    fill(tmp_path, "a.png", "IMG_1.DNG", "IMG_1.jpg", "plan.svg")
    assert names(photos_in(tmp_path).left_out) == ["IMG_1.DNG", "plan.svg"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_that_leads_nowhere_is_a_photo_that_will_be_missed(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("gone.png")
    (tmp_path / "c.png").symlink_to("c.png")
    (tmp_path / "d.png").mkdir()
    (tmp_path / "e.txt").symlink_to("gone.txt")
    os.mkfifo(tmp_path / "f.png")
    assert [path.name for path in photos_in(tmp_path).photos] == ["a.png", "b.png", "c.png"]


def test_masks_beside_their_photos(tmp_path):
    fill(tmp_path, "cup__image.png", "cup__mask.png", "white__mask.png")
    assert names(photos_in(tmp_path).photos) == ["cup__image.png", "white__mask.png"]


@pytest.mark.parametrize(
    ("ours", "photos"),
    [
        (["photos.json", "cup.png", "contact_sheet.png", "cup.sheet.png", "cup.mask.png"],
         ["cup.png"]),
        (["cup.jpg", "cup.obj", "cup.json", "cup.input.png", "cup.png"], ["cup.jpg", "cup.png"]),
        (["a.jpg", "a.obj", "a.json", "a.mtl", "a.texture.png", "a.views.png"], ["a.jpg"]),
        (["my a.jpg", "my a.obj", "my a.json", "my_a.mtl", "my_a.texture.png"], ["my a.jpg"]),
        (["wood.texture.png"], ["wood.texture.png"]),
        (["cup.jpg", "cup.mask.png"], ["cup.jpg"]),
        (["000.png", "views.json", "contact_sheet.png"], ["000.png"]),
        (["contact_sheet.png"], ["contact_sheet.png"]),
        (["my.input.png", "my.mask.png"], ["my.input.png", "my.mask.png"]),
    ],
)  # fmt: skip
def test_results_of_earlier_runs_are_not_photos(tmp_path, ours, photos):
    fill(tmp_path, *ours)
    assert names(photos_in(tmp_path).photos) == photos


def test_a_folder_without_photos(tmp_path):
    with pytest.raises(InputError, match="no image in folder"):
        photos_in(tmp_path)
    fill(tmp_path, "a.dng")
    with pytest.raises(InputError, match="1 of kinds that are not read"):
        photos_in(tmp_path)


def test_what_is_left_out_is_said_in_a_line_per_folder(tmp_path):
    fill(tmp_path, "a.png", *(f"{number}.dng" for number in range(5)))
    (line,) = left_out_lines([tmp_path, tmp_path / "a.png"])
    assert "0.dng, 1.dng, 2.dng and 2 more not read" in line


def test_a_folder_stands_for_its_images_without_their_masks(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in (
        "b.PNG",
        "a.jpg",
        "cup__image.png",
        "cup__mask.png",
        "lone__mask.png",
        "notes.txt",
    ):
        (folder / name).touch()
    single = tmp_path / "single.xyz"  # named by the user, who knows
    names = [photo.name for photo in list_photos([single, folder])]
    assert names == ["single.xyz", "a.jpg", "b.PNG", "cup__image.png", "lone__mask.png"]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="no image in folder"):
        list_photos([tmp_path])


def test_taken_names_are_numbered() -> None:
    photos = [Path(name) for name in ("x/a.png", "y/a.jpg", "a_2.png", "a.png", "sheet.png")]
    assert distinct_names(photos, reserved=("sheet",)) == ["a", "a_2", "a_2_2", "a_3", "sheet_2"]


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "a_2_2", "b"])))
def test_no_name_is_given_twice(stems: list[str]) -> None:
    names = distinct_names([Path(f"{stem}.png") for stem in stems], reserved=("b",))
    assert len({*names, "b"}) == len(stems) + 1
    assert all(name.startswith(stem) for name, stem in zip(names, stems, strict=True))


def test_names_differ_on_every_disk():
    photos = [Path("A.png"), Path("b/a.png"), Path("Straße.png"), Path("STRASSE.png")]
    assert distinct_names(photos) == ["A", "a_2", "Straße", "STRASSE_2"]


def test_long_names_leave_room_for_what_is_added():
    names = distinct_names([Path("x", "ä" * 125 + ".png"), Path("y", "ä" * 125 + ".png")])
    assert len(set(names)) == 2
    assert all(len(f"{name}.sheet.png".encode()) <= 255 for name in names)


def test_cut_outs_beside_their_photos_are_not_photos(tmp_path):
    fill(tmp_path, "cup.jpg", "cup.png", "jar.png", "other.png", "contact_sheet.png")
    entries = [{"photo": f"photos/{photo}", "name": photo[:3]} for photo in ("cup.jpg", "jar.jpg")]
    (tmp_path / "photos.json").write_text(json.dumps({"photos": entries}))
    # that of jar.jpg lies elsewhere: its cut-out is what a model is to be shown
    assert names(photos_in(tmp_path).photos) == ["cup.jpg", "jar.png", "other.png"]


def test_turntables_are_not_photos(tmp_path):
    frames = [np.full((8, 8, 3), shade, np.uint8) for shade in (0, 255)]
    write_video(tmp_path / "turn.gif", frames)
    Image.fromarray(frames[0]).save(tmp_path / "photo.gif")
    assert names(photos_in(tmp_path).photos) == ["photo.gif"]


def test_every_suffix_of_a_format_that_is_read_is_taken(tmp_path):
    suffixes = {suffix for suffix, name in Image.registered_extensions().items()
                if name in IMAGE_FORMATS}  # fmt: skip
    rare = {".jpc", ".j2c", ".avifs", ".pfm", ".icb", ".vda", ".vst"}
    fill(tmp_path, *(f"a{suffix}" for suffix in suffixes - rare))
    assert {path.suffix for path in photos_in(tmp_path).photos} == suffixes - rare
