"""Files appear whole or not at all, and none is replaced unasked."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lrm_core.errors import OutputError

# A temporary name must fit wherever the final one does.
_LONGEST_NAME, _LONGEST_SUFFIX = 255, 32


class FolderPath(type(Path())):  # type: ignore[misc]
    """A path that was given with a separator at its end: a folder, whatever its name."""


def parse_path(written: str | Path) -> Path:
    """A path as it was written on the command line, or as an option has it by default.

    A slash at its end makes it a folder, and only the bare `-` stands for a stream.
    """
    text = os.fspath(written)
    ends = (os.sep, os.altsep or os.sep)
    if text != "-" and Path(text) == Path("-"):  # ./- is a file of that name
        return Path.cwd() / "-"
    return FolderPath(text) if text.endswith(ends) else Path(text)


def local_files(place: str) -> list[Path]:
    """The file, or all files of the folder, at a place; none where that is a URL or not there."""
    path = Path(place)
    if path.is_dir():
        return [file for file in path.rglob("*") if file.is_file()]
    return [path] if path.is_file() else []


def check_replaceable(
    *paths: Path,
    overwrite: bool,
    hint: str = "add --overwrite to replace it",
    inputs: Sequence[Path] = (),
) -> None:
    """Refuse to replace a file unasked; to be called before the work.

    Args:
        paths: what will be written.
        overwrite: whether files that exist already may be replaced.
        hint: what to do about one that exists.
        inputs: what will be read, which is never replaced.

    Raises:
        OutputError: one exists and may not be replaced, is an input, is named twice, cannot be a
            file, lies in a read-only folder, or is not in the file system.
    """
    read = {_identity(path) for path in inputs}
    written: set[str] = set()
    for path in paths:
        if path.parts[:1] == ("-",) or re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
            raise OutputError(
                f"{path} is not a file of this machine", hint="write a file, then copy it"
            )
        if len(os.fsencode(path.name)) > _LONGEST_NAME:
            raise OutputError(f"{path} has a name of more than {_LONGEST_NAME} bytes")
        real = os.path.realpath(path)
        if _identity(path) in read:
            raise OutputError(f"{path} would replace the input itself", hint="choose another name")
        if real in written:
            raise OutputError(f"two results have the name {path}", hint="choose another name")
        written.add(real)
        if path.is_dir():
            raise OutputError(f"{path} is a folder, expected a file")
        above = next((folder for folder in path.parents if os.path.lexists(folder)), None)
        if above is not None and not above.is_dir():
            raise OutputError(f"{above} is not a folder", hint="choose another folder")
        folder = next(folder for folder in Path(real).parents if folder.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(
                f"{path} cannot be written: {folder} is read-only", hint="choose another folder"
            )
    existing = [path for path in paths if os.path.lexists(path)]
    if existing and not overwrite:
        others = ", ".join(path.name for path in existing[1:5])
        also = f" (and {others})" if others else ""
        raise OutputError(f"{existing[0]} exists already{also}", hint=hint)


def _identity(path: Path) -> str | tuple[int, int]:
    """Equal for all names of one file: through links of both kinds, in any case of such disks."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


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
        made = _missing_folders(target.parent)
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
    except OutputError as error:  # of another writer, under the temporary name
        raise _renamed(error, temporary, path) from error
    except Exception as error:
        if not _is_of_the_disk(error):
            raise
        raise _cannot_be_written(path, error) from error
    finally:
        with suppress(OSError, ValueError):  # where the folder is a file, or gone
            temporary.unlink(missing_ok=True)
        _remove_empty(made)


@contextmanager
def replacing_in(folder: Path) -> Iterator[Path]:
    """A temporary folder within `folder`: its files take their places when the block ends well.

    Where the block fails or is interrupted, nothing of it is left behind, and older files are as
    they were. They take their places in the order of their names. A symbolic link is written
    through.

    Raises:
        OutputError: the folder cannot be made or written to.
    """
    temporary = folder / f".{uuid.uuid4().hex[:12]}"
    made = _missing_folders(folder)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in sorted(temporary.iterdir()):
            place = folder / file.name
            if place.is_symlink():
                shutil.copyfile(file, place)
            else:
                file.replace(place)
    except OutputError as error:  # of a file under its temporary name
        raise _renamed(error, temporary, folder) from error
    except OSError as error:
        raise _cannot_be_written(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(made)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write a set of files, all or none; the first appears last, when the others are there.

    Raises:
        OutputError: a folder cannot be made or written to.
    """
    new = [file for file in files if not os.path.lexists(file)]
    try:
        with ExitStack() as stack:  # left in reverse order
            for file, content in files.items():
                stack.enter_context(replacing(file)).write_bytes(content)
    except BaseException:
        for file in new:
            with suppress(OSError, ValueError):
                file.unlink(missing_ok=True)
        raise


def _renamed(error: OutputError, temporary: Path, path: Path) -> OutputError:
    """An error about a file under its temporary name, with the name that the user knows."""
    return OutputError(error.message.replace(str(temporary), str(path)), hint=error.hint)


def _missing_folders(folder: Path) -> list[Path]:
    """A folder and those above it that are still to be made, the innermost first."""
    return [path for path in (folder, *folder.parents) if not os.path.lexists(path)]


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders that were made for files which did not come to be."""
    with suppress(OSError):  # one that holds something, or was never made
        for folder in folders:
            folder.rmdir()


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
    reason = getattr(error, "strerror", None) or str(error)
    if "inline_container.cc" in reason or "PytorchStreamWriter" in reason:
        reason = "No space left on device, or it failed"  # torch does not say which
    return OutputError(f"{path} cannot be written ({reason})", hint="check the folder and the disk")
