"""Predictors by the names that the command line knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lrm_core.baselines.predictor import Alignment, Predictor
from lrm_core.device import choose_device
from lrm_core.errors import ConfigError

BASELINES = ("blank", "balloon", "external:DIR", "point-e", "shap-e", "one-2-3-45")
"""Names of methods besides those of models."""


@dataclass(frozen=True, kw_only=True)
class PredictorOptions:
    """What can be chosen; each predictor takes what concerns it.

    Attributes:
        device: auto, cpu, cuda or mps.
        dtype: number format of the weights of models: auto, float32, bfloat16 or float16.
        resolution: grid points per axis of the meshes of models; None for each model's own.
        photo_colors: whether meshes of models take colors from the picture, where they can.
        framing: whether models are told the camera of pictures (`as_is`) or not (`crop`).
        num_views: pictures that methods are given.
        seed: starts the noise of diffusion models.
        shap_e_weights: folder or Hugging Face id; None for `openai/shap-e-img2img`.
        point_e_weights: folder of its downloads; None for `~/.cache/lrm/point-e`.
        command: how one-2-3-45 is started, see there.
        time_limit: seconds that the command may take for an object.
        log_folder: where the output of the command is kept.
        external_up: the up axis of external meshes.
        external_alignment: what external meshes promise about their frame.
    """

    device: str = "auto"
    dtype: str = "auto"
    resolution: int | None = None
    photo_colors: bool = True
    framing: Literal["as_is", "crop"] = "as_is"
    num_views: int = 1
    seed: int = 0
    shap_e_weights: str | None = None
    point_e_weights: Path | None = None
    command: str | None = None
    time_limit: float = 900.0
    log_folder: Path | None = None
    external_up: Literal["y", "z"] = "y"
    external_alignment: Alignment = "canonical"


_DEFAULTS = PredictorOptions()


def load_predictor(name: str, options: PredictorOptions = _DEFAULTS) -> Predictor:
    """A predictor, ready to use.

    Args:
        name: one of `BASELINES`, or any model that `load_model` knows.
        options: see there.

    Raises:
        ConfigError: an option is missing or the device is not there.
        CheckpointError: no such model, or its weights cannot be read.
        InputError: no such folder of meshes.
        MissingDependencyError: the method needs a package that is not installed.
    """
    if name == "blank":
        from lrm_core.baselines.blank import BlankPredictor

        return BlankPredictor()
    if name == "balloon":
        from lrm_core.baselines.balloon import BalloonPredictor

        return BalloonPredictor()
    if name.startswith("external:"):
        from lrm_core.baselines.external import ExternalPredictor

        folder = name.removeprefix("external:")
        if not folder:
            raise ConfigError("external: names no folder of meshes", hint="external:DIR")
        return ExternalPredictor(
            Path(folder).expanduser(),
            up=options.external_up,
            alignment=options.external_alignment,
        )
    if name == "one-2-3-45":
        from lrm_core.baselines.one_2_3_45 import One2345Predictor

        if options.command is None:
            raise ConfigError(
                "one-2-3-45 needs the command that starts it in its own environment",
                hint="a template with {input} and {output}; see docs/baselines.md",
            )
        return One2345Predictor(
            options.command, log_folder=options.log_folder, time_limit=options.time_limit
        )
    device = choose_device(options.device)
    if name == "point-e":
        from lrm_core.baselines.point_e import load_point_e

        return load_point_e(options.point_e_weights, device=device, seed=options.seed)
    if name == "shap-e":
        from lrm_core.baselines.shap_e import load_shap_e

        return load_shap_e(options.shap_e_weights, device=device, seed=options.seed)
    from lrm_core.baselines.lrm import load_lrm_predictor

    return load_lrm_predictor(
        name,
        device=device,
        dtype=options.dtype,
        resolution=options.resolution,
        photo_colors=options.photo_colors,
        framing=options.framing,
        num_views=options.num_views,
    )
