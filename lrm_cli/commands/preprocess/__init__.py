"""`lrm preprocess`: photos, assets, scans, videos and procedural objects as data."""

import typer

from lrm_cli.commands.preprocess.assets import assets
from lrm_cli.commands.preprocess.check import check
from lrm_cli.commands.preprocess.convert import convert
from lrm_cli.commands.preprocess.gso import gso
from lrm_cli.commands.preprocess.objaverse import objaverse
from lrm_cli.commands.preprocess.photos import photos
from lrm_cli.commands.preprocess.procedural import procedural
from lrm_cli.commands.preprocess.show import show
from lrm_cli.commands.preprocess.video import video
from lrm_cli.empty_values import LrmCommand

preprocess = typer.Typer(
    name="preprocess",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Prepare data: photos, 3D assets, scans, videos, procedural objects.",
)

for command in (photos, assets, gso, objaverse, video, procedural, check, show, convert):
    preprocess.command(cls=LrmCommand)(command)
