"""HTML templates that lie in the folder `html` of a package."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def html_templates(package: str) -> Environment:
    """The templates of a package; values are escaped, and a missing one is an error.

    Args:
        package: dotted name, such as `"lrm_core.reporting"`.
    """
    return Environment(
        loader=PackageLoader(package, "html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
