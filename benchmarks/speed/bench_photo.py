"""Photo -> framed image: reading, removing the background, framing."""

from pathlib import Path

import pytest
from conftest import Measure

from lrm_core.config import load_preset
from lrm_core.foreground.methods import BackgroundRemoval
from lrm_core.foreground.networks import rembg_installed
from lrm_core.foreground.removal import remove_background
from lrm_core.imaging.framing import frame_for_model
from lrm_core.io.image_files import read_image


def bench_read(photo: Path, measure: Measure) -> None:
    """File -> pixels."""
    measure(lambda: read_image(photo))


@pytest.mark.parametrize("method", ["border", "grabcut", "rembg"])
def bench_background(method: BackgroundRemoval, photo: Path, measure: Measure) -> None:
    """Pixels -> cut-out."""
    if method == "rembg" and not rembg_installed():
        pytest.skip("rembg is not installed")
    image = read_image(photo)
    measure(lambda: remove_background(image, method=method), pixels=image.rgba[..., 0].size)


@pytest.mark.parametrize("size", [128, 512])
def bench_framing(size: int, photo: Path, measure: Measure) -> None:
    """Cut-out -> the model's image."""
    demands = load_preset("lrm-large").input
    rgba = remove_background(read_image(photo)).rgba
    measure(
        lambda: frame_for_model(
            rgba,
            size=size,
            foreground_ratio=demands.foreground_ratio,
            background=demands.background,
            resize=demands.resize,
        )
    )
