"""The encoder of lrm-mini and the front plane that is aligned with the photo's pixels."""

import pytest
import torch

from lrm_core.config import DecoderConfig, FieldConfig, ImageEncoderConfig, ModelConfig
from lrm_core.models.front_plane_skip import DEPTH_CHANNELS, FrontPlaneSkip, depth_code
from lrm_core.models.lrm import LRM
from lrm_core.models.rgba_encoder import PHOTO_CHANNELS, RgbaEncoder, prepared_photo
from lrm_core.structures.triplane import Triplane, sample_planes

ENCODER = ImageEncoderConfig(
    kind="rgba",
    image_size=32,
    patch_size=4,
    width=16,
    num_layers=1,
    num_heads=2,
    stem_widths=(8, 16),
)
MODEL = ModelConfig(
    encoder=ENCODER,
    decoder=DecoderConfig(
        width=16, num_layers=1, num_heads=2, camera_embedding_width=8, token_resolution=4,
        upsample=2, channels=20, front_plane_skip=True,
    ),
    nerf=FieldConfig(num_layers=2, width=16, frustum=True),
)  # fmt: skip


@pytest.fixture
def image() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    rgba = torch.rand(2, 4, 32, 32, generator=generator)
    rgba[:, 3] = (rgba[:, 3] > 0.3).float()
    return rgba


def test_tokens_and_pyramid_have_the_promised_shapes(image):
    features = RgbaEncoder(ENCODER)(image)
    assert features.tokens.shape == (2, 64, 16)
    assert [tuple(level.shape[1:]) for level in features.pyramid] == [
        (PHOTO_CHANNELS, 32, 32),
        (8, 32, 32),
        (16, 16, 16),
    ]


def test_colour_under_alpha_zero_is_invisible(image):
    torch.manual_seed(0)
    encoder = RgbaEncoder(ENCODER).eval()
    painted = image.clone()
    painted[:, :3] = torch.where(image[:, 3:] == 0, 0.77, image[:, :3])
    torch.testing.assert_close(encoder(image).tokens, encoder(painted).tokens)


def test_patch_size_must_follow_from_the_stem():
    with pytest.raises(ValueError, match="patch_size"):
        RgbaEncoder(ImageEncoderConfig(kind="rgba", patch_size=16, stem_widths=(8, 8)))


def test_depth_code_is_the_fourier_series_of_the_row_coordinate():
    code = depth_code(8, torch.zeros(1))
    assert code.shape == (DEPTH_CHANNELS, 8, 8)
    y = torch.arange(8) / 4 - 0.875
    torch.testing.assert_close(code[0, :, 3], y)
    torch.testing.assert_close(code[1, :, 0], torch.sin(0.5 * torch.pi * y))
    torch.testing.assert_close(code[-1, :, 7], torch.cos(4 * torch.pi * y))


def test_points_on_a_ray_of_the_photo_read_that_pixel(image):
    """Orientation: the last channels of the front plane are the photo, upright, at every depth."""
    torch.manual_seed(0)
    skip = FrontPlaneSkip(MODEL)
    features = RgbaEncoder(ENCODER)(image)
    planes = skip(torch.randn(2, 3, 20, 8, 8), features)
    assert planes.shape == (2, 3, 20, 32, 32)
    row, column = 5, 20
    u, v = (column + 0.5) / 16 - 1, 1 - (row + 0.5) / 16
    points = torch.tensor([[u, -0.7, v], [u, 0.4, v]]).expand(2, 2, 3)
    sampled = sample_planes(Triplane(planes), points).unflatten(-1, (3, 20))
    photo = prepared_photo(image)[:, None, :, row, column].expand(-1, 2, -1)
    torch.testing.assert_close(sampled[:, :, 1, -PHOTO_CHANNELS:], photo, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        sampled[0, :, 0, -DEPTH_CHANNELS], torch.tensor([-0.7, 0.4]), atol=1e-5, rtol=1e-5
    )


def test_photos_of_other_sizes_are_encoded_too(image):
    torch.manual_seed(0)
    model = LRM(MODEL)
    small = torch.nn.functional.avg_pool2d(image, 2)
    assert model(small).shape == (2, 3, 20, 16, 16)
    assert model.predict_triplane(image).planes.shape == (2, 3, 20, 32, 32)
