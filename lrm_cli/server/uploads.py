"""Photos and masks as they arrive: refused by their headers where decoding would cost too much."""

from __future__ import annotations

import base64
import binascii
from pathlib import PurePath

from lrm_cli.server.errors import Problem, RequestError
from lrm_core.errors import MissingDependencyError

MAX_MEGAPIXELS = 64
MAX_JPEG_MEGAPIXELS = 200
"""Either takes up to 0.6 GB while it is read; JPEGs are decoded at a fraction of their size."""


def check_upload(content: bytes, name: str, file_name: str = "") -> None:
    """Look at the header of an image, and nothing more, with the reader that jobs use.

    Args:
        content: the file.
        name: what to call it in an error.
        file_name: the client's; its ending tells camera raw files from TIFF, the rest is not used.

    Raises:
        InputError: empty, not an image that is read, or too many pixels.
        RequestError: of a kind that this server lacks a package for.
    """
    from lrm_core.io.image_formats import RAW_SUFFIXES, check_image

    ending = PurePath(file_name).suffix.lower()
    try:
        check_image(
            content,
            f"the {name}{ending}" if ending in RAW_SUFFIXES else f"the {name}",
            max_pixels=MAX_MEGAPIXELS * 10**6,
            max_jpeg_pixels=MAX_JPEG_MEGAPIXELS * 10**6,
        )
    except MissingDependencyError as error:
        hint = "convert the file to JPEG, or ask the operator to install what is missing"
        raise RequestError(Problem("MissingDependencyError", error.message, hint, 501)) from error


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
