"""Point-E through OpenAI's own package: image -> point cloud -> mesh.

The package is on no index: `pip install git+https://github.com/openai/point-e`. Code and weights
(https://openaipublic.azureedge.net/main/point-e/) are MIT. Source: A. Nichol et al., Point-E: A
System for Generating 3D Point Clouds from Complex Prompts, 2022.

Tested against a recording of the package's interface, not against the package itself. The settings
are those of its notebooks image2pointcloud and pointcloud2mesh, the mesh grid that of its
evaluations. Its meshes are upright (z up) in the cube of half side 0.5; nothing ties their azimuth
to the picture, which is left to the protocol's search.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
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
from lrm_core.errors import CheckpointError, LrmError, MissingDependencyError
from lrm_core.imaging.color import srgb_to_linear

WEIGHTS = "https://openaipublic.azureedge.net/main/point-e/"
_INSTALL = "pip install git+https://github.com/openai/point-e"
_NUM_POINTS = (1024, 4096 - 1024)
_GUIDANCE = (3.0, 3.0)


@dataclass(frozen=True, eq=False)
class PointEPredictor:
    """Point-E, conditioned on the picture on white.

    Attributes:
        sampler: a `point_e.diffusion.sampler.PointCloudSampler` of two stages.
        sdf: the network that turns its clouds into meshes.
        model: name of the first stage.
        grid_size: points per axis of the mesh's grid; 128 in the authors' evaluations.
        seed: starts the noise, the same for every object.
    """

    sampler: Any
    sdf: torch.nn.Module
    model: str = "base40M"
    grid_size: int = 128
    seed: int = 0

    name: ClassVar[str] = "point-e"
    licence: ClassVar[str] = "MIT"
    source: ClassVar[str] = WEIGHTS
    alignment: ClassVar[Alignment] = "free_azimuth"
    iso_level: ClassVar[None] = None
    photo_colors: ClassVar[bool] = False

    @cached_property
    def fingerprint(self) -> str:
        """See `Predictor`."""
        networks = (*self.sampler.models, self.sdf)
        return fingerprint_of(
            "point-e",
            {
                "weights": [tensors_sha256(network.state_dict()) for network in networks],
                "device": str(self.sampler.device),
                "num_points": _NUM_POINTS,
                "guidance": _GUIDANCE,
                "grid_size": self.grid_size,
                "seed": self.seed,
            },
        )

    def predict(self, rgba: UInt8[np.ndarray, "H W 4"], *, name: str) -> Prediction:
        """The sampled mesh at the evaluation's size; see `Predictor.predict`.

        Raises:
            LrmError: the package fails.
        """
        require_object(rgba)
        start = time.perf_counter()
        marching_cubes = _module("point_e.util.pc_to_mesh").marching_cubes_mesh
        images = {"images": [on_white(rgba)]}
        samples = None
        try:
            # the package draws from torch's global generators
            with torch.random.fork_rng():
                torch.manual_seed(self.seed)
                for samples in self.sampler.sample_batch_progressive(  # noqa: B007
                    batch_size=1, model_kwargs=images
                ):
                    pass
            cloud = self.sampler.output_to_point_clouds(samples)[0]
            mesh = marching_cubes(
                pc=cloud, model=self.sdf, batch_size=4096, grid_size=self.grid_size
            )
        except (RuntimeError, ValueError) as error:
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise LrmError(f"Point-E failed on '{name}': {reason}") from error
        srgb = np.stack([mesh.vertex_channels[channel] for channel in "RGB"], axis=1)
        scene = generated_scene(mesh.verts, mesh.faces, srgb_to_linear(np.clip(srgb, 0.0, 1.0)))
        return Prediction(scene, time.perf_counter() - start)


def load_point_e(
    weights: Path | None = None, *, model: str = "base40M", device: str = "cpu", seed: int = 0
) -> PointEPredictor:
    """Point-E with its published weights.

    Args:
        weights: folder where the package keeps its downloads; None for `~/.cache/lrm/point-e`.
        model: network of the first stage: base40M, base300M or base1B.
        device: where it computes.
        seed: starts the noise.

    Raises:
        MissingDependencyError: the package is not installed.
        CheckpointError: its weights cannot be fetched or read.
    """
    configs = _module("point_e.models.configs")
    diffusion = _module("point_e.diffusion.configs")
    sampling = _module("point_e.diffusion.sampler")
    download = _module("point_e.models.download")
    folder = weights or Path.home() / ".cache" / "lrm" / "point-e"
    place = torch.device(device)
    networks = []
    for name in (model, "upsample", "sdf"):
        try:
            network = configs.model_from_config(configs.MODEL_CONFIGS[name], place)
            state = download.load_checkpoint(name, place, progress=False, cache_dir=str(folder))
            network.load_state_dict(state)
        # its downloader lets whatever its HTTP library raises through
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise CheckpointError(
                f"Point-E's weights '{name}' cannot be loaded: {reason}",
                hint=f"put the files of {WEIGHTS} (MIT) into {folder}",
            ) from error
        networks.append(network.eval())
    base, upsampler, sdf = networks
    sampler = sampling.PointCloudSampler(
        device=place,
        models=[base, upsampler],
        diffusions=[
            diffusion.diffusion_from_config(diffusion.DIFFUSION_CONFIGS[name])
            for name in (model, "upsample")
        ],
        num_points=list(_NUM_POINTS),
        aux_channels=["R", "G", "B"],
        guidance_scale=list(_GUIDANCE),
    )
    return PointEPredictor(sampler, sdf, model, seed=seed)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"'{name}' is needed for the baseline Point-E and cannot be imported ({error})",
            hint=_INSTALL,
        ) from error
