"""The same radiance field, evaluated faster: the first layer of its MLP lies in its planes.

That layer is linear, and so is bilinear interpolation: folded into the planes, the layer's output
at a point is one weighted sum of twelve texels, four of each plane. A ring of zero features around
each plane stands for the zeros that lie beyond. Exact but for float rounding; no gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lrm_core.models.triplane_field import TriplaneField
from lrm_core.structures.triplane import signed_axis


@dataclass(frozen=True, eq=False)
class FoldedField(TriplaneField):
    """The values of a `TriplaneField`, without gradients.

    Attributes:
        table: (3, H + 2, W + 2, width) the first layer's output from each texel of each plane, with
            the bias in the first plane; float32, whatever the planes are.
        layers: weight and bias of the other layers, float32.
        activation: between layers.
    """

    is_fast: ClassVar[bool] = True

    table: Float[Tensor, "3 H W width"]
    layers: tuple[tuple[Tensor, Tensor], ...]
    activation: Callable[..., Tensor]

    @torch.no_grad()
    def _mlp_output(self, points: Tensor) -> Tensor:
        coordinates = self.triplane.normalize(points.float())
        texels, weights = self._texels(coordinates)
        hidden = F.embedding_bag(
            texels, self.table.flatten(0, 2), mode="sum", per_sample_weights=weights
        )
        for weight, bias in self.layers:
            hidden = F.linear(self.activation(hidden, inplace=True), weight, bias)
        return hidden

    def _texels(self, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """The twelve rows of the flat table (P, 12) that points see, and their weights (P, 12)."""
        _, height, width, _ = self.table.shape
        shape = (len(coordinates), 3, 2, 2)
        texels = torch.empty(shape, dtype=torch.int32, device=coordinates.device)
        weights = coordinates.new_empty(shape)
        for plane, pair in enumerate(self.triplane.axes):
            (x, right), (y, upper) = (
                _interpolated(coordinates[:, axis] * sign, size)
                for (axis, sign), size in zip(map(signed_axis, pair), (width, height), strict=True)
            )
            first = (plane * height + y) * width + x
            lower, left = 1.0 - upper, 1.0 - right
            for row, share in enumerate((lower, upper)):
                texels[:, plane, row, 0] = first + row * width
                texels[:, plane, row, 1] = first + row * width + 1
                torch.mul(share, left, out=weights[:, plane, row, 0])
                torch.mul(share, right, out=weights[:, plane, row, 1])
        return texels.flatten(1), weights.flatten(1)


@torch.no_grad()
def fold(field: TriplaneField) -> TriplaneField:
    """Fold the first layer of a field's MLP into its planes; a field that is fast already stays."""
    if field.is_fast:
        return field
    (weight, bias), *others = field.nerf_mlp.layers()
    planes = F.pad(field.triplane.planes[0].float(), (1, 1, 1, 1))
    weight = weight.view(-1, 3, planes.shape[1])
    table = torch.einsum("pchw,opc->phwo", planes, weight).contiguous()
    table[0] += bias
    return FoldedField(
        field.triplane,
        field.nerf_mlp,
        table,
        tuple(others),
        field.nerf_mlp.activation,
    )


def _interpolated(coordinate: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Along one axis of a plane with its ring: the texel before, and the share of the one after.

    Args:
        coordinate: (P,); [-1, 1] from face to face of the plane without its ring.
        size: texels with the ring.
    """
    place = ((coordinate + 1.0) * ((size - 2) / 2.0) + 0.5).clamp_(0.0, size - 1.0)
    before = place.floor().clamp_(max=size - 2.0)
    return before.int(), place.sub_(before)
