"""Objaverse through a stand-in for the package `objaverse`: nothing is downloaded here."""

import sys
import types
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lrm_core.errors import ConfigError, InputError, MissingDependencyError
from lrm_core.sources.asset_listing import Asset
from lrm_core.sources.objaverse import (
    ObjaverseObject,
    download_objects,
    find_objects,
    lvis_uids,
    read_uids,
    with_licences,
)

A, B, C, D = (letter * 32 for letter in "abcd")


class StandIn(types.ModuleType):
    """The functions of `objaverse` that we call, with its habit of printing and warning."""

    def __init__(self, folder: Path, unreachable: Sequence[str] = ()) -> None:
        super().__init__("objaverse")
        self.BASE_PATH = str(folder)
        self.unreachable = unreachable
        self.calls: list[tuple[list[str], int]] = []

    def load_uids(self) -> list[str]:
        return [A, B, C]

    def load_lvis_annotations(self) -> dict[str, list[str]]:
        return {"mug": [B, A], "mug_stand": [C], "Christmas_tree": []}

    def load_annotations(self, uids: list[str]) -> dict[str, dict[str, object]]:
        assert set(uids) <= {A, B, C}, "unknown uids end the real one with a KeyError"
        about: dict[str, dict[str, object]] = {
            A: {"license": "by", "user": {"displayName": "Ann\n A.", "username": "ann"}},
            B: {"license": "cc0", "user": {"displayName": "", "username": "bob"}},
            C: {"license": None},
        }
        return {uid: about[uid] for uid in uids}

    def load_objects(self, uids: list[str], download_processes: int = 1) -> dict[str, str]:
        self.calls.append((uids, download_processes))
        sys.stdout.write("starting download\n")
        warnings.warn("careful", stacklevel=1)
        if any(uid in self.unreachable for uid in uids):
            raise ConnectionResetError("cut off")
        return {uid: f"{self.BASE_PATH}/hf/glbs/000-001/{uid}.glb" for uid in uids}


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandIn]:
    def install(*unreachable: str) -> StandIn:
        package = StandIn(tmp_path, unreachable)
        monkeypatch.setitem(sys.modules, "objaverse", package)
        return package

    return install


def test_uids_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"# mine\n{A}\n\n{B}  # a mug\n")
    (tmp_path / "a.json").write_text(f'["{A}", "{B}"]')
    assert read_uids(tmp_path / "a.txt") == read_uids(tmp_path / "a.json") == [A, B]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"{}", "expected a JSON list"),
        ("a.json", b"[", "not a readable list"),
        ("a.txt", b"\xff\xfe", "not a readable list"),
        ("a.txt", None, "cannot be read"),
    ],
)
def test_broken_lists_are_one_line(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_uids(tmp_path / name)


def test_categories_are_looked_up(stand_in: Callable[..., StandIn]) -> None:
    stand_in()
    assert lvis_uids(["mug", "mug_stand"]) == [B, A, C]
    with pytest.raises(InputError, match="no LVIS category 'mugs'") as error:
        lvis_uids(["mugs"])
    assert "did you mean mug" in error.value.hint


def test_licences_and_authors_are_kept(stand_in: Callable[..., StandIn]) -> None:
    stand_in()
    assert find_objects([C, A, f"{B}.glb", A, D]) == [
        ObjaverseObject(A, "CC-BY-4.0", "Ann A."),
        ObjaverseObject(B, "CC0-1.0", "bob"),
        ObjaverseObject(C, "unknown", ""),
        ObjaverseObject(D, problem="is not in Objaverse"),
    ]


def test_objects_are_chosen_by_licence(stand_in: Callable[..., StandIn]) -> None:
    stand_in()
    objects = find_objects([A, B, C, D])
    assert [one.uid for one in with_licences(objects, ["cc0"])] == [B, D]
    assert [one.uid for one in with_licences(objects, ["by", "cc0"])] == [A, B, D]
    with pytest.raises(ConfigError, match="no licence 'mit'"):
        with_licences(objects, ["mit"])


def test_downloads_become_jobs(
    stand_in: Callable[..., StandIn], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    package = stand_in()
    done: list[int] = []
    root, jobs = download_objects(find_objects([A, B, D]), processes=3, on_progress=done.append)
    assert root == tmp_path
    assert package.calls == [([A, B], 3)]
    assert [job.object_id for job in jobs] == [A, B, D]
    assets = [Asset.at(job.location) for job in jobs]
    assert assets[0] == Asset(f"hf/glbs/000-001/{A}.glb", "CC-BY-4.0, Ann A.", "objaverse-1.0")
    assert assets[1].licence == "CC0-1.0, bob"
    assert assets[2].problem == f"{D} is not in Objaverse"
    assert sum(done) == 3
    assert capfd.readouterr() == ("", "")


def test_one_failed_download_leaves_the_others(stand_in: Callable[..., StandIn]) -> None:
    stand_in(B)
    _, jobs = download_objects(find_objects([A, B, C]))
    problems = {job.object_id: Asset.at(job.location).problem for job in jobs}
    assert problems == {A: "", B: f"{B} could not be downloaded", C: ""}


def test_no_network_is_one_line(
    stand_in: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = stand_in(A, B, C)
    with pytest.raises(InputError, match=r"could be downloaded \(cut off\)"):
        download_objects(find_objects([A, B, C]))

    def fail() -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(package, "load_uids", fail)
    with pytest.raises(InputError, match="cannot be reached"):
        find_objects([A])


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "objaverse", None)
    with pytest.raises(MissingDependencyError) as error:
        lvis_uids(["mug"])
    assert "lrm-toolkit[objaverse]" in error.value.hint
