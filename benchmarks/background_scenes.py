"""Pictures with exact masks for `background_removal.py`: renders before backgrounds made here.

Objects are renders of scanned objects (LRM_GSO_DIR, in the layout of Google Scanned Objects), whose
alpha is the truth. Every picture is a pure function of its group and number.

| group          | background                                                       |
|----------------|------------------------------------------------------------------|
| photograph     | object-free parts of the photos with masks, enlarged, defocused  |
| texture        | procedural: bricks, planks, tiles, stripes, fractal noise, rooms |
| white          | one flat white, the kind that models are trained on              |
| shadow         | a plain sheet with a gradient and the object's soft shadow       |
| white on white | pale objects on pale sheets with a shadow                        |
| drawing        | the object as flat colors with dark lines, on paper              |
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from lrm_core.geometry.scene_conversion import normalize_scene
from lrm_core.geometry.trajectories import random_on_shell
from lrm_core.imaging.letterbox import picture_box
from lrm_core.io.image_files import read_image, read_mask
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.mesh_shading import STUDIO_LIGHTS
from lrm_core.sources.gso import model_file

SIDE = 512
GROUPS = {
    "photograph": 30,
    "texture": 30,
    "white": 20,
    "shadow": 12,
    "white on white": 8,
    "drawing": 8,
}
"""How many pictures of each kind are made."""


@dataclass(frozen=True)
class MaskedPicture:
    """A picture whose object is known.

    Attributes:
        name: unique within its group.
        group: where it comes from.
        rgb: (H, W, 3) sRGB bytes.
        mask: (H, W), True on the object.
    """

    name: str
    group: str
    rgb: np.ndarray
    mask: np.ndarray


def masked_photos(folder: Path) -> Iterator[MaskedPicture]:
    """Photos with hand-made masks (NAME__image.png beside NAME__mask.png)."""
    for image_file in sorted(folder.glob("*__image.png")):
        mask = read_mask(image_file.with_name(image_file.name.replace("__image", "__mask"))) >= 128
        name = image_file.name.removesuffix("__image.png").removeprefix("photo_")
        yield MaskedPicture(name, "hand-made masks", read_image(image_file).rgba[..., :3], mask)


def composites(objects: Path, photos: Path, groups: Sequence[str]) -> Iterator[MaskedPicture]:
    """Renders before every kind of background, see the table above.

    Args:
        objects: folder of scanned objects.
        photos: folder of photos with masks, for the backgrounds.
        groups: which of `GROUPS`.
    """
    models = [
        path
        for folder in sorted(objects.iterdir())
        if folder.is_dir() and (path := model_file(folder)) is not None
    ]
    photographs = [_object_free_part(picture) for picture in masked_photos(photos)]
    for group_number, (group, count) in enumerate(GROUPS.items()):
        for number in range(count if group in groups else 0):
            rng = np.random.default_rng([group_number, number])
            first = number * 7 + group_number * 3
            # sets of toys are several objects: which of them is meant, no mask can say
            model, layer = next(
                (model, layer)
                for model in (models[(first + n) % len(models)] for n in range(len(models)))
                if _is_one_piece(layer := _render(model, rng))
            )
            layer = _place(layer, rng, may_cross=group in ("photograph", "texture"))
            compose = _COMPOSERS.get(group, _before_flat_white)
            if group == "photograph":
                background = _from_photograph(photographs[number % len(photographs)], rng)
                rgb = _over(layer, background)
            else:
                rgb, layer = compose(layer, rng)
            noise = rng.normal(0.0, rng.uniform(0.0, 2.5), rgb.shape)
            rgb = np.clip(rgb * 255.0 + noise + 0.5, 0, 255).astype(np.uint8)
            if group != "white":
                rgb = _as_jpeg(rgb, quality=int(rng.integers(80, 96)))
            yield MaskedPicture(
                f"{number:02d} {model_name(model)}", group, rgb, layer[..., 3] > 0.5
            )


def model_name(model: Path) -> str:
    """The object's name: its folder two floors above the mesh."""
    return model.parents[1].name[:24]


def _render(model: Path, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 4) premultiplied sRGB in [0, 1] of the object from a random side, under light."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    camera = random_on_shell(
        1, radius_range=(2.2, 2.8), height_range=(0.1, 1.3), size=SIDE, generator=generator
    )
    scene = normalize_scene(read_scene(model, up="z"), 1.6)
    view = render_scene(scene, camera, channels=("rgb", "alpha"), shading=STUDIO_LIGHTS)
    alpha = view.opacity[0].numpy()[..., None]
    # rendered on white: what is not white belongs to the object
    rgb = view.rgb[0].numpy() - (1.0 - alpha)
    gain = rng.uniform(0.7, 1.1) * rng.normal(1.0, 0.04, 3)
    return np.concatenate([np.clip(rgb * gain, 0.0, alpha), alpha], axis=-1).astype(np.float32)


def _is_one_piece(layer: np.ndarray) -> bool:
    """Whether all but 2% of the object hangs together."""
    mask = (layer[..., 3] > 0.5).astype(np.uint8)
    areas = cv2.connectedComponentsWithStats(mask)[2][1:, cv2.CC_STAT_AREA]
    return bool(areas.max() >= 0.98 * areas.sum())


