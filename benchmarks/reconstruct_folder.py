"""A folder of photos: images per minute with and without overlap, and whether memory stays flat.

    python benchmarks/reconstruct_folder.py [--photos 1000] [--resolution 48] [--vertex-colors]
        [--side 256] [--report reports/benchmarks/reconstruct_folder.json]

The photos of LRM_PHOTO_DIR (or examples/), scaled to `--side` if it is given and repeated. The same
photos are first done one after the other in one thread (`--alone` of them), then overlapped as
`lrm reconstruct FOLDER` does it. Memory is the peak of this process so far, noted after every
tenth of the way. Objects that are thinner than a coarse grid's cells have no surface there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

from lrm_core.device import choose_device
from lrm_core.errors import EmptySurfaceError
from lrm_core.io.image_formats import IMAGE_SUFFIXES
from lrm_core.reconstruction.batch import PhotoFailed, default_workers, reconstruct_photos
from lrm_core.reconstruction.photo_reading import cut_out_ahead
from lrm_core.reconstruction.pipeline import ReconstructionModel, load_model
from lrm_core.reconstruction.reconstruction import MeshOptions
from lrm_core.reconstruction.result_files import write_result
from lrm_core.reconstruction.stages import peak_memory_mb

_EXAMPLES = Path(__file__).parents[1] / "examples"


def make_photos(folder: Path, number: int, side: int | None) -> list[Path]:
    """Photos in `folder`, as many as asked for."""
    source = Path(os.environ.get("LRM_PHOTO_DIR", _EXAMPLES))
    originals = sorted(p for p in source.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    photos: list[Path] = []
    for index, original in zip(range(number), itertools.cycle(originals), strict=False):
        photo = folder / f"{index:05d}{original.suffix if side is None else '.png'}"
        if index >= len(originals):
            photo.hardlink_to(photos[index - len(originals)])
        elif side is None:
            shutil.copy(original, photo)
        else:
            with Image.open(original) as image:
                image.thumbnail((side, side))
                image.save(photo)
        photos.append(photo)
    return photos


def one_after_the_other(
    model: ReconstructionModel, jobs: list[tuple[Path, Path]], options: MeshOptions
) -> tuple[float, list[str]]:
    """Photos per minute without any overlap, and the photos that failed."""
    failed: list[str] = []
    started = time.perf_counter()
    for photo, path in jobs:
        reconstruction = model.reconstruct(photo)
        try:
            write_result(path, reconstruction, reconstruction.extract_mesh(options=options))
        except EmptySurfaceError:
            failed.append(photo.name)
    return 60.0 * len(jobs) / (time.perf_counter() - started), failed


def overlapped(
    model: ReconstructionModel, jobs: list[tuple[Path, Path]], options: MeshOptions
) -> tuple[float, list[str], dict[int, int]]:
    """Photos per minute, those that failed, and the peak memory (MB) after so many photos."""
    memory: dict[int, int] = {}
    failed: list[str] = []
    every = max(1, len(jobs) // 10)
    started = time.perf_counter()
    with cut_out_ahead([photo for photo, _ in jobs]) as found:
        outcomes = reconstruct_photos(model, jobs, found, options)
        for number, outcome in enumerate(outcomes, start=1):
            if isinstance(outcome, PhotoFailed):
                failed.append(outcome.photo.name)
            if number % every == 0:
                memory[number] = round(peak_memory_mb())
    return 60.0 * len(jobs) / (time.perf_counter() - started), failed, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lrm-mini")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--alone", type=int, default=50, help="photos done without overlap")
    parser.add_argument("--resolution", type=int, default=48)
    parser.add_argument("--vertex-colors", action="store_true")
    parser.add_argument("--side", type=int, help="longer side of the photos in pixels")
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()

    device = choose_device(arguments.device)
    model = load_model(arguments.model, device=device, dtype="auto")
    options = MeshOptions(
        resolution=arguments.resolution,
        appearance="vertex_colors" if arguments.vertex_colors else "texture",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photos(folder, arguments.photos, arguments.side)
        alone, together = folder / "alone", folder / "together"
        warm_up = [(photos[0], folder / "warm-up" / "0.obj")]
        one_after_the_other(model, warm_up, options)
        jobs = [(photo, alone / f"{photo.stem}.obj") for photo in photos[: arguments.alone]]
        rate_alone, failed_alone = one_after_the_other(model, jobs, options)
        jobs = [(photo, together / f"{photo.stem}.obj") for photo in photos]
        rate_together, failed_together, memory = overlapped(model, jobs, options)
    result = {
        "model": arguments.model,
        "device": device if device == "cpu" else torch.cuda.get_device_name(),
        "threads": torch.get_num_threads(),
        "workers": default_workers(len(photos)),
        "photos": len(photos),
        "failed": {"one after the other": failed_alone, "overlapped": failed_together},
        "photo_side": arguments.side,
        "resolution": arguments.resolution,
        "appearance": options.appearance,
        "photos_per_minute": {
            "one after the other": round(rate_alone, 1),
            "overlapped": round(rate_together, 1),
        },
        "peak_memory_mb_after_photos": memory,
    }
    print(json.dumps(result, indent=2))
    if arguments.report is not None:
        arguments.report.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
