"""Similarity of images as CLIP sees them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lrm_core.errors import ConfigError, MetricUnavailableError
from lrm_core.optional import require

# names as in metric_weights; OpenAI's weights were trained with another activation
_ARCHITECTURES = {
    "ViT-B-32/openai": "ViT-B-32-quickgelu",
    "ViT-B-32/laion2b_s34b_b79k": "ViT-B-32",
}
_BATCH = 16


@dataclass(frozen=True)
class ClipImageEncoder:
    """The image half of a CLIP model, ready to compute.

    Attributes:
        network: open_clip's image tower.
        preprocess: open_clip's own transform of PIL images.
        device: where it computes.
        backend: what computes it, for reports.
    """

    network: Any
    preprocess: Any
    device: str
    backend: str

    @torch.no_grad()
    def embed(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Embeddings of unit length.

        Images are rounded to 8 bits and go through open_clip's own transform (bicubic resize of
        the shorter side to 224, center crop), as they would from a file.

        Args:
            images: (B, 3, H, W) in [0, 1].

        Returns:
            (B, D) float64.
        """
        from PIL import Image

        pixels = (images.clamp(0.0, 1.0) * 255.0).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        ready = torch.stack([self.preprocess(Image.fromarray(image)) for image in pixels])
        found = [self.network(batch.to(self.device)).cpu() for batch in torch.split(ready, _BATCH)]
        return torch.nn.functional.normalize(torch.cat(found).double(), dim=1)


def clip_similarity(
    predicted: Float[Tensor, "B D"], reference: Float[Tensor, "B D"]
) -> Float[Tensor, "B"]:
    """Cosine between the embeddings of each pair of images.

        similarity = e(predicted) . e(reference), |e| = 1

    The plain cosine, as the paper reports it (0.902), not multiplied by 100.

    Args:
        predicted: (B, D) unit embeddings of predicted views.
        reference: (B, D) unit embeddings of the reference views.

    Returns:
        (B,) in [-1, 1].

    Source: Radford et al., Learning Transferable Visual Models From Natural Language Supervision
    (2021); LRM, appendix C, which does not name the CLIP model it used.
    """
    return (predicted * reference).sum(dim=1)


def load_clip(model: str, weights: Path, *, device: str = "cpu") -> ClipImageEncoder:
    """Build the image encoder of a CLIP model.

    Args:
        model: `ViT-B-32/openai` or `ViT-B-32/laion2b_s34b_b79k`: architecture / weights.
        weights: the file `clip/MODEL` of `metric_weights.WEIGHTS`.
        device: where to compute.

    Raises:
        ConfigError: another model.
        MissingDependencyError: without the package open-clip-torch.
        MetricUnavailableError: the file cannot be read or holds another model.
    """
    if model not in _ARCHITECTURES:
        raise ConfigError(
            f"CLIP similarity by '{model}' is not known",
            hint=f"models: {', '.join(_ARCHITECTURES)}",
        )
    open_clip = require("open_clip", extra="evaluate", purpose="CLIP similarity")
    try:
        clip, preprocess = open_clip.create_model_from_pretrained(
            _ARCHITECTURES[model], pretrained=str(weights), weights_only=True
        )
    # what open_clip raises for a file that it cannot read or that does not fit is not documented
    except Exception as error:
        raise MetricUnavailableError(f"{weights.name} does not hold {model} ({error})") from error
    network = clip.visual.requires_grad_(False).eval().to(device)
    backend = f"open_clip {version('open_clip_torch')}, {model}, float32, {device}"
    return ClipImageEncoder(network, preprocess, device, backend)
