import math
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from field_grid import grid_from_field

from lrm_core.geometry.trajectories import orbit
from lrm_core.rendering.nerf_renderer import RenderSettings, render_field, render_rays
from lrm_core.rendering.occupancy_grid import OccupancyGrid
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.structures.cameras import canonical_camera


@dataclass
class Ball:
    """A homogeneous ball whose color changes with height."""

    sigma: float
    radius: float = 0.6

    def __call__(self, points):
        inside = points.norm(dim=-1) <= self.radius
        return self.sigma * inside.to(points.dtype), 0.5 + 0.5 * torch.sin(3.0 * points)


@dataclass
class Fog:
    """A smooth field with raw values, density softplus(raw - 1) as in OpenLRM."""

    def raw(self, points):
        x, y, z = points.unbind(-1)
        return torch.stack([2 * x, y, z, 4 * torch.sin(5 * x + 2 * y) + 3 * torch.cos(4 * z)], -1)

    def activate(self, raw):
        return F.softplus(raw[:, 3] - 1.0), torch.sigmoid(raw[:, :3])

    def __call__(self, points):
        return self.activate(self.raw(points))


def wall(points):
    """Opaque behind the plane y = 0."""
    return 1e4 * (points[:, 1] >= 0).to(points.dtype), torch.full_like(points, 0.25)


def chords(cameras, radius):
    """Length of every pixel's ray inside a ball around the origin."""
    rays = generate_rays(cameras)
    closest = torch.linalg.cross(rays.origins, rays.directions).norm(dim=-1)
    return 2.0 * (radius**2 - closest**2).clamp_min(0.0).sqrt()


def naive_pixel(field, origin, direction, half_side, num_samples, *, normalized=False, raw=False):
    """Eq. 8 and 9 for one ray with plain floats: color over white and opacity."""
    bounds = [
        sorted([(-half_side - o) / d, (half_side - o) / d])
        for o, d in zip(origin, direction, strict=True)
    ]
    near, far = max(0.0, *(b[0] for b in bounds)), min(b[1] for b in bounds)
    if far <= near:
        return [1.0, 1.0, 1.0], 0.0
    step = (far - near) / num_samples

    def at(i):
        t = near + (i + 0.5) * step
        point = [o + t * d for o, d in zip(origin, direction, strict=True)]
        return torch.tensor([point], dtype=torch.float64)

    samples = []
    if raw:
        for i in range(num_samples - 1):
            before, after = field.raw(at(i)), field.raw(at(i + 1))
            density = field.activate((before + after) / 2)[0]
            samples.append((density, (field.activate(before)[1] + field.activate(after)[1]) / 2))
    else:
        samples = [field(at(i)) for i in range(num_samples)]
    color, transmittance = [0.0, 0.0, 0.0], 1.0
    for density, rgb in samples:
        alpha = 1.0 - math.exp(-float(density) * (1.0 / num_samples if normalized else step))
        color = [c + transmittance * alpha * float(u) for c, u in zip(color, rgb[0], strict=True)]
        transmittance *= 1.0 - alpha
    return [c + transmittance for c in color], 1.0 - transmittance


@pytest.mark.parametrize("options", [{}, {"step": "normalized"}, {"midpoint_density": True}])
def test_every_pixel_matches_a_plain_loop(options):
    cameras = orbit(2, elevation_degrees=25.0, size=4, focal=0.8)
    output = render_field(Fog(), cameras, RenderSettings(half_side=0.9, num_samples=9, **options))
    rays = generate_rays(cameras)
    for index in range(len(rays)):
        rgb, opacity = naive_pixel(
            Fog(),
            rays.origins[index].tolist(),
            rays.directions[index].tolist(),
            0.9,
            9,
            normalized="step" in options,
            raw="midpoint_density" in options,
        )
        assert output.rgb.reshape(-1, 3)[index].tolist() == pytest.approx(rgb, abs=2e-5)
        assert float(output.opacity.reshape(-1)[index]) == pytest.approx(opacity, abs=2e-5)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 8.0])
def test_ball_is_as_opaque_as_each_chord_is_long(sigma):
    cameras = orbit(2, elevation_degrees=30.0, size=12)
    expected = 1.0 - torch.exp(-sigma * chords(cameras, 0.6))
    # the edge of the ball falls inside one interval of each end: error below sigma * delta
    output = render_field(Ball(sigma), cameras, RenderSettings(half_side=0.7, num_samples=1024))
    assert torch.allclose(output.opacity.flatten(), expected, atol=sigma * 2.5 / 1024)


