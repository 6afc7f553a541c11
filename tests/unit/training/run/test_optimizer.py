"""The schedule against its formula; weight decay on all but biases and norms."""

import math
from dataclasses import replace

import pytest
import torch

from lrm_core.config import load_preset
from lrm_core.models.efficientnet_lite import ScaledConvolution
from lrm_core.models.lrm import LRM
from lrm_core.training.config import OptimizerConfig
from lrm_core.training.run.optimizer import build_optimizer, learning_rate_at

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


def test_rates_may_be_constant_until_they_fall_linearly_to_zero():
    """A run of 110 steps whose last 40 fall: it could have ended anywhere before."""
    config = OptimizerConfig(learning_rate=4e-4, warmup_steps=10, decay_steps=40)
    rates = [learning_rate_at(step, config, 110) for step in range(111)]
    assert rates[:10] == pytest.approx([4e-4 * (step + 1) / 10 for step in range(10)])
    assert rates[10:71] == pytest.approx([4e-4] * 61)
    assert rates[70:] == pytest.approx([4e-4 * (110 - step) / 40 for step in range(70, 111)])
    longer = [learning_rate_at(step, config, 10_000) for step in range(71)]
    assert longer == rates[:71]
    assert learning_rate_at(0, OptimizerConfig(warmup_steps=0, decay_steps=0), 1) == 4e-4


@pytest.mark.parametrize("preset", ["lrm-tiny", "lrm-mini"])
def test_weight_decay_leaves_out_biases_and_norms_alone(preset: str):
    with torch.device("meta"):
        model = LRM(load_preset(preset))
    groups = build_optimizer(model, CONFIG).param_groups
    assert {group["weight_decay"] for group in groups} == {0.05, 0.0}
    assert {group["betas"] for group in groups} == {(0.9, 0.95)}
    decayed = [p for group in groups if group["weight_decay"] for p in group["params"]]
    spared = [p for group in groups if not group["weight_decay"] for p in group["params"]]
    norms = torch.nn.LayerNorm | torch.nn.GroupNorm
    left_out = {
        id(parameter)
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if isinstance(module, norms)
        or name.endswith("bias")
        or (isinstance(module, ScaledConvolution) and name in {"scale", "shift"})
    }
    assert {id(parameter) for parameter in spared} == left_out
    assert any(parameter is model.decoder.triplane_tokens for parameter in decayed)
    assert len(decayed) + len(spared) == len(list(model.parameters()))


def test_the_backbone_learns_at_a_rate_of_its_own():
    with torch.device("meta"):
        model = LRM(load_preset("lrm-mini"))
    groups = build_optimizer(model, replace(CONFIG, backbone_factor=0.35)).param_groups
    slow = [p for group in groups if group["factor"] == 0.35 for p in group["params"]]
    others = [p for group in groups if group["factor"] == 1.0 for p in group["params"]]
    backbone = model.image_encoder.backbone.parameters()
    assert {id(parameter) for parameter in slow} == {id(parameter) for parameter in backbone}
    assert len(slow) + len(others) == len(list(model.parameters()))
    # weights of both kinds with decay, and the rest of both without
    assert {(group["factor"], group["weight_decay"]) for group in groups} == {
        (0.35, 0.05), (0.35, 0.0), (1.0, 0.05), (1.0, 0.0),
    }  # fmt: skip
    with torch.device("meta"):
        plain = LRM(load_preset("lrm-tiny"))
    groups = build_optimizer(plain, replace(CONFIG, backbone_factor=0.35)).param_groups
    assert {group["factor"] for group in groups} == {1.0}


def test_frozen_parameters_are_left_out():
    model = LRM(load_preset("lrm-tiny"))
    model.image_encoder.requires_grad_(False)
    counted = sum(len(group["params"]) for group in build_optimizer(model, CONFIG).param_groups)
    assert counted == sum(parameter.requires_grad for parameter in model.parameters())
