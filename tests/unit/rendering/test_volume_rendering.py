import math

import pytest
import torch

from lrm_core.rendering.volume_rendering import composite, render_weights


def random_rays(num_rays=4, num_samples=6, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    density = 5.0 * torch.rand(num_rays, num_samples, generator=generator, dtype=dtype)
    deltas = 0.05 + 0.2 * torch.rand(num_rays, num_samples, generator=generator, dtype=dtype)
    rgb = torch.rand(num_rays, num_samples, 3, generator=generator, dtype=dtype)
    return density, deltas, rgb, 1.0 + deltas.cumsum(-1)


def test_equations_8_and_9_term_by_term():
    density, deltas, rgb, t = random_rays()
    weights = render_weights(density, deltas)
    color, opacity, depth = composite(weights, rgb, t, 0.3)
    for ray in range(4):
        in_front = 0.0
        total, seen, way = [0.0, 0.0, 0.0], 0.0, 0.0
        for i in range(6):
            transmittance = math.exp(-in_front)
            alpha = 1.0 - math.exp(-float(density[ray, i] * deltas[ray, i]))
            assert float(weights[ray, i]) == pytest.approx(transmittance * alpha, rel=1e-12)
            for k in range(3):
                total[k] += transmittance * alpha * float(rgb[ray, i, k])
            seen += transmittance * alpha
            way += transmittance * alpha * float(t[ray, i])
            in_front += float(density[ray, i] * deltas[ray, i])
        assert float(opacity[ray]) == pytest.approx(seen, rel=1e-12)
        assert float(depth[ray]) == pytest.approx(way / seen, rel=1e-12)
        assert color[ray].tolist() == pytest.approx([c + (1 - seen) * 0.3 for c in total])


def test_homogeneous_medium_absorbs_by_beer_and_lambert():
    chords = torch.linspace(0.01, 2.0, 50, dtype=torch.float64)
    for sigma in (0.1, 3.0, 200.0):
        deltas = (chords / 128)[:, None].expand(-1, 128)
        opacity = render_weights(torch.full_like(deltas, sigma), deltas).sum(-1)
        assert torch.allclose(opacity, 1.0 - torch.exp(-sigma * chords), atol=1e-12)


def test_faint_media_keep_their_digits_in_float32():
    weights = render_weights(torch.tensor([[1e-6]]), torch.tensor([[1e-3]]))
    assert float(weights) == pytest.approx(1e-9, rel=1e-5)


@pytest.mark.parametrize("density", [0.0, 1e30, math.inf])
def test_extreme_densities_give_finite_weights(density):
    weights = render_weights(torch.full((1, 4), density), torch.full((1, 4), 0.5))
    expected = [0.0] * 4 if density == 0.0 else [1.0, 0.0, 0.0, 0.0]
    assert weights[0].tolist() == expected


def test_empty_rays_show_the_background_at_depth_zero():
    color, opacity, depth = composite(
        torch.zeros(2, 3), torch.rand(2, 3, 3), torch.ones(2, 3), torch.tensor([0.1, 0.5, 0.9])
    )
    assert torch.equal(color, torch.tensor([[0.1, 0.5, 0.9]] * 2))
    assert torch.equal(opacity, torch.zeros(2))
    assert torch.equal(depth, torch.zeros(2))


def test_gradients_match_finite_differences():
    density, deltas, rgb, t = random_rays(num_rays=2, num_samples=4)

    def render(density, deltas, rgb, t):
        return composite(render_weights(density, deltas), rgb, t, 1.0)

    inputs = [tensor.requires_grad_() for tensor in (density, deltas, rgb, t)]
    assert torch.autograd.gradcheck(render, inputs)


def test_gradients_are_finite_behind_an_opaque_sample():
    density = torch.tensor([[1e4, 1.0, 0.0]], requires_grad=True)
    weights = render_weights(density, torch.full((1, 3), 0.1))
    composite(weights, torch.rand(1, 3, 3), torch.ones(1, 3))[0].sum().backward()
    assert density.grad is not None
    assert torch.isfinite(density.grad).all()
