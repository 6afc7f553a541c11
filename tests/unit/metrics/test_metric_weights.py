"""Weights are found where they should be, fetched once, and believed only with their SHA-256."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import torch
from safetensors.torch import save_file

from lrm_core.errors import MetricUnavailableError
from lrm_core.io import resumable_download
from lrm_core.metrics import metric_weights
from lrm_core.metrics.metric_weights import (
    FEATURE_WEIGHTS,
    FOLDER_VARIABLE,
    WEIGHTS,
    WeightsFile,
    accepted_files,
    cache_folder,
    find_weights,
    locate_weights,
    read_weights,
)

NAME = "fid/inception"
CONTENT = b"weights, for all we know"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsFile:
    """One small file in the table, empty folders, and no network."""
    known = replace(
        WEIGHTS[NAME], num_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest()
    )
    monkeypatch.setitem(WEIGHTS, NAME, known)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    return known


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Callable[[httpx.Response], list[str]]:
    """A server with one answer; returns the list of what was asked of it."""

    def answering(response: httpx.Response) -> list[str]:
        asked: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(str(request.url))
            return response

        client = httpx.Client(transport=httpx.MockTransport(answer))
        monkeypatch.setattr(resumable_download, "open_client", lambda _: client)
        return asked

    return answering


def test_every_file_is_pinned() -> None:
    known = [*WEIGHTS.items(), *FEATURE_WEIGHTS.items()]
    for name, file in known:
        assert len(file.sha256) == 64, name
        assert int(file.sha256, 16) >= 0
        assert file.url.startswith("https://")
        assert file.licence
    assert len({file.filename for _, file in known}) == len(known)
    assert set(FEATURE_WEIGHTS) < set(WEIGHTS)


def test_hashes_and_addresses_are_those_that_the_packages_publish() -> None:
    models = pytest.importorskip("torchvision.models")
    inception = pytest.importorskip("pytorch_fid.inception")
    published = {
        "lpips/alex": models.AlexNet_Weights.IMAGENET1K_V1.url,
        "lpips/vgg": models.VGG16_Weights.IMAGENET1K_V1.url,
        "fid/inception": inception.FID_WEIGHTS_URL,
    }
    for name, url in published.items():
        assert WEIGHTS[name].url == url
        assert url.endswith(WEIGHTS[name].filename)
        prefix = url.removesuffix(".pth").rpartition("-")[2]
        assert len(prefix) == 8
        assert WEIGHTS[name].sha256.startswith(prefix)


def test_folders_are_searched_in_order(file: WeightsFile, tmp_path: Path) -> None:
    assert find_weights(NAME) is None
    for folder in (tmp_path / "torch" / "checkpoints", tmp_path / "cache", tmp_path / "named"):
        folder.mkdir(parents=True)
        (folder / file.filename).write_bytes(CONTENT)
        found = find_weights(NAME, weights_dir=tmp_path / "named")
        assert found == folder / file.filename


def test_the_cache_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/lrm/metrics")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "lrm" / "metrics"


def test_a_file_with_other_content_is_refused(file: WeightsFile, tmp_path: Path) -> None:
    (tmp_path / file.filename).write_bytes(b"something else")
    with pytest.raises(MetricUnavailableError, match="not the file expected") as raised:
        find_weights(NAME, weights_dir=tmp_path)
    assert file.sha256 in raised.value.message


def test_a_download_is_kept(
    file: WeightsFile, server: Callable[[httpx.Response], list[str]]
) -> None:
    asked = server(httpx.Response(200, stream=httpx.ByteStream(CONTENT)))
    path = locate_weights(NAME)
    assert path == cache_folder() / file.filename
    assert path.read_bytes() == CONTENT
    assert locate_weights(NAME) == path
    assert asked == [file.url]
    assert [left.name for left in cache_folder().iterdir()] == [file.filename]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(200, stream=httpx.ByteStream(b"another file")), "not the file expected"),
        (httpx.Response(200, stream=httpx.ByteStream(CONTENT + b" and more")), "bytes allowed"),
        (httpx.Response(404), "404"),
    ],
    ids=["other content", "too long", "not there"],
)
def test_a_bad_download_leaves_nothing_to_be_found(
    file: WeightsFile,
    server: Callable[[httpx.Response], list[str]],
    response: httpx.Response,
    reason: str,
) -> None:
    server(response)
    with pytest.raises(MetricUnavailableError, match=reason) as raised:
        locate_weights(NAME)
    for word in (file.url, file.licence, file.filename, "--weights-dir"):
        assert word in raised.value.hint
    assert find_weights(NAME) is None


def test_without_a_network_the_file_is_named(
    file: WeightsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route to host")

    client = httpx.Client(transport=httpx.MockTransport(refuse))
    monkeypatch.setattr(resumable_download, "open_client", lambda _: client)
    monkeypatch.setattr(metric_weights, "_ATTEMPTS", 1)
    with pytest.raises(MetricUnavailableError, match="no route to host") as raised:
        locate_weights(NAME)
    assert file.url in raised.value.hint
    assert raised.value.exit_code == 9


def test_downloads_can_be_forbidden(
    file: WeightsFile, server: Callable[[httpx.Response], list[str]]
) -> None:
    asked = server(httpx.Response(200, stream=httpx.ByteStream(CONTENT)))
    with pytest.raises(MetricUnavailableError, match="not on this disk"):
        locate_weights(NAME, download=False)
    assert asked == []


def test_tensors_are_read_and_nothing_else_is_unpickled(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(3.0)}
    torch.save(tensors, tmp_path / "w.pth")
    save_file(tensors, tmp_path / "w.safetensors")
    for path in tmp_path.iterdir():
        assert read_weights(path)["a"].tolist() == [0.0, 1.0, 2.0]
    torch.save({"a": Path("an object")}, tmp_path / "evil.pth")
    (tmp_path / "short.safetensors").write_bytes(b"12")
    for name in ("evil.pth", "short.safetensors", "missing.pth"):
        with pytest.raises(MetricUnavailableError, match=name):
            read_weights(tmp_path / name)


def test_features_alone_are_accepted_by_their_own_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    features = replace(FEATURE_WEIGHTS["lpips/alex"], sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(FEATURE_WEIGHTS, "lpips/alex", features)
    assert accepted_files("lpips/alex") == (WEIGHTS["lpips/alex"], features)
    assert accepted_files("fid/inception") == (WEIGHTS["fid/inception"],)
    (tmp_path / features.filename).write_bytes(CONTENT)
    found = locate_weights("lpips/alex", weights_dir=tmp_path, download=False)
    assert found == tmp_path / features.filename
    # torchvision's hash is of another file
    (tmp_path / features.filename).write_bytes(b"something else")
    with pytest.raises(MetricUnavailableError, match=features.sha256):
        locate_weights("lpips/alex", weights_dir=tmp_path, download=False)
    (tmp_path / features.filename).unlink()
    with pytest.raises(MetricUnavailableError) as raised:
        locate_weights("lpips/alex", weights_dir=tmp_path, download=False)
    assert "benchmarks/lpips_weights.py -o FOLDER alex" in raised.value.hint
