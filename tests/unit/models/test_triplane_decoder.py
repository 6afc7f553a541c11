from dataclasses import replace

import torch
from torch import nn

from lrm_core.config import DecoderConfig
from lrm_core.models.triplane_decoder import TriplaneDecoder

CONFIG = DecoderConfig(
    width=32,
    num_layers=0,
    num_heads=2,
    camera_feature="none",
    token_resolution=3,
    upsample=2,
    channels=5,
)


def test_every_token_becomes_its_own_patch_of_its_own_plane() -> None:
    torch.manual_seed(0)
    decoder = TriplaneDecoder(CONFIG, image_width=8)
    planes = decoder(torch.zeros(2, 4, 8), None)
    assert planes.shape == (2, 3, 5, 6, 6)
    normal = nn.functional.layer_norm(decoder.triplane_tokens, (32,))
    kernel, bias = decoder.upsample.weight, decoder.upsample.bias  # (D, C, 2, 2)
    for plane in range(3):
        for row in range(3):
            for column in range(3):
                token = normal[plane * 9 + row * 3 + column]
                patch = torch.einsum("d,dcij->cij", token, kernel) + bias[:, None, None]
                here = planes[1, plane, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
                torch.testing.assert_close(here, patch)


def test_residual_projection() -> None:
    torch.manual_seed(0)
    decoder = TriplaneDecoder(replace(CONFIG, residual_projection=True), image_width=8)
    assert decoder.output_norm is None
    frame = decoder.residual_projection
    tokens = decoder.triplane_tokens[None]
    # 32 channels in 32 groups: every channel over all tokens
    normal = (tokens - tokens.mean(1)) / torch.sqrt(tokens.var(1, unbiased=False) + 1e-6)
    inner = tokens + frame.after(frame.before(normal))
    maps = inner.view(3, 3, 3, 32).permute(0, 3, 1, 2)
    expected = decoder.upsample(maps)
    torch.testing.assert_close(decoder(torch.zeros(1, 4, 8), None)[0], expected)


def test_upsample_is_the_kernel_and_stride() -> None:
    decoder = TriplaneDecoder(replace(CONFIG, upsample=4), image_width=8)
    assert decoder(torch.zeros(1, 4, 8), None).shape == (1, 3, 5, 12, 12)


def test_initialisation_is_reproducible_and_modest() -> None:
    torch.manual_seed(0)
    decoder = TriplaneDecoder(replace(CONFIG, num_layers=2, width=64), image_width=8)
    planes = decoder(torch.randn(1, 4, 8), None)
    assert 0.05 < planes.std() < 5.0
    assert abs(decoder.triplane_tokens.std() * 8 - 1) < 0.1  # N(0, 1) / sqrt(D)
