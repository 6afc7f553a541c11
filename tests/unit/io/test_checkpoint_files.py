import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as load_with_numpy

from lrm_core.errors import CheckpointError, OutputError
from lrm_core.io.checkpoint_files import (
    read_metadata,
    read_tensors,
    require_finite,
    require_tensors,
    write_safetensors,
)

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b.c": torch.tensor([1.5, -2.5])}


class Hostile:
    """Runs a command when unpickled by a careless reader."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.target}'",)


def fails(path: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        require_tensors(read_tensors(path), origin=str(path))
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message
    return caught.value


def test_safetensors_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.safetensors"
    write_safetensors(path, TENSORS, metadata={"note": "x"})
    read = read_tensors(path)
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(read[name], tensor)
        np.testing.assert_array_equal(load_with_numpy(path)[name], tensor.numpy())
    assert read_metadata(path)["note"] == "x"
    assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"]


def test_stored_type_applies_to_floats_only(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"f": torch.ones(2), "i": torch.tensor([2**30])}, dtype=torch.float16)
    read = read_tensors(path)
    assert read["f"].dtype == torch.float16
    assert read["i"].tolist() == [2**30]


def test_views_of_one_tensor_can_be_stored(tmp_path: Path) -> None:
    whole = torch.arange(6.0).view(2, 3)
    write_safetensors(tmp_path / "m.safetensors", {"a": whole, "t": whole.T, "row": whole[0]})
    read = read_tensors(tmp_path / "m.safetensors")
    assert torch.equal(read["t"], whole.T)
    assert torch.equal(read["row"], whole[0])


def test_overflow_on_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, TENSORS)
    with pytest.raises(OutputError, match="'big'"):
        write_safetensors(path, {"big": torch.tensor([1e6])}, dtype=torch.float16)
    assert read_tensors(path).keys() == TENSORS.keys()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("zipped", [True, False])
def test_pytorch_files_old_and_new(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "any.name"
    torch.save({"weights": TENSORS, "step": 3}, path, _use_new_zipfile_serialization=zipped)
    read = read_tensors(path)
    assert torch.equal(read["weights"]["a"], TENSORS["a"])
    assert read["step"] == 3
    assert read_metadata(path) == {}


@pytest.mark.parametrize("length", [128, 129, 0x4B50])
def test_header_length_is_not_taken_for_a_pickle(tmp_path: Path, length: int) -> None:
    """A safetensors file may start with 0x80 or "PK": its header's length."""
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(length)
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + np.float32(7).tobytes())
    assert read_tensors(path)["a"].tolist() == [7.0]


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_refused(tmp_path: Path, zipped: bool) -> None:
    path, target = tmp_path / "model.ckpt", tmp_path / "ran"
    torch.save({"a": Hostile(target)}, path, _use_new_zipfile_serialization=zipped)
    assert "system" in fails(path).message
    assert not target.exists()


def test_code_in_a_bare_pickle_is_refused(tmp_path: Path) -> None:
    path, target = tmp_path / "model.pth", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"a": Hostile(target)}))
    assert "refused" in fails(path).message
    assert not target.exists()


def test_a_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    assert "torch.nn.modules.linear.Linear" in fails(tmp_path / "model.pth").message


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.95])
def test_truncated_files(tmp_path: Path, kind: str, part: float) -> None:
    path = tmp_path / "model"
    tensors = {"a": torch.randn(50, 50), "b": torch.randn(50)}
    if kind == "safetensors":
        write_safetensors(path, tensors)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert fails(path).hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "LFS"),
        (b"<!DOCTYPE html><html>not found</html>", "neither"),
        (b"\xff" * 100, "neither"),
        (b"\x80\x02" + b"x" * 50, "refused|truncated"),
        ((2**62).to_bytes(8, "little") + b"{}", "truncated"),
        (
            (40).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}',
            "t",
        ),
    ],
)
def test_foreign_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_tensors(path)
    assert "\n" not in caught.value.message


def test_a_zip_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pth", "w") as file:
        file.writestr("word/document.xml", "<x/>")
    assert "not a PyTorch file" in fails(tmp_path / "model.pth").message


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert "No such file" in fails(tmp_path / "none.safetensors").message
    assert "directory" in fails(tmp_path).message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([torch.ones(1)], "got list"),
        ({}, "got dict"),
        ({"a": 3}, "'a' is int"),
        ({1: torch.ones(1)}, "entry 1"),
        ({"a": torch.eye(3).to_sparse()}, "'a' is not a plain dense tensor"),
        ({"a": torch.zeros(1).expand(10**9)}, "'a' is not a plain dense tensor"),
    ],
)
def test_require_tensors(value: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        require_tensors(value, origin="file")


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_require_finite(bad: float, dtype: torch.dtype) -> None:
    good = torch.randn(1000).to(dtype)
    require_finite({"a": good, "empty": torch.zeros(0), "n": torch.tensor(3)}, origin="file")
    broken = good.clone()
    broken[777] = bad
    with pytest.raises(CheckpointError, match="'b' holds NaN or infinity"):
        require_finite({"a": good, "b": broken}, origin="file")


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_safetensors(tmp_path / "model.safetensors", TENSORS)
    assert len(list(tmp_path.iterdir())) == 1
