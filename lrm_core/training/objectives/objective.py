"""The two kinds of training, as the loop sees them.

Samples have an index without end, each a pure function of the run's seed and its index, and a
`collate` that makes a batch of them. An objective maps a batch to scalars (`total`, which is
minimised, and others to log), each a mean over the batch; its forward pass is the only thing in
training that touches parameters, so that it can be wrapped for several processes.
"""

from __future__ import annotations

from lrm_core.training.data.layer_samples import LayerBatch, LayerSamples
from lrm_core.training.data.view_samples import ViewBatch, ViewSamples
from lrm_core.training.objectives.layer_objective import LayerObjective
from lrm_core.training.objectives.rendering_objective import RenderingObjective

Samples = LayerSamples | ViewSamples
Batch = LayerBatch | ViewBatch
Objective = LayerObjective | RenderingObjective


def selection_score(scores: dict[str, float]) -> float:
    """What chooses the best checkpoint: PSNR, or less the total loss where nothing is rendered."""
    return scores["psnr"] if "psnr" in scores else -scores["total"]
