from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

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


def test_activation_checkpointing_keeps_gradients_and_saves_memory() -> None:
    torch.manual_seed(0)
    config = replace(CONFIG, num_layers=3, camera_feature="camera20", camera_embedding_width=6)
    decoder = TriplaneDecoder(config, image_width=8).double()
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, std=0.2)  # modulation starts at zero
    image_tokens = torch.randn(2, 4, 8, dtype=torch.float64, requires_grad=True)
    camera = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    inputs = [*decoder.parameters(), image_tokens, camera]
    saved: dict[bool, int] = {}
    gradients: dict[bool, tuple[Tensor, ...]] = {}
    for on in (False, True):
        decoder.activation_checkpointing = on
        kept: dict[int, int] = {}

        def pack(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with saved_tensors_hooks(pack, lambda tensor: tensor):
            planes = decoder(image_tokens, camera)
        saved[on] = sum(kept.values())
        gradients[on] = torch.autograd.grad(planes.square().sum(), inputs)
    assert saved[True] < 0.5 * saved[False]
    for plain, checkpointed in zip(gradients[False], gradients[True], strict=True):
        torch.testing.assert_close(checkpointed, plain, rtol=0.0, atol=0.0)


def test_activation_checkpointing_waits_for_gradients() -> None:
    decoder = TriplaneDecoder(replace(CONFIG, num_layers=1), image_width=8)
    image_tokens = torch.randn(1, 4, 8)
    expected = decoder(image_tokens, None)
    decoder.activation_checkpointing = True
    with torch.inference_mode():
        torch.testing.assert_close(decoder(image_tokens, None), expected)
