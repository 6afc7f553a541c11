"""Begin a larger lrm-mini from a trained smaller one, with the same output.

    python benchmarks/grown_model.py OUT [--init MODEL] [--ray-widths 24 40 64 128 256] [--layers 8]
    lrm train lrm-mini --init OUT encoder_init=null ...

What is added changes nothing at first (Chen et al., Net2Net, 2016): new channels begin as those of
a new model and nothing reads them yet; new transformer blocks add zero. Training goes on from what
the smaller model knows instead of from nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lrm_core.models.loading import load_lrm, save_lrm
from lrm_core.models.lrm import LRM


def grown(model: LRM, ray_widths: tuple[int, ...], num_layers: int) -> LRM:
    """A model with wider ray layers and more encoder blocks that computes the same.

    Args:
        model: an lrm-mini.
        ray_widths: as many as it has, each at least as large; the finest two must be its own.
        num_layers: at least its own.
    """
    config = replace(
        model.config,
        encoder=replace(model.config.encoder, num_layers=num_layers),
        decoder=replace(model.config.decoder, ray_widths=ray_widths),
    )
    larger = LRM(config)
    known = model.state_dict()
    weights = larger.state_dict()
    for name, value in weights.items():
        if name in known:
            weights[name] = _extended(known[name], value)
        elif name.endswith(("linear2.weight", "linear2.bias", "out_proj.weight", "out_proj.bias")):
            weights[name] = torch.zeros_like(value)
    larger.load_state_dict(weights)
    return larger.eval()


def _extended(small: Tensor, large: Tensor) -> Tensor:
    """The small tensor in the leading corner of the large one; its rows read no new columns."""
    result = large.clone()
    if small.ndim > 1:
        result[: small.shape[0], small.shape[1] :] = 0.0
    result[tuple(slice(size) for size in small.shape)] = small
    return result


def main() -> None:
    """Write the larger model and say how far its output is off."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--init", default="lrm-mini", metavar="MODEL")
    parser.add_argument("--ray-widths", type=int, nargs=5, default=(24, 40, 64, 128, 256))
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    model = load_lrm(arguments.init)
    larger = grown(model, tuple(arguments.ray_widths), arguments.layers)
    photo = torch.rand(1, 4, 128, 128)
    with torch.inference_mode():
        before, after = model(photo, None).rays, larger(photo, None).rays
    assert before is not None
    assert after is not None
    sizes = [sum(p.numel() for p in each.parameters()) for each in (model, larger)]
    save_lrm(larger, arguments.out)
    print(
        f"{sizes[0]:,} -> {sizes[1]:,} parameters, largest difference of the output "
        f"{float((before - after).abs().max()):.1e}: {arguments.out}"
    )


if __name__ == "__main__":
    main()
