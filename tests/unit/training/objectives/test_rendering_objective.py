from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lrm_core.config import ModelConfig, load_preset
from lrm_core.models.lrm import LRM
from lrm_core.rendering.nerf_renderer import RenderSettings, render_field
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.rendering.ray_sampling import intersect_box
from lrm_core.training.config import RenderingLossConfig
from lrm_core.training.data.view_samples import (
    ViewBatch,
    ViewSamples,
    collate_views,
)
from lrm_core.training.objectives import rendering_objective
from lrm_core.training.objectives.deferred_backprop import render_chunks
from lrm_core.training.objectives.perceptual_loss import gradient_difference
from lrm_core.training.objectives.rendering_objective import RenderingObjective
from lrm_core.training.view_config import ViewDataConfig, ViewSource

TINY = load_preset("lrm-tiny")


def tiny_like(**parts: dict) -> ModelConfig:
    """lrm-tiny with the peculiarities of a relative."""
    changed = {name: replace(getattr(TINY, name), **values) for name, values in parts.items()}
    return replace(TINY, **changed)


LAYOUTS = {
    "lrm": TINY,
    "triposr": tiny_like(
        decoder={"camera_feature": "none", "feed_forward": "geglu", "residual_projection": True},
        nerf={"extent": 0.87, "density_activation": "exp", "activation": "silu"},
        rendering={"step": "normalized", "num_samples": 16},
        input={"background": 0.5},
    ),
    "openlrm": tiny_like(
        decoder={"camera_feature": "camera16", "sublayer_order": "self_cross_mlp"},
        nerf={"rgb_padding": 0.001, "density_bias": 0.0},
        rendering={"midpoint_density": True, "num_samples": 16},
    ),
    "mini": replace(
        load_preset("lrm-mini"),
        encoder=replace(
            load_preset("lrm-mini").encoder,
            image_size=64, width=32, num_layers=1, num_heads=2,
        ),
        decoder=replace(
            load_preset("lrm-mini").decoder,
            width=32, num_layers=1, num_heads=2, camera_embedding_width=16, token_resolution=4,
            channels=16, ray_widths=(8, 8, 8, 8, 16),
        ),
        rendering=replace(load_preset("lrm-mini").rendering, num_samples=16),
    ),
}  # fmt: skip


def build(config: ModelConfig, **settings: object) -> RenderingObjective:
    torch.manual_seed(0)
    settings = {"perceptual": "gradient"} | settings
    return RenderingObjective(LRM(config), RenderingLossConfig(**settings), gradient_difference)


@pytest.fixture(scope="module")
def batch_for(ball_views):
    def make(config: ModelConfig = TINY, num: int = 2, **settings: object) -> ViewBatch:
        fixed = bool(settings.pop("fixed", False))
        settings = {"target_resolution": (12, 18), "crop": 12} | settings
        data = ViewDataConfig(sources=(ViewSource(url=str(ball_views)),), **settings)
        samples = ViewSamples(data, config, split="train", fixed=fixed)
        return collate_views([samples[index] for index in range(num)])

    return make


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_trains(layout: str, batch_for) -> None:
    config = LAYOUTS[layout]
    objective = build(config, chunk_rays=100)
    losses = objective(batch_for(config))
    assert set(losses) == {"total", "mse", "mask", "perceptual", "psnr"}
    expected = losses["mse"] + 2.0 * losses["perceptual"]
    torch.testing.assert_close(losses["total"], expected)
    losses["total"].backward()
    without = [
        name
        for name, parameter in objective.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all()
    ]
    assert not without
    assert objective.model.nerf_mlp.linears[0].weight.grad.abs().sum() > 0.0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_losses_are_those_of_views_as_users_render_them(layout: str, batch_for) -> None:
    config = LAYOUTS[layout]
    objective = build(config, mask_weight=0.5, chunk_rays=77)
    objective.eval()
    batch = replace(batch_for(config), background=1.0)
    with torch.no_grad():
        losses = objective(replace(batch, seeds=(1, 2)))
        decoded = objective.model(batch.images, batch.cameras)
        mse, mask, perceptual, psnr = [], [], [], []
        for index in range(2):
            triplane = objective.model.triplane_of(
                decoded[index], batch.images[index : index + 1], batch.cameras[index]
            )
            for view in range(4):
                output = render_field(
                    objective.model.field(triplane),
                    batch.target_cameras[4 * index + view],
                    RenderSettings(
                        half_side=config.nerf.extent * (0.999 if layout == "triposr" else 1.0),
                        num_samples=config.rendering.num_samples,
                        step=config.rendering.step,
                        midpoint_density=config.rendering.midpoint_density,
                    ),
                )
                error = (output.rgb[0] - batch.rgb[index, view]).square().mean()
                mse.append(error)
                psnr.append(-10 * error.log10())
                mask.append((output.opacity[0] - batch.alpha[index, view]).square().mean())
                perceptual.append(
                    gradient_difference(
                        output.rgb.permute(0, 3, 1, 2),
                        batch.rgb[index, view, None].permute(0, 3, 1, 2),
                    )[0]
                )
    # but for the jitter
    for name, values in {"mse": mse, "mask": mask, "perceptual": perceptual, "psnr": psnr}.items():
        expected = torch.stack(values).mean()
        torch.testing.assert_close(losses[name], expected, rtol=0.03, atol=1e-3)
    total = losses["mse"] + 2.0 * losses["perceptual"] + 0.5 * losses["mask"]
    torch.testing.assert_close(losses["total"], total)


