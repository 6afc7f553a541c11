import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from lrm_core.errors import OutputError
from lrm_core.io.atomic_write import check_replaceable, replacing, replacing_in


def write(path: Path, content: bytes = b"new") -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
@pytest.mark.parametrize("writer_mode", [None, 0o600])
def test_permissions_are_those_of_the_umask(tmp_path, umask, writer_mode):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "a") as temporary:
            temporary.unlink()  # as writers do that make a file of their own
            temporary.write_bytes(b"new")
            if writer_mode is not None:
                temporary.chmod(writer_mode)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o640)
    write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_symbolic_links_are_written_through(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to("far/a")
    (tmp_path / "dangling").symlink_to("far/b")
    write(tmp_path / "link")
    write(tmp_path / "dangling")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "a").read_bytes() == b"new"
    assert (tmp_path / "far" / "b").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["x" * 255, "x" * 251 + ".obj", "x." + "y" * 253, "é" * 127 + "x"])
def test_the_longest_names(tmp_path, name):
    write(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_names_are_bytes(tmp_path):
    name = b"caf\xe9.obj".decode("utf-8", "surrogateescape")
    write(tmp_path / name)
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"caf\xe9.obj"]


@pytest.mark.parametrize(
    "place", ["file/a", "loop", "loop/a", "x" * 256, "x" * 300 + "/a", "nul\0.obj", "folder"]
)
def test_what_cannot_be_written_is_one_known_error(tmp_path, place):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / place)
    assert sorted(tmp_path.iterdir()) == before


def test_an_input_is_known_by_any_of_its_names(tmp_path):
    photo, other = tmp_path / "photo.png", tmp_path / "other.png"
    photo.write_bytes(b"photo")
    other.write_bytes(b"photo")
    (tmp_path / "hard.png").hardlink_to(photo)
    (tmp_path / "soft.png").symlink_to(photo)
    for name in ("photo.png", "hard.png", "soft.png", "../" + tmp_path.name + "/photo.png"):
        with pytest.raises(OutputError, match="would replace the input itself"):
            check_replaceable(tmp_path / name, overwrite=True, inputs=[photo])
    check_replaceable(other, overwrite=True, inputs=[photo])


@pytest.mark.parametrize("place", ["a.obj", "new/a.obj", "link.obj"])
def test_a_read_only_folder_is_known_before_the_work(tmp_path, monkeypatch, place):
    folder = tmp_path / "read-only"
    folder.mkdir()
    (folder / "link.obj").symlink_to("new.obj")
    # permissions do not bind root, who runs tests in containers
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder)
    with pytest.raises(OutputError, match="read-only is read-only"):
        check_replaceable(folder / place, overwrite=True)
    (tmp_path / "out.obj").symlink_to(folder / "a.obj")
    with pytest.raises(OutputError, match="read-only is read-only"):
        check_replaceable(tmp_path / "out.obj", overwrite=True)
    check_replaceable(tmp_path / "other.obj", overwrite=True)


@pytest.mark.parametrize("writer", [replacing, replacing_in])
def test_folders_are_not_left_empty(tmp_path, writer):
    (tmp_path / "mine").mkdir()
    for place in ("mine/new/folder/a", "new/a"):
        with pytest.raises(ValueError, match="own"), writer(tmp_path / place):
            raise ValueError("own")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_an_error_within_a_writer_within_a_writer_names_the_file_once(tmp_path):
    def write_within() -> None:
        with replacing(tmp_path / "a.safetensors") as outer, replacing(outer):
            raise OSError(28, "No space left on device (os error 28)")

    with pytest.raises(OutputError) as caught:
        write_within()
    assert caught.value.message == (
        f"{tmp_path}/a.safetensors cannot be written (No space left on device (os error 28))"
    )


def test_a_block_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "a").write_bytes(b"old")

    def fail() -> None:
        with replacing(tmp_path / "a") as temporary:
            temporary.write_bytes(b"half")
            raise ValueError("own")

    with pytest.raises(ValueError, match="own"):
        fail()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "write_to",
    [
        lambda path: path.write_bytes(b"new"),
        lambda path: torch.save(torch.zeros(1 << 16), path),
        lambda path: Image.new("L", (64, 64)).save(path, format="PNG"),
    ],
)
def test_a_full_disk_is_one_known_error(tmp_path, write_to):
    def write_to_full_device() -> None:
        with replacing(tmp_path / "a") as path:
            path.unlink()
            path.symlink_to("/dev/full")
            write_to(path)

    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device"):
        write_to_full_device()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_needs_leave_to_be_replaced(tmp_path):
    old, new = tmp_path / "old.obj", tmp_path / "new.obj"
    old.touch()
    check_replaceable(new, overwrite=False)
    check_replaceable(new, old, overwrite=True)
    with pytest.raises(OutputError, match=r"old\.obj exists already") as caught:
        check_replaceable(new, old, overwrite=False)
    assert caught.value.hint == "add --overwrite to replace it"
    with pytest.raises(OutputError) as caught:
        check_replaceable(old, overwrite=False, hint="add --resume")
    assert caught.value.hint == "add --resume"
