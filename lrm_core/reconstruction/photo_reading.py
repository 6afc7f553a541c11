"""From a file to a cut-out object, ahead of the model: no torch is needed for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from lrm_core.foreground.methods import BackgroundRemoval, KeepObjects
from lrm_core.foreground.removal import remove_background
from lrm_core.io.image_files import ImageSource, read_image
from lrm_core.reconstruction.stages import StageClock
from lrm_core.structures.photo import CutOut


def cut_out(
    photo: ImageSource,
    *,
    background_removal: BackgroundRemoval = "auto",
    mask: Shaped[np.ndarray, "h w"] | None = None,
    keep: KeepObjects = "largest",
    clock: StageClock | None = None,
) -> CutOut:
    """Read a photo and remove its background.

    Args:
        photo: see `read_image`.
        background_removal: see `remove_background`.
        mask: see `remove_background`.
        keep: see `remove_background`.
        clock: see `StageClock`.

    Raises:
        InputError: the photo cannot be read.
        EmptyForegroundError: no object is left in it.
    """
    clock = clock or StageClock()
    with clock.stage("read", on_device=False):
        image = read_image(photo)
    with clock.stage("background", on_device=False):
        cut = remove_background(image, method=background_removal, mask=mask, keep=keep)
    return replace(cut, lens=image.lens)


@contextmanager
def cut_out_ahead(
    photos: Sequence[Path],
    *,
    background_removal: BackgroundRemoval = "auto",
    mask: Shaped[np.ndarray, "h w"] | None = None,
    keep: KeepObjects = "largest",
    ahead: int = 2,
) -> Iterator[Iterator[tuple[StageClock, Future[CutOut]]]]:
    """Cut photos out in a thread, a few photos ahead of their use.

    Args:
        photos: files.
        background_removal: see `remove_background`.
        mask: the mask of every photo.
        keep: see `remove_background`.
        ahead: how many photos are begun ahead of their use.

    Yields:
        each photo's clock and its cut-out, finished or not, in the order of the photos. Work that
        has not begun when the block is left is not done.
    """
    pool = ThreadPoolExecutor(1, "lrm-read")
    clocks: list[StageClock] = []

    def submit(photo: Path) -> tuple[StageClock, Future[CutOut]]:
        clocks.append(clock := StageClock())
        return clock, pool.submit(
            cut_out, photo, background_removal=background_removal, mask=mask, keep=keep, clock=clock
        )

    begun = deque(submit(photo) for photo in photos[:ahead])

    def in_order() -> Iterator[tuple[StageClock, Future[CutOut]]]:
        for following in [*photos[ahead:], *[None] * len(begun)]:
            photo = begun.popleft()
            if following is not None:
                begun.append(submit(following))
            yield photo

    try:
        yield in_order()
    finally:
        for clock in clocks:
            clock.stop()
        pool.shutdown(cancel_futures=True)
