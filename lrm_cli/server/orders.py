"""The order in a form: photos, mask and options, as `lrm reconstruct` knows them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import Depends, File, Form, Request, UploadFile
from starlette.concurrency import run_in_threadpool

from lrm_cli.server.errors import Problem, RequestError
from lrm_cli.server.jobs import Order
from lrm_cli.server.schemas import BackgroundRemoval
from lrm_cli.server.service import Service
from lrm_cli.server.uploads import check_upload
from lrm_core.foreground.methods import KeepObjects
from lrm_core.reconstruction.named_photos import name_photos
from lrm_core.structures.photo_camera import PhotoCamera


def service_of(request: Request) -> Service:
    """The state behind the application that a request came to."""
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(service_of)]
Photo = Annotated[
    UploadFile,
    File(description="A photo: PNG, JPEG, HEIC, AVIF, WebP, TIFF, BMP, GIF, TGA."),
]
Side = Annotated[
    UploadFile | None,
    File(description="Photo of the same object from this side; `photo` is then its front."),
]
Mask = Annotated[
    UploadFile | None,
    File(description="Image of the mask of `photo`, white or opaque on the object."),
]
Removal = Annotated[
    BackgroundRemoval, Form(description="How the background is removed where there is no mask.")
]
Keep = Annotated[KeepObjects, Form(description="Which of several objects (a mask is taken whole).")]


async def photos_of(
    photo: Photo,
    back: Side = None,
    left: Side = None,
    right: Side = None,
    top: Side = None,
    view: Annotated[
        list[str] | None,
        Form(max_length=16, description="`AZIMUTH,ELEVATION` of every `view_photo`, in degrees."),
    ] = None,
    view_photo: Annotated[
        list[UploadFile] | None, File(description="Photos from these directions, in one order.")
    ] = None,
) -> dict[str, bytes]:
    """Direction -> file, the front first; they are looked at, not decoded."""
    view, view_photo = view or [], view_photo or []
    if len(view) != len(view_photo):
        message = f"view: {len(view)} directions of {len(view_photo)} photos (view_photo)"
        raise RequestError(Problem("ConfigError", message, "send both for each, in one order"))
    sides = {"back": back, "left": left, "right": right, "top": top}
    views = [*zip(view, view_photo, strict=True)]
    uploads = await run_in_threadpool(name_photos, photo, sides, views)
    names = ["photo", *(f"photo of the {name}" for name in [*uploads][1:])]
    contents = await asyncio.gather(*map(read_upload, uploads.values(), names))
    return dict(zip(uploads, contents, strict=True))


def camera_of(
    fov: Annotated[float | None, Form(description="Degrees across the photo's width.")] = None,
    elevation: Annotated[float | None, Form(description="Degrees above the horizon.")] = None,
    distance: Annotated[float | None, Form(description="From the object's center.")] = None,
    framing: Annotated[Literal["crop", "as-is"], Form(description="Center the object.")] = "crop",
    foreground_ratio: Annotated[float | None, Form(description="Object over crop.")] = None,
) -> PhotoCamera:
    """What is known of the camera, as `lrm reconstruct` knows it."""
    return PhotoCamera.from_options(
        fov=fov,
        elevation=elevation,
        distance=distance,
        framing=framing,
        foreground_ratio=foreground_ratio,
    )


async def order_of(
    service: ServiceOf,
    photos: Annotated[dict[str, bytes], Depends(photos_of)],
    camera: Annotated[PhotoCamera, Depends(camera_of)],
    mask: Mask = None,
    background_removal: Removal = "auto",
    keep: Keep = "largest",
    ground: Annotated[bool, Form(description="Put it on its flat side.")] = False,
    resolution: Annotated[int, Form(ge=16, description="Grid points per axis.")] = 256,
    texture: Annotated[bool, Form(description="Bake a texture, or color the vertices.")] = True,
    texture_size: Annotated[int, Form(ge=64, le=4096, description="Side in pixels.")] = 1024,
    photo_colors: Annotated[bool, Form(description="Use the photo's own colors.")] = True,
    target_faces: Annotated[
        int | None, Form(ge=4, le=10_000_000, description="Simplify to this number of faces.")
    ] = None,
    iso_level: Annotated[
        float | None, Form(gt=0, allow_inf_nan=False, description="Density of the surface.")
    ] = None,
    keep_minutes: Annotated[
        float | None,
        Form(gt=0, description="How long the files are kept [default: as `/info` says]."),
    ] = None,
) -> Order:
    """The order in a form; its images are looked at, not decoded."""
    check_resolution(service, resolution)
    return Order(
        photos=photos,
        mask=None if mask is None else await read_upload(mask, "mask"),
        background_removal=background_removal,
        keep=keep,
        camera=camera,
        ground=ground,
        keep_seconds=_keep_seconds(service, keep_minutes),
        mesh={
            "resolution": resolution,
            "appearance": "texture" if texture else "vertex_colors",
            "texture_size": texture_size,
            "photo_colors": photo_colors,
            "target_faces": target_faces,
            "iso_level": iso_level,
        },
    )


def check_resolution(service: Service, resolution: int) -> None:
    """Refuse grids that this server does not allow.

    Raises:
        RequestError: the grid is too fine.
    """
    most = service.settings.max_resolution
    if resolution > most:
        problem = Problem("ConfigError", f"resolution {resolution}, at most {most} here")
        raise RequestError(problem)


def _keep_seconds(service: Service, minutes: float | None) -> float | None:
    most = service.settings.longest_keep_seconds / 60.0
    if minutes is not None and not minutes <= most:
        problem = Problem("ConfigError", f"keep_minutes {minutes:g}, at most {most:g} here")
        raise RequestError(problem)
    return None if minutes is None else 60.0 * minutes


async def read_upload(upload: UploadFile, name: str) -> bytes:
    """An image in a form, looked at, not decoded.

    Args:
        upload: as it came.
        name: what to call it in an error.

    Raises:
        InputError, RequestError: see `check_upload`.
    """
    content = await upload.read()
    # a header may be long: other requests are answered meanwhile
    await run_in_threadpool(check_upload, content, name, upload.filename or "")
    return content
