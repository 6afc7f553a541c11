from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from lrm_core.config import preset_names
from lrm_core.errors import CheckpointError
from lrm_core.models import model_sources
from lrm_core.models.loading import save_lrm
from lrm_core.models.lrm import LRM
from lrm_core.models.model_sources import bundled_folder, download, list_models

WEIGHTS = ("model.safetensors", "model.ckpt")


def offline(*args: object, **kwargs: object) -> None:
    raise ConnectionError("Name or service not known")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A hub with one repository, whose files appear in a folder when they are asked for."""
    state = SimpleNamespace(files=["README.md", "config.yaml", "model.ckpt"], fetched=[])

    def model_info(self: object, repository: str, **kwargs: object) -> SimpleNamespace:
        siblings = [SimpleNamespace(rfilename=name) for name in state.files]
        return SimpleNamespace(siblings=siblings, sha="c0ffee")

    def fetch(repository: str, name: str, *, revision: str) -> str:
        state.fetched.append((repository, name, revision))
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    return state


def test_only_configuration_and_weights_are_fetched(hub: SimpleNamespace, tmp_path: Path) -> None:
    assert download("org/name@v1", WEIGHTS) == tmp_path
    assert hub.fetched == [
        ("org/name", "config.yaml", "c0ffee"),
        ("org/name", "model.ckpt", "c0ffee"),
    ]


def test_safetensors_is_preferred(hub: SimpleNamespace) -> None:
    hub.files.append("model.safetensors")
    download("org/name", WEIGHTS)
    assert hub.fetched[-1][1] == "model.safetensors"


def test_repository_without_weights(hub: SimpleNamespace) -> None:
    hub.files.remove("model.ckpt")
    with pytest.raises(CheckpointError, match=r"has none of model\.safetensors, model\.ckpt"):
        download("org/name", WEIGHTS)


def test_interrupted_download(hub: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(CheckpointError, match="cannot be reached"):
        download("org/name", WEIGHTS)


def test_without_network_an_earlier_download_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cached(repository: str, *, revision: str | None, local_files_only: bool) -> str:
        assert local_files_only
        if repository == "org/known":
            return str(tmp_path)
        raise LocalEntryNotFoundError("not cached")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", offline)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    assert download("org/known", WEIGHTS) == tmp_path
    with pytest.raises(CheckpointError, match="Name or service not known") as caught:
        download("org/unknown", WEIGHTS)
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_list_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_sources, "_is_cached", lambda model: "TripoSR" in model.name)
    entries = {entry.name: entry for entry in list_models()}
    assert set(preset_names()) < set(entries)
    triposr = entries["stabilityai/TripoSR"]
    assert (triposr.licence, triposr.commercial_use) == ("MIT", True)
    assert triposr.availability == "cached"
    openlrm = entries["zxhezexin/openlrm-mix-base-1.1"]
    assert (openlrm.licence, openlrm.commercial_use) == ("CC-BY-NC-4.0", False)
    assert (openlrm.availability, openlrm.num_parameters) == ("download", 260_201_972)
    assert entries["lrm-large"].availability == "train"


def test_bundled_model(tiny_model: LRM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bundled_folder("stabilityai/TripoSR") is None
    assert bundled_folder("../presets") is None
    save_lrm(tiny_model, tmp_path / "weights" / "lrm-tiny")
    monkeypatch.setattr(model_sources.resources, "files", lambda package: tmp_path)
    monkeypatch.setattr(model_sources, "preset_names", lambda: ["lrm-tiny"])
    monkeypatch.setattr(model_sources, "load_preset", lambda name: tiny_model.config)
    assert bundled_folder("lrm-tiny") == tmp_path / "weights" / "lrm-tiny"
    entry = list_models()[0]
    assert (entry.name, entry.availability) == ("lrm-tiny", "bundled")
    assert entry.num_parameters == tiny_model.num_parameters
