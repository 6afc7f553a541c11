"""Held-out objects of a dataset of views, as the paper analyses models (section 4.1, appendix D).

Some views of each object are the reference; some of these are given to the method, one by one, and
every reconstruction is compared with all reference views.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lrm_core.errors import InputError
from lrm_core.evaluation.posed_images import PosedImages
from lrm_core.evaluation.protocol import HeldOutViewsConfig, Protocol
from lrm_core.io.view_dataset_files import ViewDataset, open_view_dataset, read_view_set


@dataclass(frozen=True)
class HeldOutViews:
    """Inputs that were drawn.

    Attributes:
        locations: (OBJECT/VIEW, where to find it) of each input.
        skipped: (object, why it could not be drawn).
        licence: licences of the objects.
    """

    locations: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...]
    licence: str


def draw_held_out_views(urls: Sequence[str], protocol: Protocol) -> HeldOutViews:
    """Draw objects and views by the protocol's seed.

    Args:
        urls: datasets; as many objects are drawn from each. Environment variables are expanded.
        protocol: says which and how many.

    Raises:
        InputError: a dataset cannot be read, or has no object with enough views in the split.
    """
    drawing = protocol.held_out_views
    assert drawing is not None
    locations: dict[str, str] = {}
    skipped: list[tuple[str, str]] = []
    licences: dict[str, None] = {}
    for url in urls:
        dataset = _open(os.path.expandvars(url))
        chosen, passed_over = draw_objects(dataset, drawing)
        skipped += passed_over
        counts = dict(
            zip(dataset.manifest["object_id"], dataset.manifest["num_views"], strict=True)
        )
        for object_id in chosen:
            references = spread(int(counts[object_id]), drawing.num_views)
            for index in spread(drawing.num_views, drawing.num_inputs):
                name = f"{object_id}/{references[index]}"
                if name in locations:
                    raise InputError(f"{url}: another dataset has an object '{object_id}' too")
                locations[name] = json.dumps([dataset.url, object_id, references, index])
        rows = dataset.manifest[dataset.manifest["object_id"].isin(chosen)]
        licences |= dict.fromkeys(rows["licence"])
    return HeldOutViews(tuple(locations.items()), tuple(skipped), ", ".join(sorted(licences)))


def draw_objects(
    dataset: ViewDataset, drawing: HeldOutViewsConfig
) -> tuple[list[str], list[tuple[str, str]]]:
    """Objects of a split in an order that the seed shuffles, as many as are wanted.

    An object's place depends on the seed and its id alone: a dataset that grows keeps the order of
    what it had.

    Returns:
        ids, and (id, why) of those that were passed over for having too few views.

    Raises:
        InputError: no object of the split has enough views.
    """
    held_out = dataset.manifest[dataset.manifest["split"] == drawing.split]
    counts = dict(zip(held_out["object_id"], held_out["num_views"], strict=True))
    chosen: list[str] = []
    skipped: list[tuple[str, str]] = []
    for object_id in sorted(counts, key=lambda name: _shuffled(drawing.seed, name)):
        if len(chosen) == drawing.num_objects:
            break
        if counts[object_id] < drawing.num_views:
            reason = f"has {counts[object_id]} views, expected {drawing.num_views} or more"
            skipped.append((object_id, reason))
        else:
            chosen.append(object_id)
    if not chosen:
        raise InputError(
            f"{dataset.url}: no object of the split '{drawing.split}' has {drawing.num_views} "
            f"views or more, among {len(counts)}"
        )
    return chosen, skipped


def spread(available: int, wanted: int) -> list[int]:
    """Indices spread evenly over what is available: the first of each of `wanted` equal parts."""
    return [index * available // wanted for index in range(wanted)]


def read_held_out_views(location: str) -> tuple[PosedImages, str]:
    """The reference views of one input, and the SHA-256 over all that was read.

    Args:
        location: what `draw_held_out_views` gave.

    Raises:
        InputError: the object or a view cannot be read.
    """
    url, object_id, references, source = json.loads(location)
    views = read_view_set(_open(url), object_id, references)
    digest = hashlib.sha256(json.dumps([source, references]).encode())
    for array in (views.images, views.cameras.c2w.numpy(), views.cameras.intrinsics.numpy()):
        digest.update(np.ascontiguousarray(array).tobytes())
    compared = tuple(range(len(references)))
    images = PosedImages(tuple(views.images), views.cameras, source=source, compared=compared)
    return images, digest.hexdigest()


@lru_cache(maxsize=8)
def _open(url: str) -> ViewDataset:
    return open_view_dataset(url)


def _shuffled(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
