"""`python -m lrm_cli` is `lrm`, and where the script of that name begins.

Ctrl-C in the first half second ends the program as at any later time: in silence, not with the
traceback of an import.
"""

import _signal  # type: ignore[import-not-found]  # `signal` imports for milliseconds

_signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def main() -> None:
    """Import the program with Ctrl-C at its default, then run it."""
    import signal

    from lrm_cli.app import main as run

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:  # before the commands, which have their own words for it, or after
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
