"""EfficientNet-Lite: the convolutional backbone of lrm-mini, as a pyramid of feature maps.

Source: Tan and Le, EfficientNet (2019), in the Lite variants of its authors: no squeeze and
excitation, ReLU6, a stem that is not scaled. Padding and normalization follow the TensorFlow
original ("same", eps 0.001), so that its ImageNet weights fit (`encoder_weights.py`).

Batch normalization is frozen: each convolution is followed by a scale and a shift per channel,
which begin as what the pre-trained statistics come to, and are trained like other weights. A photo
is then encoded alike in any batch and at any resolution, and several processes need not meet.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
"""Factors of width and depth by variant."""

# per stage: kernel, stride, expansion, channels, blocks
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
# the last stage of each resolution: 1/2, 1/4, 1/8, 1/16, 1/32
_PYRAMID_STAGES = (0, 1, 2, 4, 6)
_STEM_CHANNELS = 32


def pyramid_channels(variant: str) -> tuple[int, ...]:
    """Channels of the five maps, from half resolution down to 1/32."""
    return tuple(_scaled_width(_STAGES[stage][3], variant) for stage in _PYRAMID_STAGES)


class ScaledConvolution(nn.Module):
    """Convolution without bias, then a scale and a shift per channel; "same" padding.

    The scale is multiplied into the kernel, which costs nothing per pixel.

    Args:
        before: input channels.
        after: output channels.
        kernel: side of the kernel.
        stride: 1 or 2.
        depthwise: each channel by itself.
    """

    def __init__(
        self, before: int, after: int, kernel: int, stride: int = 1, *, depthwise: bool = False
    ) -> None:
        super().__init__()
        self.stride = stride
        self.groups = before if depthwise else 1
        self.kernel = nn.Parameter(torch.empty(after, before // self.groups, kernel, kernel))
        nn.init.kaiming_normal_(self.kernel, mode="fan_out" if depthwise else "fan_in")
        self.scale = nn.Parameter(torch.ones(after))
        self.shift = nn.Parameter(torch.zeros(after))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Filter B maps."""
        if self.groups > 1 and x.device.type == "cpu":
            # oneDNN's depthwise gradients are up to ten times faster in float32, channels last
            with torch.autocast("cpu", enabled=False):
                inner = x.float().contiguous(memory_format=torch.channels_last)
                return self._filter(inner).to(x.dtype)
        return self._filter(x)

    def _filter(self, x: Tensor) -> Tensor:
        kernel = (self.kernel * self.scale[:, None, None, None]).to(x.dtype)
        shift = self.shift.to(x.dtype)
        side = kernel.shape[-1]
        if self.stride == 1:
            return F.conv2d(x, kernel, shift, padding=side // 2, groups=self.groups)
        # TensorFlow pads what is missing behind first
        missing = [max(0, (-(-n // 2) - 1) * 2 + side - n) for n in (x.shape[-1], x.shape[-2])]
        before = [total // 2 for total in missing]
        padding = [before[0], missing[0] - before[0], before[1], missing[1] - before[1]]
        return F.conv2d(F.pad(x, padding), kernel, shift, stride=self.stride, groups=self.groups)


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow (Sandler et al., MobileNetV2, 2018).

    Args:
        before: input channels.
        after: output channels.
        kernel: side of the depthwise kernel.
        stride: the depthwise convolution's stride.
        expansion: factor of the inner width; 1 leaves the widening out.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = before * expansion
        self.widen = ScaledConvolution(before, inner, 1) if expansion > 1 else None
        self.filter = ScaledConvolution(inner, inner, kernel, stride, depthwise=True)
        self.narrow = ScaledConvolution(inner, after, 1)
        self.is_residual = stride == 1 and before == after

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """One block."""
        inner = x if self.widen is None else F.relu6(self.widen(x))
        narrow: Tensor = self.narrow(F.relu6(self.filter(inner)))
        return x + narrow if self.is_residual else narrow


class EfficientNetLite(nn.Module):
    """RGB images -> five feature maps; no classifier.

    Args:
        variant: a key of `SCALES`.
    """

    def __init__(self, variant: str) -> None:
        super().__init__()
        self.stem = ScaledConvolution(3, _STEM_CHANNELS, 3, 2)
        stages, before = [], _STEM_CHANNELS
        depth = SCALES[variant][1]
        for index, (kernel, stride, expansion, channels, blocks) in enumerate(_STAGES):
            after = _scaled_width(channels, variant)
            if 0 < index < len(_STAGES) - 1:  # first and last are fixed in the Lite variants
                blocks = math.ceil(blocks * depth)
            stage = []
            for block in range(blocks):
                stage.append(
                    InvertedResidual(before, after, kernel, stride if block == 0 else 1, expansion)
                )
                before = after
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> tuple[Tensor, ...]:
        """The maps (B, C_l, H / 2^l, W / 2^l), l = 1 to 5.

        Args:
            image: (B, 3, H, W) in [-1, 1], H and W multiples of 32.
        """
        x = F.relu6(self.stem(image))
        pyramid = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _PYRAMID_STAGES:
                pyramid.append(x)
        return tuple(pyramid)


def _scaled_width(channels: int, variant: str) -> int:
    """A stage's channels, rounded to multiples of 8 as in the original."""
    exact = channels * SCALES[variant][0]
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * exact else rounded + 8
