"""Images are refused by their headers, before anything is decoded."""

import base64
import io
import struct
import sys
import tracemalloc
import zlib
from types import ModuleType, SimpleNamespace

import pytest
from PIL import Image

from lrm_cli.server.errors import RequestError, describe
from lrm_cli.server.uploads import (
    MAX_JPEG_MEGAPIXELS,
    MAX_MEGAPIXELS,
    check_upload,
    decode_base64,
)
from lrm_core.errors import InputError


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
    with pytest.raises(InputError) as caught:
        check_upload(png(side, side), "photo")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Pillow refuses the largest by a limit of its own
    assert "megapixels" in caught.value.message
    assert (str(MAX_MEGAPIXELS) in caught.value.message) == (side == 9_000)
    assert peak < 5_000_000


@pytest.mark.parametrize(("megapixels", "taken"), [(MAX_JPEG_MEGAPIXELS, True), (210, False)])
def test_a_jpeg_may_have_more_pixels(megapixels: int, taken: bool) -> None:
    """It is decoded at a fraction of its size; its header says how many it has."""
    target = io.BytesIO()
    Image.new("L", (8, 8)).save(target, "JPEG")
    content = bytearray(target.getvalue())
    start_of_frame = content.index(b"\xff\xc0") + 5
    content[start_of_frame : start_of_frame + 4] = struct.pack(">HH", megapixels * 100, 10_000)
    if taken:
        check_upload(bytes(content), "photo")
        return
    with pytest.raises(InputError, match=f"{MAX_JPEG_MEGAPIXELS} megapixels"):
        check_upload(bytes(content), "photo")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"not an image", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF", "PostScript"),
        (b"%PDF-1.7", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp41", "video"),
        (b"FUJIFILMCCD-RAW 0201FF", "camera raw"),
    ],
)
def test_what_is_not_an_image(content: bytes, words: str) -> None:
    with pytest.raises(InputError) as caught:
        check_upload(content, "mask")
    problem = describe(caught.value)
    assert problem.message.startswith("the mask")
    assert words in problem.message
    assert "JPEG" in problem.hint
    assert problem.status == 422


def encoded(kind: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (64, 48)).save(target, kind)
    return target.getvalue()


def test_camera_raw_is_told_by_its_name_and_nothing_else_of_the_name_is_shown() -> None:
    check_upload(encoded("TIFF"), "photo", "../../etc/secret.tif")
    with pytest.raises(InputError, match="camera raw") as caught:
        check_upload(encoded("TIFF"), "photo", "../../etc/secret.NEF")
    assert "secret" not in caught.value.message


def heic() -> bytes:
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def test_heic_without_its_package_says_what_a_client_can_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(RequestError) as caught:
        check_upload(heic(), "photo")
    problem = caught.value.problem
    assert problem.status == 501
    assert "HEIC" in problem.message
    assert problem.hint.startswith("convert the file to JPEG")


def test_heic_is_looked_at_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """pi_heif's interface: opening reads the header, `to_pillow` decodes, which is not done."""
    for size, taken in (((4032, 3024), True), ((9000, 9000), False)):
        module = ModuleType("pi_heif")
        vars(module)["open_heif"] = lambda _file, size=size: SimpleNamespace(size=size)
        monkeypatch.setitem(sys.modules, "pi_heif", module)
        if taken:
            check_upload(heic(), "photo")
            continue
        with pytest.raises(InputError, match=f"{MAX_MEGAPIXELS} megapixels"):
            check_upload(heic(), "photo")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "TGA"])
def test_photos_pass(kind: str) -> None:
    check_upload(encoded(kind), "photo")


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
