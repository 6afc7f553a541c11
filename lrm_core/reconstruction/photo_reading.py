"""From a file to a cut-out object, ahead of the model: no torch is needed for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from lrm_core.foreground.removal import BackgroundRemoval, remove_background
from lrm_core.io.image_files import ImageSource, read_image
from lrm_core.reconstruction.stages import StageClock
from lrm_core.structures.photo import Foreground


@dataclass(frozen=True)
class CutOut:
    """The object of one photo.

    Attributes:
        foreground: without its background.
        clock: seconds per stage so far.
    """

    foreground: Foreground
    clock: StageClock


def cut_out(
    photo: ImageSource,
    *,
    background_removal: BackgroundRemoval = "auto",
    mask: Shaped[np.ndarray, "h w"] | None = None,
    stop: threading.Event | None = None,
) -> CutOut:
    """Read a photo and remove its background.

    Args:
        photo: see `read_image`.
        background_removal: see `remove_background`.
        mask: see `remove_background`.
        stop: when it is set, no further stage begins.

    Raises:
        InputError: the photo cannot be read.
        EmptyForegroundError: no object is left in it.
    """
    clock = StageClock(stop=stop)
    with clock.stage("read", on_device=False):
        image = read_image(photo)
    with clock.stage("background", on_device=False):
        foreground = remove_background(image, method=background_removal, mask=mask)
    return CutOut(foreground, clock)


@contextmanager
def cut_out_ahead(
    photos: Sequence[Path],
    *,
    background_removal: BackgroundRemoval = "auto",
    mask: Shaped[np.ndarray, "h w"] | None = None,
    ahead: int = 2,
) -> Iterator[Iterator[Future[CutOut]]]:
    """Cut photos out in a thread, from now on, a few photos before they are asked for.

    Args:
        photos: files.
        background_removal: see `remove_background`.
        mask: of every photo.
        ahead: photos that are begun before they are asked for.

    Yields:
        the cut-outs in the order of the photos, finished or not. Work that has not begun when the
        block is left is not done.
    """
    stop = threading.Event()
    pool = ThreadPoolExecutor(1, "lrm-read")

    def submit(photo: Path) -> Future[CutOut]:
        return pool.submit(
            cut_out, photo, background_removal=background_removal, mask=mask, stop=stop
        )

    begun = deque(submit(photo) for photo in photos[:ahead])

    def in_order() -> Iterator[Future[CutOut]]:
        for following in [*photos[ahead:], *[None] * len(begun)]:
            future = begun.popleft()
            if following is not None:
                begun.append(submit(following))
            yield future

    try:
        yield in_order()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
