"""Orientation of planes and rays, and what an untrained decoder says."""

import pytest
import torch
import torch.nn.functional as F

from lrm_core.config import ModelConfig
from lrm_core.models.lrm import LRM
from lrm_core.models.ray_layer_decoder import (
    DEPTH_CHANNELS,
    RAY_OUTPUTS,
    RayLayerDecoder,
    depth_code,
)
from lrm_core.models.rgba_encoder import PHOTO_CHANNELS, RgbaEncoder, prepared_photo
from lrm_core.structures.triplane import Triplane, sample_planes

CHANNELS = 16


@pytest.fixture
def image() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    rgba = torch.rand(2, 4, 64, 64, generator=generator)
    rgba[:, 3] = (rgba[:, 3] > 0.3).float()
    return rgba


@pytest.fixture
def decoder(tiny_ray_config: ModelConfig) -> RayLayerDecoder:
    torch.manual_seed(0)
    return RayLayerDecoder(tiny_ray_config)


@pytest.fixture
def encoder(tiny_ray_config: ModelConfig) -> RgbaEncoder:
    torch.manual_seed(0)
    return RgbaEncoder(tiny_ray_config.encoder)


def test_depth_code_is_the_fourier_series_of_the_row_coordinate():
    code = depth_code(8, torch.zeros(1))
    assert code.shape == (DEPTH_CHANNELS, 8, 8)
    y = torch.arange(8) / 4 - 0.875
    torch.testing.assert_close(code[0, :, 3], y)
    torch.testing.assert_close(code[1, :, 0], torch.sin(0.5 * torch.pi * y))
    torch.testing.assert_close(code[-1, :, 7], torch.cos(4 * torch.pi * y))


@pytest.mark.parametrize("side", [32, 8])
def test_points_on_a_ray_of_the_photo_read_that_pixel(decoder, encoder, image, side):
    """Orientation: the last channels of the front plane are the photo, upright, at every depth."""
    given = torch.randn(2, 3, CHANNELS, side, side)
    planes, rays = decoder(given, torch.randn(2, 32, 4, 4), encoder(image))
    assert planes.shape == (2, 3, CHANNELS, 32, 32)
    assert rays.shape == (2, RAY_OUTPUTS, 64, 64)
    row, column = 5, 20
    u, v = (column + 0.5) / 16 - 1, 1 - (row + 0.5) / 16
    points = torch.tensor([[u, -0.7, v], [u, 0.4, v]]).expand(2, 2, 3)
    sampled = sample_planes(Triplane(planes), points).unflatten(-1, (3, CHANNELS))
    photo = F.avg_pool2d(prepared_photo(image), 2)[:, None, :, row, column].expand(-1, 2, -1)
    torch.testing.assert_close(sampled[:, :, 1, -PHOTO_CHANNELS:], photo, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        sampled[0, :, 0, -DEPTH_CHANNELS], torch.tensor([-0.7, 0.4]), atol=1e-5, rtol=1e-5
    )
    if side == 32:  # what is not made from the rays passes as it is
        assert torch.equal(planes[:, 2], given[:, 2])
        assert torch.equal(planes[:, 0, :-DEPTH_CHANNELS], given[:, 0, :-DEPTH_CHANNELS])


def test_an_untrained_decoder_says_that_every_object_is_a_slab(decoder, encoder, image):
    _, rays = decoder(torch.randn(2, 3, CHANNELS, 32, 32), torch.randn(2, 32, 4, 4), encoder(image))
    expected = torch.tensor([-0.4, 0.4, 0.0])[:, None, None].expand(2, -1, 64, 64)
    torch.testing.assert_close(rays[:, [0, 1, 5]], expected)


def test_rays_stay_exact_under_autocast(decoder, encoder, image):
    """Depths as multiples of 1 / 256 would show as terraces."""
    torch.nn.init.normal_(decoder.to_rays.weight, std=0.05)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        _, rays = decoder(
            torch.randn(2, 3, CHANNELS, 32, 32), torch.randn(2, 32, 4, 4), encoder(image)
        )
    assert rays.dtype == torch.float32
    assert not torch.equal(rays, rays.bfloat16().float())


def test_rays_see_their_own_pixel(decoder, encoder, image):
    """A change of the photo at one end changes the rays there, in the order of the image."""
    torch.nn.init.normal_(decoder.to_rays.weight, std=0.05)
    planes, tokens = torch.randn(2, 3, CHANNELS, 32, 32), torch.randn(2, 32, 4, 4)
    features = encoder(image)
    changed = image.clone()
    changed[:, :3, 6, 40] = 1 - changed[:, :3, 6, 40]
    changed[:, 3, 6, 40] = image[:, 3, 6, 40] = 1.0
    features = encoder(image)
    photo = encoder(changed).pyramid[0]
    # the photo alone, with the same maps of the backbone
    other = type(features)(features.tokens, (photo, *features.pyramid[1:]))
    difference = (decoder(planes, tokens, other)[1] - decoder(planes, tokens, features)[1]).abs()
    strongest = difference.sum(dim=1).flatten(1).argmax(dim=1)
    for place in strongest.tolist():
        assert abs(place // 64 - 6) <= 2
        assert abs(place % 64 - 40) <= 2


def test_every_parameter_of_a_model_with_rays_learns(tiny_ray_config: ModelConfig, image):
    torch.manual_seed(0)
    model = LRM(tiny_ray_config)
    with torch.no_grad():  # what starts as zero keeps others silent
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    decoded = model(image)
    triplane = model.triplane_of(decoded, image)
    total = decoded.rays.square().sum()
    for index in range(2):
        density, rgb = model.field(triplane[index])(torch.rand(500, 3) * 1.6 - 0.8)
        total = total + density.sum() + rgb.sum()
    total.backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
