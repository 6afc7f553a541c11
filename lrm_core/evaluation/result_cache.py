"""Results kept by the hash of everything they depend on, never by their age.

The program is part of it: what another state of this package's code computed is never taken for
what this one would.

CACHE/KIND/ab/abcd....safetensors    arrays, and plain values as JSON in its header
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lrm_core.io.atomic_write import replacing
from lrm_core.io.file_hash import sha256_of

_PACKAGE = Path(__file__).parents[1]
_CODE_SUFFIXES = {".py", ".yaml"}


@dataclass(frozen=True)
class CachedResult:
    """One result.

    Attributes:
        values: plain values, as JSON gives them back (tuples become lists).
        arrays: name -> array.
    """

    values: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class ResultCache:
    """A folder of results; several processes may share it.

    Attributes:
        folder: where files lie; None keeps nothing.
    """

    folder: Path | None

    def get(self, kind: str, key: Sequence[object]) -> CachedResult | None:
        """The result of a key; None where there is none, or its file is damaged.

        Args:
            kind: of result, a folder name such as `scores`.
            key: JSON values on which the result depends.
        """
        if self.folder is None:
            return None
        try:
            with safe_open(self._path(self.folder, kind, key), framework="np") as file:
                values = json.loads((file.metadata() or {})["values"])
                names = list(file.keys())
                return CachedResult(values, {name: file.get_tensor(name) for name in names})
        except (OSError, SafetensorError, ValueError, KeyError):
            return None

    def put(
        self,
        kind: str,
        key: Sequence[object],
        values: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Keep a result; an older one of the same key is replaced in one step.

        Args:
            kind: see `get`.
            key: see `get`.
            values: whatever JSON can hold.
            arrays: name -> array.

        Raises:
            OutputError: the file cannot be written.
        """
        if self.folder is None:
            return
        stored = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
        with replacing(self._path(self.folder, kind, key)) as temporary:
            save_file(stored, temporary, metadata={"values": json.dumps(dict(values))})

    @staticmethod
    def _path(folder: Path, kind: str, key: Sequence[object]) -> Path:
        digest = hashlib.sha256(json.dumps([code_sha256(), *key]).encode()).hexdigest()
        return folder / kind / digest[:2] / f"{digest}.safetensors"


@cache
def code_sha256() -> str:
    """SHA-256 over the code and the presets of this package: names and contents."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*")):
        if path.suffix in _CODE_SUFFIXES:
            digest.update(f"{path.relative_to(_PACKAGE).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
