"""Damaged files: a short run in CI, and the proof that what it counts would be seen."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of time of POSIX")

SEED = int(os.environ.get("LRM_FUZZ_SEED", "1"))


@pytest.fixture(scope="module")
def fuzz(load_benchmark) -> Iterator[ModuleType]:
    with load_benchmark("fuzz") as module:
        yield module


def test_whole_files_are_read(fuzz: ModuleType, tmp_path: Path) -> None:
    for kind, make in fuzz.MAKERS.items():
        for seed in range(8):
            folder = tmp_path / f"{kind}-{seed}"
            folder.mkdir()
            fuzz.READERS[kind](make(folder, Random(seed)))


def test_damaged_files_are_read_or_refused(fuzz: ModuleType) -> None:
    counts = fuzz.run(SEED, range(600), list(fuzz.MAKERS))
    assert counts.inputs == 600
    assert counts.tracebacks == {}
    assert counts.hangs == counts.lost == []
    assert min(counts.accepted.total(), counts.refused.total()) > 100  # both ways are taken


def test_inputs_are_functions_of_seed_and_number(fuzz: ModuleType, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        kinds = [kind for kind in fuzz.MAKERS if kind != "safetensors"]
        for number in range(20):
            kind, path = fuzz.make_input(7, number, kinds, tmp_path / name)
            made.append((name, kind, path.read_bytes()))
    assert [entry[1:] for entry in made[:20]] == [entry[1:] for entry in made[20:]]


def test_what_goes_wrong_is_counted(
    fuzz: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(path: Path) -> None:
        while True:
            pass

    def wrong(path: Path) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(fuzz, "SECONDS", 0.2)
    for kind, reader in (("stl", hang), ("ply", wrong), ("obj", Path.unlink)):
        monkeypatch.setitem(fuzz.READERS, kind, reader)
        counts = fuzz.run(0, range(1), [kind])
        assert (len(counts.hangs), len(counts.tracebacks), len(counts.lost)) == {
            "stl": (1, 0, 0), "ply": (0, 1, 0), "obj": (0, 0, 1),
        }[kind]  # fmt: skip
