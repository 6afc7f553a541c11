"""`lrm evaluate`: scores of methods under a protocol; reports that can be compared and guarded."""

import typer

from lrm_cli.commands.evaluate.guard import accept, check, compare
from lrm_cli.commands.evaluate.page import page
from lrm_cli.commands.evaluate.run import run
from lrm_cli.empty_values import LrmCommand, LrmSubgroup

evaluate = typer.Typer(
    name="evaluate",
    cls=LrmSubgroup,
    rich_markup_mode="markdown",
    invoke_without_command=True,
    callback=run,
)

for command in (compare, check, accept, page):
    evaluate.command(cls=LrmCommand)(command)
