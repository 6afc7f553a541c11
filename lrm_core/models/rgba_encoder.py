"""The RGBA encoder of lrm-mini: a convolutional pyramid, then a small ViT on its coarse maps.

The backbone (`efficientnet_lite.py`) sees the photo's colors on gray and may start from ImageNet
weights; its maps keep every resolution, so that pixel-aligned features reach the front plane of the
triplane (`ray_layer_decoder.py`). Alpha is an input too, since the silhouette is known when a photo
is reconstructed: it joins the tokens here, and every resolution on the way back up.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrm_core.config import ImageEncoderConfig
from lrm_core.models.efficientnet_lite import EfficientNetLite, pyramid_channels
from lrm_core.models.image_features import ImageFeatures
from lrm_core.models.silhouette_distance import distance_inside

PHOTO_CHANNELS = 5
SILHOUETTE_CHANNELS = 4
TOKEN_STRIDE = 16


def prepared_photo(image: Float[Tensor, "B 4 H W"]) -> Float[Tensor, "B 5 H W"]:
    """Premultiplied color and alpha in [-1, 1], and the distance to the silhouette.

    Color under alpha 0 means nothing: premultiplied, it cannot be seen.
    """
    alpha = image[:, 3:]
    color = torch.cat([image[:, :3] * alpha, alpha], dim=1) * 2.0 - 1.0
    return torch.cat([color, distance_inside(alpha)], dim=1)


def silhouette_maps(
    photo: Float[Tensor, "B 5 H W"], size: tuple[int, int]
) -> Float[Tensor, "B 4 h w"]:
    """What is known of the silhouette at a resolution: alpha, distance inside, and where it is.

    Args:
        photo: what `prepared_photo` returned.
        size: (h, w); H and W are multiples of them.
    """
    maps = F.adaptive_avg_pool2d(photo[:, 3:], size)
    rows, columns = (
        (torch.arange(n, device=photo.device, dtype=photo.dtype) + 0.5) / n * 2.0 - 1.0
        for n in size
    )
    grid = torch.stack([columns.expand(size), rows[:, None].expand(size)])
    return torch.cat([maps, grid.expand(len(photo), -1, -1, -1)], dim=1)


class RgbaEncoder(nn.Module):
    """RGBA image -> tokens and a pyramid of pixel-aligned features.

    Args:
        config: `kind: rgba`; `backbone` names the pyramid, `patch_size` must be 16.

    Raises:
        ValueError: another patch size.
    """

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        if config.patch_size != TOKEN_STRIDE:
            raise ValueError(f"patch_size must be {TOKEN_STRIDE}, got {config.patch_size}")
        self.backbone = EfficientNetLite(config.backbone)
        *_, fine, coarse = pyramid_channels(config.backbone)
        self.embed_fine = nn.Conv2d(fine + SILHOUETTE_CHANNELS, config.width, 1)
        self.embed_coarse = nn.Conv2d(coarse, config.width, 1, bias=False)
        side = config.image_size // config.patch_size
        self.position_embedding = nn.Parameter(torch.empty(1, config.width, side, side))
        nn.init.normal_(self.position_embedding, std=0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width,
                config.num_heads,
                dim_feedforward=4 * config.width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, image: Float[Tensor, "B 4 H W"]) -> ImageFeatures:
        """Encode.

        Args:
            image: straight-alpha RGBA in [0, 1]; H = W a multiple of 32.

        Returns:
            tokens (B, N, E), N = (H / 16)^2, row-major from the top left; as pyramid
            `prepared_photo`, then the maps of the backbone from half resolution down to 1/8. The
            position embedding is resized where H is not the configured size.
        """
        photo = prepared_photo(image)
        # premultiplied on [-1, 1] is black where alpha is 0; on mid gray that is 0
        pyramid = self.backbone(photo[:, :3] + (1.0 - image[:, 3:]))
        *finer, fine, coarse = pyramid
        size = (fine.shape[-2], fine.shape[-1])
        x = self.embed_fine(torch.cat([fine, silhouette_maps(photo, size)], dim=1))
        x = x + F.interpolate(self.embed_coarse(coarse), size=size, mode="bilinear")
        position = F.interpolate(self.position_embedding, size=size, mode="bilinear")
        tokens = (x + position).flatten(2).transpose(1, 2)  # (B, N, E)
        for block in self.blocks:
            tokens = block(tokens)
        return ImageFeatures(tokens=self.norm(tokens), pyramid=(photo, *finer))
