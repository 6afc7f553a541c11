"""Optional packages: imported where they are used, missed with one clear line."""

import importlib
from types import ModuleType

from lrm_core.errors import MissingDependencyError

EXTRA_OF_MODULE = {
    "accelerate": "train",
    "fastapi": "serve",
    "fsspec": "data",
    "httpx": "data",
    "jinja2": "data",
    "manifold3d": "data",
    "pandas": "data",
    "pebble": "data",
    "pyarrow": "data",
    "python_multipart": "serve",
    "skimage": "data",
    "starlette": "serve",
    "tenacity": "data",
    "tensorboard": "train",
    "uvicorn": "serve",
}
"""Modules of whole parts of the toolkit, such as training, which import them as any other module;
the base install, which reconstructs and renders, is without them."""


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional module.

    Args:
        module: import name, such as `"rembg"`.
        extra: the extra of `lrm-toolkit` that installs it.
        purpose: what it is needed for, completing "... is needed for".

    Raises:
        MissingDependencyError: the module is not installed or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    # Some packages exit instead of raising when one of their own parts is missing (rembg does).
    except (ImportError, SystemExit) as error:
        raise MissingDependencyError(
            f"'{module}' is needed for {purpose} and cannot be imported ({error})",
            hint=f"pip install 'lrm-toolkit[{extra}]'",
        ) from error


def missing_extra(error: ModuleNotFoundError) -> MissingDependencyError | None:
    """The error that names the extra which brings a missing module; None for any other module."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRA_OF_MODULE:
        return None
    return MissingDependencyError(
        f"this needs the package '{module}', which is not installed",
        hint=f"pip install 'lrm-toolkit[{EXTRA_OF_MODULE[module]}]'",
    )
