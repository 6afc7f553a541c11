"""ModLN: layer normalization whose scale and shift come from the camera.

Source: paper, section 3.2, equations 1 and 2, after adaLN of DiT (Peebles and Xie, 2022).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class ModLN(nn.Module):
    """LN(x) * (1 + scale) + shift; shift and scale = MLP_mod(camera embedding).

    MLP_mod has two linear layers with a SiLU between them, or, as in DiT and OpenLRM, one after a
    SiLU. The last one starts at zero, so that training starts from the plain LayerNorm (DiT,
    section 3.2, adaLN-Zero).

    Args:
        width: width of the tokens.
        camera_width: width of the camera embedding, and of the hidden layer.
        eps: added to the variance.
        num_layers: linear layers of MLP_mod, 1 or 2.
    """

    def __init__(self, width: int, camera_width: int, eps: float, *, num_layers: int = 1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=eps)
        # rows: shift, then scale, the order of DiT and OpenLRM
        last = nn.Linear(camera_width, 2 * width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.modulation = nn.Sequential(nn.SiLU(), last)
        if num_layers == 2:
            hidden = nn.Linear(camera_width, camera_width)
            nn.init.xavier_uniform_(hidden.weight)
            nn.init.zeros_(hidden.bias)
            self.modulation.insert(0, hidden)

    def forward(
        self, tokens: Float[Tensor, "B N D"], camera: Float[Tensor, "B M"]
    ) -> Float[Tensor, "B N D"]:
        """Normalize tokens (B, N, D) under camera embeddings (B, M)."""
        shift, scale = self.modulation(camera)[:, None].chunk(2, dim=-1)
        modulated: Tensor = self.norm(tokens) * (1.0 + scale) + shift
        return modulated
