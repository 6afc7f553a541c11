"""The `lrm` program: its commands, and what happens when one of them fails.

Nothing imported here may import torch, numpy, scipy or trimesh: `lrm --help` answers at once. Each
command imports what it needs inside its own body.
"""

import gc
import io
import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lrm_cli.commands.evaluate import evaluate
from lrm_cli.commands.models import models
from lrm_cli.commands.preprocess import preprocess
from lrm_cli.commands.reconstruct import reconstruct
from lrm_cli.commands.render import render
from lrm_cli.commands.serve import serve
from lrm_cli.commands.train import train
from lrm_cli.empty_values import LrmCommand
from lrm_cli.errors import EXIT_CODES, TERMINATED, Terminated, describe, flush_stdout, report
from lrm_cli.options import JSON_MODE
from lrm_core.version import __version__

_EPILOG = "Exit codes: " + "; ".join(f"{code} {text}" for code, text in EXIT_CODES.items()) + "."


class LrmGroup(TyperGroup):
    """Runs a command and turns known errors into words and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command; see `lrm_cli.errors` for what becomes of its errors."""
        try:
            result = super().invoke(ctx)
            flush_stdout()
            return result
        except (Exception, KeyboardInterrupt) as error:
            failure = describe(error)
            if failure is None:
                raise
            report(failure, as_json=ctx.meta.get(JSON_MODE, False))
            raise typer.Exit(failure.exit_code) from error


app = typer.Typer(
    name="lrm",
    cls=LrmGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # rich's own markup would swallow "[default: 8]"
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"lrm {__version__}")
        raise typer.Exit


@app.callback()
def lrm(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """One photo to a textured 3D mesh with a Large Reconstruction Model."""


for command in (reconstruct, render, train, serve, models):
    app.command(cls=LrmCommand)(command)
app.add_typer(preprocess)
app.add_typer(evaluate)


def main() -> None:
    """Entry point of the `lrm` script."""
    _end_on_signals()
    for stream in (sys.stdout, sys.stderr):
        # a file name that the terminal cannot show must not end the program
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app(prog_name="lrm")
        finally:
            flush_stdout()
    except Terminated:  # before the command, which has its own words for it, or after
        raise SystemExit(TERMINATED) from None
    except OSError as error:  # of help and version, which no command prints
        failure = describe(error)
        if failure is not None:
            report(failure, as_json=False)
        raise SystemExit(failure.exit_code if failure else 1) from None
    finally:
        # what torch has made need not be searched for garbage once more before the process ends,
        # unless triton (which torchvision imports, for LPIPS) would complain of what is left over
        if "triton" not in sys.modules:
            gc.freeze()


def _end_on_signals() -> None:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: nothing half written is left behind."""
    process = os.getpid()

    def terminate(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN if os.getpid() == process else signal.SIG_DFL)
        if os.getpid() != process:  # a worker that inherited this
            os.kill(os.getpid(), number)
            return
        raise Terminated

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows knows no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # not under nohup
            signal.signal(number, terminate)
