"""`POST /generate`: what existing Blender add-ons for image-to-3D servers send.

They post JSON with a base64 `image` and settings of diffusion models, and import the GLB that they
get. The request's names are those of Hunyuan3D-2's add-on; what means nothing here is ignored.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from lrm_cli.server.api import reconstruct_now
from lrm_cli.server.errors import Problem, RequestError
from lrm_cli.server.jobs import Order
from lrm_cli.server.orders import ServiceOf, check_resolution
from lrm_cli.server.schemas import ErrorAnswer
from lrm_cli.server.uploads import check_upload, decode_base64
from lrm_core.reconstruction.named_photos import FRONT

router = APIRouter(responses={code: {"model": ErrorAnswer} for code in ("4XX", "5XX")})


class GenerateRequest(BaseModel):
    """The body; other fields (seed, num_inference_steps, guidance_scale) are ignored."""

    image: str | None = Field(None, description="A photo in base64.")
    octree_resolution: int = Field(256, ge=16, description="Grid points per axis.")
    texture: bool = Field(True, description="Bake a texture, or color the vertices.")
    face_count: int | None = Field(
        None, ge=4, le=10_000_000, description="Simplify to this number of faces."
    )
    type: Literal["glb", "ply", "stl", "3mf", "usdz"] = Field("glb", description="File format.")
    mesh: str | None = Field(None, description="Texturing of a given mesh: not offered here.")


@router.post("/generate", response_class=Response)
async def generate(body: GenerateRequest, service: ServiceOf, request: Request) -> Response:
    """A photo to a mesh, in the form that Blender add-ons send."""
    if body.mesh is not None:
        problem = Problem(
            "InputError", "a given mesh cannot be textured here", "deselect it, and send a photo"
        )
        raise RequestError(problem)
    if not body.image:
        problem = Problem(
            "InputError", "there is no 'image'", "send a photo: text alone cannot be made a mesh"
        )
        raise RequestError(problem)
    check_resolution(service, body.octree_resolution)
    photo = decode_base64(body.image)
    await run_in_threadpool(check_upload, photo, "photo")
    order = Order(
        photos={FRONT: photo},
        mesh={
            "resolution": body.octree_resolution,
            "appearance": "texture" if body.texture else "vertex_colors",
            "target_faces": body.face_count,
        },
    )
    return await reconstruct_now(service, order, request, f"mesh.{body.type}")
