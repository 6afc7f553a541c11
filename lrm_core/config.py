"""Model configuration: one description that covers the paper's LRM and every foreign layout.

A configuration is a tree of frozen dataclasses. YAML presets and `config.json` files are parsed
into it with every unknown key and bad value reported. Section numbers are the paper's
(Hong et al., LRM, ICLR 2024).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from lrm_core.errors import ConfigError, first_line

Normalization = Literal["normalized", "random", "none"]


@dataclass(frozen=True, kw_only=True)
class ImageEncoderConfig:
    """Image -> patch tokens (section 3.1)."""

    kind: Literal["dino", "dinov2", "rgba"] = "dino"
    """dino: DINO ViT; dinov2: DINOv2 with registers (OpenLRM 1.1); rgba: our small pixel-aligned
    convolutional pyramid + ViT that also sees alpha (lrm-mini)."""
    image_size: int = 512
    """Side of the square input image in pixels."""
    patch_size: int = 16
    width: int = 768
    """Token width d_E."""
    num_layers: int = 12
    num_heads: int = 12
    num_register_tokens: int = 0
    """Register tokens of DINOv2; never handed to the decoder."""
    position_grid: int = 14
    """Side of the position embedding as stored; it is resized to the token grid."""
    position_interpolation: Literal["bilinear", "bicubic", "bicubic_antialias"] = "bilinear"
    pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Inputs are (image - mean) / std; mean 0 and std 1 where a model wants [0, 1]."""
    norm_eps: float = 1e-6
    """DINO and DINOv2; 1e-12 where the weights were trained with transformers' ViT (TripoSR)."""
    backbone: Literal["lite0", "lite1", "lite2"] = "lite0"
    """rgba only: which EfficientNet-Lite."""


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Image tokens -> triplane (section 3.2)."""

    width: int = 1024
    """Hidden width d_D."""
    num_layers: int = 16
    num_heads: int = 16
    camera_feature: Literal["none", "camera16", "camera20"] = "camera20"
    """camera20: 4x4 extrinsic + fx fy cx cy (the paper); camera16: 3x4 + the same (OpenLRM)."""
    camera_embedding_width: int = 1024
    """Width of the embedded camera feature that drives ModLN."""
    modulation_layers: Literal[1, 2] = 1
    """Linear layers of MLP_mod (equation 1): 2 in the paper, 1 in OpenLRM."""
    sublayer_order: Literal["cross_self_mlp", "self_cross_mlp"] = "cross_self_mlp"
    feed_forward: Literal["gelu", "geglu"] = "gelu"
    attention_output_bias: bool = False
    """The paper has no attention biases (appendix A.2); TripoSR has one on the output."""
    residual_projection: bool = False
    """GroupNorm and linear projection before, linear projection and residual after all layers
    (TripoSR); without it a final LayerNorm follows the layers (appendix A.2)."""
    norm_eps: float = 1e-5
    token_resolution: int = 32
    """Side of each plane of learned tokens."""
    upsample: int = 2
    """Kernel and stride of the de-convolution."""
    channels: int = 80
    """Channels per plane d_T."""
    ray_widths: tuple[int, ...] = ()
    """Channels at full, 1/2, 1/4, 1/8 and 1/16 resolution of the decoder that makes the x-z plane
    from pixel-aligned features and says what each ray of the photo meets (lrm-mini; needs
    `frustum` and the encoder rgba); empty for none."""

    @property
    def plane_resolution(self) -> int:
        """Side of each plane after the de-convolution."""
        return self.token_resolution * self.upsample


@dataclass(frozen=True, kw_only=True)
class FieldConfig:
    """Triplane features -> density and color (section 3.3), and where they live."""

    num_layers: int = 10
    """Linear layers of the NeRF MLP, first and last included."""
    width: int = 64
    activation: Literal["relu", "silu"] = "relu"
    density_activation: Literal["softplus", "exp"] = "softplus"
    """density = activation(raw + density_bias)."""
    density_bias: float = -1.0
    rgb_padding: float = 0.0
    """rgb = sigmoid(raw) (1 + 2 padding) - padding."""
    resolution: int = 256
    """Grid points per axis of extracted meshes, unless told otherwise (section 4.2: 384)."""
    extent: float = 1.0
    """Half side of the cube [-extent, extent]^3 that the planes cover."""
    plane_axes: tuple[tuple[str, str], tuple[str, str], tuple[str, str]] = (
        ("x", "y"),
        ("x", "z"),
        ("y", "z"),
    )
    """Signed world axes along the width and height of each plane."""
    frustum: bool = False
    """Planes in the source camera's perspective instead of the axis-aligned cube."""
    ray_steepness: float = 60.0
    """With `decoder.ray_widths`: raw density per world unit from the rays' surfaces inward."""
    iso_level: float = 10.0
    """Density of the extracted surface."""


@dataclass(frozen=True, kw_only=True)
class RenderingConfig:
    """Volume rendering of the field (appendix A.1, equations 8 and 9)."""

    num_samples: int = 128
    """Samples per ray (section 4.2)."""
    step: Literal["metric", "normalized"] = "metric"
    """delta_i in world units (the paper), or as a fraction of the ray inside the box (TripoSR)."""
    midpoint_density: bool = False
    """Average raw densities and colors of neighboring samples first (OpenLRM)."""


