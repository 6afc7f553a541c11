"""CLIP similarity with random weights of real architectures against open_clip's own functions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_model

from lrm_core.errors import ConfigError, MetricUnavailableError
from lrm_core.metrics import clip_similarity as module
from lrm_core.metrics.clip_similarity import clip_similarity, load_clip
from lrm_core.metrics.metric_weights import WEIGHTS

open_clip = pytest.importorskip("open_clip")

# open_clip's smallest vision transformer with CLIP's own classes: ViT-B-32's file has 605 MB
SMALL = "ViT-S-32-alt"


def test_it_agrees_with_open_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(12)
    model, _, preprocess = open_clip.create_model_and_transforms(SMALL)
    save_model(model, tmp_path / "w.safetensors")
    monkeypatch.setitem(module._ARCHITECTURES, "small", SMALL)
    ours = load_clip("small", tmp_path / "w.safetensors")

    pixels = np.random.default_rng(12).integers(0, 256, (2, 3, 40, 40, 3), dtype=np.uint8)
    with torch.no_grad():
        a, b = (
            model.eval().encode_image(
                torch.stack([preprocess(Image.fromarray(image)) for image in images]),
                normalize=True,
            )
            for images in pixels
        )
    tensors = (torch.tensor(pixels).permute(0, 1, 4, 2, 3) - 0.4) / 255.0  # rounds to the pixels
    found = clip_similarity(ours.embed(tensors[0]), ours.embed(tensors[1]))
    assert torch.allclose(found, (a * b).sum(dim=1).double(), rtol=0, atol=1e-6)
    assert torch.allclose(
        clip_similarity(ours.embed(tensors[0]), ours.embed(tensors[0])),
        torch.ones(3, dtype=torch.float64),
    )
    assert "small" in ours.backend


@pytest.mark.parametrize("model", sorted(module._ARCHITECTURES))
def test_files_and_architectures_are_those_of_open_clip(model: str) -> None:
    name, tag = model.split("/")
    upstream = open_clip.get_pretrained_cfg(name, tag)
    assert f"huggingface.co/{upstream['hf_hub']}resolve/" in WEIGHTS[f"clip/{model}"].url
    config = open_clip.get_model_config(module._ARCHITECTURES[model])
    assert config.get("quick_gelu", False) == upstream.get("quick_gelu", False)
    assert config["vision_cfg"] == open_clip.get_model_config(name)["vision_cfg"]


def test_what_is_no_such_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="'ViT-Z'"):
        load_clip("ViT-Z", tmp_path / "w.safetensors")
    monkeypatch.setitem(module._ARCHITECTURES, "small", SMALL)
    (tmp_path / "w.safetensors").write_bytes(b"no tensors at all")
    with pytest.raises(MetricUnavailableError, match=r"w\.safetensors does not hold"):
        load_clip("small", tmp_path / "w.safetensors")
