"""Printed matter: labels, covers, faces and signs as small images for decals."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from lrm_core.modeling import Real
from lrm_core.modeling.palettes import Palette
from lrm_core.modeling.shapes import star

_LETTERS = "ABCDEFGHIKLMNOPRSTUVWYaeiourstnl0123456789"
_FONTS = [
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
]

Image = UInt8[np.ndarray, "H W 4"]


def texel(color: np.ndarray) -> tuple[int, int, int, int]:
    """Opaque RGBA bytes of an sRGB color."""
    red, green, blue = (np.clip(color, 0.0, 1.0) * 255).astype(int).tolist()
    return red, green, blue, 255


def canvas(
    rows: int, aspect: Real, color: np.ndarray | None = None, limits: tuple[int, int] = (24, 640)
) -> Image:
    """An empty picture, transparent unless it has a color.

    Args:
        rows: height in texels.
        aspect: width over height.
        color: sRGB in [0, 1] of every texel.
        limits: least and most columns.
    """
    image = np.zeros((rows, int(np.clip(rows * aspect, *limits)), 4), dtype=np.uint8)
    if color is not None:
        image[:] = texel(color)
    return image


def _write(
    rng: np.random.Generator, image: np.ndarray, color: np.ndarray, top: Real, height: Real
) -> None:
    """One centered word; `top` and `height` are shares of the image's height."""
    rows, columns = image.shape[:2]
    word = "".join(rng.choice(list(_LETTERS), size=rng.integers(3, 8)))
    font = _FONTS[rng.integers(len(_FONTS))]
    thickness = max(1, round(height * rows / 10))
    (width, tall), _ = cv2.getTextSize(word, font, 1.0, thickness)
    scale = min(height * rows / tall, 0.88 * columns / width)
    origin = (int((columns - width * scale) / 2), int(top * rows + tall * scale))
    cv2.putText(image, word, origin, font, scale, texel(color), thickness, cv2.LINE_AA)


def _lines(
    rng: np.random.Generator, image: np.ndarray, color: np.ndarray, top: Real, bottom: Real
) -> None:
    """Small print: rows of dashes of word length."""
    rows, columns = image.shape[:2]
    step = int(rng.integers(5, 9))
    for y in range(int(top * rows), int(bottom * rows), step):
        x = int(0.1 * columns)
        end = columns * rng.uniform(0.5, 0.9)
        while x < end:
            length = int(rng.integers(3, 14))
            cv2.line(image, (x, y), (min(x + length, int(end)), y), texel(color), 2)
            x += length + 4


