"""Attention block by block against the formula in float64, and where it is used."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lrm_core.models import attention as module
from lrm_core.models.attention import attention, blockwise_attention
from lrm_core.models.loading import load_lrm


def softmax_formula(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    query, key, value = query.double(), key.double(), value.double()
    exponentials = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).exp()
    return exponentials / exponentials.sum(dim=-1, keepdim=True) @ value


def heads(tokens: int, dtype: torch.dtype, *, batch: int = 2, width: int = 16) -> Tensor:
    """(batch, 3 heads, tokens, width), laid out as a projection leaves it."""
    return torch.randn(batch, tokens, 3, width).transpose(1, 2).to(dtype)


@pytest.mark.parametrize("block_scores", [1, 7 * 20, 10**9])
def test_blocks_of_any_size_follow_the_formula(
    monkeypatch: pytest.MonkeyPatch, block_scores: int
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(module, "_BLOCK_SCORES", block_scores)
    query, key, value = (heads(n, torch.float32) for n in (50, 20, 20))
    found = blockwise_attention(query, key, value)
    expected = softmax_formula(query, key, value).float()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_heads_join_without_a_copy() -> None:
    query = heads(50, torch.float32)
    joined = blockwise_attention(query, query, query).transpose(1, 2)
    assert joined.is_contiguous()


def test_bfloat16_on_a_cpu_is_blockwise_and_near_the_formula(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    calls = []

    def counted(*tensors: Tensor) -> Tensor:
        calls.append(tensors)
        return blockwise_attention(*tensors)

    monkeypatch.setattr(module, "blockwise_attention", counted)
    monkeypatch.setattr(module, "_has_tile_units", lambda: False)
    query, key, value = (heads(n, torch.bfloat16, batch=1, width=64) for n in (700, 513, 513))
    with torch.no_grad():
        found = attention(query, key, value)
    expected = softmax_formula(query, key, value)
    assert len(calls) == 1
    assert (found - expected).norm() < 1e-2 * expected.norm()


def test_gradients_float32_and_small_sizes_keep_pytorchs_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(module, "blockwise_attention")
    monkeypatch.setattr(module, "_has_tile_units", lambda: False)
    large, small = heads(600, torch.bfloat16), heads(20, torch.bfloat16)
    attention(large.requires_grad_(), large, large).sum().backward()
    assert large.grad is not None
    with torch.no_grad():
        attention(large.float(), large.float(), large.float())
        attention(small, small, small)


@pytest.mark.parametrize("name", ["openlrm-tiny-a", "openlrm-tiny-b", "triposr-tiny"])
def test_planes_in_bfloat16_are_near_those_in_float32(
    reference_dir: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LEAST_SCORES", 1)
    monkeypatch.setattr(module, "_has_tile_units", lambda: False)
    single, half = (
        load_lrm(reference_dir / name, dtype=d) for d in (torch.float32, torch.bfloat16)
    )
    size = single.config.encoder.image_size
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = (model.predict_triplane(image).planes for model in (single, half))
    assert 1e-4 < (found - expected).norm() / expected.norm() < 2e-2
