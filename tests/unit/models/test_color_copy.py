"""Colors that are copied from elsewhere in the photo, against a naive loop."""

from __future__ import annotations

import math

import pytest
import torch

from lrm_core.models.color_copy import ColorCopy


def _photo(alpha: torch.Tensor) -> torch.Tensor:
    colors = torch.rand(len(alpha), 3, *alpha.shape[-2:])
    return torch.cat([colors * alpha, alpha], dim=1)


@torch.no_grad()
def test_colors_equal_a_naive_loop_over_cells() -> None:
    torch.manual_seed(0)
    module = ColorCopy(8, width=6)
    alpha = (torch.rand(1, 1, 16, 16) > 0.3).float()
    alpha[..., :8, :8] = 0.0  # one cell that the object does not touch
    photo, features = _photo(alpha), torch.randn(1, 8, 8, 8)

    copied = module(features, photo)[0]

    normed = (features - features.mean()) / (features.var(correction=0) + 1e-5).sqrt()
    queries = torch.einsum("qc,chw->hwq", module.to_query.weight[..., 0, 0], normed[0])
    queries = queries + module.to_query.bias
    cells = []
    for row in range(2):
        for column in range(2):
            patch = photo[0, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            if patch[3].mean() < 0.3:
                continue
            own = normed[0, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].mean((1, 2))
            key = module.to_key.weight[..., 0, 0] @ own
            cells.append((key, patch[:3].sum((1, 2)) / patch[3].sum()))
    assert len(cells) == 3
    for row in range(8):
        for column in range(8):
            weights = [math.exp(queries[row, column] @ key / math.sqrt(6)) for key, _ in cells]
            expected = sum(w * color for w, (_, color) in zip(weights, cells, strict=True))
            assert copied[:, row, column] == pytest.approx(expected / sum(weights), abs=1e-5)


def test_thin_parts_alone_still_give_a_color() -> None:
    alpha = torch.zeros(2, 1, 32, 32)
    alpha[0, 0, 5, 5] = 1.0  # one pixel; the second photo shows nothing at all
    photo = torch.cat([torch.tensor([0.2, 0.4, 0.6])[:, None, None] * alpha, alpha], dim=1)
    copied = ColorCopy(8)(torch.randn(2, 8, 16, 16), photo)
    assert torch.isfinite(copied).all()
    torch.testing.assert_close(
        copied[0], torch.tensor([0.2, 0.4, 0.6])[:, None, None].expand(3, 16, 16)
    )