def test_normalized_step_sees_every_chord_of_a_full_box_alike():
    def full(points):
        return torch.full_like(points[:, 0], 1.5), torch.ones_like(points)

    opacity = render_field(
        full, canonical_camera(9, focal=2.0), RenderSettings(half_side=1.0, step="normalized")
    ).opacity
    assert torch.allclose(opacity, torch.tensor(1.0 - math.exp(-1.5)), atol=1e-5)


def test_depth_of_a_wall_is_the_same_in_every_pixel():
    # perspective: rays to the border are longer, their depth along the axis is not
    output = render_field(
        wall, canonical_camera(8), RenderSettings(half_side=1.0, num_samples=2000)
    )
    seen = output.opacity > 0.5
    assert bool(seen.any())
    assert torch.allclose(output.depth[seen], torch.tensor(2.0), atol=2e-3)
    assert torch.allclose(output.rgb[seen], torch.tensor(0.25))


def test_depth_is_infinite_where_less_than_half_is_seen():
    output = render_field(Ball(1.0), canonical_camera(16), RenderSettings(half_side=0.7))
    assert torch.equal(torch.isinf(output.depth), output.opacity < 0.5)
    assert bool((output.opacity >= 0.5).any())
    assert bool((output.opacity < 0.5).any())


def test_normals_of_a_soft_ball_point_outward():
    def soft_ball(points):
        density = 200.0 * torch.sigmoid(30.0 * (0.6 - points.norm(dim=-1)))
        return density, torch.ones_like(points)

    cameras = orbit(2, elevation_degrees=20.0, size=16)
    with torch.inference_mode():
        output = render_field(soft_ball, cameras, RenderSettings(half_side=1.0), want_normals=True)
    rays = generate_rays(cameras)
    axis = -cameras.c2w[:, :3, 2].repeat_interleave(256, dim=0)
    distance = output.depth.flatten() / (rays.directions * axis).sum(-1)
    seen = torch.isfinite(distance)
    surface = rays.origins[seen] + distance[seen, None] * rays.directions[seen]
    assert output.normals is not None
    normals = output.normals.reshape(-1, 3)
    assert int(seen.sum()) > 50
    assert torch.allclose(normals[seen], F.normalize(surface, dim=-1), atol=5e-3)
    assert torch.equal(normals[~seen], torch.zeros_like(normals[~seen]))


def test_no_normals_unless_asked_for():
    assert (
        render_field(Ball(9.0), canonical_camera(2), RenderSettings(half_side=1.0)).normals is None
    )


def test_chunks_do_not_change_the_image():
    cameras = orbit(3, size=7)
    settings = RenderSettings(half_side=1.0, num_samples=16)
    whole = render_field(Fog(), cameras, settings, chunk_rays=10**6)
    parts = render_field(Fog(), cameras, settings, chunk_rays=5)
    assert whole.rgb.shape == (3, 7, 7, 3)
    assert torch.allclose(whole.rgb, parts.rgb, atol=1e-6)
    assert torch.allclose(whole.depth, parts.depth, atol=1e-5)


def test_a_camera_that_looks_past_the_box_shows_the_background():
    color = torch.tensor([0.2, 0.4, 0.6])
    output = render_field(
        Ball(9.0),
        canonical_camera(3, distance=2.0, focal=50.0),
        RenderSettings(half_side=0.01, background=color),
    )
    corner = output.rgb[0, 0, 0]
    assert torch.equal(corner, color)
    nothing = render_field(
        lambda points: pytest.fail("asked the field"),
        canonical_camera(3, distance=-2.0)[0:1],
        RenderSettings(half_side=0.0, background=color),
    )
    assert torch.equal(nothing.rgb, color.expand(1, 3, 3, 3))
    assert bool(torch.isinf(nothing.depth).all())


def test_gradient_to_the_field_matches_finite_differences():
    rays = generate_rays(canonical_camera(3))

    def mean_color(scale):
        def field(points):
            density, rgb = Fog()(points)
            return density * scale, rgb

        rendered = render_rays(field, rays, RenderSettings(half_side=0.8, num_samples=16))
        return rendered.rgb.mean() + rendered.opacity.mean() + rendered.distance.mean()

    scale = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(mean_color(scale), scale)
    step = 1e-2
    with torch.no_grad():
        difference = (mean_color(scale + step) - mean_color(scale - step)) / (2 * step)
    assert float(gradient) == pytest.approx(float(difference), rel=1e-3)


