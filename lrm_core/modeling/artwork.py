"""Pictures printed on goods: package fronts, photo-like views, logos, keyboards, screens."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from lrm_core.modeling import Real
from lrm_core.modeling.paints import Paint, picture, plain
from lrm_core.modeling.prints import Image, back_label, canvas, texel
from lrm_core.modeling.shapes import star

Palette = Float[np.ndarray, "5 3"]
_SYLLABLES = ["KO", "RA", "MIN", "TEL", "VO", "SUN", "LA", "DOR", "PEX", "NI", "BO", "ZEN", "CRI"]
_SYLLABLES += ["STA", "FRE", "SH", "MAX", "PRO", "LU", "GEO", "TI", "OLA", "BAR", "ECO", "QUI"]
_FONTS = [cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SIMPLEX]


def readable(ground: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """The ink, or black or white where it would not stand out from the ground."""
    if np.abs(ink - ground).sum() > 0.7:
        return ink
    return np.full(3, 0.97) if ground.sum() < 1.5 else np.full(3, 0.06)


def word(rng: np.random.Generator) -> str:
    """An invented brand."""
    made = "".join(rng.choice(_SYLLABLES, size=rng.integers(1, 4)))[:9]
    return made if rng.random() < 0.6 else made.capitalize()


def write(
    rng: np.random.Generator,
    image: np.ndarray,
    ink: np.ndarray,
    box: tuple[Real, Real, Real, Real],
    *,
    outline: np.ndarray | None = None,
    text: str = "",
) -> None:
    """One bold word in a box (left, top, right, bottom), shares of the image."""
    rows, columns = image.shape[:2]
    left, top, right, bottom = box[0] * columns, box[1] * rows, box[2] * columns, box[3] * rows
    text, font = text or word(rng), _FONTS[rng.integers(len(_FONTS))]
    (width, tall), _ = cv2.getTextSize(text, font, 1.0, 2)
    scale = min((bottom - top) / (tall * 1.25), (right - left) / (width * 1.02))
    bold = max(1, round(scale * rng.uniform(2.0, 5.0)))
    x = (left + right - width * scale) / 2
    y = (top + bottom + tall * scale) / 2
    if outline is not None:
        cv2.putText(
            image, text, (int(x), int(y)), font, scale, texel(outline), bold * 3 + 1, cv2.LINE_AA
        )
    cv2.putText(image, text, (int(x), int(y)), font, scale, texel(ink), bold, cv2.LINE_AA)


def small_print(
    rng: np.random.Generator, image: np.ndarray, ink: np.ndarray, box: tuple[Real, Real, Real, Real]
) -> None:
    """Lines of words too small to read, in a box (left, top, right, bottom) of shares."""
    rows, columns = image.shape[:2]
    step = max(4, rows // 28)
    for y in range(int(box[1] * rows), int(box[3] * rows), step):
        x, end = box[0] * columns, (box[0] + (box[2] - box[0]) * rng.uniform(0.6, 1.0)) * columns
        while x < end:
            length = rng.uniform(1.0, 5.0) * step / 2
            stop = (int(min(x + length, end)), y + step // 2)
            cv2.rectangle(image, (int(x), y), stop, texel(ink), -1)
            x += length + step / 2


def photo(rng: np.random.Generator, palette: Palette, aspect: Real, rows: int = 128) -> Image:
    """Something like a photograph: soft colors, a horizon or clutter, fine grain."""
    image = canvas(rows, aspect)
    columns = image.shape[1]
    value = np.zeros((rows, columns, 3), dtype=np.float32)
    for octave, weight in ((3, 0.5), (7, 0.3), (19, 0.15), (60, 0.08)):
        coarse = rng.random((octave, max(2, int(octave * aspect)), 3)).astype(np.float32)
        coarse[..., :] = coarse.mean(axis=2, keepdims=True) * 0.6 + coarse * 0.4
        value += weight * cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    low, high = palette[rng.integers(5)], palette[rng.integers(5)]
    if rng.random() < 0.5:
        value += np.linspace(-0.3, 0.3, rows, dtype=np.float32)[:, None, None]
    mixed = low + (high - low) * np.clip(value * 1.6 - 0.3, 0, 1)
    image[..., :3] = np.clip(mixed * 255, 0, 255).astype(np.uint8)
    image[..., 3] = 255
    return image


def _ground(rng: np.random.Generator, palette: Palette, aspect: Real, rows: int) -> Image:
    """Plain, fading, split, with rays, or a photograph."""
    first, second = palette[rng.integers(0, 4)], palette[rng.integers(0, 5)]
    image = canvas(rows, aspect, first)
    columns = image.shape[1]
    kind = rng.integers(6)
    if kind == 0:
        shade = np.linspace(0, 1, rows)[:, None, None]
        mixed = first + (second - first) * shade
        image[..., :3] = (np.broadcast_to(mixed, (rows, columns, 3)) * 255).astype(np.uint8)
    elif kind == 1:
        y0, y1 = rng.uniform(0.2, 0.9, size=2) * rows
        corners = np.array([[0, y0], [columns, y1], [columns, rows], [0, rows]])
        cv2.fillPoly(image, [corners.astype(np.int32)], texel(second), cv2.LINE_AA)
    elif kind == 2:
        middle = np.array([columns * rng.uniform(0.3, 0.7), rows * rng.uniform(0.4, 0.7)])
        near = np.clip(first * 0.8 + 0.2 * second, 0, 1)
        for angle in np.linspace(0, 2 * np.pi, 13)[:-1]:
            ends = [angle, angle + np.pi / 12]
            far = np.stack([np.cos(ends), np.sin(ends)], axis=1) * (rows + columns) + middle
            corners = np.concatenate([middle[None], far]).astype(np.int32)
            cv2.fillPoly(image, [corners], texel(near), cv2.LINE_AA)
    elif kind == 3:
        image = photo(rng, palette, aspect, rows)
    elif kind == 4:
        center = (int(columns * rng.random()), int(rows * rng.uniform(0.5, 1.0)))
        cv2.circle(image, center, int(0.7 * min(rows, columns)), texel(second), -1, cv2.LINE_AA)
    return image


def _product(rng: np.random.Generator, image: np.ndarray, palette: Palette) -> None:
    """A few round shaded things heaped in the lower half: fruit, cookies, a face, gadgets."""
    rows, columns = image.shape[:2]
    size = rng.uniform(0.12, 0.3) * min(rows, columns)
    elongation = rng.uniform(0.5, 1.0)
    tone = palette[rng.integers(5)]
    for _ in range(int(rng.integers(1, 7))):
        x, y = rng.uniform(0.2, 0.8) * columns, rng.uniform(0.5, 0.82) * rows
        turn = float(rng.uniform(0, 180))
        for shrink, light in ((1.0, 0.55), (0.88, 0.85), (0.6, 1.05), (0.25, 1.3)):
            color = np.clip(tone * light + (0.08 if light > 1 else 0), 0, 1)
            spot = (int(x - size * (1 - shrink) * 0.4), int(y - size * (1 - shrink) * 0.4))
            axes = (max(1, int(size * shrink)), max(1, int(size * shrink * elongation)))
            cv2.ellipse(image, spot, axes, turn, 0, 360, texel(color), -1, cv2.LINE_AA)


def _badge(rng: np.random.Generator, image: np.ndarray, palette: Palette) -> None:
    """A logo field at the top with the brand's name in it."""
    rows, columns = image.shape[:2]
    field, ink = palette[rng.integers(5)], palette[rng.integers(5)]
    top, tall = rng.uniform(0.03, 0.12), rng.uniform(0.12, 0.24)
    left, right = sorted(rng.uniform([0.03, 0.6], [0.25, 0.97]))
    p0, p1 = (
        (int(left * columns), int(top * rows)),
        (int(right * columns), int((top + tall) * rows)),
    )
    if rng.random() < 0.4:
        middle = ((p0[0] + p1[0]) // 2, (p0[1] + p1[1]) // 2)
        axes = (max(1, (p1[0] - p0[0]) // 2), max(1, (p1[1] - p0[1]) // 2))
        cv2.ellipse(image, middle, axes, 0, 0, 360, texel(field), -1, cv2.LINE_AA)
    else:
        cv2.rectangle(image, p0, p1, texel(field), -1)
    inset = 0.12 * (right - left)
    box = (left + inset, top + tall * 0.15, right - inset, top + tall * 0.85)
    write(rng, image, readable(field, ink), box)


def package_front(
    rng: np.random.Generator, palette: Palette, aspect: Real, rows: int = 224
) -> Image:
    """The front of a package: ground, product, brand, title, claims, small print."""
    image = _ground(rng, palette, aspect, rows)
    columns = image.shape[1]
    if rng.random() < 0.7:
        _product(rng, image, palette)
    if rng.random() < 0.3:
        inner = photo(rng, palette, aspect, rows // 2)
        y, x = int(rows * 0.42), int(columns * 0.22)
        tall, wide = min(inner.shape[0], rows - y), min(inner.shape[1], columns - x)
        image[y : y + tall, x : x + wide] = inner[:tall, :wide]
    if rng.random() < 0.8:
        _badge(rng, image, palette)
    title = palette[rng.integers(5)]
    edge = readable(title, palette[rng.choice([3, 4])])
    top = rng.uniform(0.25, 0.4)
    write(rng, image, title, (0.06, top, 0.94, top + rng.uniform(0.12, 0.24)), outline=edge)
    if rng.random() < 0.5:
        spot = (int(columns * rng.uniform(0.15, 0.85)), int(rows * rng.uniform(0.6, 0.85)))
        cv2.circle(image, spot, max(6, rows // 12), texel(palette[2]), -1, cv2.LINE_AA)
    if rng.random() < 0.6:
        strip = palette[rng.integers(5)]
        image[int(rows * 0.88) :] = texel(strip)
        ink = readable(strip, palette[rng.integers(5)])
        small_print(rng, image, ink, (0.05, 0.9, 0.95, 0.98))
    return image


def package_side(
    rng: np.random.Generator, palette: Palette, aspect: Real, rows: int = 224
) -> Image:
    """A narrow side: the brand along it, a table of facts, small print."""
    ground = palette[rng.integers(5)]
    image = canvas(rows, aspect, ground)
    ink = readable(ground, palette[rng.integers(5)])
    if rng.random() < 0.6:
        write(rng, image, ink, (0.08, 0.04, 0.92, 0.2))
    if rng.random() < 0.6:
        columns = image.shape[1]
        corner = (int(0.9 * columns), int(0.72 * rows))
        cv2.rectangle(image, (int(0.1 * columns), int(0.3 * rows)), corner, texel(ink), 1)
        for y in range(int(0.34 * rows), int(0.72 * rows), max(6, rows // 18)):
            cv2.line(image, (int(0.1 * columns), y), (corner[0], y), texel(ink), 1)
    small_print(rng, image, ink, (0.1, 0.3, 0.85, 0.95))
    return image


def printed_box(
    rng: np.random.Generator,
    palette: Palette,
    size: tuple[Real, Real, Real],
    base: Paint | None = None,
) -> Paint:
    """All six sides of a package about the origin: front like back or a back with a bar code.

    Args:
        rng: source of the draws.
        palette: the colors to print with.
        size: full extents along x, y, z.
        base: what lies under the prints.
    """
    width, depth, height = size
    paint = base or plain(palette[0])
    front = package_front(rng, palette, width / height)
    back = front if rng.random() < 0.4 else back_label(rng, palette, width / height)
    side = package_side(rng, palette, depth / height)
    top = package_front(rng, palette, width / depth, 128)
    paint = picture(paint, front, (0, 0), (width, height))
    paint = picture(paint, back, (0, 0), (width, height), facing="+y")
    paint = picture(paint, side, (0, 0), (depth, height), facing="-x +x")
    return picture(paint, top, (0, 0), (width, depth), facing="+z")


def logo(rng: np.random.Generator, color: np.ndarray, aspect: Real = 1.6) -> Image:
    """A mark on nothing: swoosh, bars, star, ring, letters, arrow, wave."""
    rows = 96
    image = canvas(rows, aspect)
    columns, ink = image.shape[1], texel(color)
    kind = rng.integers(7)
    middle, size = (columns // 2, rows // 2), int(rows * 0.4)
    if kind == 0:
        x = np.linspace(0.03, 0.97, 30)
        upper = 0.35 + 0.9 * (x - 0.25) ** 2 - 0.3 * x**3
        lower = 0.75 - 0.72 * np.maximum(x - 0.25, 0) ** 0.9 + 0.8 * np.maximum(0.25 - x, 0)
        outline = np.concatenate([np.stack([x, upper], 1), np.stack([x, lower], 1)[::-1]])
        cv2.fillPoly(image, [(outline * [columns, rows]).astype(np.int32)], ink, cv2.LINE_AA)
    elif kind == 1:
        lean = rng.uniform(-0.3, 0.3) * rows
        for k in range(int(rng.integers(2, 5))):
            foot = int(columns * (0.2 + 0.22 * k))
            head = (int(foot + lean), 4)
            cv2.line(image, (foot, rows - 4), head, ink, max(5, columns // 11), cv2.LINE_AA)
    elif kind == 2:
        corners = star(5, size, size * 0.42, -np.pi / 2) + middle
        cv2.fillPoly(image, [corners.astype(np.int32)], ink, cv2.LINE_AA)
    elif kind == 3:
        cv2.circle(image, middle, size, ink, max(3, size // 4), cv2.LINE_AA)
        write(rng, image, color, (0.32, 0.35, 0.68, 0.65), text="ABKMNRSX"[rng.integers(8)])
    elif kind == 4:
        write(rng, image, color, (0.03, 0.1, 0.97, 0.9))
    elif kind == 5:
        arrow = np.array([[0.1, 0.2], [0.5, 0.2], [0.9, 0.5], [0.5, 0.8], [0.1, 0.8], [0.45, 0.5]])
        cv2.fillPoly(image, [(arrow * [columns, rows]).astype(np.int32)], ink, cv2.LINE_AA)
    else:
        x = np.arange(columns, dtype=np.float64)
        for offset in (0.3, 0.6):
            y = rows * (offset + 0.13 * np.sin(x / columns * 9))
            points = np.stack([x, y], axis=1).astype(np.int32)
            cv2.polylines(image, [points], isClosed=False, color=ink, thickness=9)
    return image
