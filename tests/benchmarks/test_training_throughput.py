"""The throughput benchmark: its cases are valid, and its random batches are batches."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
import trimesh
import yaml
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lrm_core.config import bundled_presets
from lrm_core.models.lrm import LRM
from lrm_core.training.config import model_config, read_training_config


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


def test_operations_are_those_of_a_real_step(throughput: ModuleType) -> None:
    case = throughput.Case("lrm-tiny", 1, deferred=False, checkpointing=False)
    config = throughput.case_config(case)
    torch.manual_seed(0)
    model = LRM(model_config(config))
    objective = throughput.RenderingObjective(model, config.rendering, None)
    # attention's formula, not its kernel: that computes a product again in the backward pass
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        torch.manual_seed(0)
        objective(throughput.random_views(config, model))["total"].backward()
    assert throughput.flops_per_sample(case) == pytest.approx(counter.get_total_flops(), rel=0.03)
    again = throughput.Case("lrm-tiny", 1, deferred=True, checkpointing=True)
    assert throughput.flops_per_sample(again) == throughput.flops_per_sample(case)


def test_loading_is_held_against_what_training_consumes(throughput: ModuleType) -> None:
    rows = [
        {"recipe": "a", "deferred": True, "seconds_per_sample": 0.5, "flops_per_sample": 4e12},
        {"recipe": "a", "deferred": False, "seconds_per_sample": 0.25, "flops_per_sample": 4e12},
    ]
    row = throughput.loading_row("a", "views", 0.05, rows)
    assert row["workers_busy"] == pytest.approx(0.2)
    assert row["workers_predicted_gpu"] == pytest.approx(5.0)  # 100 samples/s of 20 per worker
    assert throughput.loading_row("b", "views", 0.05, rows)["workers_busy"] is None


def test_loading(throughput: ModuleType, ball_views: Path) -> None:
    assert throughput.loading_seconds("lrm-tiny", str(ball_views), num_samples=1) > 0.0


def test_loading_of_layers_counts_photographing_once_per_use(
    throughput: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trimesh.creation.box().export(tmp_path / "box.glb")
    recipe = tmp_path / "recipe.yaml"
    text = bundled_presets("training")["lrm-mini"].read_text()
    values = yaml.safe_load(text)
    values["layers"]["data"] |= {
        "num_procedural": 0,
        "num_sets": 0,
        "num_household": 0,
        "num_groups": 0,
    }
    values["layers"]["data"]["views"] = {"num_views": 2, "size": 16}
    recipe.write_text(yaml.safe_dump(values))
    # a photo costs 10 s, drawing from it 1 s
    clock = [0.0]
    take, draw = throughput.ObjectStream.photos, throughput.draw_sample
    seen: set[int] = set()

    def photos(stream: object, position: int) -> object:
        clock[0] += 0.0 if position in seen else 10.0
        seen.add(position)
        return take(stream, position)

    def drawn(*arguments: object) -> object:
        clock[0] += 1.0
        return draw(*arguments)

    monkeypatch.setattr(throughput.ObjectStream, "photos", photos)
    monkeypatch.setattr(throughput, "draw_sample", drawn)
    monkeypatch.setattr(throughput.time, "process_time", lambda: clock[0])
    seconds = throughput.layer_loading_seconds(str(recipe), str(tmp_path), num_samples=3)
    assert seconds == pytest.approx(10.0 / 16 + 1.0)
