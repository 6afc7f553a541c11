"""`lrm preprocess`: photos, assets, scans, videos and procedural objects as data."""

import typer

from lrm_cli.commands.preprocess.procedural import procedural

preprocess = typer.Typer(
    name="preprocess",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Prepare data: photos, 3D assets, scans, videos, procedural objects.",
)

for command in (procedural,):
    preprocess.command()(command)
