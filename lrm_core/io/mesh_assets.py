"""Files that a mesh file names: material libraries, textures, buffers. Local files only."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from lrm_core.io.image_files import IMAGE_FORMATS

# Gazebo Fuel (Google Scanned Objects) keeps NAME/meshes/model.obj and
# NAME/materials/textures/texture.png, while the material names just texture.png.
_TEXTURE_FOLDERS = (".", "textures", "../textures", "../materials/textures")


class MeshAssets:
    """Finds files by the names that a mesh file calls them; trimesh's resolver interface.

    A name may lead one folder up, no further. Windows separators, absolute paths of the machine
    that wrote the file and MTL options before the name are understood.

    Attributes:
        problems: one line for each file that was missing or is no image. trimesh drops
            materials and textures silently, so the caller must look here afterwards.
    """

    def __init__(self, mesh_file: Path) -> None:
        self.folder = mesh_file.parent
        self.file_name = mesh_file.name
        self.problems: list[str] = []

    def find(self, name: str) -> Path | None:
        """The file meant by `name`, or None."""
        clean = name.strip().strip('"').replace("\\", "/")
        # "map_Kd -s 1 1 1 wood.png": options come first, the name last
        names = [clean, clean.split()[-1]] if clean.startswith("-") else [clean]
        limit = self.folder.resolve().parent
        for candidate in names:
            below = PurePosixPath(candidate)
            beside = [Path(folder) / below.name for folder in _TEXTURE_FOLDERS]
            for relative in ([] if below.is_absolute() else [Path(below)]) + beside:
                file = (self.folder / relative).resolve()
                if file.is_relative_to(limit) and file.is_file():
                    return file
        return None

    def get(self, name: str) -> bytes:
        """Content of the file meant by `name`; what goes wrong is kept in `problems`."""
        file = self.find(name)
        if file is None:
            self.problems.append(f"'{name}', which it names, is missing")
            raise FileNotFoundError(name)
        content = file.read_bytes()
        if file.suffix.lower() not in (".mtl", ".bin"):
            try:
                Image.open(io.BytesIO(content), formats=IMAGE_FORMATS).close()
            except Exception as error:
                self.problems.append(f"'{name}', which it names, is no readable image")
                raise OSError(name) from error
        return content

    __getitem__ = get


def decode_texture(image: Image.Image) -> UInt8[np.ndarray, "H W 4"]:
    """RGBA texels of an image of any mode; 16-bit grey keeps its high byte."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    return np.asarray(image.convert("RGBA"))
