"""Named errors: every one has words and an exit code that the command line documents."""

import pytest

from lrm_cli.errors import EXIT_CODES
from lrm_core import errors
from lrm_core.errors import LrmError, first_line

children = [
    item
    for item in vars(errors).values()
    if isinstance(item, type) and issubclass(item, LrmError) and item is not LrmError
]


def test_message_and_hint_are_kept() -> None:
    error = errors.InputError("photo.png: 0 bytes, expected an image", hint="check the download")
    assert str(error) == error.message == "photo.png: 0 bytes, expected an image"
    assert error.hint == "check the download"
    assert LrmError("all said").hint == ""


@pytest.mark.parametrize("child", children, ids=lambda child: child.__name__)
def test_every_child_ends_with_a_documented_code(child: type[LrmError]) -> None:
    assert child.exit_code in EXIT_CODES
    # 0 is success, 1 a bug of ours, 2 also Typer's usage error, 3 a batch
    assert child.exit_code not in {0, 1, 3}
    assert child.__doc__


def test_an_empty_foreground_is_a_bad_input() -> None:
    assert issubclass(errors.EmptyForegroundError, errors.InputError)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("bad value\nin line 3"), "bad value"),
        (ValueError("\n  bad value"), "bad value"),
        (ValueError(), "ValueError"),
        (ValueError("\n"), "ValueError"),
    ],
)
def test_the_first_line_of_an_error_is_never_empty(error: Exception, line: str) -> None:
    assert first_line(error) == line
