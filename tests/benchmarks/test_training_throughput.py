"""The throughput benchmark: its cases are valid, and its random batches are batches."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from lrm_core.training.config import read_training_config


@pytest.fixture(scope="module")
def throughput(load_benchmark) -> Iterator[ModuleType]:
    with load_benchmark("training_throughput") as module:
        yield module


def test_cases_are_the_recipes_but_for_their_options(throughput: ModuleType) -> None:
    for case in {*throughput.CPU_CASES, *throughput.GPU_CASES}:
        config, recipe = throughput.case_config(case), read_training_config(case.recipe, {})
        assert config.micro_batch == config.global_batch == case.micro_batch
        assert config.activation_checkpointing == case.checkpointing
        assert config.views == recipe.views
        assert config.encoder_init is None
        if config.objective == "rendering":
            assert config.rendering.deferred == case.deferred
            assert config.rendering.perceptual != "lpips"
            same = replace(
                recipe.rendering,
                deferred=case.deferred,
                perceptual=config.rendering.perceptual,
            )
            assert config.rendering == same


@pytest.mark.parametrize("recipe", ["lrm-tiny", "lrm-mini"])
def test_a_step(throughput: ModuleType, recipe: str) -> None:
    deferred = None if recipe == "lrm-mini" else True
    case = throughput.Case(recipe, 1, deferred, checkpointing=True)
    measured = throughput.measure(case, "cpu", 1, warm_up=False)
    assert measured["seconds_per_sample"] > 0.0
    assert measured["memory_gib"] > 0.1
    assert measured["parameters"] > 100_000


def test_loading(throughput: ModuleType, ball_views: Path) -> None:
    assert throughput.loading_seconds("lrm-tiny", str(ball_views), num_samples=1) > 0.0
