"""Rendered views as files: a folder of images with their cameras, a video, a contact sheet.

Every function takes views one at a time, so that memory does not grow with their number, and a
caller can count them as they pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from lrm_core.errors import OutputError
from lrm_core.geometry.trajectories import direction_degrees
from lrm_core.imaging.contact_sheet import contact_sheet, fit_image
from lrm_core.io.atomic_write import FolderPath, check_replaceable, replacing_in
from lrm_core.io.camera_files import write_cameras
from lrm_core.io.image_writing import depth_unit, encode_depth, to_uint8, write_png
from lrm_core.io.json_files import write_json
from lrm_core.io.video_files import VIDEO_SUFFIXES, write_video
from lrm_core.rendering.mesh_renderer import Channel
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.render_output import RenderOutput

RGB = tuple[float, float, float]
WHITE: RGB = (1.0, 1.0, 1.0)

# views are handed over as renderers give them by default: composited on white
_RENDERED_ON = 1.0
_CAMERAS, _DESCRIPTION, _SHEET = "transforms.json", "views.json", "contact_sheet"
_SHEET_SUFFIX = ".png"
_MOST_ON_A_SHEET = 64
_SMALLEST_CELL, _LARGEST_CELL = 128, 256


def channel_image(
    view: RenderOutput, channel: Channel, background: RGB | None = WHITE
) -> UInt8[np.ndarray, "H W C"]:
    """One view as an image to look at.

    rgb lies on the background, or keeps its alpha (RGBA) where that is None. depth is gray, from
    near (light) to far (dark) within the view. normal is (n + 1) / 2 in the world frame.
    Where nothing was hit, depth and normal are white.

    Args:
        view: a single view, composited on white.
        channel: what to show.
        background: sRGB behind the object, or None for transparency.
    """
    alpha = view.opacity[0].cpu().numpy()[..., None]
    if channel == "rgb":
        premultiplied = view.rgb[0].cpu().numpy() - _RENDERED_ON * (1.0 - alpha)
        if background is None:
            straight = premultiplied / np.maximum(alpha, 1e-6)
            return to_uint8(np.concatenate([straight, alpha], axis=-1))
        return to_uint8(premultiplied + (1.0 - alpha) * np.array(background, dtype=np.float32))
    if channel == "alpha":
        return to_uint8(np.repeat(alpha, 3, axis=-1))
    depth = view.depth[0].cpu().numpy()
    seen = np.isfinite(depth)
    if channel == "normal":
        return to_uint8(np.where(seen[..., None], (_normals(view) + 1.0) / 2.0, 1.0))
    near, far = (depth[seen].min(), depth[seen].max()) if seen.any() else (0.0, 1.0)
    nearness = (far - np.where(seen, depth, far)) / max(far - near, 1e-6)
    gray = np.where(seen, 0.15 + 0.75 * nearness, 1.0)
    return to_uint8(np.repeat(gray[..., None], 3, axis=-1))


def check_output(*paths: Path, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Find out before the work whether views can be written.

    Args:
        paths: a folder, .png, .mp4 or .gif each.
        overwrite: whether older views may be replaced.
        inputs: files that are read, which are never replaced.

    Raises:
        OutputError: neither a folder nor .png, .mp4 or .gif; or it exists, or holds views, and
            may not be replaced; or it is an input.
    """
    files = []
    for path in paths:
        if _is_folder(path):
            if path.exists() and not path.is_dir():
                raise OutputError(f"{path} is a file, expected a folder")
            names = (_CAMERAS, _DESCRIPTION, f"{_SHEET}.png")
            files += [path / name for name in names]
        elif path.suffix.lower() not in (_SHEET_SUFFIX, *VIDEO_SUFFIXES):
            raise OutputError(
                f"{path}: views cannot be written as '{path.suffix}'",
                hint="give a folder (a name without a suffix, or with a slash at its end), or a "
                "name that ends in .png, .mp4 or .gif",
            )
        else:
            files.append(path)
    check_replaceable(*files, overwrite=overwrite, inputs=inputs)


def write_views(
    path: Path,
    views: Iterable[RenderOutput],
    cameras: Cameras,
    *,
    channels: Sequence[Channel] = ("rgb",),
    background: RGB | None = WHITE,
    bounds: Float[np.ndarray, "2 3"] | None = None,
    fps: float = 24.0,
    overwrite: bool = False,
    inputs: Sequence[Path] = (),
) -> list[Path]:
    """Write views as what the path asks for: .mp4 and .gif a video, .png a sheet, else a folder.

    Args:
        path: where to.
        views: one `RenderOutput` of one view per camera, composited on white.
        cameras: the cameras of the views.
        channels: what to show; several lie side by side in a video, row by row on a sheet.
        background: sRGB behind the object; None keeps transparency, or is white where there is
            none (videos, sheets).
        bounds: (2, 3) corners of what was rendered, [-1, 1]^3 by default; they bound the depth.
        fps: frames per second of a video.
        overwrite: replace older files.
        inputs: files that were read, which are never replaced.

    Returns:
        every file written.

    Raises:
        OutputError: see `check_output`, or it cannot be written.
    """
    check_output(path, overwrite=overwrite, inputs=inputs)
    if _is_folder(path):
        folder = Path(path)
        check = partial(check_replaceable, overwrite=overwrite, inputs=inputs)
        return _write_folder(folder, views, cameras, channels, background, bounds, check)
    if path.suffix.lower() == _SHEET_SUFFIX:
        _write_sheet(path, views, cameras, channels, background)
    else:
        frames = (
            np.concatenate(
                [channel_image(view, channel, background or WHITE) for channel in channels], axis=1
            )
            for view in views
        )
        write_video(path, frames, fps=fps)
    return [path]


