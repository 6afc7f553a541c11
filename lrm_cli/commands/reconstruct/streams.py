"""`-` as photo and as mesh: stdin and stdout, so that `lrm reconstruct` can stand in a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lrm_core.errors import ConfigError, InputError, OutputError

STREAM = Path("-")
_IN_ONE_FILE = ("glb", "ply", "stl", "3mf", "usdz")


@contextmanager
def standard_streams(
    photos: list[Path], out: Path, *, file_format: str | None, as_json: bool
) -> Iterator[tuple[list[Path], Path]]:
    """The photos and the mesh as files; what `-` stands for is copied before and afterwards.

    Args:
        photos: as given; `-` is read from stdin.
        out: as given; `-` is written to stdout, if the block ends without an error.
        file_format: of the mesh on stdout; None for GLB.
        as_json: whether stdout is to hold a JSON document.

    Raises:
        ConfigError: stdout cannot hold what is asked for.
        InputError: nothing comes from stdin.
        OutputError: stdout is closed.
    """
    if STREAM not in photos and out != STREAM:
        yield photos, out
        return
    if out == STREAM and sys.stdout is None:
        raise OutputError("stdout is closed (-o -)", hint="name a file, or redirect stdout")
    if out == STREAM and as_json:
        raise ConfigError("stdout cannot hold the mesh (-o -) and the --json document")
    if out == STREAM and file_format not in (None, *_IN_ONE_FILE):
        raise ConfigError(
            f"a mesh as {file_format} is more than one file, stdout holds one",
            hint=f"--format {', '.join(_IN_ONE_FILE)}",
        )
    if out == STREAM and (len(photos) > 1 or photos[0].is_dir()):
        raise ConfigError(
            "stdout holds the mesh of one photo (-o -), not those of several or of a folder",
            hint="-o FOLDER",
        )
    with TemporaryDirectory(prefix="lrm-") as folder:
        photo, mesh = Path(folder, "stdin"), Path(folder, f"stdout.{file_format or 'glb'}")
        if STREAM in photos:
            content = sys.stdin.buffer.read() if sys.stdin else b""
            if not content:
                raise InputError("stdin is empty or closed, expected an image")
            photo.write_bytes(content)
        yield [photo if path == STREAM else path for path in photos], mesh if out == STREAM else out
        if out == STREAM:
            sys.stdout.buffer.write(mesh.read_bytes())
