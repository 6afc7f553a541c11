"""A grown model computes what the small one does, and what is new in it learns."""

import dataclasses

import torch

from lrm_core.config import load_preset
from lrm_core.models.lrm import LRM


def test_a_grown_model_computes_the_same_and_its_new_parts_learn(load_benchmark):
    torch.manual_seed(0)
    config = load_preset("lrm-mini")
    config = dataclasses.replace(
        config,
        encoder=dataclasses.replace(config.encoder, num_layers=1),
        decoder=dataclasses.replace(config.decoder, ray_widths=(24, 40, 48, 64, 80)),
    )
    small = LRM(config).eval()
    torch.nn.init.normal_(small.ray_layer_decoder.to_rays.weight, std=0.1)
    with load_benchmark("grown_model") as module:
        large = module.grown(small, (24, 40, 64, 96, 88), 3)
    photo = torch.rand(1, 4, 64, 64)
    with torch.no_grad():
        before, after = small(photo, None), large(photo, None)
    torch.testing.assert_close(after.rays, before.rays, atol=1e-5, rtol=0)
    torch.testing.assert_close(after.planes, before.planes, atol=1e-5, rtol=0)

    large(photo, None).rays.square().mean().backward()
    gradients = dict(large.named_parameters())
    # rows of the old channels look at the new ones, and the new blocks' last layers, first
    lift = gradients["ray_layer_decoder.lift.0.weight"].grad
    assert lift[:40, 48:].abs().max() > 0
    assert gradients["image_encoder.blocks.2.linear2.weight"].grad.abs().max() > 0
    assert large.config.encoder.num_layers == 3