def _is_folder(path: Path) -> bool:
    return isinstance(path, FolderPath) or path.is_dir() or not path.suffix


def _write_folder(
    folder: Path,
    views: Iterable[RenderOutput],
    cameras: Cameras,
    channels: Sequence[Channel],
    background: RGB | None,
    bounds: Float[np.ndarray, "2 3"] | None,
    check: Callable[..., None],
) -> list[Path]:
    """Every channel of every view as a PNG, the cameras, and a contact sheet.

    `000.png` is rgb, `000_depth.png` 16-bit depth along the viewing axis in multiples of the
    `depth_unit` in `views.json` (0: nothing was hit), `000_normal.png` (n + 1) / 2 (gray 128:
    nothing), `000_alpha.png` opacity; `transforms.json` holds the cameras.
    """
    unit = depth_unit(_farthest(cameras, bounds))
    width = max(3, len(str(len(cameras) - 1)))
    names = [f"{index:0{width}d}" for index in range(len(cameras))]
    sheet, transforms = folder / f"{_SHEET}.png", folder / _CAMERAS
    planned = [folder / _view_name(name, channel) for name in names for channel in channels]
    planned += [sheet, transforms, folder / _DESCRIPTION]
    stale = _views_in(folder) - set(planned)
    check(*planned)
    with replacing_in(folder) as place:

        def written() -> Iterator[RenderOutput]:
            for name, view in zip(names, views, strict=True):
                for channel in channels:
                    image = _stored_image(view, channel, background, unit)
                    write_png(place / _view_name(name, channel), image)
                yield view

        _write_sheet(place / sheet.name, written(), cameras, channels, background)
        shown = [_view_name(name, "rgb" if "rgb" in channels else channels[0]) for name in names]
        write_cameras(place / transforms.name, cameras, file_paths=shown)
        description = {
            "channels": list(channels),
            "depth_unit": unit,
            "background": "transparent" if background is None else list(background),
            "frame": "z up, front -y (lrm world)",
        }
        write_json(place / _DESCRIPTION, description)
    for file in stale:
        file.unlink(missing_ok=True)
    return planned


def _view_name(name: str, channel: str) -> str:
    return f"{name}.png" if channel == "rgb" else f"{name}_{channel}.png"


def _views_in(folder: Path) -> set[Path]:
    """The views that an earlier run wrote here, as its own files tell; never any other file."""
    try:
        channels = json.loads((folder / _DESCRIPTION).read_bytes())["channels"]
        frames = json.loads((folder / _CAMERAS).read_bytes())["frames"]
        numbers = [re.match(r"\d{3,}", frame["file_path"]) for frame in frames]
        return {
            folder / _view_name(number[0], channel)
            for number in numbers
            for channel in channels
            if number is not None and channel in get_args(Channel)
        }
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _write_sheet(
    path: Path,
    views: Iterable[RenderOutput],
    cameras: Cameras,
    channels: Sequence[Channel],
    background: RGB | None,
) -> None:
    """Views as one PNG, captioned with where they look from; of many views, 64."""
    count = len(cameras)
    num_shown = min(count, _MOST_ON_A_SHEET)
    shown = [i * count // num_shown for i in range(num_shown)]
    cell_size = min(max(cameras.width, cameras.height, _SMALLEST_CELL), _LARGEST_CELL)
    images = [
        {c: fit_image(channel_image(view, c, background), cell_size) for c in channels}
        for index, view in enumerate(views)
        if index in shown
    ]
    labels = [_direction(cameras.origins[index]) for index in shown]
    per_row = 4 if len(images) * len(channels) <= 8 else 8
    rows, captions = [], []
    for start in range(0, len(images), per_row):
        for channel in channels:
            rows.append([image[channel] for image in images[start : start + per_row]])
            captions.append(labels[start : start + per_row])
    named = [channel for _ in range(len(rows) // len(channels)) for channel in channels]
    sheet = contact_sheet(
        rows,
        captions=captions,
        row_labels=named if len(channels) > 1 else (),
        cell_size=cell_size,
    )
    write_png(path, sheet)


def _stored_image(
    view: RenderOutput, channel: Channel, background: RGB | None, unit: float
) -> np.ndarray:
    """One channel of a view as its PNG holds it."""
    if channel == "depth":
        return encode_depth(view.depth[0].cpu().numpy(), unit)
    if channel == "normal":
        return to_uint8((_normals(view) + 1.0) / 2.0)
    if channel == "alpha":
        return to_uint8(view.opacity[0].cpu().numpy())
    return channel_image(view, "rgb", background)


def _normals(view: RenderOutput) -> Float[np.ndarray, "H W 3"]:
    if view.normals is None:
        raise ValueError("the views were rendered without normals")
    normals: Float[np.ndarray, "H W 3"] = view.normals[0].cpu().numpy()
    return normals


def _farthest(cameras: Cameras, bounds: Float[np.ndarray, "2 3"] | None) -> float:
    """No point within the bounds is farther than this from any camera."""
    corners = np.array([[-1.0] * 3, [1.0] * 3]) if bounds is None else bounds
    origins = cameras.origins.cpu().numpy()[:, None]
    reach = np.abs(corners[None] - origins).max(axis=1)  # per axis, to the farther side
    return float(np.linalg.norm(reach, axis=-1).max())


def _direction(origin: Float[Tensor, "3"]) -> str:
    """Azimuth (0: the source view, growing counter-clockwise from above) and elevation."""
    azimuth, elevation = direction_degrees(origin)
    return f"{azimuth}°, {elevation}° up" if elevation >= 0 else f"{azimuth}°, {-elevation}° down"
