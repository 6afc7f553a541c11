"""Every relative link of every page leads to a file, and to a heading where it names one."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", ".github/**/*.md", "docs/*.md", "benchmarks/*.md", "reports/**/*.md")
    for page in ROOT.glob(pattern)
    if "cache" not in page.relative_to(ROOT).parts
)

_FENCE = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1[`~]*\s*?$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"(?<!\\)\]\(\s*<?([^\s)>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FOREIGN = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)  # has a scheme or a host


def links(text: str) -> list[str]:
    """Targets of the links and images of a Markdown text, code and comments left out."""
    prose = _CODE.sub("", _COMMENT.sub("", _FENCE.sub("", text)))
    return [target for target in _LINK.findall(prose) if not _FOREIGN.match(target)]


def anchors(text: str) -> set[str]:
    """Fragments that lead to the headings of a Markdown text, made as the code host makes them."""
    counts: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_COMMENT.sub("", _FENCE.sub("", text))):
        words = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", heading).lower().replace(" ", "-")
        slug = re.sub(r"[^\w-]", "", words)
        found.add(f"{slug}-{counts[slug]}" if counts[slug] else slug)
        counts[slug] += 1
    return found


def dead_links(page: Path) -> list[str]:
    """Links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    dead = []
    for link in links(text):
        path, _, fragment = link.partition("#")
        target = page.parent / unquote(path) if path else page
        if not target.exists() or (
            fragment
            and target.suffix == ".md"
            and unquote(fragment) not in anchors(target.read_text(encoding="utf-8"))
        ):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_pages_are_found() -> None:
    names = {str(page.relative_to(ROOT)) for page in PAGES}
    assert names >= {"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/index.md"}


def test_dead_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Two words, `code`\n\n## Again\n\n## Again\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n"
        "[a](other.md) [b](other.md#two-words-code) [c](#here) [d](other.md#again-1)\n"
        "![picture](none.png) [e](gone.md) [f](other.md#again-2) [g](#there)\n"
        "[h](https://example.org/x#y) [i](mailto:a@example.org)\n"
        "`[j](code.md)` ``a ` [k](code.md)``\n"
        "```python\n# no-heading\n[l](code.md)\n```\n<!-- [m](comment.md) -->\n"
        "[n](#no-heading) [two\nlines](gone2.md) [o](other.md 'x')\n"
    )
    assert dead_links(page) == [
        "none.png",
        "gone.md",
        "other.md#again-2",
        "#there",
        "#no-heading",
        "gone2.md",
    ]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [  # as the code host's own pages show them
        ("## What's in `a_b`?", "whats-in-a_b"),
        ("# 4.2, D: sizes", "42-d-sizes"),
        ("### How do I ...?", "how-do-i-"),
        ("## lrm-mini on 61 objects", "lrm-mini-on-61-objects"),
        ("## A -- B", "a----b"),
        ("## [Unreleased]", "unreleased"),
        ("## See [here](x.md) ##", "see-here"),
        ("## Größe", "größe"),
    ],
)
def test_anchors_are_those_of_the_code_host(heading: str, anchor: str) -> None:
    assert anchors(heading) == {anchor}
