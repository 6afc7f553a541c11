"""Which image files are opened, and which are refused by name."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

from PIL import Image, JpegImagePlugin, UnidentifiedImageError, features

from lrm_core.errors import InputError, MissingDependencyError, first_line
from lrm_core.io.foreign_content import foreign_content
from lrm_core.optional import require

IMAGE_SUFFIXES = frozenset((
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".mpo", ".webp", ".tif", ".tiff",
    ".bmp", ".dib", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".avif", ".heic", ".heif",
    ".hif", ".jp2", ".j2k", ".jpf", ".jpx", ".ico",
))  # fmt: skip
"""Names that are taken for photos when a folder is read."""

RAW_SUFFIXES = frozenset((
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf",
    ".srw", ".x3f",
))  # fmt: skip
"""Names of camera raw files."""

IMAGE_FORMATS = (
    "PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "TGA", "AVIF", "JPEG2000", "ICO",
)  # fmt: skip
"""What Pillow may be asked to decode, photos and textures alike: some of its other formats start
programs (EPS: Ghostscript)."""

READABLE = (
    "PNG, JPEG, WebP, TIFF, BMP, GIF, TGA, AVIF and HEIC images are read; "
    "convert the file to one of them"
)

MAX_PIXELS = 178_956_970
"""Pillow's own limit against decompression bombs (13,377 squared)."""
MAX_JPEG_PIXELS = 512_000_000
"""JPEG is decoded at a fraction of its size, so that phones' 200 megapixels need little memory."""
MAX_HEIF_PIXELS = 256_000_000

