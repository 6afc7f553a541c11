"""The encoder of lrm-mini: what it sees of a photo, and what it hands on."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from lrm_core.config import ImageEncoderConfig, ModelConfig
from lrm_core.models.efficientnet_lite import pyramid_channels
from lrm_core.models.rgba_encoder import (
    PHOTO_CHANNELS,
    SILHOUETTE_CHANNELS,
    RgbaEncoder,
    prepared_photo,
    silhouette_maps,
)
from lrm_core.models.silhouette_distance import distance_inside


@pytest.fixture
def encoder(tiny_ray_config: ModelConfig) -> RgbaEncoder:
    torch.manual_seed(0)
    return RgbaEncoder(tiny_ray_config.encoder).eval()


@pytest.fixture
def image() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    rgba = torch.rand(2, 4, 64, 64, generator=generator)
    rgba[:, 3] = (rgba[:, 3] > 0.3).float()
    return rgba


def test_tokens_and_pyramid_have_the_promised_shapes(encoder, image):
    features = encoder(image)
    assert features.tokens.shape == (2, 16, 32)
    half, quarter, eighth, *_ = pyramid_channels("lite0")
    assert [tuple(level.shape[1:]) for level in features.pyramid] == [
        (PHOTO_CHANNELS, 64, 64),
        (half, 32, 32),
        (quarter, 16, 16),
        (eighth, 8, 8),
    ]


def test_color_under_alpha_zero_is_invisible(encoder, image):
    painted = image.clone()
    painted[:, :3] = torch.where(image[:, 3:] == 0, 0.77, image[:, :3])
    features, expected = encoder(painted), encoder(image)
    torch.testing.assert_close(features.tokens, expected.tokens)
    for found, level in zip(features.pyramid, expected.pyramid, strict=True):
        torch.testing.assert_close(found, level)


def test_the_backbone_sees_the_photo_on_mid_grey(encoder, image):
    seen = []
    encoder.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    image[:, 3] *= torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(1))
    encoder(image)
    alpha = image[:, 3:]
    on_grey = image[:, :3] * alpha + 0.5 * (1 - alpha)
    torch.testing.assert_close(seen[0], 2 * on_grey - 1)


def test_silhouette_maps_are_means_over_pixels_and_say_where_they_are(image):
    maps = silhouette_maps(prepared_photo(image), (16, 16))
    assert maps.shape == (2, SILHOUETTE_CHANNELS, 16, 16)
    torch.testing.assert_close(maps[:, 0], F.avg_pool2d(image[:, 3:] * 2 - 1, 4)[:, 0])
    torch.testing.assert_close(maps[:, 1], F.avg_pool2d(distance_inside(image[:, 3:]), 4)[:, 0])
    centers = torch.arange(16) / 8 - 0.9375
    for item in range(2):
        torch.testing.assert_close(maps[item, 2, 5], centers)
        torch.testing.assert_close(maps[item, 3, :, 5], centers)


def test_photos_of_other_sizes_are_encoded_too(encoder, image):
    features = encoder(F.avg_pool2d(image, 2))
    assert features.tokens.shape == (2, 4, 32)
    assert [level.shape[-1] for level in features.pyramid] == [32, 16, 8, 4]


def test_images_of_a_batch_do_not_see_each_other(encoder, image):
    """Nothing is normalized over the batch: a photo is encoded alike in any."""
    encoder.train()
    together, alone = encoder(image).tokens, encoder(image[1:]).tokens
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-5)


def test_patch_size_must_be_that_of_the_pyramid(tiny_ray_config):
    config: ImageEncoderConfig = replace(tiny_ray_config.encoder, patch_size=8)
    with pytest.raises(ValueError, match="patch_size must be 16, got 8"):
        RgbaEncoder(config)
