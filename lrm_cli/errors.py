"""Known errors become one line, a hint and an exit code; unknown ones keep their traceback."""

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass

import typer

from lrm_cli.output import printable
from lrm_core.errors import LrmError
from lrm_core.optional import missing_extra

PARTIAL_FAILURE = 3
FILE_UNUSABLE = 4
OUT_OF_MEMORY = 11
INTERRUPTED = 130
TERMINATED = 143

EXIT_CODES = {
    0: "success",
    1: "an error in lrm itself (a traceback is shown)",
    2: "wrong usage or configuration",
    PARTIAL_FAILURE: "some inputs of a batch failed, or a method on some objects",
    FILE_UNUSABLE: "an input or output file cannot be used",
    5: "a metric regressed",
    6: "reports cannot be compared",
    7: "no surface was found",
    8: "training cannot go on",
    9: "weights cannot be found or loaded",
    10: "an optional package is missing",
    OUT_OF_MEMORY: "not enough memory",
    INTERRUPTED: "interrupted",
    TERMINATED: "terminated",
}


@dataclass(frozen=True)
class Failure:
    """A known error in words.

    Attributes:
        type: name of the error's class.
        message: one line, what was found and what was expected.
        hint: one line, what to do; may be empty.
        exit_code: what the process ends with.
    """

    type: str
    message: str
    hint: str
    exit_code: int


def describe(error: BaseException) -> Failure | None:
    """The words for a known error, or None for one that must keep its traceback."""
    if isinstance(error, ModuleNotFoundError):
        error = missing_extra(error) or error
    kind = type(error).__name__
    if isinstance(error, LrmError):
        return Failure(kind, _one_line(error.message), _one_line(error.hint), error.exit_code)
    if isinstance(error, Terminated):
        return Failure(kind, "terminated", "", TERMINATED)
    if isinstance(error, KeyboardInterrupt):
        return Failure(kind, "interrupted", _one_line(str(error)), INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        return None  # who reads our words has heard enough; Typer ends in silence
    if isinstance(error, OSError):
        return Failure(kind, _one_line(str(error)), "check the path and the disk", FILE_UNUSABLE)
    if _is_of_memory(error):
        hint = "use a smaller --size, --resolution or --batch-size, or a machine with more memory"
        return Failure(kind, f"not enough memory ({_one_line(str(error))})", hint, OUT_OF_MEMORY)
    return None


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP has come."""


def _is_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy, torch or OpenCV says that memory is used up."""
    words = ("can't allocate memory", "not enough memory", "Insufficient memory", "is too big")
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (
            isinstance(error, RuntimeError | ValueError)
            and any(word in str(error) for word in words)
        )
    )


def report(failure: Failure, *, as_json: bool) -> None:
    """Print a failure: a JSON document on stdout, or lines on stderr."""
    if as_json:
        with suppress(OSError):  # where stdout is full or closed, people are told
            typer.echo(json.dumps({"error": asdict(failure)}, indent=2))
            return
    prefix = "" if failure.exit_code in (INTERRUPTED, TERMINATED) else "error: "
    with suppress(OSError):
        typer.echo(f"{prefix}{failure.message}", err=True)
        if failure.hint:
            typer.echo(f"hint: {failure.hint}", err=True)


def flush_stdout() -> None:
    """Find out while there is still a way to tell whether stdout took what was written.

    Raises:
        OSError: it is full or closed.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # what is left in the buffer would be tried again, and fail again, when the process ends
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