@dataclass(frozen=True, kw_only=True)
class SourceCameraConfig:
    """The canonical camera of the input image (section 4.2)."""

    distance: float = 2.0
    focal: float = 0.75
    """Focal length over image width."""


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """How a photo must be framed before the model sees it (appendix E)."""

    background: float = 1.0
    """Gray level behind the object, [0, 1]: white in the paper, 0.5 for TripoSR."""
    foreground_ratio: float = 0.75
    """Longer side of the object's box over the image side after framing."""
    resize: Literal["bilinear", "bicubic"] = "bicubic"
    detail_size: int | None = None
    """Side in pixels of a finer copy of the framed photo, whose colors are laid on the surface
    that it shows; None takes all colors from the field."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything needed to build, feed and render one model."""

    name: str = "lrm"
    licence: str = "Apache-2.0"
    """Licence of the weights (SPDX id where there is one)."""
    commercial_use: bool = True
    source: str = ""
    """Where the weights come from: a page, an id, or how they were trained."""
    encoder: ImageEncoderConfig = field(default_factory=ImageEncoderConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    nerf: FieldConfig = field(default_factory=FieldConfig)
    rendering: RenderingConfig = field(default_factory=RenderingConfig)
    source_camera: SourceCameraConfig = field(default_factory=SourceCameraConfig)
    input: InputConfig = field(default_factory=InputConfig)

    def __post_init__(self) -> None:
        for part, width, heads in (
            ("encoder", self.encoder.width, self.encoder.num_heads),
            ("decoder", self.decoder.width, self.decoder.num_heads),
        ):
            if width % heads:
                raise ValueError(f"{part}.width {width} must be divisible by num_heads {heads}")
        if self.encoder.image_size % self.encoder.patch_size:
            raise ValueError(
                f"encoder.image_size {self.encoder.image_size} must be a multiple of "
                f"patch_size {self.encoder.patch_size}"
            )
        if self.decoder.ray_widths:
            if len(self.decoder.ray_widths) != 5:
                raise ValueError(f"decoder.ray_widths needs 5 numbers: {self.decoder.ray_widths}")
            if not self.nerf.frustum or self.encoder.kind != "rgba":
                raise ValueError("decoder.ray_widths needs nerf.frustum and the encoder rgba")

    @property
    def sampled_half_side(self) -> float:
        """Half side of the cube that rays are sampled in, in world units."""
        # TripoSR samples a little inside its cube (docs/conventions.md)
        return self.nerf.extent * (0.999 if self.rendering.step == "normalized" else 1.0)


ConfigType = TypeVar("ConfigType")


def parse_config(
    config_type: type[ConfigType], values: dict[str, Any], *, origin: str
) -> ConfigType:
    """Build a configuration dataclass from plain values, checking every key and type.

    Args:
        config_type: the dataclass to build.
        values: nested plain values, as YAML or JSON give them.
        origin: file or preset name for messages.

    Raises:
        ConfigError: unknown key, bad type or inconsistent values; names the first place, and for an
            unknown key the known ones.
    """
    from pydantic import TypeAdapter, ValidationError, with_config  # 80 ms: only when one is read

    try:
        strict = with_config({"extra": "forbid"})(config_type)  # nested classes inherit it
        parsed: ConfigType = TypeAdapter(strict).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "(top level)"
        unknown = first["type"] == "unexpected_keyword_argument"
        raise ConfigError(
            f"{origin}: {place}: {first['msg']} (got {first['input']!r:.80})",
            hint=f"settings: {', '.join(_names_beside(strict, first['loc']))}"
            if unknown
            else "correct this value",
        ) from error
    return parsed


def _names_beside(config_type: type, place: tuple[int | str, ...]) -> list[str]:
    """The settings of the group that a place of a configuration is in."""
    group: Any = config_type
    for part in place[:-1]:
        if isinstance(part, str):  # numbers count entries of a tuple
            hint = get_type_hints(group)[part]
            group = next((inner for inner in get_args(hint) if is_dataclass(inner)), hint)
    return [setting.name for setting in dataclasses.fields(group)]


def read_yaml(path: Path | Any, *, origin: str) -> dict[str, Any]:
    """Read a YAML mapping with the safe loader.

    Raises:
        ConfigError: not YAML, or not a mapping.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{origin}: cannot be read as YAML ({first_line(error)})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{origin}: expected a mapping of settings, got {type(values).__name__}")
    return values


def bundled_presets(kind: str = ".") -> dict[str, Any]:
    """The YAML files that ship with the package, by name in alphabetical order.

    Args:
        kind: folder of `presets/`: training, protocols, published; "." for models.
    """
    folder = resources.files("lrm_core") / "presets" / kind
    files = sorted((p for p in folder.iterdir() if p.name[-5:] == ".yaml"), key=lambda p: p.name)
    return {path.name.removesuffix(".yaml"): path for path in files}


def preset_names() -> list[str]:
    """Names of the model presets that ship with the package."""
    return list(bundled_presets())


def load_preset(name: str) -> ModelConfig:
    """The model configuration of a preset such as `"lrm-large"`.

    Raises:
        ConfigError: no preset has that name.
    """
    if name not in preset_names():
        raise ConfigError(
            f"no preset is called '{name}'", hint=f"presets: {', '.join(preset_names())}"
        )
    values = read_yaml(bundled_presets()[name], origin=name)
    return parse_config(ModelConfig, values, origin=name)


def changed_settings(before: Any, now: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Settings of nested plain values that differ, in alphabetical order.

    Args:
        before: as `config_to_dict` gives it.
        now: likewise.
        place: dotted key of both.

    Yields:
        dotted key, value before, value now; None stands for a setting that is missing.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            inner = f"{place}.{key}" if place else key
            yield from changed_settings(before.get(key), now.get(key), inner)
    elif before != now:
        yield place, before, now


def config_to_dict(config: Any) -> dict[str, Any]:
    """A configuration as nested plain values (tuples become lists), ready for JSON or YAML."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return value

    result: dict[str, Any] = plain(dataclasses.asdict(config))
    return result
