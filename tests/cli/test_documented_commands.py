"""Every `lrm` command that a page shows names a command and options that exist."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from lrm_cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "reports" / "README.md"]
PROGRAM: Any = typer.main.get_command(app)

_COMMAND = re.compile(r"(?:^|[\s/])(lrm +[a-z-].*)")
_INLINE = re.compile(r"(?<!`)`(lrm +[^`]+)`(?!`)")
_FENCE = re.compile(r"^ *```(?:bash|shell|yaml)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)((?: {4}.*\n|\n)+)")


def shown_commands(text: str) -> list[str]:
    """Commands of a page, in blocks and in lines, continued lines joined."""
    blocks = [*_FENCE.findall(text), *_INDENTED.findall(text)]
    lines = re.split(r"\n|&&|;", "\n".join(blocks).replace("\\\n", " "))
    found = [match[1] for line in lines if (match := _COMMAND.search(line))]
    return found + [" ".join(line.split()) for line in _INLINE.findall(text)]


def unknown_word(line: str) -> str | None:
    """The first word of a command line that the program does not know, or None."""
    command, words = PROGRAM, shlex.split(line.partition(" | ")[0], comments=True)[1:]
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name = words.pop(0)
        if not re.fullmatch(r"[a-z-]+", name):  # COMMAND, ...: stands for any
            return None
        if name not in command.commands:
            return name
        command = command.commands[name]
    known = {"--help", "-h"}.union(
        *(parameter.opts + parameter.secondary_opts for parameter in command.params)
    )
    options = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return next((option for option in options if option not in known), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    commands = shown_commands(page.read_text(encoding="utf-8"))
    assert [line for line in commands if unknown_word(line)] == []


def test_the_how_to_shows_commands() -> None:
    text = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")
    assert len(shown_commands(text)) > 30


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("lrm reconstruct photo.png -o mesh.obj --up z  # comment --no", None),
        ("lrm evaluate check NEW --against FILE", None),
        ("lrm evaluate --dataset gso -m lrm-mini", None),
        ("lrm COMMAND --help", None),
        ("lrm train lrm-tiny 'views.sources=[{url: data}]' -o runs/x", None),
        ("lrm models --nothing", "--nothing"),
        ("lrm evaluate check NEW --agianst FILE", "--agianst"),
        ("lrm paint photo.png", "paint"),
        ("lrm preprocess nothing", "nothing"),
    ],
)
def test_unknown_words_are_found(line: str, word: str | None) -> None:
    assert unknown_word(line) == word


def test_commands_are_found_wherever_they_stand() -> None:
    text = (
        "Run `lrm models`, or:\n\n    LRM_X=... lrm evaluate --dataset gso \\\n        -m x\n\n"
        "```bash\npip install . && .venv/bin/lrm render a -o b\n- run: lrm train x\n```\n"
        "```text\nlrm no-command\n```\nnot lrm here\n"
    )
    assert [command.split()[1] for command in shown_commands(text)] == [
        "render",
        "train",
        "evaluate",
        "models",
    ]
