"""Known errors become one line, a hint and an exit code; unknown ones keep their traceback."""

import errno
import json
from dataclasses import asdict, dataclass

import typer

from lrm_cli.output import printable
from lrm_core.errors import LrmError

PARTIAL_FAILURE = 3
INTERRUPTED = 130

EXIT_CODES = {
    0: "success",
    1: "an error in lrm itself (a traceback is shown)",
    2: "wrong usage or configuration",
    PARTIAL_FAILURE: "some inputs of a batch failed",
    4: "an input or output file cannot be used",
    5: "a metric regressed",
    6: "reports cannot be compared",
    7: "no surface was found",
    8: "training cannot go on",
    9: "weights cannot be found or loaded",
    10: "an optional package is missing",
    INTERRUPTED: "interrupted",
}

# What a disk or its owner can say at any write; no bug of ours.
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


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
    kind = type(error).__name__
    if isinstance(error, LrmError):
        return Failure(kind, _one_line(error.message), _one_line(error.hint), error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return Failure(kind, "interrupted", _one_line(str(error)), INTERRUPTED)
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return Failure(kind, _one_line(str(error)), "check the disk and its permissions", 4)
    return None


def report(failure: Failure, *, as_json: bool) -> None:
    """Print a failure: a JSON document on stdout, or lines on stderr."""
    if as_json:
        typer.echo(json.dumps({"error": asdict(failure)}, indent=2))
        return
    prefix = "" if failure.exit_code == INTERRUPTED else "error: "
    typer.echo(f"{prefix}{failure.message}", err=True)
    if failure.hint:
        typer.echo(f"hint: {failure.hint}", err=True)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
