"""Files of tensors: safetensors and PyTorch pickles, read without running anything they contain."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lrm_core.errors import CheckpointError, OutputError, first_line
from lrm_core.io.atomic_write import replacing

_ZIP_MAGIC = b"PK\x03\x04"
_PICKLE_MAGIC = b"\x80"
_LFS_MAGIC = b"version https://git-lfs"


def read_tensors(path: Path) -> Any:
    """What a checkpoint file holds; its content, not its name, says which format it is.

    Args:
        path: a safetensors or PyTorch (.pth, .ckpt, .bin) file.

    Returns:
        Named tensors on the CPU; from a PyTorch file any nest of containers, tensors, numbers and
        strings. Anything else in a pickle, and so any code, is refused (`weights_only=True`).

    Raises:
        CheckpointError: no such file, truncated, foreign, or not only data.
    """
    magic = _first_bytes(path)
    if _is_safetensors(magic):
        with _safetensors(path) as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if magic.startswith((_ZIP_MAGIC, _PICKLE_MAGIC)):
        return _read_pickle(path, mapped=magic.startswith(_ZIP_MAGIC))
    raise CheckpointError(
        f"{path}: neither a safetensors nor a PyTorch file (it starts with {magic[:8]!r})",
        hint="download the file again",
    )


def read_metadata(path: Path) -> dict[str, str]:
    """The strings in the header of a safetensors file; empty for any other file.

    Raises:
        CheckpointError: no such file, or truncated.
    """
    if not _is_safetensors(_first_bytes(path)):
        return {}
    with _safetensors(path) as file:
        return dict(file.metadata() or {})


def require_tensors(value: Any, *, origin: str) -> dict[str, Tensor]:
    """Check that a value read from a file is a flat state dict of dense tensors.

    Raises:
        CheckpointError: it is not; names the first entry that is wrong.
    """
    if not isinstance(value, Mapping) or not value:
        raise CheckpointError(f"{origin}: expected named tensors, got {type(value).__name__}")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise CheckpointError(
                f"{origin}: expected named tensors, entry {name!r:.60} is {type(tensor).__name__}"
            )
        # a view may pretend to be larger than the file
        if (
            tensor.layout != torch.strided
            or tensor.is_quantized
            or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()
        ):
            raise CheckpointError(f"{origin}: tensor '{name}' is not a plain dense tensor")
    return dict(value)


def require_finite(tensors: Mapping[str, Tensor], *, origin: str) -> None:
    """Check that no weight is NaN or infinite: such a model can only give an empty result.

    Raises:
        CheckpointError: names the first tensor that is not finite.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.numel() and not _is_finite(tensor):
            raise CheckpointError(
                f"{origin}: tensor '{name}' holds NaN or infinity",
                hint="the training run diverged or the file is damaged; use an earlier checkpoint",
            )


def write_safetensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors so that `path` is either the old file or the whole new one.

    Args:
        path: the file; its folder is made where it is missing.
        tensors: names to tensors on any device.
        dtype: type of the stored floats; None keeps each tensor's own.
        metadata: strings stored in the header.

    Raises:
        OutputError: a weight does not fit into `dtype`, or the file cannot be written.
    """
    stored = {}
    for name, tensor in tensors.items():
        value = tensor.detach().cpu()
        if dtype is not None and value.is_floating_point():
            value = value.to(dtype)
            if value.numel() and not _is_finite(value):
                raise OutputError(
                    f"{path}: tensor '{name}' holds values that do not fit into {dtype}",
                    hint="save as float32 or bfloat16",
                )
        # tensors that share memory cannot be stored as such
        stored[name] = value.clone(memory_format=torch.contiguous_format)
    with replacing(path) as temporary:
        try:
            save_file(stored, temporary, metadata={"format": "pt", **(metadata or {})})
        except SafetensorError as error:
            raise OutputError(f"{path} cannot be written ({first_line(error)})") from error


def _is_safetensors(magic: bytes) -> bool:
    # the length of the header in eight bytes, then the header: a JSON object
    return magic[8:9] == b"{"


@contextmanager
def _safetensors(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: not a safetensors file, or truncated ({first_line(error)})",
            hint="download the file again",
        ) from error


def _read_pickle(path: Path, *, mapped: bool) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # about pickle protocols
            # only the zip format can be mapped
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        # torch's own text is long and advises to switch the protection off
        asked = re.search(r"GLOBAL (\S+)", str(error))
        what = f"it asks for {asked[1]}" if asked else "unknown pickle instructions"
        raise CheckpointError(
            f"{path}: refused, it holds more than tensors and plain values ({what})",
            hint="use a safetensors file or a plain state dict",
        ) from error
    # whatever a damaged file makes the reader do
    except Exception as error:
        raise CheckpointError(
            f"{path}: not a PyTorch file, or truncated ({first_line(error)})",
            hint="download the file again",
        ) from error


def _is_finite(tensor: Tensor) -> bool:
    # NaN propagates through aminmax; one pass, no copy
    low, high = torch.aminmax(tensor)
    return bool(torch.isfinite(low) & torch.isfinite(high))


def _first_bytes(path: Path) -> bytes:
    """First bytes of a file that can hold something."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_LFS_MAGIC))
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise CheckpointError(f"{path}: cannot be read ({reason})") from error
    if not magic:
        raise CheckpointError(f"{path}: the file is empty", hint="download the file again")
    if magic == _LFS_MAGIC:
        raise CheckpointError(
            f"{path}: a Git LFS pointer, not the weights themselves", hint="run 'git lfs pull'"
        )
    return magic
