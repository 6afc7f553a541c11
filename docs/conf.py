"""The documentation site: `nox -s docs` builds it into out/site.

Its sources are the repository's own Markdown files where they lie, so that one relative link works
both on the code host and on the site. This file adds what only the site needs: the order of the
pages, and the reference of the public API, made from the docstrings of `lrm_core.__all__`.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from sphinx.application import Sphinx

import lrm_core

project = "lrm"
author = "The lrm-toolkit contributors"
version = release = lrm_core.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/*.md",
    "benchmarks/README.md",
    "examples/serve/*.md",
    "lrm_core/weights/u2netp/README.md",
    "reports/README.md",
    "reports/speed/README.md",
    "reports/benchmarks/ablations/*.md",
]
exclude_patterns = [".*", "out", "runs", "build", "dist", "lrm_cli", "tests"]

myst_heading_anchors = 4  # headings are linked as on the code host: #where-the-paper-lives

default_role = "code"  # single backticks in docstrings
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
maximum_signature_line_length = 80

html_theme = "furo"
html_title = f"lrm {version}"
html_copy_source = False
html_show_copyright = False

NAVIGATION = {
    "Start": ("tutorial", "how-to", "serve", "README </README>"),
    "Reference": (
        "api",
        "conventions",
        "data",
        "training",
        "evaluation",
        "baselines",
        "background-removal",
    ),
    "Background": ("architecture", "lrm-mini", "performance"),
    "Measurements": ("/benchmarks/README", "/reports/README", "/reports/speed/README"),
    "Project": ("/CONTRIBUTING", "/SECURITY", "/CHANGELOG"),
}


def setup(app: Sphinx) -> None:
    """Connect the functions below to the build."""
    app.connect("source-read", complete_page)
    app.connect("autodoc-process-docstring", escape_docstring)
    app.connect("build-finished", write_front_door)


def complete_page(_app: Sphinx, page: str, source: list[str]) -> None:
    """Append the navigation to the first page, and the docstrings to the page of the API.

    Some are read from the pages that cite them and have no place in the navigation.
    """
    if page == root_doc:
        source[0] += "".join(
            f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"
            for caption, pages in NAVIGATION.items()
        )
    if page.startswith(("reports/benchmarks/", "examples/", "lrm_core/")):
        source[0] = f"---\norphan: true\n---\n{source[0]}"
    if page == "docs/api":
        source[0] += "".join(map(_reference, lrm_core.__all__))


def _reference(name: str) -> str:
    """The section of one public name; constants have none."""
    value = getattr(lrm_core, name)
    if inspect.isclass(value):
        # members of our own parents are ours, those of torch or Python are not
        foreign = ", ".join(cls.__name__ for cls in value.__mro__ if not _is_ours(cls))
        return (
            f"\n## {name}\n\n```{{eval-rst}}\n.. autoclass:: lrm_core.{name}\n"
            f"   :members:\n   :inherited-members: {foreign}\n```\n"
        )
    if inspect.isfunction(value):
        return f"\n## {name}\n\n```{{eval-rst}}\n.. autofunction:: lrm_core.{name}\n```\n"
    return ""


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith("lrm_core")


def escape_docstring(
    _app: Sphinx, _kind: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Let what reStructuredText would take for markup, |x| and x_ and *x, stand as written."""
    for number, line in enumerate(lines):
        code = re.split(r"(`[^`]*`)", line)
        code[::2] = [re.sub(r"([|*]|(?<=\w)_(?=\W|$))", r"\\\1", text) for text in code[::2]]
        lines[number] = "".join(code)


def write_front_door(app: Sphinx, error: Exception | None) -> None:
    """Lead from the top of the site to its first page, which lies in docs/ as its source does."""
    if error is None:
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html">\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")
