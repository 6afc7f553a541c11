import math

import pytest
import torch
import torch.nn.functional as F

from lrm_core.rendering.ray_sampling import intersect_box, sample_uniform
from lrm_core.structures.rays import RayBundle


def rays_from(origins, directions):
    return RayBundle(torch.tensor(origins), F.normalize(torch.tensor(directions), dim=-1))


def test_known_chords():
    rays = rays_from(
        [[0.0, -2.0, 0.0], [0.0, 0.0, 0.0], [-3.0, -3.0, 0.0], [0.0, 2.0, 0.0], [0.0, -2.0, 1.5]],
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]],
    )
    near, far, hit = intersect_box(rays, 1.0)
    # through the middle; from inside; along a diagonal; behind the box; beside it
    assert hit.tolist() == [True, True, True, False, False]
    assert near.tolist() == pytest.approx([1.0, 0.0, 2 * math.sqrt(2), 0.0, 0.0])
    assert far.tolist() == pytest.approx([3.0, 1.0, 4 * math.sqrt(2), 0.0, 0.0])


def test_agrees_with_stepping_along_the_ray():
    generator = torch.Generator().manual_seed(0)
    origins = torch.randn(200, 3, generator=generator) * 1.5
    targets = torch.randn(200, 3, generator=generator) * 0.8
    rays = RayBundle(origins, F.normalize(targets - origins, dim=-1))
    near, far, hit = intersect_box(rays, 0.7)
    steps = torch.linspace(0.0, 10.0, 10001)
    points = origins[:, None] + steps[:, None] * rays.directions[:, None]
    inside = (points.abs() <= 0.7).all(dim=-1)
    chord = inside.float().mean(dim=-1) * 10.0
    assert torch.allclose(chord, far - near, atol=2e-3)
    first = torch.where(inside.any(-1), inside.float().argmax(-1) * 1e-3, 0.0)
    assert torch.allclose(first, near, atol=2e-3)
    assert torch.equal(hit | (chord == 0), torch.ones(200, dtype=torch.bool))


def test_ray_in_a_face_is_finite():
    near, far, _ = intersect_box(rays_from([[1.0, -2.0, 0.0]], [[0.0, 1.0, 0.0]]), 1.0)
    assert torch.isfinite(near).all()
    assert torch.isfinite(far).all()


def test_samples_are_interval_middles_and_lengths_add_up():
    t, deltas = sample_uniform(torch.tensor([1.0, 0.0]), torch.tensor([3.0, 4.0]), 4)
    assert torch.allclose(t, torch.tensor([[1.25, 1.75, 2.25, 2.75], [0.5, 1.5, 2.5, 3.5]]))
    assert torch.allclose(deltas, torch.tensor([[0.5] * 4, [1.0] * 4]))


def test_jitter_stays_in_its_interval_fills_it_and_repeats_with_the_seed():
    near, far = torch.full((2000,), 1.0), torch.full((2000,), 2.0)
    samples = [
        sample_uniform(near, far, 5, jitter=True, generator=torch.Generator().manual_seed(seed))[0]
        for seed in (3, 3, 4)
    ]
    assert torch.equal(samples[0], samples[1])
    assert not torch.equal(samples[0], samples[2])
    places = (samples[0] - 1.0) * 5 - torch.arange(5)
    assert float(places.min()) >= -1e-5
    assert float(places.max()) <= 1.0 + 1e-5
    # uniform in [0, 1]: mean 1/2, variance 1/12
    assert torch.allclose(places.mean(0), torch.tensor(0.5), atol=0.03)
    assert torch.allclose(places.var(0), torch.tensor(1 / 12), atol=0.01)
