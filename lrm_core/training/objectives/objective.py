"""The seam of training: what the loop needs from samples and from what is minimized.

Samples have an index without end, each a pure function of the run's seed and its index, and a
`collate` that makes a batch of them. An objective maps a batch to scalars (`total`, which is
minimized, and others to log), each a mean over the batch; its forward pass is the only thing in
training that touches parameters, so that it can be wrapped for several processes.

Another kind of training is one more file beside this one and one more entry in
`training/run/tasks.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lrm_core.models.lrm import LRM

Picture = UInt8[np.ndarray, "_ _ 3"]
Row = tuple[Picture, Picture, Picture, Picture]
"""Pictures of one object: input, target, render, depth."""


@dataclass(frozen=True)
class ValidationResult:
    """How well a model does on a batch.

    Attributes:
        num_objects: that the scores are means of.
        scores: means over objects by name.
        rows: pictures of each object; empty where there are none.
    """

    num_objects: int
    scores: dict[str, float]
    rows: list[Row]


@runtime_checkable
class Batch(Protocol):
    """Samples together."""

    @property
    def damaged(self) -> tuple[str, ...]:
        """What could not be read, one line each."""
        ...

    def __len__(self) -> int: ...

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        ...


SampleType = TypeVar("SampleType")
OutputType = TypeVar("OutputType", bound=Batch, covariant=True)
InputType = TypeVar("InputType", bound=Batch, contravariant=True)


@runtime_checkable
class Samples(Protocol[SampleType, OutputType]):
    """What a model is trained on."""

    def __len__(self) -> int:
        """Samples of one epoch; indices continue beyond."""
        ...

    def __getitem__(self, index: int) -> SampleType:
        """The sample of an index >= 0."""
        ...

    def collate(self, samples: Sequence[SampleType]) -> OutputType:
        """Samples as a batch."""
        ...

    def contents(self) -> list[tuple[str, str]]:
        """Name and content of everything that samples are drawn from; a run is bound to it."""
        ...


@runtime_checkable
class Objective(Protocol[InputType]):
    """A model with its losses: an `nn.Module` whose parameters are the model's."""

    model: LRM

    def __call__(self, batch: InputType) -> dict[str, Float[Tensor, ""]]:
        """Losses of a batch; `total` is minimized."""
        ...

    def validate(self, batch: InputType) -> ValidationResult:
        """Scores and pictures of a batch."""
        ...


def selection_score(scores: dict[str, float]) -> float:
    """What chooses the best checkpoint: PSNR, or less the total loss where nothing is rendered."""
    return scores["psnr"] if "psnr" in scores else -scores["total"]
