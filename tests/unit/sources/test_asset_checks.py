"""What is refused, and what is kept."""

import hashlib
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.sources.asset_checks import (
    AssetContent,
    AssetLimits,
    check_content,
    check_file,
    content_of,
    reading_limits,
)
from lrm_core.structures.scene import Material, Scene, ScenePart

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=np.float32)
TWO_FACES = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
FINE = AssetContent(num_faces=2, texture_pixels=4, is_textured=True, relative_area=1.0)


def square(
    color: float = 1.0,
    texture: np.ndarray | None = None,
    vertex_colors: np.ndarray | None = None,
    offset: float = 0.0,
) -> ScenePart:
    material = Material(base_color=(color, color, color, 1.0), texture=texture)
    return ScenePart(SQUARE + offset, TWO_FACES, material, SQUARE[:, :2], vertex_colors)


def texels(*grays: int) -> np.ndarray:
    return np.tile(np.array(grays, dtype=np.uint8)[None, :, None], (3, 1, 4))


def test_a_file_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_bytes(b"mesh")
    expected = hashlib.sha256(b"mesh").hexdigest()
    assert check_file(tmp_path / "a.obj", AssetLimits()) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read .No such file"),
        (b"", "is empty"),
        (b"x" * 2**20, "has 1.0 MiB, the limit is 0.5 MiB"),
    ],
)
def test_unfit_files_are_refused(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "a.obj").write_bytes(content)
    with pytest.raises(InputError, match=words):
        check_file(tmp_path / "a.obj", AssetLimits(max_bytes=2**19))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.glb").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        check_file(tmp_path / "folder.glb", AssetLimits())
    os.mkfifo(tmp_path / "pipe.glb")  # reading it would wait for ever
    with pytest.raises(InputError, match="not a regular file"):
        check_file(tmp_path / "pipe.glb", AssetLimits())


def test_a_file_without_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.obj"
    file.write_bytes(b"mesh")
    file.chmod(0)
    if os.geteuid() == 0:  # root may read everything

        def refuse(*arguments: object, **keywords: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        check_file(file, AssetLimits())


def test_content_is_counted() -> None:
    picture = texels(1, 2, 3)
    parts = (square(texture=picture), square(texture=picture, offset=1.0), square(offset=1.0))
    content = content_of(Scene(parts))
    assert content.num_faces == 6
    assert content.texture_pixels == 9, "a texture that two parts share is one"
    assert content.is_textured
    # three unit squares in a box of side 2
    assert content.relative_area == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("parts", "textured"),
    [
        ((square(),), False),
        ((square(0.3), square(0.3)), False),
        ((square(0.3), square(0.4)), True),
        ((square(texture=texels(7, 7)),), False),
        ((square(texture=texels(7, 8)),), True),
        ((square(vertex_colors=np.ones((4, 4), np.float32)),), False),
        ((square(vertex_colors=np.eye(4, dtype=np.float32)),), True),
    ],
)
def test_more_than_one_color_makes_a_texture(parts: tuple[ScenePart, ...], textured: bool) -> None:
    assert content_of(Scene(parts)).is_textured == textured


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_faces": 0}, "holds no triangles"),
        ({"num_faces": 5_000_001}, "5000001 triangles, the limit is 5000000"),
        ({"texture_pixels": 2**27 + 1}, "134217729 pixels"),
        ({"relative_area": 0.0}, "has no surface"),
        ({"relative_area": float("nan")}, "has no surface"),
        ({"is_textured": False}, "has a single color"),
    ],
)
def test_unfit_content_is_refused(changes: dict[str, float], words: str) -> None:
    content = AssetContent(**{**vars(FINE), **changes})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"chair.glb: .*{words}"):
        check_content("chair.glb", content, AssetLimits())


def test_fit_content_passes() -> None:
    check_content("a", FINE, AssetLimits())
    plain = AssetContent(2, 0, False, 1.0)
    check_content("a", plain, AssetLimits(keep_textureless=True))


def test_flat_objects_have_a_surface_and_lines_have_none() -> None:
    assert content_of(Scene((square(),))).relative_area == pytest.approx(1.0)
    line = np.array([[0, 0, 0], [1, 1, 1], [2, 2, 2]], dtype=np.float32)
    faces = np.array([[0, 1, 2]], dtype=np.int32)
    assert content_of(Scene((ScenePart(line, faces, Material()),))).relative_area < 1e-7
    assert content_of(Scene((ScenePart(line * 0, faces, Material()),))).relative_area == 0.0


def png_of_claimed_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


def test_large_images_are_not_opened_while_reading(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    (tmp_path / "a.png").write_bytes(png_of_claimed_size(101, 100))
    with reading_limits(AssetLimits(max_texture_pixels=10_100)):
        Image.open(tmp_path / "a.png").close()
    with (
        reading_limits(AssetLimits(max_texture_pixels=10_000)),
        pytest.raises(Image.DecompressionBombError),
    ):
        Image.open(tmp_path / "a.png")
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_memory_is_limited_while_reading() -> None:
    limits = AssetLimits(max_memory=2**26)
    with reading_limits(limits):
        np.zeros(2**24, dtype=np.uint8)
    # more than a long test run may have left free inside the process: that is no new memory
    with reading_limits(limits), pytest.raises(MemoryError):
        np.zeros(2**31, dtype=np.uint8)
    np.zeros(2**31, dtype=np.uint8)
