"""The scores of the ablations, against the validation of the training loop."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from lrm_core.config import load_preset
from lrm_core.models.lrm import LRM
from lrm_core.training.config import RenderingLossConfig
from lrm_core.training.data.view_samples import (
    ViewSamples,
    collate_views,
)
from lrm_core.training.objectives.rendering_objective import RenderingObjective
from lrm_core.training.view_config import ViewDataConfig, ViewSource


@pytest.fixture(scope="module")
def held_out_views(load_benchmark) -> Iterator[ModuleType]:
    with load_benchmark("held_out_views") as module:
        yield module


@pytest.fixture(scope="module")
def model() -> LRM:
    torch.manual_seed(0)
    return LRM(load_preset("lrm-tiny")).eval()


def test_scores_are_those_of_the_training_loop(
    held_out_views: ModuleType, model: LRM, ball_views: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One input view and all six views of both objects: what validation computes too."""
    monkeypatch.delenv("LRM_METRIC_WEIGHTS", raising=False)  # too small for LPIPS's network
    views = ViewDataConfig(
        sources=(ViewSource(url=str(ball_views)),),
        num_side_views=5,
        target_resolution=(24, 24),
        crop=24,
    )
    samples = ViewSamples(views, model.config, split="val", fixed=True)
    objective = RenderingObjective(model, RenderingLossConfig(perceptual="none"), None)
    expected = objective.validate(collate_views([samples[0], samples[1]])).scores
    settings = held_out_views.EvaluationSettings(
        split="val", num_objects=50, num_inputs=1, num_views=6, size=24
    )
    scores = held_out_views.ViewScores("cpu", download=False)
    found = held_out_views.evaluate(model, views, settings, scores)
    assert found["psnr"] == pytest.approx(expected["psnr"], abs=1e-4)
    assert found["ssim"] == pytest.approx(100.0 * expected["ssim"], abs=1e-3)
    # another input view gives another reconstruction, in the frame of that view
    other = held_out_views.evaluate(model, views, replace(settings, num_inputs=2), scores)
    assert other["psnr"] != pytest.approx(found["psnr"], abs=1e-4)


def test_metrics_without_weights_are_named(
    held_out_views: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str, *, download: bool) -> Path:
        assert not download
        raise held_out_views.MetricUnavailableError(f"{name} is not here")

    monkeypatch.setattr(held_out_views, "locate_weights", missing)
    scores = held_out_views.ViewScores("cpu", download=False)
    assert scores.missing == {
        "lpips": "lpips/alex is not here",
        "clip_similarity": "clip/ViT-B-32/openai is not here",
    }
    assert scores(torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)).keys() == {"psnr", "ssim"}
