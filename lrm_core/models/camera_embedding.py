"""The source camera as a feature vector and its embedding.

Source: paper, section 3.2 (Camera Features). The camera-to-world matrix is flattened row by row;
focal length and principal point are divided by the image's width and height.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lrm_core.structures.cameras import Cameras

# camera20: 4x4 matrix (the paper); camera16: its first three rows (OpenLRM)
_MATRIX_ROWS = {"camera20": 4, "camera16": 3}


def camera_feature_width(kind: Literal["camera16", "camera20"]) -> int:
    """Length of the camera feature: the matrix rows and fx, fy, cx, cy."""
    return 4 * _MATRIX_ROWS[kind] + 4


def camera_feature(cameras: Cameras, kind: Literal["camera16", "camera20"]) -> Float[Tensor, "N F"]:
    """(N, 16 or 20) camera-to-world rows, then fx, fy, cx, cy as fractions of the image."""
    extrinsics = cameras.c2w[:, : _MATRIX_ROWS[kind]].flatten(1)
    return torch.cat([extrinsics, cameras.normalized_intrinsics], dim=-1)


class CameraEmbedding(nn.Module):
    """Camera feature -> embedding, by an MLP of two layers with SiLU between.

    Args:
        kind: which camera feature.
        width: width of the embedding.
    """

    def __init__(self, kind: Literal["camera16", "camera20"], width: int) -> None:
        super().__init__()
        self.kind = kind
        self.mlp = nn.Sequential(
            nn.Linear(camera_feature_width(kind), width),
            nn.SiLU(),
            nn.Linear(width, width),
        )

    def forward(self, cameras: Cameras) -> Float[Tensor, "N M"]:
        """(N, M) embeddings of N cameras."""
        weight = next(self.mlp.parameters())
        embedding: Tensor = self.mlp(camera_feature(cameras, self.kind).to(weight))
        return embedding
