from dataclasses import replace

import pytest
import torch

from lrm_core.config import load_preset, preset_names
from lrm_core.errors import InputError
from lrm_core.models.lrm import LRM
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.triplane import Frustum


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_parameters_of_the_papers_models() -> None:
    counts = {}
    for name in ("lrm-large", "lrm-small"):
        with torch.device("meta"):
            counts[name] = LRM(load_preset(name)).num_parameters
    assert counts == {"lrm-large": 501_763_732, "lrm-small": 398_715_492}


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_builds(name: str) -> None:
    with torch.device("meta"):
        model = LRM(load_preset(name))
    assert model.num_parameters == sum(p.numel() for p in model.parameters())


def test_parameters_of_lrm_large_by_hand() -> None:
    d, e, m, n, c = 1024, 768, 1024, 3 * 32 * 32, 80
    vit = (
        (1 + 197) * e  # class token, positions
        + (16 * 16 * 3 + 1) * e
        + 12 * (4 * e + (e + 1) * 3 * e + (e + 1) * e + (e + 1) * 4 * e + (4 * e + 1) * e)
        + 2 * e
    )
    camera = 21 * m + (m + 1) * m
    norms = 3 * (2 * d + (m + 1) * m + (m + 1) * 2 * d)  # equation 1: MLP_mod has two layers
    cross, to_self = 2 * d * d + 2 * e * d, 4 * d * d
    mlp = (d + 1) * 4 * d + (4 * d + 1) * d
    decoder = n * d + 16 * (norms + cross + to_self + mlp) + 2 * d + (4 * d * c + c)
    nerf = (3 * c + 1) * 64 + 8 * 65 * 64 + 65 * 4
    assert vit + camera + decoder + nerf == 501_763_732


def test_predict_and_query(tiny_model: LRM, images: torch.Tensor) -> None:
    triplane = tiny_model.predict_triplane(images)
    assert triplane.planes.shape == (2, 3, 8, 8, 8)
    assert triplane.axes == (("x", "y"), ("x", "z"), ("y", "z"))
    assert triplane.frustum is None
    density, rgb = tiny_model.query(triplane[1], torch.rand(10, 3))
    assert density.shape == (10,)
    assert rgb.shape == (10, 3)
    assert (density >= 0).all()


def test_images_of_a_batch_do_not_see_each_other(tiny_model: LRM, images: torch.Tensor) -> None:
    both = tiny_model.predict_triplane(images).planes
    alone = torch.cat([tiny_model.predict_triplane(image[None]).planes for image in images])
    torch.testing.assert_close(both, alone, rtol=1e-4, atol=1e-4)
    assert (both[0] - both[1]).abs().max() > 1e-3


def test_source_camera_matters(tiny_model: LRM, images: torch.Tensor) -> None:
    canonical = tiny_model.predict_triplane(images).planes
    same = tiny_model.predict_triplane(images, canonical_camera(64)).planes
    torch.testing.assert_close(same, canonical)
    nearer = canonical_camera(64, distance=1.5, num_cameras=2)
    moved = tiny_model.predict_triplane(images, nearer).planes
    assert (moved - canonical).abs().max() > 1e-2
    longer = canonical_camera(64, focal=1.5)
    zoomed = tiny_model.predict_triplane(images, longer).planes
    assert (zoomed - canonical).abs().max() > 1e-3


def test_number_of_cameras(tiny_model: LRM, images: torch.Tensor) -> None:
    with pytest.raises(InputError, match="3 source cameras for 2 images"):
        tiny_model.predict_triplane(images, canonical_camera(64, num_cameras=3))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(1, 3, 32, 32), r"\(1, 3, 32, 32\), expected \(B, 3 or 4, 64, 64\)"),
        (torch.rand(1, 3, 64, 32), "expected"),
        (torch.rand(1, 1, 64, 64), "expected"),
        (torch.full((1, 3, 64, 64), 255.0), r"\[255, 255\], expected \[0, 1\]"),
        (torch.full((1, 3, 64, 64), -0.5), "expected"),
        (torch.full((1, 3, 64, 64), torch.nan), "expected"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.float16) + 7, "expected"),
    ],
)
def test_wrong_images(tiny_model: LRM, image: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        tiny_model.predict_triplane(image)
    assert "\n" not in caught.value.message


def test_alpha_is_composited_on_the_models_background(images: torch.Tensor) -> None:
    config = load_preset("lrm-tiny")
    config = replace(config, input=replace(config.input, background=0.25))
    torch.manual_seed(0)
    model = LRM(config)
    alpha = torch.rand(2, 1, 64, 64)
    flat = images * alpha + 0.25 * (1 - alpha)
    from_rgba = model.predict_triplane(torch.cat([images, alpha], dim=1)).planes
    torch.testing.assert_close(from_rgba, model.predict_triplane(flat).planes)


def test_rgba_model_takes_the_background_of_an_rgb_image_as_transparent() -> None:
    torch.manual_seed(0)
    model = LRM(load_preset("lrm-mini")).eval()
    image = torch.ones(1, 4, 128, 128)
    image[:, 3] = 0
    image[:, :3, 30:90, 40:80] = torch.rand(1, 3, 60, 40) * 0.8
    image[:, 3, 30:90, 40:80] = 1
    with torch.no_grad():
        from_rgba = model.predict_triplane(image)
        from_rgb = model.predict_triplane(image[:, :3])
    torch.testing.assert_close(from_rgb.planes, from_rgba.planes)
    assert from_rgba.frustum == Frustum(2.0, 0.75)


def test_half_precision_gives_float32_planes(tiny_model: LRM, images: torch.Tensor) -> None:
    exact = tiny_model.predict_triplane(images)
    coarse = tiny_model.to(torch.bfloat16).predict_triplane(images)
    assert coarse.planes.dtype == torch.float32
    assert (coarse.planes - exact.planes).norm() / exact.planes.norm() < 0.05
    density, rgb = tiny_model.query(coarse[0], torch.rand(5, 3))
    assert density.dtype == rgb.dtype == torch.float32


def test_every_parameter_learns(tiny_model: LRM, images: torch.Tensor) -> None:
    tiny_model.train()
    planes = tiny_model(images).planes
    field = tiny_model.field(tiny_model.triplane(planes)[0])
    density, rgb = field(torch.rand(200, 3) * 2 - 1)
    (density.sum() + rgb.sum()).backward()
    silent = [n for n, p in tiny_model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
