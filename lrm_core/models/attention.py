"""Scaled dot-product attention: PyTorch's, or block by block where a CPU computes in bfloat16.

PyTorch's CPU kernel multiplies small tiles of bfloat16 no faster than of float32 unless the
processor has AMX. Products of whole blocks do reach the speed of its bfloat16 units; blocks small
enough for the cache keep the softmax from waiting for memory.
"""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Scores computed at once, 2 bytes each: the fastest of 128 to 3072 rows of 3072 keys, of 1025 too.
_BLOCK_SCORES = 3 * 2**19

# Below this a loop over the heads costs more than it saves.
_LEAST_SCORES = 2**18


def attention(
    query: Float[Tensor, "B H N d"], key: Float[Tensor, "B H K d"], value: Float[Tensor, "B H K d"]
) -> Float[Tensor, "B H N d"]:
    """softmax(query key^T / sqrt(d)) value, for every head.

    Args:
        query: (B, heads, N, d).
        key: (B, heads, K, d).
        value: (B, heads, K, d).
    """
    num_scores = query.shape[2] * key.shape[2]
    if (
        query.device.type == "cpu"
        and query.dtype == torch.bfloat16
        and num_scores >= _LEAST_SCORES
        and not torch.is_grad_enabled()
        and not _has_tile_units()
    ):
        return blockwise_attention(query, key, value)
    return F.scaled_dot_product_attention(query, key, value)


def blockwise_attention(
    query: Float[Tensor, "B H N d"], key: Float[Tensor, "B H K d"], value: Float[Tensor, "B H K d"]
) -> Float[Tensor, "B H N d"]:
    """As `attention`, one head and some rows of its scores at a time; without gradients."""
    batch, heads, rows, width = query.shape
    num_blocks = math.ceil(rows * key.shape[2] / _BLOCK_SCORES)
    block = math.ceil(rows / num_blocks)  # even blocks: each new shape costs a new kernel
    scale = width**-0.5
    # laid out so that joining the heads afterwards copies nothing
    result = query.new_empty(batch, rows, heads, width).transpose(1, 2)
    for image in range(batch):
        for head in range(heads):
            keys = (key[image, head] * scale).t()  # exact where d is a power of 4
            values = value[image, head].contiguous()
            for start in range(0, rows, block):
                part = slice(start, start + block)
                weights = (query[image, head, part] @ keys).softmax(dim=-1)
                result[image, head, part] = weights @ values
    return result


@cache
def _has_tile_units() -> bool:
    """Whether PyTorch's own kernel has AMX to compute with."""
    return bool(torch.cpu._is_amx_tile_supported())
