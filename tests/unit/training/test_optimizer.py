"""The schedule against its formula; weight decay on weights and on nothing else."""

import math

import pytest
import torch

from lrm_core.config import load_preset
from lrm_core.models.lrm import LRM
from lrm_core.training.config import OptimizerConfig
from lrm_core.training.optimizer import build_optimizer, learning_rate_at

CONFIG = OptimizerConfig(learning_rate=4e-4, warmup_steps=10)


def test_schedule_warms_up_linearly_and_follows_a_cosine_to_zero():
    rates = [learning_rate_at(step, CONFIG, 110) for step in range(111)]
    assert rates[:10] == pytest.approx([4e-4 * (step + 1) / 10 for step in range(10)])
    for step in (10, 35, 60, 110):
        expected = 4e-4 * (1 + math.cos(math.pi * (step - 10) / 100)) / 2
        assert rates[step] == pytest.approx(expected, abs=1e-12)
    assert max(rates) == rates[10] == CONFIG.learning_rate


def test_schedule_agrees_with_torch():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=4e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
    for step in range(10, 110):
        assert learning_rate_at(step, CONFIG, 110) == pytest.approx(
            optimizer.param_groups[0]["lr"], rel=1e-9, abs=1e-15
        )
        optimizer.step()
        scheduler.step()


def test_a_run_shorter_than_its_warm_up_never_divides_by_zero():
    assert learning_rate_at(2, CONFIG, 3) == pytest.approx(4e-4 * 0.3)
    assert learning_rate_at(0, OptimizerConfig(warmup_steps=0), 1) == pytest.approx(4e-4)


@pytest.mark.parametrize("preset", ["lrm-tiny", "lrm-mini"])
def test_weight_decay_spares_biases_norms_and_embeddings(preset: str):
    with torch.device("meta"):
        model = LRM(load_preset(preset))
    decayed, spared = build_optimizer(model, CONFIG).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.05, 0.0)
    assert decayed["betas"] == (0.9, 0.95)
    layers = torch.nn.Linear | torch.nn.Conv2d | torch.nn.ConvTranspose2d
    expected = {
        id(module.weight) for module in model.modules() if isinstance(module, layers)
    } | {
        id(module.in_proj_weight)
        for module in model.modules()
        if isinstance(module, torch.nn.MultiheadAttention)
    }  # fmt: skip
    assert {id(parameter) for parameter in decayed["params"]} == expected
    assert len(decayed["params"]) + len(spared["params"]) == len(list(model.parameters()))


def test_frozen_parameters_are_left_out():
    model = LRM(load_preset("lrm-tiny"))
    model.image_encoder.requires_grad_(False)
    counted = sum(len(group["params"]) for group in build_optimizer(model, CONFIG).param_groups)
    assert counted == sum(parameter.requires_grad for parameter in model.parameters())
