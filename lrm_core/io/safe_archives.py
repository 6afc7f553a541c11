"""Zip archives from outside, unpacked without trusting a single byte of them."""

from __future__ import annotations

import mmap
import re
import shutil
import stat
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lrm_core.errors import InputError, LrmError, OutputError, first_line

_MEMBER_HEADER = b"PK\x01\x02"
_DRIVE = re.compile(r"[A-Za-z]:")
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_COPY_BYTES = 2**20
_SMALL_FILE = 2**20  # compresses to anything: exempt from the limit of the ratio


@dataclass(frozen=True)
class ArchiveLimits:
    """How much an archive may ask for.

    Attributes:
        members: files and folders in it.
        total_bytes: bytes of all files, unpacked.
        file_bytes: bytes of a single file, unpacked.
        ratio: bytes of one file, unpacked, for each byte in the archive; files below 1 MiB are
            exempt.
    """

    members: int = 10_000
    total_bytes: int = 4 * 2**30
    file_bytes: int = 2 * 2**30
    ratio: float = 200.0


DEFAULT_LIMITS = ArchiveLimits()


def unpack_zip(archive: Path, folder: Path, limits: ArchiveLimits = DEFAULT_LIMITS) -> None:
    """Unpack a zip archive into a new folder, which appears whole or not at all.

    Names are checked before the first byte is written. Sizes are counted while it is written, and
    the checksum that the archive holds of each file is verified. Modes and times are not kept.

    Args:
        archive: the zip file.
        folder: does not exist yet.
        limits: limits of numbers and sizes.

    Raises:
        InputError: not a zip file, damaged, encrypted, beyond the limits, or with members that are
            not plain files or lead out of the folder.
        OutputError: the folder exists or cannot be written.
    """
    if folder.exists():
        raise OutputError(f"{folder} exists already")
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        temporary.mkdir(parents=True)
        _unpack(archive, temporary, limits)
        temporary.rename(folder)
    except LrmError as error:
        raise type(error)(f"{archive.name}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise OutputError(
            f"{archive.name} cannot be unpacked into {folder} ({error.strerror or error})"
        ) from error
    except Exception as error:  # zipfile meets hostile bytes and raises whatever it raises
        raise InputError(
            f"{archive.name}: not a readable zip archive ({first_line(error)})"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _member_path(name: str) -> PurePosixPath:
    """Where a member called `name` belongs below the folder that is unpacked into.

    Raises:
        InputError: the name is absolute, leads upwards, is empty or holds control characters.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    illegal = path.is_absolute() or ".." in path.parts or not path.parts
    if illegal or _DRIVE.match(name) or not name.isprintable():
        raise InputError(f"holds a file called {name!r}, which leads out of its folder")
    return path


def _unpack(archive: Path, folder: Path, limits: ArchiveLimits) -> None:
    with archive.open("rb") as file:
        _check_num_members(file.fileno(), limits)
        with zipfile.ZipFile(file) as opened:
            members = opened.infolist()
            targets = [_checked_target(member, limits) for member in members]
            left = limits.total_bytes
            for member, target in zip(members, targets, strict=True):
                path = folder / target
                try:
                    if member.is_dir():
                        path.mkdir(parents=True, exist_ok=True)
                        continue
                    path.parent.mkdir(parents=True, exist_ok=True)
                    left -= _write_member(opened, member, path, left)
                except (FileExistsError, NotADirectoryError) as error:
                    raise InputError(f"holds {member.filename!r} twice") from error


def _check_num_members(file_descriptor: int, limits: ArchiveLimits) -> None:
    """Refuse archives of too many members before the list of them fills the memory.

    Each member has one header in the archive's directory, wherever the archive says that lies.
    """
    try:
        content = mmap.mmap(file_descriptor, 0, access=mmap.ACCESS_READ)
    except ValueError as error:  # an empty file cannot be mapped
        raise InputError("is empty, not a zip archive") from error
    found, position = 0, -1
    with content:
        while (
            found <= limits.members
            and (position := content.find(_MEMBER_HEADER, position + 1)) >= 0
        ):
            found += 1
    if found > limits.members:
        raise InputError(f"holds more than {limits.members:,} files")


def _checked_target(member: zipfile.ZipInfo, limits: ArchiveLimits) -> PurePosixPath:
    target = _member_path(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)  # zero where it was not packed on Unix
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"holds {member.filename!r}, which is a link or a device")
    if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
        raise InputError(f"holds {member.filename!r} encrypted or packed by an unusual method")
    if member.file_size > limits.file_bytes:
        raise InputError(
            f"holds {member.filename!r} of {member.file_size:,} bytes; at most "
            f"{limits.file_bytes:,} are allowed"
        )
    if member.file_size > max(_SMALL_FILE, limits.ratio * member.compress_size):
        raise InputError(
            f"holds {member.filename!r}, {member.file_size:,} bytes packed into "
            f"{member.compress_size:,}: a zip bomb"
        )
    return target


def _write_member(
    opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, bytes_left: int
) -> int:
    """Write one file and return its size; zipfile reads no more than was checked."""
    written = 0
    with opened.open(member) as source, path.open("xb") as target:
        while chunk := source.read(_COPY_BYTES):
            written += len(chunk)
            if written > bytes_left:
                raise InputError("holds more bytes than are allowed in all")
            target.write(chunk)
    return written
