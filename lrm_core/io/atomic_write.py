"""Files appear whole or not at all, and none is replaced unasked."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lrm_core.errors import OutputError

# Names of files may have 255 bytes; a temporary name must fit wherever the final one does.
_LONGEST_SUFFIX = 32


def check_replaceable(
    *paths: Path, overwrite: bool, hint: str = "add --overwrite to replace it"
) -> None:
    """Refuse to replace a file unasked; to be called before the work.

    Args:
        paths: what will be written.
        overwrite: whether files that exist already may be replaced.
        hint: what to do about one that exists.

    Raises:
        OutputError: one exists and may not be replaced.
    """
    existing = next((path for path in paths if path.exists()), None)
    if existing is not None and not overwrite:
        raise OutputError(f"{existing} exists already", hint=hint)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    The temporary name keeps the suffix, from which writers choose their format. Where the block
    fails or is interrupted, nothing is left behind and an older file stays as it was. A symbolic
    link is written through. The file has the permissions of the one that it replaces, or those of
    the umask.

    Raises:
        OutputError: the folder cannot be made or written to.
    """
    try:
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        temporary = target.with_name(f".{uuid.uuid4().hex[:12]}{_short_suffix(target)}")
    except (OSError, ValueError) as error:
        raise _cannot_be_written(path, error) from error
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = _mode_of_new_file(temporary)
        with suppress(FileNotFoundError):
            mode = target.stat().st_mode & 0o777
        yield temporary
        # writers that make a file of their own may have chosen other permissions
        if temporary.stat().st_mode & 0o777 != mode:
            temporary.chmod(mode)
        temporary.replace(target)
    except Exception as error:
        if not _is_of_the_disk(error):
            raise
        raise _cannot_be_written(path, error) from error
    finally:
        with suppress(OSError, ValueError):  # where the folder is a file, or gone
            temporary.unlink(missing_ok=True)


def _mode_of_new_file(path: Path) -> int:
    """Make an empty file; its permissions are those of the umask, which others may not change."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        return os.fstat(descriptor).st_mode & 0o777
    finally:
        os.close(descriptor)


def _is_of_the_disk(error: Exception) -> bool:
    """Whether an error comes from the disk or the name; torch and safetensors hide it in words."""
    hidden = ("null byte", "os error", "inline_container.cc", "PytorchStreamWriter")
    return isinstance(error, OSError) or any(words in str(error) for words in hidden)


def _short_suffix(path: Path) -> str:
    suffix = path.suffix
    return suffix if len(os.fsencode(suffix)) <= _LONGEST_SUFFIX else ""


def _cannot_be_written(path: Path, error: Exception) -> OutputError:
    reason = getattr(error, "strerror", None) or error
    return OutputError(f"{path} cannot be written ({reason})", hint="check the folder and the disk")
