"""Which mesh assets are fit for a dataset: not too big, not empty, of more than one color.

Flat objects (a sign, a leaf) are kept: cameras all around see them from the side that shows. What
has no surface is refused: triangles without area, whatever their number.
"""

from __future__ import annotations

import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.geometry.mesh_geometry import area_normals
from lrm_core.io.file_hash import sha256_of
from lrm_core.structures.scene import Scene, ScenePart

# surface of an object whose bounding box has a longest side of 1; a hair across it has 1e-3
_LEAST_AREA = 1e-6


@dataclass(frozen=True)
class AssetLimits:
    """Which assets are accepted.

    Attributes:
        max_bytes: size of the file.
        max_faces: triangles after loading.
        max_texture_pixels: pixels of all textures together; no single texture is decoded beyond it.
        max_memory: bytes that reading an asset may take: a file of a kilobyte can claim any size.
        keep_textureless: whether objects of a single color are kept.
    """

    max_bytes: int = 512 * 2**20
    max_faces: int = 5_000_000
    max_texture_pixels: int = 2**27
    max_memory: int = 8 * 2**30
    keep_textureless: bool = False


@dataclass(frozen=True)
class AssetContent:
    """What an asset turned out to hold.

    Attributes:
        num_faces: triangles.
        texture_pixels: pixels of all textures together.
        is_textured: whether its surface has more than one color: by a texture, by vertex colors
            or by the materials of its parts.
        relative_area: surface divided by the square of the bounding box's longest side; 0 for no
            extent.
    """

    num_faces: int
    texture_pixels: int
    is_textured: bool
    relative_area: float


def check_file(path: Path, limits: AssetLimits) -> str:
    """Look at a file before anything parses it.

    Returns:
        sha256 of its bytes.

    Raises:
        InputError: not a regular file, unreadable, empty or too large.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{path.name}: is a folder, expected a mesh file")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path.name}: is not a regular file")
        if status.st_size == 0:
            raise InputError(f"{path.name}: is empty (0 bytes)")
        if status.st_size > limits.max_bytes:
            raise InputError(
                f"{path.name}: has {status.st_size / 2**20:.1f} MiB, "
                f"the limit is {limits.max_bytes / 2**20:g} MiB"
            )
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror or error})") from error


@contextmanager
def reading_limits(limits: AssetLimits) -> Iterator[None]:
    """Within the block the whole process opens no larger image and gets no more memory.

    What goes beyond raises an error of Pillow or a MemoryError. Memory is limited on Linux only.
    """
    largest_image = Image.MAX_IMAGE_PIXELS
    # Pillow warns from here on and raises at the double
    Image.MAX_IMAGE_PIXELS = limits.max_texture_pixels // 2
    try:
        with warnings.catch_warnings(), _memory_limit(limits.max_memory):
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = largest_image


@contextmanager
def _memory_limit(more: int) -> Iterator[None]:
    if sys.platform != "linux":
        yield
        return
    import resource

    data_pages = int(Path("/proc/self/statm").read_text().split()[5])
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = data_pages * resource.getpagesize() + more
    allowed = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *allowed]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def content_of(scene: Scene) -> AssetContent:
    """What a scene holds."""
    textures = {
        id(part.material.texture): part.material.texture
        for part in scene.parts
        if part.material.texture is not None
    }
    lower, upper = scene.bounds.astype(np.float64)
    extent = float((upper - lower).max())
    area = sum(_area((part.vertices - lower)[part.faces]) for part in scene.parts)
    colors = {part.material.base_color[:3] for part in scene.parts}
    return AssetContent(
        num_faces=scene.num_faces,
        texture_pixels=sum(texture.shape[0] * texture.shape[1] for texture in textures.values()),
        is_textured=len(colors) > 1 or any(_varies(part) for part in scene.parts),
        relative_area=area / extent**2 if extent > 0 else 0.0,
    )


def check_content(name: str, content: AssetContent, limits: AssetLimits) -> None:
    """Look at an asset before it is rendered.

    Args:
        name: name of its file, for messages.
        content: what it holds.
        limits: what is accepted.

    Raises:
        InputError: too many triangles or texture pixels, no surface, or a single color.
    """
    if content.num_faces == 0:
        raise InputError(f"{name}: holds no triangles")
    if content.num_faces > limits.max_faces:
        raise InputError(
            f"{name}: has {content.num_faces} triangles, the limit is {limits.max_faces}"
        )
    if content.texture_pixels > limits.max_texture_pixels:
        raise InputError(
            f"{name}: its textures have {content.texture_pixels} pixels, "
            f"the limit is {limits.max_texture_pixels}"
        )
    # written so that NaN fails too
    if not content.relative_area >= _LEAST_AREA:
        raise InputError(f"{name}: has no surface, its triangles have no area")
    if not (content.is_textured or limits.keep_textureless):
        raise InputError(
            f"{name}: has a single color: no texture, no vertex colors, no second material",
            hint="--keep-textureless keeps such objects",
        )


def _varies(part: ScenePart) -> bool:
    """Whether a part's texture or vertex colors hold more than one color."""
    texture, colors = part.material.texture, part.vertex_colors
    return (texture is not None and bool((texture != texture[0, 0]).any())) or (
        colors is not None and len(colors) > 0 and bool((colors != colors[0]).any())
    )


def _area(corners: Float[np.ndarray, "F 3 3"]) -> float:
    """Surface of triangles."""
    return float(np.linalg.norm(area_normals(corners), axis=-1).sum()) / 2
