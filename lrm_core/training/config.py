"""Configuration of a training run, and the recipes that ship with the package; free of torch.

A recipe is a YAML file with the fields of `TrainingConfig`. Section numbers are the paper's
(Hong et al., LRM, ICLR 2024).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lrm_core.config import (
    ModelConfig,
    bundled_presets,
    config_to_dict,
    load_preset,
    parse_config,
    preset_names,
    read_yaml,
)
from lrm_core.errors import ConfigError
from lrm_core.training.layer_config import LayerConfig
from lrm_core.training.view_config import ViewDataConfig

Perceptual = Literal["none", "gradient", "ms-ssim", "lpips"]


@dataclass(frozen=True, kw_only=True)
class RenderingLossConfig:
    """Losses of rendered views, and how they are rendered."""

    mse_weight: float = 1.0
    perceptual: Perceptual = "lpips"
    """lpips is the paper's and needs VGG weights; the others need none."""
    perceptual_weight: float = 2.0
    """lambda (section 4.2)."""
    mask_weight: float = 0.0
    """Weight of the squared error of opacity against alpha; the paper has none."""
    num_samples: int | None = None
    """Samples per ray; null for the model's own number."""
    chunk_rays: int = 4096
    """Rays rendered at once, and with `deferred` the ones that memory is needed for."""
    deferred: bool = True
    """Deferred back-propagation (section 4.2): each chunk is rendered again when its gradient is
    needed, so that memory does not grow with the image."""

    def __post_init__(self) -> None:
        if min(self.mse_weight, self.perceptual_weight, self.mask_weight) < 0.0:
            raise ValueError("weights of losses must not be negative")
        if self.chunk_rays < 1 or (self.num_samples is not None and self.num_samples < 2):
            raise ValueError("chunk_rays must be 1 or more, num_samples 2 or more")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW under a cosine schedule (section 4.2 and appendix B)."""

    learning_rate: float = 4e-4
    """Highest rate, at the end of the warm-up."""
    backbone_factor: float = 1.0
    """Rate of the convolutional backbone of an rgba encoder over that of all others: less where it
    starts from pre-trained weights."""
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    """On all parameters but biases and those of norms (appendix B)."""
    warmup_steps: int = 3000
    decay_steps: int | None = None
    """null: cosine to zero from the warm-up to the end (the paper). A number: constant until so
    many steps before the end, then linear to zero; a run can then be ended from any checkpoint."""
    gradient_clip: float = 1.0
    """Largest norm of the whole gradient."""

    def __post_init__(self) -> None:
        if self.learning_rate <= 0.0 or self.gradient_clip <= 0.0:
            raise ValueError("learning_rate and gradient_clip must be greater than 0")
        if self.warmup_steps < 0 or self.weight_decay < 0.0:
            raise ValueError("warmup_steps and weight_decay must not be negative")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One training run; the defaults are the paper's (on CUDA, `precision` too)."""

    model: str = "lrm-large"
    """Model preset."""
    model_settings: dict[str, Any] = field(default_factory=dict)
    """Dotted keys of that preset with other values, such as `decoder.num_layers: 6`."""
    init: str | None = None
    """Fine-tuning starts from this model (bundled name, folder, file or Hugging Face id), which
    brings its own configuration; `model` is not used then."""
    encoder_init: str | None = None
    """Pre-trained weights for the image encoder: a Hugging Face id, folder or file, such as
    `facebook/dino-vitb16` (section 3.1) or `timm/tf_efficientnet_lite0.in1k` (lrm-mini); null for
    random ones."""
    objective: Literal["rendering", "layers"] = "rendering"
    """rendering: views against photos (section 3.4); layers: what the rays of a photo meet."""
    views: ViewDataConfig = field(default_factory=ViewDataConfig)
    rendering: RenderingLossConfig = field(default_factory=RenderingLossConfig)
    layers: LayerConfig = field(default_factory=LayerConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    epochs: float | None = None
    """Passes over the data, copies included; either this or `num_steps`."""
    num_steps: int | None = None
    global_batch: int = 1024
    """Samples per optimizer step, over all processes (section 4.2)."""
    micro_batch: int = 8
    """Samples per process and pass; gradients are accumulated up to `global_batch`."""
    ema_decay: float | None = None
    """Decay of the average of the weights that is validated and released; null for none."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """bfloat16: autocast; weights and their average stay float32 (appendix B). auto: bfloat16 on
    CUDA, and on a CPU that is faster in it; else float32; chosen anew where a run is resumed."""
    activation_checkpointing: bool = False
    """Compute the decoder's layers again in the backward pass: less memory, a third more time."""
    compile: bool = False
    """Run the model through torch.compile."""
    num_workers: int = 0
    """Processes per rank that load data."""
    seed: int = 0
    log_every: int = 20
    """Steps between two lines of `metrics.jsonl`."""
    checkpoint_every: int = 1000
    keep_last: int = 3
    """Newest checkpoints that are kept, besides the best."""
    validate_every: int | None = None
    """Steps between two validations; null for none."""
    validation_objects: int = 16
    spike_factor: float | None = 3.0
    """Stop when the loss is this many times the median of the last 100 steps for 20 steps in a row;
    null for never."""
    tensorboard: bool = True
    wandb: bool = False

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.num_steps is None):
            raise ValueError(
                f"exactly one of epochs ({self.epochs}) and num_steps ({self.num_steps}) must be "
                "set; override the other with null"
            )
        length = self.epochs if self.num_steps is None else self.num_steps
        if length is not None and length <= 0:
            raise ValueError(f"the length of the run must be greater than 0, got {length}")
        for name in (
            "global_batch", "micro_batch", "log_every", "checkpoint_every", "keep_last",
            "validation_objects",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.global_batch % self.micro_batch:
            raise ValueError(
                f"global_batch {self.global_batch} must be a multiple of micro_batch "
                f"{self.micro_batch}"
            )
        if self.num_workers < 0 or (self.validate_every is not None and self.validate_every < 1):
            raise ValueError("num_workers must be 0 or more, validate_every null, 1 or more")
        if self.ema_decay is not None and not 0.0 <= self.ema_decay < 1.0:
            raise ValueError(f"ema_decay must lie in [0, 1), got {self.ema_decay}")
        if self.spike_factor is not None and self.spike_factor <= 1.0:
            raise ValueError(f"spike_factor must be greater than 1, got {self.spike_factor}")
        if self.init is not None and (self.model_settings or self.encoder_init):
            raise ValueError(
                "init brings a whole model: model_settings and encoder_init must be empty"
            )


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    return list(bundled_presets("training"))


def read_training_config(source: str, overrides: dict[str, Any]) -> TrainingConfig:
    """A training configuration from a file or the name of a bundled recipe.

    Args:
        source: path of a YAML file, or a name such as `"lrm-mini"`.
        overrides: dotted keys with values that replace the file's.

    Raises:
        ConfigError: no such recipe, unknown key or bad value.
    """
    path: Any = Path(source)
    if not path.is_file():
        if source not in recipe_names():
            raise ConfigError(
                f"'{source}' is neither a file nor a bundled recipe",
                hint=f"recipes: {', '.join(recipe_names())}",
            )
        path = bundled_presets("training")[source]
    values = with_overrides(read_yaml(path, origin=source), overrides, origin=source)
    return parse_config(TrainingConfig, values, origin=source)


def with_overrides(
    values: dict[str, Any], overrides: dict[str, Any], *, origin: str
) -> dict[str, Any]:
    """Nested settings with those of dotted keys replaced; the input stays as it is.

    Raises:
        ConfigError: a key leads through a setting that holds no others.
    """
    result = dict(values)
    for key, value in overrides.items():
        first, _, rest = key.partition(".")
        if not rest:
            result[first] = value
            continue
        inner = result.get(first)
        if not isinstance(inner, dict | None):
            raise ConfigError(f"{origin}: '{key}': '{first}' is not a group of settings")
        result[first] = with_overrides(inner or {}, {rest: value}, origin=origin)
    return result


def model_config(config: TrainingConfig) -> ModelConfig:
    """The model that a run without `init` trains.

    Raises:
        ConfigError: no such preset, or `model_settings` do not fit it.
    """
    if config.model not in preset_names():
        raise ConfigError(
            f"model: no preset is called '{config.model}'",
            hint=f"presets: {', '.join(preset_names())}; trained models go to 'init'",
        )
    preset = load_preset(config.model)
    if not config.model_settings:
        return preset
    origin = f"{config.model} with model_settings"
    settings = _dotted(config.model_settings)
    values = with_overrides(config_to_dict(preset), settings, origin=origin)
    return parse_config(ModelConfig, values, origin=origin)


def _dotted(settings: dict[str, Any]) -> dict[str, Any]:
    """Nested settings as dotted keys: what is not named stays as it is."""
    dotted: dict[str, Any] = {}
    for key, value in settings.items():
        inner = _dotted(value) if isinstance(value, dict) else {"": value}
        dotted |= {f"{key}.{rest}".rstrip("."): item for rest, item in inner.items()}
    return dotted
