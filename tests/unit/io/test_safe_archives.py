"""Archives that are what they say are unpacked; every trick of the others is refused."""

import random
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from lrm_core.errors import InputError, LrmError, OutputError
from lrm_core.io.safe_archives import ArchiveLimits, unpack_zip


def make_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(archive: Path, words: str, limits: ArchiveLimits | None = None) -> None:
    folder = archive.parent / "inside" / "out"
    with pytest.raises(InputError, match=words):
        unpack_zip(archive, folder, limits or ArchiveLimits())
    # nothing beside the archive and the emptied folder: no leftovers, nothing outside
    left = {path.relative_to(archive.parent).as_posix() for path in archive.parent.rglob("*")}
    assert left <= {archive.name, "inside"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_come_out_as_they_went_in(tmp_path, method):
    files = {
        "meshes/model.obj": random.Random(0).randbytes(3 * 2**20),
        "materials/textures/texture.png": b"pixels" * 1000,
        "Banana für Skala.txt": b"",
    }
    archive = make_zip(tmp_path / "a.zip", files | {"empty/": b""}, method)
    unpack_zip(archive, tmp_path / "new" / "out")
    assert tree(tmp_path / "new" / "out") == files
    assert (tmp_path / "new" / "out" / "empty").is_dir()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_modes_of_the_archive_are_not_kept(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("run")
        member.external_attr = (stat.S_IFREG | stat.S_ISUID | 0o777) << 16
        archive.writestr(member, b"#!")
    unpack_zip(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out" / "run").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil", "..\\evil", "C:\\evil", "C:evil", "a/\x1b[2J", ".", ".."],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    refused(make_zip(tmp_path / "a.zip", {"good": b"1", name: b"2"}), "leads out of its folder")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("link")
        member.external_attr = (kind | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    refused(tmp_path / "a.zip", "link or a device")


def test_limits_are_kept(tmp_path):
    noise = random.Random(0).randbytes(5000)
    archive = make_zip(tmp_path / "a.zip", {"a": noise, "b": noise, "c": noise})
    refused(archive, "more than 2 files", ArchiveLimits(members=2))
    refused(archive, "5,000 bytes; at most 4,999", ArchiveLimits(file_bytes=4999))
    refused(archive, "allowed in all", ArchiveLimits(total_bytes=14_999))
    unpack_zip(archive, tmp_path / "out", ArchiveLimits(3, 15_000, 5000))
    assert len(tree(tmp_path / "out")) == 3


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    refused(make_zip(tmp_path / "a.zip", {"zeros": bytes(2**24)}), "zip bomb")


def test_a_small_file_may_compress_well(tmp_path):
    unpack_zip(make_zip(tmp_path / "a.zip", {"zeros": bytes(2**20)}), tmp_path / "out")
    assert tree(tmp_path / "out") == {"zeros": bytes(2**20)}


def test_a_file_larger_than_it_says_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"zeros": bytes(10**5)})
    content = archive.read_bytes().replace(struct.pack("<I", 10**5), struct.pack("<I", 10))
    archive.write_bytes(content)
    refused(archive, "not a readable zip archive")


def test_two_files_in_one_place_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a", b"2")
    refused(tmp_path / "a.zip", "'a' twice")
    refused(make_zip(tmp_path / "a.zip", {"a": b"1", "a/": b""}), "'a/' twice")
    refused(make_zip(tmp_path / "a.zip", {"a": b"1", "a/b": b"2"}), "'a/b' twice")


def test_encrypted_files_and_rare_methods_are_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a": b"1"}, zipfile.ZIP_LZMA)
    refused(archive, "unusual method")
    content = bytearray(make_zip(tmp_path / "a.zip", {"a": b"1"}).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    refused(archive, "encrypted")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(17)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", r"a\.zip: ")


def test_any_damage_is_found(tmp_path):
    """Whatever bit is flipped, only files as they went in come out, or a named error."""
    files = {"meshes/model.obj": b"v 1 2 3\n" * 40, "texture.png": bytes(range(256))}
    intact = make_zip(tmp_path / "a.zip", files).read_bytes()
    dice = random.Random(0)
    refusals = 0
    for attempt in range(300):
        content = bytearray(intact)
        position = dice.randrange(len(content))
        content[position] ^= 1 << dice.randrange(8)
        (tmp_path / "a.zip").write_bytes(content)
        folder = tmp_path / f"out{attempt}"
        try:
            unpack_zip(tmp_path / "a.zip", folder)
        except LrmError:
            refusals += 1
            assert not folder.exists()
        else:
            assert set(tree(folder).values()) <= set(files.values())
    assert refusals > 200


def test_a_folder_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        unpack_zip(make_zip(tmp_path / "a.zip", {"a": b"1"}), tmp_path / "out")
    with pytest.raises(OutputError, match="cannot be unpacked"):
        unpack_zip(tmp_path / "missing.zip", tmp_path / "other")