def _emblem(rng: np.random.Generator, image: np.ndarray, palette: np.ndarray) -> None:
    """A big motif: disc, ring, star, leaf, landscape."""
    rows, columns = image.shape[:2]
    center = (int(columns * rng.uniform(0.4, 0.6)), int(rows * rng.uniform(0.45, 0.7)))
    size = int(min(rows, columns) * rng.uniform(0.18, 0.36))
    first, second = (texel(palette[i]) for i in rng.choice(5, size=2, replace=False))
    kind = rng.integers(5)
    if kind == 0:
        cv2.circle(image, center, size, first, -1, cv2.LINE_AA)
        cv2.circle(image, center, int(size * 0.6), second, -1, cv2.LINE_AA)
    elif kind == 1:
        cv2.circle(image, center, size, first, max(2, size // 4), cv2.LINE_AA)
    elif kind == 2:
        corners = star(int(rng.integers(5, 9)), size, size * 0.45, -np.pi / 2) + center
        cv2.fillPoly(image, [corners.astype(np.int32)], first, cv2.LINE_AA)
    elif kind == 3:
        for angle in rng.uniform(0, 180, size=3):
            cv2.ellipse(image, center, (size, size // 3), float(angle), 0, 360, first, -1)
        cv2.circle(image, center, size // 3, second, -1, cv2.LINE_AA)
    else:
        hills = rows * (0.6 + 0.15 * np.sin(np.linspace(0, rng.uniform(3, 9), columns)))
        outline = np.stack([np.arange(columns), hills], axis=1)
        corners = np.array([[columns, rows], [0, rows]])
        cv2.fillPoly(image, [np.concatenate([outline, corners]).astype(np.int32)], first)
        cv2.circle(image, (center[0], int(rows * 0.3)), size // 2, second, -1, cv2.LINE_AA)


def label(rng: np.random.Generator, palette: Palette, aspect: Real) -> Image:
    """The front of a package: ground, bands, motif, a title, small print.

    Args:
        rng: source of the draws.
        palette: the colors to print with.
        aspect: width divided by height.
    """
    ground, ink, other = (palette[i] for i in rng.choice(5, size=3, replace=False))
    image = canvas(160, aspect, ground, (48, 480))
    rows, columns = image.shape[:2]
    if rng.random() < 0.35:
        shade = np.linspace(0, 1, rows)[:, None, None]
        blend = ground + (other - ground) * shade
        image[..., :3] = np.broadcast_to(blend * 255, (rows, columns, 3)).astype(np.uint8)
    if rng.random() < 0.5:
        top, tall = rng.uniform(0.0, 0.7), rng.uniform(0.1, 0.3)
        image[int(top * rows) : int((top + tall) * rows)] = texel(other)
    if rng.random() < 0.75:
        _emblem(rng, image, palette)
    if rng.random() < 0.4:
        cv2.rectangle(image, (3, 3), (columns - 4, rows - 4), texel(ink), 3)
    if np.abs(ink - ground).sum() < 0.6:
        ink = np.ones(3) if ground.sum() < 1.5 else np.zeros(3)
    _write(rng, image, ink, rng.uniform(0.06, 0.25), rng.uniform(0.12, 0.26))
    if rng.random() < 0.6:
        _lines(rng, image, ink, rng.uniform(0.7, 0.8), 0.95)
    return image


def back_label(rng: np.random.Generator, palette: Palette, aspect: Real) -> Image:
    """The back of a package: small print and a bar code."""
    ground = palette[rng.integers(5)]
    ink = np.ones(3) if ground.sum() < 1.5 else np.zeros(3)
    image = canvas(160, aspect, ground, (48, 480))
    rows, columns = image.shape[:2]
    _write(rng, image, ink, 0.06, 0.08)
    _lines(rng, image, ink, 0.25, 0.65)
    left, top = int(0.55 * columns), int(0.72 * rows)
    image[top : int(0.92 * rows), left : int(0.92 * columns)] = 255
    for x in range(left + 3, int(0.92 * columns) - 3, 3):
        if rng.random() < 0.6:
            image[top + 3 : int(0.92 * rows) - 3, x : x + int(rng.integers(1, 3)), :3] = 20
    return image


def windows(
    rng: np.random.Generator,
    wall: np.ndarray,
    glass: np.ndarray,
    frame: np.ndarray,
    columns: int,
    rows: int,
    *,
    door: bool,
) -> Image:
    """A facade: a grid of framed windows and, if asked, a door below the middle."""
    cell = 40
    image = np.zeros((rows * cell, columns * cell, 4), dtype=np.uint8)
    arch = rng.random() < 0.25
    for row in range(rows):
        for column in range(columns):
            x, y = column * cell, row * cell
            if door and row == rows - 1 and column == columns // 2:
                cv2.rectangle(image, (x + 8, y + 4), (x + 32, y + 40), texel(frame), -1)
                cv2.rectangle(image, (x + 11, y + 7), (x + 29, y + 40), texel(wall * 0.5), -1)
                cv2.circle(image, (x + 26, y + 25), 2, texel(frame), -1)
                continue
            cv2.rectangle(image, (x + 8, y + 7), (x + 32, y + 33), texel(frame), -1)
            if arch:
                cv2.circle(image, (x + 20, y + 8), 12, texel(frame), -1)
            shade = glass * rng.uniform(0.7, 1.1)
            cv2.rectangle(image, (x + 11, y + 10), (x + 29, y + 30), texel(shade), -1)
            cv2.line(image, (x + 20, y + 10), (x + 20, y + 30), texel(frame), 2)
            cv2.line(image, (x + 11, y + 19), (x + 29, y + 19), texel(frame), 2)
    return image


def control_panel(rng: np.random.Generator, palette: Palette, aspect: Real) -> Image:
    """The front of a device: a screen or grille, knobs and buttons, transparent elsewhere."""
    image = canvas(128, aspect, limits=(48, 384))
    rows, columns = image.shape[:2]
    left, top = int(0.08 * columns), int(0.1 * rows)
    right, bottom = int(rng.uniform(0.5, 0.9) * columns), int(rng.uniform(0.5, 0.85) * rows)
    cv2.rectangle(image, (left, top), (right, bottom), texel(palette[4]), -1)
    if rng.random() < 0.5:
        for y in range(top + 5, bottom - 3, 7):
            cv2.line(image, (left + 5, y), (right - 5, y), texel(palette[3] * 0.6), 2)
    else:
        inner = image[top + 4 : bottom - 4, left + 4 : right - 4]
        slope = np.linspace(0.5, 1.3, inner.shape[0])[:, None, None]
        screen = np.clip(palette[rng.integers(3)] * slope, 0, 1) * 255
        inner[..., :3] = np.broadcast_to(screen, (*inner.shape[:2], 3)).astype(np.uint8)
    for x in range(left + 6, int(0.95 * columns), 16):
        if rng.random() < 0.7:
            spot = (x, int(0.92 * rows))
            cv2.circle(image, spot, 5, texel(palette[rng.integers(5)]), -1, cv2.LINE_AA)
    for y in range(top + 8, bottom, 22):
        if right < 0.85 * columns:
            spot = (int((right + columns) / 2), y)
            cv2.circle(image, spot, 8, texel(palette[rng.integers(5)]), -1, cv2.LINE_AA)
    return image