def test_deferred_and_direct_agree_in_loss_and_gradients(batch_for) -> None:
    batch = batch_for(crop=16, target_resolution=(16, 24))
    results = []
    for deferred in (True, False):
        objective = build(TINY, deferred=deferred, chunk_rays=300)
        calls: list[bool] = []
        objective.model.nerf_mlp.register_forward_pre_hook(
            lambda *_, calls=calls: calls.append(torch.is_grad_enabled())
        )
        losses = objective(batch)
        forward = len(calls)
        losses["total"].backward()
        assert len(calls) == (2 * forward if deferred else forward)  # rendered again
        results.append((losses["total"].detach(), [p.grad for p in objective.parameters()]))
    (first, found), (second, expected) = results
    assert torch.equal(first, second)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_batch_is_the_mean_of_its_objects(batch_for) -> None:
    """So that accumulation and many processes change nothing."""
    objective = build(TINY)
    data = batch_for(num=3)
    parts = []
    for index in range(3):
        part = replace(
            data,
            images=data.images[index : index + 1],
            cameras=data.cameras[index],
            target_cameras=data.target_cameras[4 * index : 4 * index + 4],
            rgb=data.rgb[index : index + 1],
            alpha=data.alpha[index : index + 1],
            seeds=data.seeds[index : index + 1],
        )
        parts.append(objective(part)["total"].detach())
    torch.testing.assert_close(objective(data)["total"].detach(), torch.stack(parts).mean())


