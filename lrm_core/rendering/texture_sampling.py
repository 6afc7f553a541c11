"""Textures with mipmaps, sampled trilinearly in linear light.

Minification is done by mipmaps (Williams, "Pyramidal parametrics", 1983): a view at 128 px of an
object with a 4096 px texture costs eight texels a pixel, like any other view, where supersampling
would cost a thousand. All levels of all textures lie in one flat array of packed 8-bit sRGB texels,
so that the pixels of a view are sampled together whatever their material is. Texels are decoded
before they are mixed, and weigh in by their alpha, so that what is hidden under transparent texels
never bleeds into visible ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8, UInt32

from lrm_core.imaging.color import linear_to_srgb, srgb_to_linear
from lrm_core.structures.scene import Wrap

WRAPS: tuple[Wrap, ...] = ("REPEAT", "MIRROR", "CLAMP")
_DECODED = srgb_to_linear(np.arange(256) / 255.0).astype(np.float32)
# linear light in 16 bit -> 8-bit sRGB
_ENCODED = np.rint(255.0 * linear_to_srgb(np.arange(65536) / 65535.0)).astype(np.uint8)


@dataclass(frozen=True)
class MipmappedTextures:
    """T textures and all their mipmap levels, L in all.

    Attributes:
        texels: (N,) RGBA bytes of every level of every texture, row by row, packed in 32 bits.
        first_level: (T,) index of each texture's full-size level.
        num_levels: (T,) how many levels each texture has.
        starts: (L,) where each level begins in `texels`.
        widths: (L,) texels per row of each level.
        heights: (L,) rows of each level.
        wraps: (T, 2) what lies outside of each texture along u and v, as `WRAPS` counts; None
            where all repeat.
    """

    texels: UInt32[np.ndarray, "N"]
    first_level: Int[np.ndarray, "T"]
    num_levels: Int[np.ndarray, "T"]
    starts: Int[np.ndarray, "L"]
    widths: Int[np.ndarray, "L"]
    heights: Int[np.ndarray, "L"]
    wraps: Int[np.ndarray, "T 2"] | None = None

    def sample(
        self,
        textures: Int[np.ndarray, "P"],
        uv: Float[np.ndarray, "P 2"],
        lod: Float[np.ndarray, "P"],
    ) -> Float[np.ndarray, "P 4"]:
        """Linear RGBA (straight alpha) at P places.

        Args:
            textures: (P,) which texture.
            uv: (P, 2) origin at the bottom left.
            lod: (P,) log2 of how many texels of the full-size level one pixel spans.
        """
        lod = np.clip(lod, 0.0, (self.num_levels[textures] - 1).astype(np.float32))
        lower = lod.astype(np.int32)
        fraction = lod - lower
        levels = self.first_level[textures] + lower
        repeats = None
        if self.wraps is not None:
            uv, repeats = _inside(uv, self.wraps[textures])
        premultiplied = self._bilinear(levels, uv, repeats)
        between = np.flatnonzero(fraction > 1e-3)
        if len(between):
            around = None if repeats is None else repeats[between]
            upper = self._bilinear(levels[between] + 1, uv[between], around)
            premultiplied[between] += fraction[between, None] * (upper - premultiplied[between])
        alpha = premultiplied[:, 3:]
        premultiplied[:, :3] /= np.maximum(alpha, 1e-6)
        return premultiplied

    def _bilinear(
        self,
        levels: Int[np.ndarray, "P"],
        uv: Float[np.ndarray, "P 2"],
        repeats: Bool[np.ndarray, "P 2"] | None,
    ) -> Float[np.ndarray, "P 4"]:
        """Linear RGBA with premultiplied alpha, from one level each.

        Where `repeats` is false, uv lie in [0, 1] already and the edge is not mixed with the
        opposite one.
        """
        width, height = self.widths[levels], self.heights[levels]
        inside = uv - np.floor(uv)
        if repeats is not None:
            inside = np.where(repeats, inside, uv)
        x = inside[:, 0] * width - 0.5
        y = (1.0 - inside[:, 1]) * height - 0.5
        left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        fx, fy = (x - left).astype(np.float32), (y - top).astype(np.float32)
        # left is at least -1 and right at most the width, so that one turn brings them back
        columns = (np.where(left < 0, left + width, left), np.where(left + 1 == width, 0, left + 1))
        rows = (np.where(top < 0, top + height, top), np.where(top + 1 == height, 0, top + 1))
        if repeats is not None:
            along_x = (np.maximum(left, 0), np.minimum(left + 1, width - 1))
            along_y = (np.maximum(top, 0), np.minimum(top + 1, height - 1))
            columns = (
                np.where(repeats[:, 0], columns[0], along_x[0]),
                np.where(repeats[:, 0], columns[1], along_x[1]),
            )
            rows = (
                np.where(repeats[:, 1], rows[0], along_y[0]),
                np.where(repeats[:, 1], rows[1], along_y[1]),
            )
        starts = self.starts[levels]
        result = np.zeros((len(levels), 4), dtype=np.float32)
        for row, row_weight in zip(rows, (1.0 - fy, fy), strict=True):
            row_start = starts + row * width
            for column, weight in zip(columns, (1.0 - fx, fx), strict=True):
                texel = self.texels.take(row_start + column).view(np.uint8).reshape(-1, 4)
                decoded = _DECODED.take(texel)
                alpha_weight = row_weight * weight * (texel[:, 3] * np.float32(1.0 / 255.0))
                decoded[:, 3] = 1.0
                decoded *= alpha_weight[:, None]
                result += decoded
        return result


def build_mipmaps(
    images: Sequence[UInt8[np.ndarray, "_ _ 4"]], wraps: Sequence[tuple[Wrap, Wrap]] | None = None
) -> MipmappedTextures:
    """Halve every texture down to one texel.

    Args:
        images: (H, W, 4) sRGB texels with straight alpha, row 0 at the top.
        wraps: what lies outside of each texture along u and v; None repeats all.
    """
    numbers = np.array([[WRAPS.index(axis) for axis in wrap] for wrap in wraps or []])
    chains = [_mipmap_chain(image) for image in images]
    num_levels = np.array([len(chain) for chain in chains], dtype=np.int64)
    levels = [level for chain in chains for level in chain]
    sizes = np.array([level.shape[0] * level.shape[1] for level in levels], dtype=np.int64)
    return MipmappedTextures(
        texels=np.concatenate([level.reshape(-1, 4).view(np.uint32)[:, 0] for level in levels]),
        first_level=np.cumsum(num_levels) - num_levels,
        num_levels=num_levels,
        starts=np.cumsum(sizes) - sizes,
        widths=np.array([level.shape[1] for level in levels], dtype=np.int64),
        heights=np.array([level.shape[0] for level in levels], dtype=np.int64),
        wraps=numbers if numbers.any() else None,
    )


def _inside(
    uv: Float[np.ndarray, "P 2"], wraps: Int[np.ndarray, "P 2"]
) -> tuple[Float[np.ndarray, "P 2"], Bool[np.ndarray, "P 2"]]:
    """uv with mirrored and clamped coordinates brought to [0, 1], and which of them repeat."""
    mirrored = 1.0 - np.abs(np.mod(uv, 2.0) - 1.0)
    clamped = np.clip(uv, 0.0, 1.0)
    brought = np.select(
        [wraps == WRAPS.index("MIRROR"), wraps == WRAPS.index("CLAMP")], [mirrored, clamped], uv
    )
    return brought.astype(uv.dtype), wraps == WRAPS.index("REPEAT")


def _mipmap_chain(image: UInt8[np.ndarray, "_ _ 4"]) -> list[UInt8[np.ndarray, "_ _ 4"]]:
    chain = [np.ascontiguousarray(image)]
    while max(chain[-1].shape[:2]) > 1:
        chain.append(_halved(chain[-1]))
    return chain


def _halved(image: UInt8[np.ndarray, "H W 4"]) -> UInt8[np.ndarray, "_ _ 4"]:
    """Mean of 2 x 2 texels in linear light, weighted by alpha; an odd last row counts twice."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    alpha = padded[..., 3:].astype(np.float32) / 255.0
    rgb = _DECODED[padded[..., :3]] * alpha
    alpha_sum, rgb_sum = (
        values[0::2, 0::2] + values[1::2, 0::2] + values[0::2, 1::2] + values[1::2, 1::2]
        for values in (alpha, rgb)
    )
    halved = np.empty((*alpha_sum.shape[:2], 4), dtype=np.uint8)
    mean_rgb = rgb_sum / np.maximum(alpha_sum, 1e-6)
    halved[..., :3] = _ENCODED[np.rint(mean_rgb * 65535.0).astype(np.uint16)]
    halved[..., 3] = np.rint(alpha_sum[..., 0] * (255.0 / 4.0))
    return halved
