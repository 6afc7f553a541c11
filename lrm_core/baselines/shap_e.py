"""Shap-E through diffusers: a latent diffusion model of implicit functions.

Weights: `openai/shap-e-img2img` on Hugging Face, MIT. Source: H. Jun and A. Nichol, Shap-E:
Generating Conditional 3D Implicit Functions, 2023.

Its meshes are upright (z up) in a cube of its own scale, and their azimuth does not follow the
picture (openai/shap-e, issue 87): the box is brought to the size that the evaluation's objects
have, and the azimuth is left to the protocol's search. Colors come out of diffusers as linear
light, which vertex colors of a scene are.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import UInt8

from lrm_core.baselines.generated_meshes import generated_scene
from lrm_core.baselines.predictor import (
    Alignment,
    Prediction,
    fingerprint_of,
    on_white,
    require_object,
    tensors_sha256,
)
from lrm_core.errors import CheckpointError, LrmError
from lrm_core.optional import require

WEIGHTS = "openai/shap-e-img2img"
_PURPOSE = "the baseline Shap-E"


@dataclass(frozen=True, eq=False)
class ShapEPredictor:
    """Shap-E, conditioned on the picture on white.

    Attributes:
        pipeline: a `diffusers.ShapEImg2ImgPipeline`, on its device.
        source: where its weights come from.
        num_inference_steps: steps of the sampler.
        guidance_scale: guidance of the sampler.
        seed: starts the noise, the same for every object.
    """

    pipeline: Any
    source: str = f"https://huggingface.co/{WEIGHTS}"
    num_inference_steps: int = 64
    guidance_scale: float = 3.0
    seed: int = 0

    name: ClassVar[str] = "shap-e"
    licence: ClassVar[str] = "MIT"
    alignment: ClassVar[Alignment] = "free_azimuth"
    iso_level: ClassVar[None] = None
    photo_colors: ClassVar[bool] = False

    @cached_property
    def fingerprint(self) -> str:
        """See `Predictor`."""
        parts = ("prior", "image_encoder", "shap_e_renderer")
        return fingerprint_of(
            "shap-e",
            {
                "weights": [
                    tensors_sha256(getattr(self.pipeline, part).state_dict()) for part in parts
                ],
                "scheduler": self.pipeline.scheduler.to_json_string(),
                "image_processor": self.pipeline.image_processor.to_json_string(),
                "device": self.pipeline.device.type,
                "num_inference_steps": self.num_inference_steps,
                "guidance_scale": self.guidance_scale,
                "seed": self.seed,
            },
        )

    def predict(self, rgba: UInt8[np.ndarray, "H W 4"], *, name: str) -> Prediction:
        """The sampled mesh at the evaluation's size; see `Predictor.predict`.

        Raises:
            LrmError: the pipeline fails.
        """
        require_object(rgba)
        start = time.perf_counter()
        try:
            mesh = self.pipeline(
                on_white(rgba),
                num_inference_steps=self.num_inference_steps,
                guidance_scale=self.guidance_scale,
                generator=torch.Generator().manual_seed(self.seed),
                output_type="mesh",
            ).images[0]
        except (RuntimeError, ValueError, ZeroDivisionError) as error:
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise LrmError(f"Shap-E failed on '{name}': {reason}") from error
        vertices, faces = (array.detach().cpu().numpy() for array in (mesh.verts, mesh.faces))
        colors = torch.stack([mesh.vertex_channels[channel] for channel in "RGB"], dim=1)
        scene = generated_scene(vertices, faces, colors.detach().float().cpu().numpy())
        return Prediction(scene, time.perf_counter() - start)


def load_shap_e(
    weights: str | None = None, *, device: str = "cpu", seed: int = 0
) -> ShapEPredictor:
    """Shap-E with its published weights.

    Args:
        weights: a folder or Hugging Face id; None for `openai/shap-e-img2img`.
        device: where it computes, in float16 on CUDA.
        seed: starts the noise.

    Raises:
        MissingDependencyError: diffusers or transformers is not installed.
        CheckpointError: no weights there and no network.
    """
    require("transformers", extra="shap-e", purpose=_PURPOSE)
    diffusers = require("diffusers", extra="shap-e", purpose=_PURPOSE)
    weights = weights or WEIGHTS
    dtype = torch.float16 if device == "cuda" else torch.float32
    try:
        pipeline = diffusers.ShapEImg2ImgPipeline.from_pretrained(weights, torch_dtype=dtype)
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise CheckpointError(
            f"Shap-E's weights '{weights}' cannot be loaded: {reason}",
            hint=f"a folder or Hugging Face id with the layout of {WEIGHTS} (MIT)",
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return ShapEPredictor(pipeline.to(device), source=weights, seed=seed)
