"""Pre-trained DINO weights for the image encoder of a model that is about to be trained.

Source: paper, section 3.1 (Caron et al., 2021; ViT-B/16 in section 4.2).
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import nn

from lrm_core.errors import CheckpointError
from lrm_core.io.checkpoint_files import read_tensors, require_finite, require_tensors
from lrm_core.models.external_layouts import translate_dino
from lrm_core.models.image_encoder import VitEncoder
from lrm_core.models.model_sources import download

_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


def load_encoder_weights(encoder: nn.Module, source: str | Path) -> None:
    """Replace the weights of an image encoder of kind dino; all of them, or none on an error.

    The position embedding stays as it is stored (14 x 14 patches): the encoder resizes it to its
    own token grid (paper, appendix A.2).

    Args:
        encoder: the encoder of an `LRM`, on any device, in any floating-point type.
        source: a folder or file of weights, or a Hugging Face id such as "facebook/dino-vitb16";
            names as in transformers, or as in the original code and timm.

    Raises:
        CheckpointError: another kind of encoder; nothing there, unreadable, another layout or other
            sizes.
    """
    if not isinstance(encoder, VitEncoder) or encoder.config.kind != "dino":
        kind = encoder.config.kind if isinstance(encoder, VitEncoder) else type(encoder).__name__
        raise CheckpointError(
            f"DINO weights are for encoders of kind dino, this one is {kind}",
            hint="leave encoder_init empty, or choose a model with such an encoder",
        )
    path = _locate(source)
    found = translate_dino(require_tensors(read_tensors(path), origin=str(path)), origin=str(path))
    expected = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    wrong = sorted(name for name in expected | shapes if expected.get(name) != shapes.get(name))
    if wrong:
        raise CheckpointError(
            f"{path}: {len(wrong)} tensors do not fit the encoder (first: '{wrong[0]}' is "
            f"{shapes.get(wrong[0], 'missing')}, expected {expected.get(wrong[0], 'none')})",
            hint="the paper's encoder fits facebook/dino-vitb16",
        )
    require_finite(found, origin=str(path))
    encoder.load_state_dict(found)


def _locate(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        if not isinstance(source, str) or not _HUB_ID.fullmatch(source):
            raise CheckpointError(
                f"no encoder weights '{source}': no file or folder, no Hugging Face id",
                hint="for example facebook/dino-vitb16",
            )
        path = download(source, _WEIGHT_FILES)
    for name in _WEIGHT_FILES:
        if (path / name).is_file():
            return path / name
    raise CheckpointError(
        f"{path}: expected {' or '.join(_WEIGHT_FILES)}", hint="name the file of weights itself"
    )
