from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lrm_core.evaluation import result_cache
from lrm_core.evaluation.result_cache import ResultCache, code_sha256

VALUES = {"mean": 0.1, "notes": ["slow"], "failure": None}


def test_a_result_comes_back_exactly(tmp_path: Path) -> None:
    cache, numbers = ResultCache(tmp_path), np.random.default_rng(0).normal(size=(3, 2))
    cache.put("scores", ["a", 1], VALUES, {"numbers": numbers[:, ::-1], "none": numbers[:0]})
    kept = ResultCache(tmp_path).get("scores", ["a", 1])
    assert kept is not None
    assert kept.values == VALUES
    np.testing.assert_array_equal(kept.arrays["numbers"], numbers[:, ::-1])
    assert kept.arrays["none"].shape == (0, 2)


def test_another_key_or_kind_is_another_result(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    cache.put("scores", ["a", 1], VALUES)
    for kind, key in (("scores", ["a", 2]), ("scores", ["a1"]), ("predictions", ["a", 1])):
        assert cache.get(kind, key) is None
    cache.put("scores", ["a", 1], {"mean": 0.2})
    kept = cache.get("scores", ["a", 1])
    assert kept is not None
    assert kept.values == {"mean": 0.2}


@pytest.mark.parametrize("length", [0, 4, 60])
def test_a_damaged_file_is_no_result(tmp_path: Path, length: int) -> None:
    cache = ResultCache(tmp_path)
    cache.put("scores", ["a"], VALUES, {"numbers": np.arange(9.0)})
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:length])
    assert cache.get("scores", ["a"]) is None


def test_without_a_folder_nothing_is_kept() -> None:
    cache = ResultCache(None)
    cache.put("scores", ["a"], VALUES)
    assert cache.get("scores", ["a"]) is None


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "package"
    (folder / "presets").mkdir(parents=True)
    (folder / "model.py").write_text("a = 1")
    (folder / "presets" / "gso.yaml").write_text("radius: 2")
    monkeypatch.setattr(result_cache, "_PACKAGE", folder)
    code_sha256.cache_clear()
    yield folder
    code_sha256.cache_clear()


@pytest.mark.parametrize("name", ["model.py", "presets/gso.yaml", "new.py"])
def test_what_other_code_computed_is_no_result(tmp_path: Path, package: Path, name: str) -> None:
    cache = ResultCache(tmp_path / "cache")
    cache.put("scores", ["a"], VALUES)
    code_sha256.cache_clear()
    assert cache.get("scores", ["a"]) is not None
    (package / name).write_text("a = 2")
    code_sha256.cache_clear()  # as a new process
    assert cache.get("scores", ["a"]) is None


def test_what_is_no_code_leaves_results_alone(tmp_path: Path, package: Path) -> None:
    before = code_sha256()
    (package / "model.cpython-311.pyc").write_bytes(b"compiled")
    code_sha256.cache_clear()
    assert code_sha256() == before
