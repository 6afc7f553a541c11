"""The one sink of the command line: people read lines, programs read one JSON document.

Results go to stdout, everything said on the way (progress, notes, warnings) to stderr, so that
`lrm ... --json | jq` and `lrm ... > list.txt` hold results only.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console

Mode = Literal["human", "json", "quiet"]

# Seconds between two progress lines where no bar can be drawn (a pipe, a log file).
LINE_INTERVAL = 10.0


def printable(text: str) -> str:
    """Text with control characters (of file names, of foreign messages) written as escapes."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def _shell_word(word: str | os.PathLike[str]) -> str:
    """A word of a command as a shell reads it; a path never looks like an option."""
    text = os.fspath(word)
    if isinstance(word, os.PathLike) and text.startswith("-"):
        text = f"./{text}"
    if text.isprintable():
        return shlex.quote(text)
    encoded = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "'\\" else f"\\x{byte:02x}"
        for byte in os.fsencode(text)
    )
    return f"$'{encoded}'"


@dataclass
class Task:
    """Progress of one piece of work; a function of the core can be handed `task.advance`.

    Attributes:
        description: what is being done.
        total: units of work, or None where unknown.
        show: draws the task.
        completed: units done.
    """

    description: str
    total: float | None
    show: Callable[[Task], None]
    completed: float = 0.0

    def advance(self, amount: float = 1.0, description: str | None = None) -> None:
        """Note that `amount` more units are done, and what comes next."""
        self.update(self.completed + amount, description)

    def update(self, completed: float, description: str | None = None) -> None:
        """Set the units done so far, and what comes next."""
        self.completed = completed
        if description is not None:
            self.description = description
        self.show(self)


class Output:
    """Where a command says everything it has to say.

    Args:
        as_json: one JSON document on stdout and nothing else, warnings inside it.
        quiet: warnings and errors only.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.mode: Mode = "json" if as_json else "quiet" if quiet else "human"
        self.warnings: list[str] = []
        self._stderr = Console(stderr=True)
        self._stdout = Console()
        if not self._stdout.is_terminal:
            self._stdout.width = 1000  # a table in a pipe is as wide as its content

    def info(self, message: str) -> None:
        """A note on the way (stderr)."""
        if self.mode == "human":
            self._line(self._stderr, message)

    def next_step(self, *words: str | os.PathLike[str]) -> None:
        """A command that follows from what was done, quoted so that it can be pasted (stderr)."""
        self.info("next: " + " ".join(map(_shell_word, words)))

    def warning(self, message: str) -> None:
        """Something the user should know (stderr; in JSON mode part of the document)."""
        if self.mode == "json":
            self.warnings.append(message)
        else:
            self._line(self._stderr, f"warning: {message}", style="yellow")

    def success(self, message: str) -> None:
        """A result in words (stdout)."""
        if self.mode == "human":
            self._line(self._stdout, message)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """A result as a table (stdout)."""
        if self.mode != "human":
            return
        from rich.table import Table
        from rich.text import Text

        words = Text(printable(title), style="table.title") if title else None
        table = Table(title=words, title_justify="left", box=None, pad_edge=False)
        for column in columns:
            table.add_column(Text(printable(column)), overflow="fold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._stdout.print(table)

    def result(self, document: dict[str, Any]) -> None:
        """The result as one JSON document (stdout, JSON mode only); call it once."""
        if self.mode == "json":
            warnings = {"warnings": self.warnings} if self.warnings else {}
            print(  # noqa: T201 - the one place
                json.dumps(document | warnings, indent=2, allow_nan=False, default=os.fspath)
            )

    @contextmanager
    def progress(self, description: str, total: float | None = None) -> Iterator[Task]:
        """Show progress while the block runs: a bar on a terminal, else a line now and then.

        Args:
            description: what is being done; the task can change it.
            total: units of work, or None where unknown.
        """
        if self.mode != "human":
            yield Task(description, total, lambda task: None)
        elif self._stderr.is_terminal:
            yield from self._bar(description, total)
        else:
            yield Task(description, total, self._line_now_and_then())

    def _bar(self, description: str, total: float | None) -> Iterator[Task]:
        from rich.progress import Progress

        # stdout may be a pipe while stderr is a terminal: then it must not be drawn over
        redirect = self._stdout.is_terminal
        with Progress(console=self._stderr, transient=True, redirect_stdout=redirect) as bars:
            bar = bars.add_task(printable(description), total=total)
            yield Task(
                description,
                total,
                lambda task: bars.update(
                    bar, completed=task.completed, description=printable(task.description)
                ),
            )

    def _line_now_and_then(self) -> Callable[[Task], None]:
        last = time.monotonic()

        def show(task: Task) -> None:
            nonlocal last
            if time.monotonic() - last >= LINE_INTERVAL:
                last = time.monotonic()
                of_total = f"/{task.total:g}" if task.total is not None else ""
                self.info(f"{task.description}: {task.completed:g}{of_total}")

        return show

    @staticmethod
    def _line(console: Console, message: str, style: str | None = None) -> None:
        console.print(
            printable(message), style=style, markup=False, highlight=False, soft_wrap=True
        )
