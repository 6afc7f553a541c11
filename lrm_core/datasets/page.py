"""One page of a dataset, to be looked at before anything is trained on it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lrm_core.errors import InputError
from lrm_core.geometry.trajectories import direction_degrees
from lrm_core.imaging.contact_sheet import contact_sheet, fit_image
from lrm_core.io.view_dataset_files import ViewDataset, read_view_set
from lrm_core.rendering.mesh_renderer import Channel
from lrm_core.rendering.view_output import channel_image
from lrm_core.structures.render_output import RenderOutput
from lrm_core.structures.view_set import ViewSet

_GRID_COLUMNS = 8
_SMALLEST_CELL, _LARGEST_CELL = 64, 256
_PAGE_PIXELS = 4e6
_MOST_CELLS = 4096


def choose_objects(dataset: ViewDataset, num: int, seed: int = 0) -> list[str]:
    """Some objects of a dataset, from all of its sources in turn; sorted.

    Args:
        dataset: an open dataset.
        num: how many at most.
        seed: another one gives other objects.
    """
    rng = random.Random(seed)
    by_source = [list(ids) for _, ids in dataset.manifest.groupby("source")["object_id"]]
    for ids in by_source:
        rng.shuffle(ids)
    longest = max((len(ids) for ids in by_source), default=0)
    in_turn = [ids[turn] for turn in range(longest) for ids in by_source if turn < len(ids)]
    return sorted(in_turn[:num])


def dataset_page(
    dataset: ViewDataset,
    object_ids: Sequence[str],
    *,
    num_views: int = 8,
    channels: Sequence[Channel] = ("rgb",),
) -> UInt8[np.ndarray, "H W 3"]:
    """Objects of a dataset on one page.

    Every object has a row with its views side by side, or a row for each channel; with one view
    and one channel each, objects fill a grid. Of an object with more views than asked for, evenly
    spaced ones are shown. Captions: azimuth (0: from the front, counter-clockwise seen from above),
    elevation, distance.

    Args:
        dataset: an open dataset.
        object_ids: at least one.
        num_views: most views per object.
        channels: what to show of each.

    Raises:
        InputError: no object, too many images for a page, or no such object or channel.
    """
    num_cells = len(object_ids) * num_views * len(channels)
    if not object_ids:
        raise InputError(f"{dataset.url} has no object to show")
    if num_cells > _MOST_CELLS:
        raise InputError(
            f"{num_cells} images are too many for one page, at most {_MOST_CELLS} fit",
            hint="show fewer objects or views",
        )
    rows: list[list[UInt8[np.ndarray, "_ _ 3"]]] = []
    captions: list[list[str]] = []
    labels: list[str] = []
    cell_size = _cell_size(num_cells)
    for object_id in object_ids:
        views = _read_evenly(dataset, object_id, num_views, channels)
        for channel in channels:
            shown = [channel_image(view, channel) for view in _as_rendered(views)]
            rows.append([fit_image(image, cell_size) for image in shown])
            first = channel == channels[0]
            captions.append([_place(origin) for origin in views.cameras.origins if first])
            labels.append(object_id if first else channel)
    title = f"{len(object_ids)} of {len(dataset.manifest)} objects: {dataset.url}"
    if num_views == len(channels) == 1:
        grid = range(0, len(rows), _GRID_COLUMNS)
        return contact_sheet(
            [[row[0] for row in rows[i : i + _GRID_COLUMNS]] for i in grid],
            captions=[labels[i : i + _GRID_COLUMNS] for i in grid],
            title=title,
            cell_size=cell_size,
        )
    return contact_sheet(
        rows, captions=captions, row_labels=labels, title=title, cell_size=cell_size
    )


def _cell_size(num_cells: int) -> int:
    """Side of a cell, so that a page stays within some ten megapixels."""
    return int(np.clip(np.sqrt(_PAGE_PIXELS / num_cells), _SMALLEST_CELL, _LARGEST_CELL))


def _read_evenly(
    dataset: ViewDataset, object_id: str, num_views: int, channels: Sequence[Channel]
) -> ViewSet:
    """Evenly spaced views of an object, or all of them."""
    held = dataset.manifest["num_views"][dataset.manifest["object_id"] == object_id]
    total = int(held.iloc[0]) if len(held) else 0
    count = min(num_views, total)
    return read_view_set(
        dataset,
        object_id,
        [i * total // count for i in range(count)],
        depth="depth" in channels,
        normals="normal" in channels,
    )


def _as_rendered(views: ViewSet) -> Iterator[RenderOutput]:
    """Views as a renderer hands them over: composited on white."""
    for index, image in enumerate(views.images):
        rgba = torch.from_numpy(image).float()[None] / 255.0
        alpha = rgba[..., 3]
        if views.depth is not None:
            depth = torch.from_numpy(views.depth[index])[None]
        else:
            depth = torch.where(alpha > 0, torch.tensor(1.0), torch.tensor(torch.inf))
        normals = None if views.normals is None else torch.from_numpy(views.normals[index])[None]
        rgb = rgba[..., :3] * alpha[..., None] + (1.0 - alpha[..., None])
        yield RenderOutput(rgb, alpha, depth, normals)


def _place(origin: Float[Tensor, "3"]) -> str:
    azimuth, elevation = direction_degrees(origin)
    return f"{azimuth}°, {elevation}°, {math.hypot(*origin.tolist()):.2f}"