def _place(layer: np.ndarray, rng: np.random.Generator, *, may_cross: bool) -> np.ndarray:
    """Crop the object, scale its longer side to 45-80% of the picture and put it somewhere."""
    rows, columns = np.flatnonzero(layer[..., 3].any(1)), np.flatnonzero(layer[..., 3].any(0))
    crop = layer[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = rng.uniform(0.45, 0.8) * SIDE / max(crop.shape[:2])
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    kernel = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
    crop = np.clip(cv2.resize(crop, size, interpolation=kernel), 0.0, 1.0)
    room = np.array([SIDE - size[1], SIDE - size[0]])
    top, left = (room * rng.uniform(0.25, 0.75, 2)).astype(int)
    if may_cross and rng.random() < 0.15:
        top = SIDE - round(0.85 * size[1])
    placed = np.zeros((SIDE, SIDE, 4), np.float32)
    shown = crop[: SIDE - top, : SIDE - left]
    placed[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return placed


def _over(layer: np.ndarray, background: np.ndarray) -> np.ndarray:
    return np.asarray(layer[..., :3] + background * (1.0 - layer[..., 3:]))


# ---- backgrounds ---------------------------------------------------------------------------------


def _object_free_part(picture: MaskedPicture) -> np.ndarray:
    """The largest square of a photo that does not touch its object, in [0, 1]."""
    rows, columns = picture_box(picture.rgb)
    rgb, mask = picture.rgb[rows, columns], picture.mask[rows, columns]
    reach = cv2.distanceTransform(
        np.pad(~cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))).astype(bool), 1).astype(
            np.uint8
        ),
        cv2.DIST_C,
        3,
    )[1:-1, 1:-1]
    y, x = np.unravel_index(int(reach.argmax()), reach.shape)
    half = max(int(reach[y, x]) - 1, 1)
    return rgb[y - half : y + half, x - half : x + half].astype(np.float32) / 255.0


