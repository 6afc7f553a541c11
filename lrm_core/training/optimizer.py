"""AdamW and its schedule.

Source: paper, section 4.2 and appendix B.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from lrm_core.training.config import OptimizerConfig


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW with two groups of parameters, with and without weight decay.

    Decayed are the weights of linear and convolution layers; biases and norms are not (appendix B),
    nor are learned tokens and position embeddings, which are inputs rather than weights.

    Args:
        model: on its device; parameters that need no gradient are left out.
        config: rate, betas and decay.
    """
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[_is_weight(name, parameter)].append(parameter)
    device = next(model.parameters()).device
    return torch.optim.AdamW(
        [
            {"params": groups[True], "weight_decay": config.weight_decay},
            {"params": groups[False], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=config.betas,
        fused=device.type == "cuda",
    )


def learning_rate_at(step: int, config: OptimizerConfig, num_steps: int) -> float:
    """Linear warm-up, then cosine to zero.

    Args:
        step: index of the optimiser step, from 0.
        config: highest rate and length of the warm-up.
        num_steps: length of the run.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, num_steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def _is_weight(name: str, parameter: nn.Parameter) -> bool:
    # norms have vectors; tokens and position embeddings have names of their own; torch's attention
    # calls its projection in_proj_weight
    return parameter.ndim >= 2 and name.endswith("weight")