def test_jitter_needs_its_seed_and_keeps_the_mean():
    rays = generate_rays(canonical_camera(16))

    settings = RenderSettings(half_side=0.9, num_samples=32)

    def opacity(**options):
        return render_rays(Fog(), rays, settings, **options).opacity

    first, same, other = (
        opacity(jitter=True, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert float(first.mean()) == pytest.approx(float(opacity().mean()), abs=5e-3)


def test_half_precision_fields_are_integrated_in_the_precision_of_the_rays():
    def half(points):
        density, rgb = Ball(3.0)(points)
        return density.half(), rgb.half()

    output = render_field(half, canonical_camera(6), RenderSettings(half_side=1.0))
    assert output.rgb.dtype == torch.float32


def test_midpoint_density_needs_raw_values():
    with pytest.raises(ValueError, match=r"raw\(\) and activate\(\), got Ball"):
        render_field(
            Ball(1.0), canonical_camera(2), RenderSettings(half_side=1.0, midpoint_density=True)
        )


class Counted:
    """A field that counts the points it is asked for."""

    def __init__(self, field):
        self.field, self.num_points = field, 0

    def raw(self, points):
        self.num_points += len(points)
        return self.field.raw(points)

    def activate(self, raw):
        return self.field.activate(raw)

    def __call__(self, points):
        self.num_points += len(points)
        return self.field(points)


class Clouds(Fog):
    """Fog over ten orders of magnitude: softplus is small but never zero."""

    def raw(self, points):
        raw = super().raw(points)
        return torch.cat([raw[:, :3], 2.5 * raw[:, 3:] - 4.0], dim=-1)


@pytest.mark.parametrize(
    ("field", "options"),
    [
        (Ball(30.0), {}),
        (Ball(30.0), {"step": "normalized"}),
        (wall, {}),
        (Clouds(), {}),
        (Clouds(), {"step": "normalized"}),
        (Clouds(), {"midpoint_density": True}),
    ],
)
def test_skipping_empty_space_changes_no_pixel_by_a_thousandth(field, options):
    cameras = orbit(2, elevation_degrees=25.0, size=24)
    grid = grid_from_field(field, half_side=0.8, num_cells=40)
    full, fast = Counted(field), Counted(field)
    settings = RenderSettings(half_side=0.8, num_samples=64, background=0.3, **options)
    expected = render_field(full, cameras, settings)
    got = render_field(fast, cameras, settings, grid=grid)
    assert float((expected.rgb - got.rgb).abs().max()) < 1e-3
    assert float((expected.opacity - got.opacity).abs().max()) < 1e-3
    solid = (expected.opacity > 0.501) & (got.opacity > 0.501)
    torch.testing.assert_close(got.depth[solid], expected.depth[solid], atol=5e-3, rtol=0)
    assert fast.num_points < 0.65 * full.num_points


def test_rays_through_nothing_ask_for_nothing():
    grid = OccupancyGrid(torch.zeros(2, 2, 2, 2), lambda points: points)
    output = render_field(
        lambda points: (points.new_ones(len(points)), points) if len(points) == 0 else None,
        canonical_camera(5),
        RenderSettings(half_side=1.0),
        want_normals=True,
        grid=grid,
    )
    assert torch.equal(output.rgb, torch.ones(1, 5, 5, 3))
    assert torch.equal(output.opacity, torch.zeros(1, 5, 5))


def test_normals_and_gradients_are_those_of_the_full_renderer():
    rays = generate_rays(canonical_camera(8))
    grid = grid_from_field(Clouds(), half_side=0.8, num_cells=40)

    def rendered(scale, grid):
        def field(points):
            density, rgb = Clouds()(points)
            return density * scale, rgb

        return render_rays(field, rays, RenderSettings(half_side=0.8), grid=grid, want_normals=True)

    results = []
    for bounds in (None, grid):
        scale = torch.tensor(1.0, requires_grad=True)
        output = rendered(scale, bounds)
        (gradient,) = torch.autograd.grad(output.rgb.mean() + output.opacity.mean(), scale)
        results.append((output, float(gradient)))
    (full, full_gradient), (fast, fast_gradient) = results
    sure = (full.opacity - 0.5).abs() > 2e-3
    torch.testing.assert_close(fast.normals[sure], full.normals[sure], atol=2e-2, rtol=0)
    assert bool((full.normals.norm(dim=-1) > 0.9).any())
    assert full_gradient == pytest.approx(fast_gradient, abs=1e-3)


def test_an_interval_with_one_dense_end_is_not_skipped():
    class Edge(Fog):
        """Raw density 60 above z = 0.1 and -20 below: the mean of the two is dense."""

        def raw(self, points):
            density = torch.where(points[:, 2:] > 0.1, 60.0, -20.0)
            return torch.cat([points, density], dim=-1)

    # intervals are several cells long
    grid = grid_from_field(Edge(), half_side=0.8, num_cells=80)
    settings = RenderSettings(half_side=0.8, num_samples=10, midpoint_density=True)
    camera = orbit(1, elevation_degrees=60.0, size=8)
    full, fast = (render_field(Edge(), camera, settings, grid=g) for g in (None, grid))
    torch.testing.assert_close(fast.rgb, full.rgb, atol=1e-3, rtol=0)
