"""A folder of a running program for this user alone, whose entries are whole or not there.

An entry is a folder, made under another name and renamed: whatever ends the program, no half entry
is ever found. What a killed program left is removed by the next one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

LEASE_SECONDS = 600.0
"""A program touches its folder more often; older ones were left by programs that were killed."""


class PrivateFolder:
    """Entries of one program.

    Args:
        prefix: of the folder's name; folders of that prefix are those of the same program.
        parent: folder that it is made in; None for the system's temporary folder.
    """

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        self._prefix = prefix
        self._parent = Path(tempfile.gettempdir()) if parent is None else parent
        self._path: Path | None = None

    def open(self) -> None:
        """Make the folder, for this user alone; remove those that killed programs left."""
        _remove_abandoned(self._parent, self._prefix)
        self._path = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._parent))

    @property
    def path(self) -> Path:
        """The folder, once it is open."""
        assert self._path is not None, "the folder is opened when the program starts"
        return self._path

    def add(self, name: str, write: Callable[[Path], Result]) -> Result:
        """Make an entry.

        Args:
            name: of the entry.
            write: writes the entry's files into a folder.

        Returns:
            what `write` returns.
        """
        making = Path(tempfile.mkdtemp(prefix="making-", dir=self.path))
        try:
            result = write(making)
            making.rename(self.path / name)
            return result
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Delete an entry, if there is one."""
        shutil.rmtree(self.path / name, ignore_errors=True)

    def renew(self) -> None:
        """Show other programs that this folder is in use."""
        with suppress(OSError):
            os.utime(self.path)

    def close(self) -> None:
        """Delete everything."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)


def _remove_abandoned(parent: Path, prefix: str) -> None:
    """Delete folders of this user's programs that were killed before they could do it."""
    oldest = time.time() - LEASE_SECONDS
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):
            known = folder.lstat()
            ours = not hasattr(os, "getuid") or known.st_uid == os.getuid()
            if ours and folder.is_dir() and not folder.is_symlink() and known.st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