# first bytes of files that are not read -> what they are
_REFUSED = (
    (b"FUJIFILMCCD-RAW", "a camera raw file (RAF)"),
    (b"IIRO", "a camera raw file (ORF)"),
    (b"IIRS", "a camera raw file (ORF)"),
    (b"MMOR", "a camera raw file (ORF)"),
    (b"IIU\0", "a camera raw file (RW2)"),
    (b"II\x1a\0\0\0HEAPCCDR", "a camera raw file (CRW)"),
    (b"FOVb", "a camera raw file (X3F)"),
    (b"\0MRM", "a camera raw file (MRW)"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"8BPS", "a Photoshop document"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"v/1\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"DDS ", "a DDS texture"),
    (b"\xabKTX ", "a KTX texture"),
    (b"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
)
_RAW_HINT = "develop it in the camera's or a raw converter's program and save a JPEG, PNG or TIFF"

# brands of ISO base media files (ISO/IEC 14496-12, 23008-12)
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_STILL_BRANDS = frozenset((b"mif1", b"msf1"))

# TIFF tags (TIFF 6.0, TIFF/EP, DNG)
_NEW_SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 262, 330, 50706
_RAW_PHOTOMETRICS = (32803, 34892)
"""Color filter array, linear raw."""


def open_image(data: bytes, name: str) -> Image.Image:
    """Open an image by its content, not yet decoded where its format allows that.

    Args:
        data: the whole file.
        name: for messages; its suffix tells camera raw files from TIFF.

    Raises:
        InputError: not an image, or of a kind that is not read, damaged, or too large.
        MissingDependencyError: HEIC without the extra `heic`, AVIF without Pillow's support.
    """
    opened = _open_header(data, name)
    if not isinstance(opened, Image.Image):
        try:
            image: Image.Image = opened.to_pillow()  # upright: libheif turns it
        except Exception as error:  # libheif's many kinds
            raise InputError(
                f"{name} is truncated or damaged ({first_line(error)})", hint=READABLE
            ) from error
        return image
    if opened.format == "TGA" and opened.mode == "RGBA" and not data[17] & 0x0F:
        # 32 bits per pixel, none of them alpha (TGA 2.0, image descriptor): the rest is padding
        return opened.convert("RGB")
    return opened


def check_image(data: bytes, name: str, *, max_pixels: int, max_jpeg_pixels: int) -> None:
    """Refuse what `open_image` refuses, and large images, by the header: nothing is decoded.

    Args:
        data: the whole file.
        name: for messages.
        max_pixels: most pixels of an image.
        max_jpeg_pixels: most pixels of a JPEG, which is decoded at a fraction of its size.

    Raises:
        InputError: as `open_image`, or more pixels than these.
        MissingDependencyError: as `open_image`.
    """
    opened = _open_header(data, name)
    limit = max_jpeg_pixels if _is_jpeg(opened) else max_pixels
    width, height = opened.size
    if width * height > limit:
        raise too_large(name, limit)


def _open_header(data: bytes, name: str) -> Any:
    """A Pillow image, or pi_heif's file with `size` and `to_pillow`; neither is decoded yet."""
    if not data:
        raise InputError(f"{name} is empty (0 bytes), expected an image", hint=READABLE)
    _refuse_by_name(data, name)
    brands = _brands(data)
    if brands & _HEIF_BRANDS or (brands & _STILL_BRANDS and not brands & _AVIF_BRANDS):
        return _open_heif(data, name)
    if brands & _AVIF_BRANDS and not features.check("avif"):
        raise MissingDependencyError(
            f"{name} is an AVIF image, which this Pillow cannot read",
            hint="pip install 'pillow>=11.3', or convert the file to PNG or JPEG",
        )
    try:
        with warnings.catch_warnings():
            # Pillow warns at half its limit and for damaged EXIF data; neither stops us
            warnings.simplefilter("ignore")
            if data.startswith(b"\xff\xd8\xff"):
                # not by Image.open, whose limit knows nothing of decoding at a fraction
                image: Image.Image = JpegImagePlugin.jpeg_factory(io.BytesIO(data))
            else:
                image = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    except Image.DecompressionBombError as error:
        raise too_large(name, MAX_PIXELS) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not an image that can be read", hint=READABLE) from error
    except Exception as error:  # Pillow's parsers raise many kinds on damaged files
        raise InputError(f"{name} is damaged ({first_line(error)})", hint=READABLE) from error
    if image.format == "TIFF" and _is_raw(image):
        raise _raw(name, "DNG or the like")
    limit = MAX_JPEG_PIXELS if _is_jpeg(image) else MAX_PIXELS
    if image.width * image.height > limit:
        raise too_large(name, limit)
    return image


def _is_jpeg(image: Any) -> bool:
    return isinstance(image, Image.Image) and image.format in ("JPEG", "MPO")


def too_large(name: str, limit: int) -> InputError:
    """The error of an image of more pixels than are decoded."""
    return InputError(
        f"{name}: more than {limit // 10**6} megapixels",
        hint="scale the image down first; no model sees more than a few megapixels",
    )


def _refuse_by_name(data: bytes, name: str) -> None:
    foreign = foreign_content(data)
    if foreign is not None:
        raise InputError(f"{name} {foreign[0]}", hint=foreign[1])
    suffix = "." + name.rpartition(".")[2].lower()
    if suffix in RAW_SUFFIXES:
        raise _raw(name, suffix[1:].upper())
    kind = next((what for magic, what in _REFUSED if data.startswith(magic)), None)
    if kind is None and data[4:8] == b"ftyp":
        brands = _brands(data)
        if b"crx " in brands:
            kind = "a camera raw file (CR3)"
        elif not brands & (_HEIF_BRANDS | _AVIF_BRANDS | _STILL_BRANDS):
            kind = "a video"
    if kind is None and data[8:10] == b"CR" and data[:2] in (b"II", b"MM"):
        kind = "a camera raw file (CR2)"
    if kind is None and b"<svg" in data[:1024].lower():
        kind = "an SVG drawing"
    if kind is not None:
        hint = _RAW_HINT if "camera raw" in kind else READABLE
        raise InputError(f"{name} is {kind}, not an image that can be read", hint=hint)


def _raw(name: str, kind: str) -> InputError:
    return InputError(
        f"{name} is a camera raw file ({kind}), not an image that can be read", hint=_RAW_HINT
    )


def _is_raw(image: Image.Image) -> bool:
    """Whether a TIFF holds sensor data, of which Pillow would read the preview."""
    tags = getattr(image, "tag_v2", {})
    if _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _RAW_PHOTOMETRICS:
        return True
    # TIFF/EP: the first image is a preview, the sensor's own lies below it
    return _SUB_IFDS in tags and bool(tags.get(_NEW_SUBFILE_TYPE, 0) & 1)


def _brands(data: bytes) -> frozenset[bytes]:
    """Major and compatible brands of an ISO base media file; empty for any other."""
    if data[4:8] != b"ftyp":
        return frozenset()
    (size,) = struct.unpack(">I", data[:4])
    box = data[8 : min(size, 512)]
    return frozenset(box[i : i + 4] for i in range(0, len(box), 4) if i != 4)


def _open_heif(data: bytes, name: str) -> Any:
    try:
        pi_heif = require("pi_heif", extra="heic", purpose=f"the HEIC image {name}")
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"{name} is a HEIC image: reading it needs the extra 'heic'",
            hint=f"{error.hint}, or convert the file to JPEG",
        ) from error
    try:
        opened = pi_heif.open_heif(io.BytesIO(data))  # headers only
        width, height = opened.size
    except Exception as error:  # libheif's many kinds
        raise InputError(f"{name} is damaged ({first_line(error)})", hint=READABLE) from error
    if width * height > MAX_HEIF_PIXELS:
        raise too_large(name, MAX_HEIF_PIXELS)
    return opened
