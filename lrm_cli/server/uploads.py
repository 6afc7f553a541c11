"""Photos and masks as they arrive: refused by their headers where decoding would cost too much."""

from __future__ import annotations

import base64
import binascii
import io
import warnings

from lrm_cli.server.errors import Problem, RequestError

MAX_MEGAPIXELS = 64
"""A photo of so many pixels takes about 0.6 GB while it is read."""

_READABLE = "send a PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF file"


def check_image(content: bytes, name: str) -> None:
    """Look at the header of an image, and nothing more.

    Args:
        content: the file.
        name: what to call it in an error.

    Raises:
        RequestError: empty, not an image that is read, or too many pixels.
    """
    from PIL import Image

    from lrm_core.io.image_formats import IMAGE_FORMATS

    if not content:
        raise RequestError(Problem("InputError", f"the {name} is empty (0 bytes)", _READABLE))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit is above ours
            with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
                width, height = image.size
    except Image.DecompressionBombError:
        width = height = 1_000_000
    except Exception as error:  # parsers meet hostile bytes and raise whatever they raise
        problem = Problem("InputError", f"the {name} is not an image that can be read", _READABLE)
        raise RequestError(problem) from error
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise RequestError(
            Problem(
                "InputError",
                f"the {name} has more than {MAX_MEGAPIXELS} megapixels",
                "scale it down first: no model sees more than a few megapixels",
            )
        )


def decode_base64(text: str) -> bytes:
    """The bytes of an image in a JSON document, with or without the head of a data URI.

    Raises:
        RequestError: the text is not base64.
    """
    _, comma, payload = text.partition(",") if text.startswith("data:") else ("", "", text)
    if text.startswith("data:") and not comma:
        payload = ""
    try:
        return base64.b64decode("".join(payload.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        problem = Problem("InputError", "'image' is not base64", "encode the bytes of the file")
        raise RequestError(problem) from error
