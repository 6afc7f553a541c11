"""Write videos: MP4 through PyAV, GIF through Pillow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from lrm_core.errors import OutputError
from lrm_core.io.atomic_write import replacing
from lrm_core.io.photo_listing import TURNTABLE_MARK

VIDEO_SUFFIXES = (".mp4", ".gif")

# visually lossless, still small
_H264_OPTIONS = {"crf": "18", "preset": "medium"}
# without H.264 in the wheel: fixed quality, 1 best to 31 worst
_MPEG4_OPTIONS = {"qmin": "2", "qmax": "5"}
_PALETTE_FRAMES = 8


def write_video(
    path: Path | str, frames: Iterable[UInt8[np.ndarray, "H W 3"]], *, fps: float = 24.0
) -> None:
    """Write frames as MP4 or GIF; an older file is replaced in one step.

    Frames may come from a generator: an MP4 is encoded as they arrive. H.264 stores even sizes
    only, so that an odd last row or column is doubled. GIF times frames in hundredths of a second.

    Args:
        path: ends in .mp4 or .gif.
        frames: (H, W, 3) sRGB images of one size, at least one.
        fps: frames per second.

    Raises:
        OutputError: another suffix, no frame, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in VIDEO_SUFFIXES:
        raise OutputError(
            f"{path.name}: cannot write videos as '{path.suffix}'",
            hint=f"use one of {', '.join(VIDEO_SUFFIXES)}",
        )
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise OutputError(f"{path.name}: a video needs at least one frame")
    with replacing(path) as temporary:
        write = _write_mp4 if suffix == ".mp4" else _write_gif
        write(temporary, chain([first], remaining), first.shape, fps)


def _write_mp4(
    path: Path,
    frames: Iterator[UInt8[np.ndarray, "H W 3"]],
    shape: tuple[int, ...],
    fps: float,
) -> None:
    import av  # slow to import, and most write no video

    height, width = (side + side % 2 for side in shape[:2])
    has_h264 = "libx264" in av.codecs_available
    # the index goes to the front, so that browsers start before the file has arrived
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        codec = ("libx264", _H264_OPTIONS) if has_h264 else ("mpeg4", _MPEG4_OPTIONS)
        rate = Fraction(fps).limit_denominator(1001)
        stream = cast(av.VideoStream, container.add_stream(codec[0], rate, options=codec[1]))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            rows, columns = height - frame.shape[0], width - frame.shape[1]
            even = np.pad(frame, ((0, rows), (0, columns), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode(None))


def _write_gif(
    path: Path,
    frames: Iterator[UInt8[np.ndarray, "H W 3"]],
    shape: tuple[int, ...],
    fps: float,
) -> None:
    images = [Image.fromarray(frame) for frame in frames]
    # one palette for all frames, or colors would flicker
    step = -(-len(images) // _PALETTE_FRAMES)
    sample = np.concatenate([np.asarray(image) for image in images[::step]])
    palette = Image.fromarray(sample).quantize(256, method=Image.Quantize.MEDIANCUT)
    quantized = [image.quantize(palette=palette) for image in images]
    quantized[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=quantized[1:],
        duration=max(20, round(100 / fps) * 10),
        loop=0,
        comment=TURNTABLE_MARK,
    )
