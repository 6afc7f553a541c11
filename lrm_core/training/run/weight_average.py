"""Exponential moving average of the weights: what is validated and released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average of a model's state, in its own types and on its device.

    Args:
        model: starts the average with its present weights.
        decay: share of the old average per step, below 1.

    Attributes:
        state: the average by name, as a state dict.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after optimizer step `step` (from 0).

        The average follows quickly at first, so that early checkpoints are of use.
        """
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        for name, value in model.state_dict().items():
            average = self.state[name]
            if average.is_floating_point():
                average.lerp_(value, 1.0 - decay)
            else:
                average.copy_(value)

    def load(self, state: dict[str, Tensor]) -> None:
        """Continue from the average of a checkpoint.

        Raises:
            KeyError: a tensor is missing.
            RuntimeError: a tensor has another shape.
        """
        for name, value in self.state.items():
            value.copy_(state[name])

    @contextmanager
    def applied_to(self, model: nn.Module) -> Iterator[None]:
        """The model with averaged weights while the block runs; no second copy is made."""
        self._exchange(model)
        try:
            yield
        finally:
            self._exchange(model)

    @torch.no_grad()
    def _exchange(self, model: nn.Module) -> None:
        for name, value in model.state_dict().items():
            weight = value.clone()
            value.copy_(self.state[name])
            self.state[name].copy_(weight)
