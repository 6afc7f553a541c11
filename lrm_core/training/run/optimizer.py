"""AdamW and its schedule.

Source: paper, section 4.2 and appendix B.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from lrm_core.training.config import OptimizerConfig

_BACKBONE = "image_encoder.backbone."


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW with groups of parameters: with and without weight decay, of the backbone and others.

    Each group's `factor` multiplies the learning rate.

    Weight decay leaves out biases and norms and nothing else (appendix B): learned tokens and
    position embeddings decay as well.

    Args:
        model: on its device; parameters that need no gradient are left out.
        config: rate, betas and decay.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            # biases and the parameters of norms are the only vectors
            kind = parameter.ndim >= 2, name.startswith(_BACKBONE)
            groups.setdefault(kind, []).append(parameter)
    device = next(model.parameters()).device
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": config.weight_decay if decayed else 0.0,
                "factor": config.backbone_factor if is_backbone else 1.0,
            }
            for (decayed, is_backbone), parameters in sorted(groups.items(), reverse=True)
        ],
        lr=config.learning_rate,
        betas=config.betas,
        fused=device.type == "cuda",
    )


def learning_rate_at(step: int, config: OptimizerConfig, num_steps: int) -> float:
    """Linear warm-up, then cosine to zero; with `decay_steps` constant, then linear to zero.

    Source: paper, appendix B; constant rates with a decay at the end: Hägele et al. (2024).

    Args:
        step: index of the optimizer step, from 0.
        config: highest rate and length of the warm-up.
        num_steps: length of the run.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.decay_steps is not None:
        return config.learning_rate * min(1.0, (num_steps - step) / max(1, config.decay_steps))
    progress = (step - config.warmup_steps) / max(1, num_steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
