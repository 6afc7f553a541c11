"""Files that a mesh file names: material libraries, textures, buffers. Local files only."""

from __future__ import annotations

import io
import os
import re
import unicodedata
import urllib.parse
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from lrm_core.errors import InputError, first_line
from lrm_core.io.foreign_content import foreign_content
from lrm_core.io.image_formats import IMAGE_FORMATS, READABLE

Texels = UInt8[np.ndarray, "H W 4"]

# Gazebo Fuel (Google Scanned Objects) keeps NAME/meshes/model.obj and
# NAME/materials/textures/texture.png, while the material names just texture.png.
_TEXTURE_FOLDERS = (".", "textures", "../textures", "../materials/textures")


class MeshAssets:
    """Finds files by the names that a mesh file calls them.

    A name may lead one folder up, no further. Windows separators, absolute paths of the machine
    that wrote the file, percent escapes, MTL options before the name, comments behind it and other
    upper and lower case are understood.
    """

    def __init__(self, mesh_file: Path) -> None:
        self.folder = mesh_file.parent
        self.found: set[Path] = set()
        self._textures: dict[Path, Texels] = {}

    def find(self, name: str) -> Path | None:
        """The file meant by `name`, or None."""
        limit = self.folder.resolve().parent
        relative = [place for spelling in _spellings(name) for place in _places(spelling)]
        for look in (_exactly, _in_any_case):
            for place in relative:
                file = look(self.folder, place)
                if file is not None and file.resolve().is_relative_to(limit):
                    self.found.add(file.resolve())
                    return file.resolve()
        return None

    def read(self, name: str) -> bytes:
        """Content of the file meant by `name`.

        Raises:
            InputError: it is missing or cannot be read.
        """
        file = self.find(name)
        if file is None:
            raise InputError(
                f"'{name}', which it names, is missing",
                hint="put the file beside the mesh, or remove the line that names it",
            )
        try:
            return file.read_bytes()
        except OSError as error:
            raise InputError(
                f"'{name}', which it names, cannot be read ({error.strerror or error})"
            ) from error

    def texture(self, name: str) -> Texels:
        """Texels of the image meant by `name`, decoded once.

        Raises:
            InputError: it is missing, cannot be read or is not an image.
        """
        file = self.find(name)
        if file is None or file not in self._textures:
            texels = decode_texture(self.read(name), f"'{name}', which it names,")
            if file is None:
                return texels
            self._textures[file] = texels
        return self._textures[file]


def _spellings(name: str) -> list[PurePosixPath]:
    """A name as it stands, then without MTL options, comment, query and percent escapes."""
    clean = name.strip().strip('"').replace("\\", "/").removeprefix("file://")
    names = [clean, clean.split()[-1]] if clean.startswith("-") else [clean]
    names += [without_comment(clean), clean.partition("?")[0]]
    names += [urllib.parse.unquote(spelling, errors="surrogateescape") for spelling in names]
    if not clean.isprintable():  # bytes of Latin-1, whose file was unpacked under a UTF-8 name
        names += [os.fsencode(clean).decode("cp1252", "replace")]
    return [PurePosixPath(spelling) for spelling in dict.fromkeys(names)]


def without_comment(name: str) -> str:
    """A name of an OBJ or MTL file without the comment that may follow it."""
    return re.split(r"\s#", name, maxsplit=1)[0].rstrip()


def _places(name: PurePosixPath) -> list[Path]:
    """Where the file may lie, relative to the mesh: where it is named, then where exporters do."""
    if name.name in ("", ".."):
        return []
    beside = [Path(folder) / name.name for folder in _TEXTURE_FOLDERS]
    return beside if name.is_absolute() else [Path(name), *beside]


def _exactly(folder: Path, place: Path) -> Path | None:
    try:
        return folder / place if (folder / place).is_file() else None
    except (OSError, ValueError):  # too long, or with a zero byte
        return None


def _in_any_case(folder: Path, place: Path) -> Path | None:
    """The file at `place` with other upper and lower case or composed characters, or None."""
    try:
        for step in place.parts:
            wanted = _folded(step)
            if step == ".." or (folder / step).exists():
                folder = folder / step
                continue
            alike = sorted(entry for entry in folder.iterdir() if _folded(entry.name) == wanted)
            if not alike:
                return None
            folder = alike[0]
        return folder if folder.is_file() else None
    except (OSError, ValueError):
        return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def decode_texture(content: bytes, name: str) -> Texels:
    """RGBA texels of an encoded image of any mode; 16-bit gray keeps its high byte.

    Args:
        content: the encoded image.
        name: of the image, for messages.

    Raises:
        InputError: not an image, or a damaged one.
    """
    try:
        with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
            if image.mode.startswith("I"):
                high = np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8
                return np.asarray(Image.fromarray(high.astype(np.uint8)).convert("RGBA"))
            return np.asarray(image.convert("RGBA"))
    except MemoryError:
        raise
    except Exception as error:  # Pillow's parsers raise many kinds on damaged files
        foreign = foreign_content(content)
        if foreign is not None:
            raise InputError(f"{name} {foreign[0]}", hint=foreign[1]) from error
        if isinstance(error, UnidentifiedImageError):  # its words name an object in memory
            raise InputError(f"{name} is not a readable image", hint=READABLE) from error
        reason = first_line(error)
        state = "is truncated" if "truncated" in reason else "is not a readable image"
        raise InputError(f"{name} {state} ({reason})") from error


def with_alpha(texture: Texels, mask: Texels) -> Texels:
    """A texture with the opacity of another image: its alpha channel, else its brightness."""
    if mask[..., 3].min() < 255:
        alpha = mask[..., 3]
    else:
        alpha = np.asarray(Image.fromarray(mask).convert("L"))
    height, width = texture.shape[:2]
    fitted = Image.fromarray(alpha).resize((width, height), Image.Resampling.BILINEAR)
    return np.concatenate([texture[..., :3], np.asarray(fitted)[..., None]], axis=2)