def _from_photograph(part: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mosaic of mirrored copies, enlarged to the picture: real colors, grain and structure."""
    part = np.concatenate([part, part[:, ::-1]], axis=1)
    part = np.concatenate([part, part[::-1]], axis=0)
    height, width = part.shape[:2]
    crop = int(min(height, width) * rng.uniform(0.5, 1.0))
    top, left = rng.integers(0, height - crop + 1), rng.integers(0, width - crop + 1)
    part = part[top : top + crop, left : left + crop]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    grown = cv2.resize(np.ascontiguousarray(part), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.clip(cv2.GaussianBlur(grown, (0, 0), rng.uniform(0.5, 3.0)), 0.0, 1.0)


def _before_texture(layer: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    texture = _TEXTURES[int(rng.integers(len(_TEXTURES)))](rng)
    texture = texture + 0.03 * _fractal(rng)[..., None]
    blurred = cv2.GaussianBlur(texture.astype(np.float32), (0, 0), rng.uniform(0.4, 3.0))
    return _over(layer, np.clip(blurred, 0.0, 1.0)), layer


def _fractal(rng: np.random.Generator, octaves: int = 6) -> np.ndarray:
    """(S, S) noise of octaves, mean 0 and deviation 1."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for octave in range(octaves):
        cells = 2 ** (octave + 2)
        noise = rng.normal(0.0, 0.6**octave, (cells, cells)).astype(np.float32)
        total += cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return (total - total.mean()) / total.std()


def _colors(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3) muted colors."""
    gray = rng.uniform(0.15, 0.9, (count, 1))
    return np.clip(gray + rng.normal(0.0, 0.13, (count, 3)), 0.02, 0.98)


def _grid() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    return y, x


def _clouds(rng: np.random.Generator) -> np.ndarray:
    first, second = _colors(rng, 2)
    mix = 1.0 / (1.0 + np.exp(-2.0 * _fractal(rng)))[..., None]
    return first * mix + second * (1.0 - mix)


def _bricks(rng: np.random.Generator) -> np.ndarray:
    y, x = _grid()
    height = rng.uniform(24, 60)
    width = height * rng.uniform(1.6, 2.6)
    row = np.floor(y / height)
    shifted = x + (row % 2) * width / 2
    column = np.floor(shifted / width)
    tone = rng.normal(0.0, 0.07, 4096)[((row * 61 + column) % 4096).astype(int)]
    brick, mortar = _colors(rng, 2)
    joint = (y % height < 4) | (shifted % width < 4)
    return np.where(joint[..., None], mortar, brick + tone[..., None])


def _planks(rng: np.random.Generator) -> np.ndarray:
    y, x = _grid()
    if rng.random() < 0.5:
        y, x = x, y
    width = rng.uniform(40, 110)
    board = np.floor(y / width).astype(int)
    grain = np.sin((y + 12 * np.sin(x / rng.uniform(60, 140) + board * 7)) / rng.uniform(1.5, 4.0))
    base = np.array([0.55, 0.38, 0.22]) * rng.uniform(0.6, 1.5) + rng.normal(0, 0.04, 3)
    tone = rng.normal(0.0, 0.06, 64)[board % 64] + 0.04 * grain - 0.25 * (y % width < 2)
    return base + tone[..., None]


def _tiles(rng: np.random.Generator) -> np.ndarray:
    y, x = _grid()
    side = rng.uniform(20, 90)
    first, second = _colors(rng, 2)
    odd = (np.floor(y / side) + np.floor(x / side)) % 2
    return np.where(odd[..., None] > 0, first, second)


def _stripes(rng: np.random.Generator) -> np.ndarray:
    y, x = _grid()
    angle, period = rng.uniform(0, np.pi), rng.uniform(14, 70)
    wave = 0.5 + 0.5 * np.sin((np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / period)
    first, second = _colors(rng, 2)
    return first * wave[..., None] + second * (1.0 - wave[..., None])


def _room(rng: np.random.Generator) -> np.ndarray:
    """A table below a wall with a few boxes on it, out of focus."""
    y, x = _grid()
    wall, table, *boxes = _colors(rng, 6)
    horizon = SIDE * rng.uniform(0.45, 0.75)
    picture = np.where((y > horizon)[..., None], table * (0.8 + 0.3 * (y[..., None] / SIDE)), wall)
    for box in boxes:
        left, width, height = rng.uniform(0, SIDE), rng.uniform(30, 120), rng.uniform(40, 200)
        inside = (x > left) & (x < left + width) & (y > horizon - height) & (y < horizon + 8)
        picture = np.where(inside[..., None], box, picture)
    return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), rng.uniform(1.0, 6.0))


_TEXTURES: tuple[Callable[[np.random.Generator], np.ndarray], ...] = (
    _clouds,
    _bricks,
    _planks,
    _tiles,
    _stripes,
    _room,
)


def _before_flat_white(
    layer: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    return _over(layer, np.ones((SIDE, SIDE, 3))), layer


def _sheet(layer: np.ndarray, rng: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """A plain sheet with a gradient of light, and on it the object's soft shadow."""
    y, x = _grid()
    light = (
        1.0
        + rng.uniform(-0.08, 0.08) * (x / SIDE - 0.5)
        + rng.uniform(-0.1, 0.1) * (y / SIDE - 0.5)
    )
    alpha = layer[..., 3]
    bottom = int(np.flatnonzero(alpha.any(axis=1))[-1])
    # the silhouette pressed flat onto the floor, below and beside the object
    flat = cv2.resize(alpha, (SIDE, max(SIDE // 4, 1)), interpolation=cv2.INTER_AREA)
    shadow = np.zeros((SIDE, SIDE), np.float32)
    top = max(0, min(bottom - round(bottom / 4) - 2, SIDE - len(flat)))
    shadow[top : top + len(flat)] = flat
    shadow = np.roll(shadow, int(rng.integers(-30, 31)), axis=1)
    shadow = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(4.0, 14.0)) * rng.uniform(0.15, 0.5)
    return np.clip(color * (light * (1.0 - shadow))[..., None], 0.0, 1.0)


def _before_sheet_with_shadow(
    layer: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    return _over(layer, _sheet(layer, rng, _colors(rng, 1)[0] * 0.5 + 0.45)), layer


def _white_on_white(layer: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    alpha = layer[..., 3:]
    gray = layer[..., :3].mean(axis=-1, keepdims=True)
    pale = 0.62 * alpha + 0.36 * gray
    layer = np.concatenate([np.repeat(np.clip(pale, 0.0, alpha), 3, axis=-1), alpha], axis=-1)
    return _over(layer, _sheet(layer, rng, np.full(3, rng.uniform(0.88, 0.98)))), layer


def _drawing(layer: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    alpha = layer[..., 3:]
    straight = layer[..., :3] / np.maximum(alpha, 1e-4)
    smooth = cv2.bilateralFilter(straight.astype(np.float32), 9, 0.15, 7.0)
    lines = cv2.Canny((smooth * 255).astype(np.uint8), 60, 140) > 0
    outline = cv2.morphologyEx(
        (alpha[..., 0] > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))
    )
    ink = cv2.dilate(
        (lines & (alpha[..., 0] > 0.5) | (outline > 0)).astype(np.uint8), np.ones((2, 2))
    )
    colored = rng.random() < 0.5
    paper = np.array([0.97, 0.96, 0.93]) * rng.uniform(0.9, 1.02)
    fill = np.round(smooth * 5) / 5 if colored else np.broadcast_to(paper, smooth.shape)
    picture = np.where(alpha > 0.5, fill, paper)
    picture = np.where(ink[..., None] > 0, 0.12, picture).astype(np.float32)
    grown = np.maximum(alpha, ink[..., None].astype(np.float32))
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 0.6), 0.0, 1.0), np.concatenate(
        [layer[..., :3], grown], axis=-1
    )


_COMPOSERS = {
    "texture": _before_texture,
    "white": _before_flat_white,
    "shadow": _before_sheet_with_shadow,
    "white on white": _white_on_white,
    "drawing": _drawing,
}


def _as_jpeg(rgb: np.ndarray, *, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))
