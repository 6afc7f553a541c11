"""Rendered views of a TripoSR checkpoint agree with those of TripoSR's own code."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from lrm_core.geometry.trajectories import orbit
from lrm_core.models.loading import load_lrm
from lrm_core.rendering.nerf_renderer import RenderSettings, render_field

# how the views of the reference were made: TripoSR's defaults but for an elevation of 15 degrees
DISTANCE, FOV_DEGREES, ELEVATION = 1.9, 40.0, 15.0
# TripoSR samples a box this much smaller than its planes
TIGHTENED = 1.0 - 1e-3


@pytest.fixture(scope="module")
def reference(reference_dir):
    folder = reference_dir / "triposr-tiny"
    with np.load(folder / "expected.npz") as expected:
        views, planes = (torch.from_numpy(expected[key]) for key in ("views", "planes"))
    image = np.asarray(Image.open(folder / "input.png").convert("RGB"), np.float32) / 255.0
    return load_lrm(folder), torch.from_numpy(image).permute(2, 0, 1)[None], planes, views


def render(model, triplane, **options):
    cameras = orbit(
        2,
        elevation_degrees=ELEVATION,
        radius=DISTANCE,
        size=48,
        focal=0.5 / math.tan(math.radians(FOV_DEGREES / 2)),
    )
    rendering = model.config.rendering
    with torch.inference_mode():
        return render_field(
            model.field(triplane),
            cameras,
            RenderSettings(
                half_side=model.config.nerf.extent * TIGHTENED,
                num_samples=rendering.num_samples,
                **{"step": rendering.step, **options},
            ),
        ).rgb


def test_views_of_the_reference_planes(reference):
    # the renderer alone: 6e-5 seen, float32 rounding through an exponential density
    model, _, planes, views = reference
    rgb = render(model, model.triplane(planes[None]))
    assert torch.allclose(rgb, views, atol=5e-4)


def test_views_from_the_photo(reference):
    model, image, _, views = reference
    with torch.inference_mode():
        triplane = model.predict_triplane(image)
    assert torch.allclose(render(model, triplane), views, atol=2e-3)


def test_the_metric_step_gives_another_image(reference):
    model, _, planes, views = reference
    rgb = render(model, model.triplane(planes[None]), step="metric")
    assert (rgb - views).abs().max() > 0.1
