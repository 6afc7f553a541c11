"""Photos of files and folders, and a name for each."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrm_core.errors import InputError
from lrm_core.io.photo_listing import distinct_names, list_photos


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
