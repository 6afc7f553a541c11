"""Many views on one sheet, with labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from lrm_core.imaging.compositing import over_white

_PAPER = (255, 255, 255)
_INK = (70, 70, 75)
_FRAME = (226, 226, 230)


def contact_sheet(
    rows: Sequence[Sequence[UInt8[np.ndarray, "_ _ _"]]],
    *,
    captions: Sequence[Sequence[str]] = (),
    column_labels: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    title: str = "",
    cell_size: int = 256,
) -> UInt8[np.ndarray, "H W 3"]:
    """Lay out images in a grid of square cells on white paper.

    Images are scaled to fit their cell; RGBA (straight alpha) is laid over white. Rows may differ
    in length. Text is as large as suits the cells; what does not fit ends in an ellipsis.

    Args:
        rows: images of any size, (H, W, 3) or (H, W, 4), row by row.
        captions: below each image, row by row.
        column_labels: above the columns.
        row_labels: left of the rows.
        title: above everything.
        cell_size: side of a cell in pixels.

    Raises:
        ValueError: there is no image.
    """
    num_columns = max((len(row) for row in rows), default=0)
    if num_columns == 0:
        raise ValueError("a contact sheet needs at least one image")
    gap, margin = max(2, cell_size // 32), max(4, cell_size // 12)
    font, line = _font(max(10, cell_size // 14))
    title_font, title_line = _font(max(12, cell_size // 9))
    widest = max((font.getlength(label) for label in row_labels), default=0.0)
    left = margin + (min(int(widest) + 1, cell_size) + 2 * gap if row_labels else 0)
    top = margin + (title_line + gap if title else 0) + (line + gap if column_labels else 0)
    width = cell_size + gap
    height = cell_size + gap + (line if captions else 0)
    size = (left + num_columns * width - gap + margin, top + len(rows) * height - gap + margin)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)

    def write(text: str, x: int, y: int, anchor: str) -> None:
        draw.text((x, y), _shortened(text, font, cell_size), _INK, font, anchor=anchor)

    if title:
        room = sheet.width - 2 * margin
        draw.text((margin, margin), _shortened(title, title_font, room), _INK, title_font)
    for column, label in enumerate(column_labels):
        write(label, left + column * width + cell_size // 2, top - gap, "md")
    for row, label in enumerate(row_labels):
        write(label, margin, top + row * height + cell_size // 2, "lm")
    for row, row_captions in enumerate(captions):
        for column, caption in enumerate(row_captions):
            x, y = left + column * width, top + row * height + cell_size
            write(caption, x + cell_size // 2, y + gap // 2, "ma")
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            x, y = left + column * width, top + row * height
            draw.rectangle((x - 1, y - 1, x + cell_size, y + cell_size), outline=_FRAME)
            fitted = Image.fromarray(fit_image(image, cell_size))
            across, down = (cell_size - fitted.width) // 2, (cell_size - fitted.height) // 2
            sheet.paste(fitted, (x + across, y + down))
    return np.asarray(sheet)


def fit_image(image: UInt8[np.ndarray, "_ _ _"], longer_side: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """An image, RGBA over white, scaled to a longer side."""
    picture = Image.fromarray(image)
    if picture.mode == "RGBA":
        picture = over_white(picture)
    scale = longer_side / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    if (width, height) != picture.size:
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture.convert("RGB"))


def _font(size: int) -> tuple[ImageFont.FreeTypeFont, int]:
    """Pillow's own typeface, the same on every machine, and the height of a line."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # what Pillow returns when a size is given
    return font, sum(font.getmetrics())


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, or as much of it as fits the width with an ellipsis."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