class FilteredError:
    """A perceptual loss of the kind that autocast rounds: a convolution."""

    def __init__(self) -> None:
        self.weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))

    def __call__(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return F.conv2d(a - b, self.weight.to(a)).square().mean(dim=(1, 2, 3))


def test_rays_and_losses_stay_exact_under_autocast(batch_for, monkeypatch) -> None:
    seen, rendered = [], []

    def spy(field, rays, settings, **options):
        seen.append(rays)
        assert settings.background == 0.25
        rendered.append(render_chunks(field, rays, settings, **options))
        return rendered[-1]

    monkeypatch.setattr(rendering_objective, "render_chunks", spy)
    batch = batch_for(background=0.25)
    config = RenderingLossConfig(mse_weight=0.3, mask_weight=0.5, perceptual_weight=0.7)
    objective = RenderingObjective(LRM(TINY), config, FilteredError())
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        losses = objective(batch)
    assert all(value.dtype == torch.float32 for value in losses.values())
    expected = generate_rays(batch.target_cameras)
    assert torch.equal(torch.cat([rays.directions for rays in seen]), expected.directions)
    assert torch.equal(torch.cat([rays.origins for rays in seen]), expected.origins)

    assert {rays.rgb.dtype for rays in rendered} == {torch.float32}
    rgb = torch.cat([rays.rgb for rays in rendered]).double().reshape(batch.rgb.shape)
    opacity = torch.cat([rays.opacity for rays in rendered]).double().reshape(batch.alpha.shape)
    errors = (rgb - batch.rgb).square().mean(dim=(2, 3, 4))
    images = [views.flatten(0, 1).permute(0, 3, 1, 2) for views in (rgb, batch.rgb.double())]
    exact = {
        "mse": errors.mean(),
        "mask": (opacity - batch.alpha).square().mean(),
        "perceptual": FilteredError()(*images).mean(),
        "psnr": -10.0 * errors.log10().mean(),
    }
    exact["total"] = 0.3 * exact["mse"] + 0.5 * exact["mask"] + 0.7 * exact["perceptual"]
    for name, value in exact.items():
        torch.testing.assert_close(losses[name].double(), value, rtol=1e-5, atol=0)
    coarse = FilteredError()(*(image.bfloat16() for image in images)).mean().double()
    assert abs(coarse / exact["perceptual"] - 1.0) > 1e-4  # rounding would be seen


@pytest.mark.parametrize(("override", "expected"), [(None, 32), (7, 7)])
def test_rays_have_as_many_samples_as_the_settings_say(
    batch_for, override: int | None, expected: int
) -> None:
    """Counted where the field is asked, while training and when validating."""
    objective = build(TINY, num_samples=override, perceptual="none")
    batch = batch_for(num=1)
    rays = generate_rays(batch.target_cameras)
    _, _, hit = intersect_box(rays, TINY.nerf.extent)
    asked: list[int] = []
    objective.model.nerf_mlp.register_forward_pre_hook(
        lambda _, inputs: asked.append(inputs[0].shape[:-1].numel())
    )
    with torch.no_grad():
        objective(batch)
    assert expected * int(hit.sum()) <= sum(asked) <= expected * len(rays)
    asked.clear()
    objective.validate(batch)
    assert expected * int(hit.sum()) <= sum(asked) <= expected * len(rays)


def test_the_perceptual_network_is_not_part_of_the_model() -> None:
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 3, 1)

    class Loss:
        def __init__(self) -> None:
            self.network = network

        def __call__(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return self.network(a - b).square().mean(dim=(1, 2, 3))

    objective = RenderingObjective(LRM(TINY), RenderingLossConfig(), Loss())
    assert all(name.startswith("model.") for name, _ in objective.named_parameters())


def test_a_few_steps_make_a_ball_appear(batch_for) -> None:
    objective = build(TINY, mask_weight=1.0)
    batch = batch_for(num=1, crop=12, target_resolution=(12, 12))
    optimizer = torch.optim.Adam(objective.parameters(), lr=3e-3)
    history = []
    for _ in range(40):
        losses = objective(batch)
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        history.append(losses["psnr"].item())
    assert history[-1] > history[0] + 3.0


@torch.no_grad()
@pytest.mark.parametrize("layout", ["lrm", "mini"])
def test_validation_scores_and_pictures(layout: str, batch_for) -> None:
    config = LAYOUTS[layout]
    objective = build(config)
    batch = batch_for(config, fixed=True, crop=16, target_resolution=(16, 16))
    result = objective.validate(batch)
    assert result.num_objects == 2
    assert set(result.scores) == {"psnr", "ssim", "psnr_side"}
    size = config.encoder.image_size
    for row in result.rows:
        shapes = [picture.shape for picture in row]
        assert shapes == [(size, size, 3), *[(16, 16, 3)] * 3]
        assert all(picture.dtype == np.uint8 for picture in row)
    target = (batch.rgb[0, 1].numpy() * 255 + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(result.rows[0][1], target)
    errors = []
    for index in range(2):
        triplane = objective.model.predict_triplane(
            batch.images[index : index + 1], batch.cameras[index]
        )
        views = render_field(
            objective.model.field(triplane),
            batch.target_cameras[4 * index : 4 * index + 4],
            RenderSettings(half_side=1.0, num_samples=config.rendering.num_samples),
        )
        mse = (views.rgb - batch.rgb[index]).square().mean(dim=(1, 2, 3))
        errors.append(-10 * mse.log10())
    assert result.scores["psnr"] == pytest.approx(float(torch.stack(errors).mean()), abs=1e-4)
    side = float(torch.stack(errors)[:, 1:].mean())
    assert result.scores["psnr_side"] == pytest.approx(side, abs=1e-4)
