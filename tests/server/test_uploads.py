"""Images are refused by their headers, before anything is decoded."""

import base64
import io
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image

from lrm_cli.server.errors import RequestError
from lrm_cli.server.uploads import MAX_MEGAPIXELS, check_image, decode_base64


def png(width: int, height: int) -> bytes:
    """A PNG that says it is so large; its rows are missing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


@pytest.mark.parametrize("side", [9_000, 20_000, 100_000])
def test_bombs_are_refused_by_their_header(side: int) -> None:
    tracemalloc.start()
    with pytest.raises(RequestError) as caught:
        check_image(png(side, side), "photo")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(MAX_MEGAPIXELS) in caught.value.problem.message
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"not an image", "not an image"), (b"%!PS-Adobe-3.0 EPSF", "not an image")],
)
def test_what_is_not_an_image(content: bytes, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_image(content, "mask")
    problem = caught.value.problem
    assert problem.message.startswith("the mask")
    assert words in problem.message
    assert "PNG" in problem.hint
    assert problem.status == 422


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_photos_pass(kind: str) -> None:
    target = io.BytesIO()
    Image.new("RGB", (64, 48)).save(target, kind)
    check_image(target.getvalue(), "photo")


def test_base64_with_and_without_the_head_of_a_data_uri() -> None:
    text = base64.b64encode(b"\x00\xffphoto").decode()
    wrapped = "\n".join(text[i : i + 4] for i in range(0, len(text), 4))
    for form in (text, wrapped, f"data:image/png;base64,{text}"):
        assert decode_base64(form) == b"\x00\xffphoto"


@pytest.mark.parametrize("text", ["$$$", "abc", "data:image/png;base64", "ä"])
def test_what_is_not_base64(text: str) -> None:
    if text == "data:image/png;base64":
        assert decode_base64(text) == b""
        return
    with pytest.raises(RequestError, match="base64"):
        decode_base64(text)
