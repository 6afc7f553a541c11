import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import MissingDependencyError
from lrm_core.foreground import networks
from lrm_core.foreground.networks import (
    REMBG_MODELS,
    preferred_model,
    rembg_alpha,
    rembg_installed,
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    for variable in ("U2NET_HOME", "REMBG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def no_sessions():
    networks._session.cache_clear()
    yield
    networks._session.cache_clear()


@pytest.fixture
def fake_rembg(monkeypatch):
    """rembg's interface: the mask is the picture's darkness; records how it was called."""
    module = ModuleType("rembg")
    module.calls = []

    def new_session(*args, **kwargs):
        module.calls.append((args, kwargs, os.environ.get("NUMBA_DISABLE_JIT")))
        return "session"

    def remove(image, *, session, only_mask):
        assert session == "session"
        assert only_mask
        return Image.fromarray(255 - np.asarray(image.convert("L")))

    module.new_session, module.remove = new_session, remove
    monkeypatch.setitem(sys.modules, "rembg", module)
    return module


def test_model_is_always_named_and_local(fake_rembg):
    rgb = np.zeros((10, 12, 3), np.uint8)
    rgb[:5] = 255
    alpha = rembg_alpha(rgb, REMBG_MODELS["u2net"])
    np.testing.assert_allclose(alpha[5:], 1.0)
    np.testing.assert_allclose(alpha[:5], 0.0)
    ((args, kwargs, _),) = fake_rembg.calls
    assert args == ("u2net",)
    assert kwargs == {"providers": ["CPUExecutionProvider"]}
    assert not any("bria" in name for name in REMBG_MODELS)  # not free for every use


def test_one_session_per_process_and_one_download(fake_rembg):
    rgb = np.zeros((8, 8, 3), np.uint8)
    for _ in range(3):
        rembg_alpha(rgb, REMBG_MODELS["u2net"])
    assert len(fake_rembg.calls) == 1
    rembg_alpha(rgb, REMBG_MODELS["isnet-general-use"])
    assert len(fake_rembg.calls) == 2


def test_a_download_that_failed_is_not_tried_for_every_photo(fake_rembg):
    tried = []

    def refuse(*_, **__):
        tried.append(True)
        raise OSError("no route")

    fake_rembg.new_session = refuse
    for _ in range(3):
        with pytest.raises(MissingDependencyError, match="no route"):
            rembg_alpha(np.zeros((8, 8, 3), np.uint8), REMBG_MODELS["u2net"])
    assert len(tried) == 1


def test_numba_is_off_only_during_the_import(fake_rembg, monkeypatch):
    seen = []
    monkeypatch.setattr(
        networks,
        "require",
        lambda *_, **__: seen.append(os.environ["NUMBA_DISABLE_JIT"]) or fake_rembg,
    )
    reloaded = []
    numba = SimpleNamespace(config=SimpleNamespace(reload_config=lambda: reloaded.append(True)))
    monkeypatch.setitem(sys.modules, "numba", numba)
    for before in (None, "0"):
        if before is None:
            monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
        else:
            monkeypatch.setenv("NUMBA_DISABLE_JIT", before)
        rembg_alpha(np.zeros((8, 8, 3), np.uint8), REMBG_MODELS["u2net"])
        assert os.environ.get("NUMBA_DISABLE_JIT") == before
    assert seen == ["1", "1"]
    assert reloaded == [True, True]


def test_no_network_is_one_clear_error(fake_rembg, home):
    class ConnectionError(OSError):  # as requests names its own
        pass

    def refuse(*_, **__):
        raise ConnectionError("HTTPSConnectionPool(host='github.com'): Max retries exceeded")

    fake_rembg.new_session = refuse
    with pytest.raises(MissingDependencyError, match=r"'u2net'.*no network") as caught:
        rembg_alpha(np.zeros((8, 8, 3), np.uint8), REMBG_MODELS["u2net"])
    assert str(home / ".rembg/models/u2net/u2net.onnx") in caught.value.hint
    assert "u2netp" in caught.value.hint


def test_damaged_model_is_one_clear_error(fake_rembg, home):
    def fail(*_, **__):
        raise RuntimeError("INVALID_PROTOBUF\nmore lines")

    fake_rembg.new_session = fail
    with pytest.raises(MissingDependencyError, match="INVALID_PROTOBUF") as caught:
        rembg_alpha(np.zeros((8, 8, 3), np.uint8), REMBG_MODELS["u2net"])
    assert "\n" not in caught.value.message


def test_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(MissingDependencyError) as caught:
        rembg_alpha(np.zeros((8, 8, 3), np.uint8), REMBG_MODELS["u2net"])
    assert "lrm-toolkit[rembg]" in caught.value.hint


def test_installed_needs_both_packages(monkeypatch):
    for present in ({"rembg"}, {"onnxruntime"}, {"rembg", "onnxruntime"}, set()):
        monkeypatch.setattr(
            "importlib.util.find_spec", lambda name, here=present: name if name in here else None
        )
        assert rembg_installed() == (len(present) == 2)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_model_on_disk_is_preferred(home, monkeypatch):
    assert preferred_model().name == "u2net"
    touch(home / ".rembg/models/isnet-general-use/isnet-general-use.onnx")
    assert preferred_model().name == "isnet-general-use"
    touch(home / ".u2net/u2net.onnx")
    assert preferred_model().name == "u2net"
    monkeypatch.setenv("U2NET_HOME", str(home / "other"))
    touch(home / "other/isnet-general-use.onnx")
    assert preferred_model().name == "isnet-general-use"
