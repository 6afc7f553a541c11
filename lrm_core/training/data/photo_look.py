"""How a training photo looks: light and colors, and the faults of real photos.

Light and colors belong to the scene: what lies behind is lit alike, and labels change with them.
Shadows and faults belong to the photo alone: the network has to see through them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from lrm_core.imaging.color import linear_to_srgb, srgb_to_linear
from lrm_core.rendering.light_visibility import sphere_directions

LIGHT_DIRECTIONS = sphere_directions(64)
"""Directions in the world frame, from each of which light may reach a surface or not."""

_TOWARDS_VIEWER = np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True)
class Look:
    """Light and colors of one photo; the default is the albedo itself.

    Attributes:
        ambient: light from everywhere, 1 for no other.
        light: unit vector towards a distant light, world frame.
        tint: RGB factors of the light.
        gloss: strength of highlights (Blinn-Phong), linear.
        hardness: exponent of highlights.
        shadow: how dark it is where light does not reach, 1 for as dark as it is.
        sharpness: concentration of the light (von Mises-Fisher): how sharp shadows are.
        gamma: exponent of the finished colors, per channel.
        order: channels in another order.
    """

    ambient: float = 1.0
    light: tuple[float, float, float] = (0.0, -1.0, 0.0)
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gloss: float = 0.0
    hardness: float = 20.0
    shadow: float = 0.0
    sharpness: float = 10.0
    gamma: tuple[float, float, float] = (1.0, 1.0, 1.0)
    order: tuple[int, int, int] = (0, 1, 2)

    def of(
        self,
        albedo: Float[np.ndarray, "*N 3"],
        normals: Float[np.ndarray, "*N 3"],
        reached: UInt8[np.ndarray, "*N 8"] | None = None,
    ) -> Float[np.ndarray, "*N 3"]:
        """sRGB of surfaces under this light (Lambert, highlights, shadows).

        Args:
            albedo: sRGB in [0, 1].
            normals: unit normals in the world frame; zero where there is no surface.
            reached: one bit for each of `LIGHT_DIRECTIONS`, 1 where light from there reaches the
                surface; None for surfaces that nothing shades.
        """
        color = albedo
        if self.shadow == 0.0:
            reached = None
        if self.ambient < 1.0 or reached is not None:
            light = np.array(self.light, dtype=np.float32)
            halfway = (light + _TOWARDS_VIEWER) / np.linalg.norm(light + _TOWARDS_VIEWER)
            diffuse = (normals @ light).clip(0.0, 1.0)[..., None]
            highlight = self.gloss * (normals @ halfway).clip(0.0, 1.0)[..., None] ** self.hardness
            sky, direct = (1.0, 1.0) if reached is None else self._unblocked(normals, reached)
            shade = self.ambient * sky + (1.0 - self.ambient) * 1.5 * diffuse * direct
            linear = srgb_to_linear(albedo) * shade * np.array(self.tint) + highlight * direct
            color = linear_to_srgb(linear.clip(0.0, 1.0))
        if self.gamma != (1.0, 1.0, 1.0):
            color = color ** np.array(self.gamma)
        return color[..., list(self.order)].astype(np.float32)

    def _unblocked(
        self, normals: Float[np.ndarray, "*N 3"], reached: UInt8[np.ndarray, "*N 8"]
    ) -> tuple[Float[np.ndarray, "*N 1"], Float[np.ndarray, "*N 1"]]:
        """Shares of the light from everywhere, and of the distant light, that arrive."""
        sky, direct = np.ones((2, *normals.shape[:-1], 1), dtype=np.float32)
        lit = normals.any(axis=-1)
        cosines = (normals[lit].astype(np.float32) @ LIGHT_DIRECTIONS.T).clip(0.0)
        arriving = cosines * np.unpackbits(reached[lit], axis=-1)
        lobe = np.exp(self.sharpness * (LIGHT_DIRECTIONS @ np.array(self.light) - 1.0))
        for share, weights in ((sky, np.ones_like(lobe)), (direct, lobe)):
            whole = (cosines @ weights).clip(1e-6)
            share[lit, 0] = 1.0 - self.shadow * (1.0 - arriving @ weights / whole)
        return sky, direct


def draw_look(rng: np.random.Generator, *, lit_share: float, shadowed_share: float) -> Look:
    """A random look.

    Args:
        rng: source of randomness.
        lit_share: share of photos with a light; the others show plain albedo, or are lit from
            everywhere alike.
        shadowed_share: share of photos in which surfaces shade one another.
    """
    order = (0, 1, 2)
    if rng.random() < 0.5:  # half in natural colors, which the ImageNet features know
        first, second, third = (int(channel) for channel in rng.permutation(3))
        order = (first, second, third)
    gamma = (1.0, 1.0, 1.0)
    if rng.random() < 0.4:
        gamma = _triple(np.exp(rng.normal(0.0, 0.2) + rng.normal(0.0, 0.04, 3)))
    # photographers fill shadows with light, and textures of scans have theirs painted in
    shadow = float(rng.uniform(0.3, 1.0)) if rng.random() < shadowed_share else 0.0
    if rng.random() >= lit_share:
        return Look(shadow=shadow, gamma=gamma, order=order)
    light = rng.normal(size=3) + np.array([0.0, -0.8, 1.0])
    light /= np.linalg.norm(light)
    return Look(
        ambient=float(rng.uniform(0.4, 0.9)),
        light=_triple(light),
        tint=_triple(rng.uniform(0.88, 1.12, 3)),
        gloss=float(rng.uniform(0.0, 0.6)) if rng.random() < 0.4 else 0.0,
        hardness=float(np.exp(rng.uniform(np.log(6.0), np.log(90.0)))),
        shadow=shadow,
        sharpness=float(np.exp(rng.uniform(np.log(4.0), np.log(40.0)))),
        gamma=gamma,
        order=order,
    )


def with_faults(
    photo: Float[np.ndarray, "S S 4"], rng: np.random.Generator
) -> Float[np.ndarray, "S S 4"]:
    """A photo with soft shadows, blur, noise, JPEG blocks and an imperfect mask.

    Args:
        photo: straight alpha, [0, 1].
        rng: source of randomness.
    """
    rgb, alpha = photo[..., :3], np.ascontiguousarray(photo[..., 3])
    size = len(photo)
    if rng.random() < 0.3:  # shadows and reflections of what stands around
        coarse = rng.uniform(0.55, 1.1, (int(rng.integers(2, 6)), int(rng.integers(2, 6))))
        field = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
        rgb = rgb * field[..., None]
    if rng.random() < 0.15:  # darker towards the ground
        rgb = rgb * np.linspace(1.0, rng.uniform(0.5, 0.9), size)[:, None, None]
    if rng.random() < 0.3:  # the background shines through at the outline
        behind = rng.random(3)
        rgb = behind + (rgb - behind) * np.sqrt(alpha)[..., None]
    rgb = rgb.astype(np.float32)
    if rng.random() < 0.25:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.3, 1.1))
    if rng.random() < 0.3:
        noise = rng.normal(size=(*rgb.shape[:2], 3 if rng.random() < 0.5 else 1))
        rgb = rgb + rng.uniform(0.0, 0.05) * noise.astype(np.float32)
    rgb = rgb.clip(0.0, 1.0)
    if rng.random() < 0.25:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 96))]
        _, encoded = cv2.imencode(".jpg", (rgb * 255.0).astype(np.uint8), quality)
        decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        assert decoded is not None
        rgb = decoded.astype(np.float32) / 255.0
    if rng.random() < 0.25:  # a mask cut a little too tight or too wide
        change = cv2.erode if rng.random() < 0.6 else cv2.dilate
        alpha = change(alpha, np.ones((3, 3), np.uint8))
    if rng.random() < 0.15:
        alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.4, 1.0)).clip(0.0, 1.0)
    return np.concatenate([rgb, alpha[..., None]], axis=-1, dtype=np.float32)


def _triple(values: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third
