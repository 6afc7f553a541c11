"""Named errors of the core.

Every error a user can cause is a child of `LrmError`: one message line (what was found, what was
expected), a hint (what to do) and the exit code that the command line ends with. The core never
prints and never exits; `lrm_cli` turns these into words.
"""


class LrmError(Exception):
    """An error with a cause the user can act on.

    Args:
        message: one line, what was found and what was expected.
        hint: one line, what to do about it; empty when the message says it all.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def first_line(error: BaseException) -> str:
    """The first line of an error's text, cut to 160 characters; the error's type without any."""
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__


class ConfigError(LrmError):
    """A preset, option or configuration file holds an unknown key or a bad value."""

    exit_code = 2


class InputError(LrmError):
    """An image, mesh, scene or camera file cannot be used."""

    exit_code = 4


class EmptyForegroundError(InputError):
    """No object is left in an image after its background was removed, or all of it is object.

    Args:
        message: see `LrmError`.
        hint: see `LrmError`.
        mask: (H, W) bytes of what was taken for the object, to be shown; None where there is none.
    """

    def __init__(self, message: str, hint: str = "", mask: object = None) -> None:
        super().__init__(message, hint)
        self.mask = mask


class OutputError(LrmError):
    """A result cannot be written: exists already, unknown format, no such folder."""

    exit_code = 4


class CheckpointError(LrmError):
    """Weights cannot be found, read or matched to a known layout."""

    exit_code = 9


class MetricUnavailableError(LrmError):
    """A metric cannot be computed here: the weights of its network are missing or damaged."""

    exit_code = 9


class MissingDependencyError(LrmError):
    """An optional package is not installed; the hint names the extra that brings it."""

    exit_code = 10


class EmptySurfaceError(LrmError):
    """The radiance field has no surface at the requested density."""

    exit_code = 7


class TrainingError(LrmError):
    """Training cannot start or go on (no data, loss not finite, foreign checkpoint)."""

    exit_code = 8


class RegressionError(LrmError):
    """A metric is worse than its accepted value by more than its band."""

    exit_code = 5


class NotComparableError(LrmError):
    """Two reports do not measure the same thing in the same way."""

    exit_code = 6


class StoppedError(Exception):
    """A job was left unfinished because its owner stopped it: not a failure, so no `LrmError`."""
