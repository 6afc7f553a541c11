"""Errors as clients see them: what happened, what to do, and no path of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lrm_core.errors import (
    ConfigError,
    EmptyForegroundError,
    EmptySurfaceError,
    InputError,
    LrmError,
    MissingDependencyError,
)


@dataclass(frozen=True)
class Problem:
    """An error in words.

    Attributes:
        type: its name.
        message: one line, what was found and what was expected.
        hint: one line, what to do; may be empty.
        status: of the HTTP answer.
    """

    type: str
    message: str
    hint: str = ""
    status: int = 422

    def document(self) -> dict[str, str]:
        """What goes into JSON."""
        return {"type": self.type, "message": self.message, "hint": self.hint}


class RequestError(Exception):
    """A request that is refused.

    Args:
        problem: why.
        headers: of the answer.
    """

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.headers = headers or {}


INTERNAL = Problem(
    "InternalError", "the server met an error of its own", "its operator finds it in the log", 500
)

_HINTS: dict[type[LrmError], str] = {
    EmptyForegroundError: "choose another background_removal, or send a mask of the object",
    EmptySurfaceError: "check the cut-out, or use a photo that shows the object whole",
    MissingDependencyError: "choose another background_removal",
}
_STATUSES: dict[type[LrmError], int] = {
    InputError: 422,
    EmptySurfaceError: 422,
    ConfigError: 422,
    MissingDependencyError: 501,
}


def describe(error: BaseException) -> Problem:
    """The words for an error; those that a client can do nothing about stay in the log."""
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            hint = next((text for k, text in _HINTS.items() if isinstance(error, k)), error.hint)
            words = in_form_words(error.message), in_form_words(hint)
            return Problem(type(error).__name__, *words, status)
    return INTERNAL


def in_form_words(text: str) -> str:
    """A line of the core, which speaks of options of the command line, with the fields of forms."""
    return re.sub("--([a-z][a-z-]*)", lambda option: option[1].replace("-", "_"), text)
