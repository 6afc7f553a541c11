"""What goes in and comes out, as `/openapi.json` describes it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from lrm_cli.server.jobs import State, Status
from lrm_cli.server.results import MEDIA_TYPES, SIZED

BackgroundRemoval = Literal["auto", "alpha", "border", "u2netp", "rembg", "grabcut", "none"]
FileName = Literal[
    "mesh.glb", "mesh.zip", "mesh.ply", "mesh.stl", "mesh.3mf", "mesh.usdz", "mesh.input.png",
    "mesh.json",
]  # fmt: skip
MeshFormat = Literal["glb", "zip", "ply", "stl", "3mf", "usdz"]


class ErrorDocument(BaseModel):
    """An error in words."""

    type: str
    message: str = Field(description="One line: what was found, what was expected.")
    hint: str = Field(description="One line: what to do. May be empty.")


class ErrorAnswer(BaseModel):
    """Body of every answer of status 400 and above."""

    error: ErrorDocument


class FileDocument(BaseModel):
    """A file of a finished job."""

    name: str
    url: str = Field(description="Relative to the root of the server.")
    media_type: str
    sized: bool = Field(description="Whether it can be asked for with `?size=120mm`.")


class JobDocument(BaseModel):
    """A job at one moment."""

    id: str
    state: State
    position: int = Field(description="Place in the queue, 1 for the next; 0 if it does not wait.")
    stage: str = Field(description="What is being done, while it runs.")
    progress: float = Field(description="Share that is done, 0 to 1.")
    seconds: float = Field(description="Since it was started, until it ended.")
    created: float = Field(description="Seconds since the epoch.")
    started: float | None = Field(None, description="Seconds since the epoch.")
    expires: float | None = Field(None, description="When it is forgotten with its files.")
    error: ErrorDocument | None = None
    warning: str | None = Field(None, description="What to look at in the result.")
    files: list[FileDocument] = Field(default_factory=list)
    record: dict[str, Any] | None = Field(None, description="The content of `mesh.json`.")


class ModelDocument(BaseModel):
    """The model of this server."""

    name: str
    licence: str
    commercial_use: bool


class InfoDocument(BaseModel):
    """What this server is and allows."""

    version: str
    state: Literal["loading", "ready", "failed"]
    model: ModelDocument | None = Field(description="None until it is loaded.")
    waiting: int
    running: int
    max_waiting: int
    max_upload_bytes: int
    max_resolution: int
    keep_minutes: float
    max_keep_minutes: float
    background_removal: list[str]
    formats: list[str]


def job_document(status: Status, root_path: str) -> JobDocument:
    """A status as clients see it."""
    files = []
    if status.state == "done":
        files = [
            FileDocument(
                name=name,
                url=f"{root_path}/api/v1/jobs/{status.job_id}/files/{name}",
                media_type=media_type,
                sized=name in SIZED,
            )
            for name, media_type in MEDIA_TYPES.items()
        ]
    problem = status.problem
    return JobDocument(
        id=status.job_id,
        state=status.state,
        position=status.position,
        stage=status.stage,
        progress=round(status.progress, 3),
        seconds=round(status.seconds, 3),
        created=round(status.created, 3),
        started=_rounded(status.started),
        expires=_rounded(status.expires),
        error=None if problem is None else ErrorDocument(**problem.document()),
        warning=status.warning,
        files=files,
        record=status.record,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
