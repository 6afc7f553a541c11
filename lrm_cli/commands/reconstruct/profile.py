"""Where the time of a photo went, for `lrm reconstruct --profile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrm_cli.output import Output, printable

if TYPE_CHECKING:
    from lrm_core.reconstruction.batch import PhotoDone

# Width of the longest bar, in characters.
_BAR_WIDTH = 30


def profile_rows(startup: dict[str, float], done: PhotoDone) -> list[dict[str, Any]]:
    """Stage, seconds, share of the sum, and whether it ran beside other work, in order."""
    seconds = {**startup, **done.seconds}
    if done.overlapped:
        seconds["waiting"] = done.waited
    total = sum(seconds.values())
    return [
        {
            "stage": stage,
            "seconds": round(value, 4),
            "share": round(value / total, 4),
            "overlapped": stage in done.overlapped,
        }
        for stage, value in seconds.items()
    ]


def show_profile(output: Output, photo: Path, rows: list[dict[str, Any]]) -> None:
    """The stages of one photo as a table on stderr."""
    if output.mode != "human":
        return
    from rich.console import Console
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    title = Text(f"where the time of {printable(photo.name)} went")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    table.add_column("share", justify="right")
    table.add_column("", width=_BAR_WIDTH)
    longest = max(row["share"] for row in rows)
    for row in rows:
        bar = ProgressBar(total=longest, completed=row["share"], width=_BAR_WIDTH)
        mark = " *" if row["overlapped"] else ""
        table.add_row(row["stage"] + mark, f"{row['seconds']:.3f}", f"{row['share']:.0%}", bar)
    total = sum(row["seconds"] for row in rows)
    table.add_row("sum", f"{total:.3f}", "100%", "")
    if any(row["overlapped"] for row in rows):
        table.caption = Text("* beside other work: the sum is more than the time that passed")
        table.caption_justify = "left"
    Console(stderr=True).print(table)
