"""Optional packages: imported where they are used, missed with one clear line."""

import importlib
from types import ModuleType

from lrm_core.errors import MissingDependencyError


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
