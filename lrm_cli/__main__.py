"""`python -m lrm_cli` is `lrm`, and where the script of that name begins.

Nothing is imported above `main`, so that Ctrl-C in the first half second ends the program as at any
later time: in silence, not with the traceback of an import.
"""

import signal


def main() -> None:
    """Import the program with Ctrl-C at its default, then run it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lrm_cli.app import main as run

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:  # before the commands, which have their own words for it, or after
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
