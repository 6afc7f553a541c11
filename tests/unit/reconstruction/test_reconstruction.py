"""Views with empty space skipped beside views with every sample evaluated."""

import dataclasses
from pathlib import Path

import pytest
import torch
import trimesh

from lrm_core.config import FieldConfig, load_preset
from lrm_core.errors import CheckpointError
from lrm_core.geometry.trajectories import orbit
from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction import reconstruction as reconstruction_module
from lrm_core.reconstruction.density_grid import dense_density
from lrm_core.reconstruction.isosurface import extract_surface
from lrm_core.reconstruction.pipeline import ReconstructionModel, load_model
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.rendering.nerf_renderer import render_field
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.triplane import Frustum, Triplane

TEAPOT = Path(__file__).parents[3] / "examples" / "teapot.png"
FRUSTUM = Frustum(distance=2.0, focal=0.75)


def reconstruction_of(field, **rendering):
    config = load_preset("lrm-large")
    rendering = {"num_samples": 64, **rendering}
    config = dataclasses.replace(
        config, rendering=dataclasses.replace(config.rendering, **rendering)
    )
    return Reconstruction(field, config, canonical_camera(8))


def assert_equal_views(reconstruction, cameras):
    exact = reconstruction.render(cameras, exact=True)
    fast = reconstruction.render(cameras)
    assert float((exact.rgb - fast.rgb).abs().max()) < 1e-3
    assert float((exact.opacity - fast.opacity).abs().max()) < 1e-3
    assert not torch.equal(exact.rgb, fast.rgb)  # something was left out
    return exact


def test_views_of_a_photo_are_those_of_the_full_renderer():
    reconstruction = load_model("lrm-mini").reconstruct(TEAPOT)
    assert_equal_views(reconstruction, orbit(2, elevation_degrees=25.0, size=24))


@pytest.mark.parametrize("shape", ["ball", "ring", "two balls", "slab"])
@pytest.mark.parametrize("frustum", [None, FRUSTUM])
def test_views_of_known_shapes_are_those_of_the_full_renderer(shape_field, shape, frustum):
    reconstruction = reconstruction_of(shape_field(shape, extent=0.9, frustum=frustum, size=48))
    exact = assert_equal_views(reconstruction, orbit(2, elevation_degrees=20.0, size=16))
    assert float(exact.opacity.max()) > 0.9


@pytest.mark.parametrize("density_activation", ["softplus", "exp"])
@pytest.mark.parametrize(
    "rendering", [{}, {"step": "normalized"}, {"midpoint_density": True}], ids=str
)
def test_views_of_random_fields_are_those_of_the_full_renderer(
    random_field, density_activation, rendering
):
    field = random_field(density_activation=density_activation)
    field.nerf_mlp.linears[-1].weight[3] *= 4.0  # from opaque to nearly empty
    field.nerf_mlp.linears[-1].bias[3] -= 6.0
    reconstruction = reconstruction_of(field, **rendering)
    assert_equal_views(reconstruction, orbit(2, elevation_degrees=-15.0, size=16))


def sheet_field(threshold):
    """Solid where the feature of one row of texels exceeds a threshold: a horizontal sheet.

    The feature falls from 1 to 0 within a texel, so the sheet is 2 (1 - threshold) texels thick.
    """
    planes = torch.zeros(1, 3, 1, 64, 64)
    planes[0, 1, 0, 40] = 1.0
    config = FieldConfig(num_layers=2, width=2, density_activation="exp", density_bias=0.0)
    mlp = NerfMLP(3, config).requires_grad_(False)
    first, last = mlp.linears
    for linear in mlp.linears:
        linear.weight.zero_()
        linear.bias.zero_()
    first.weight[0, :] = 1.0
    first.bias[0] = -threshold
    last.weight[3, 0], last.bias[3] = 24.0 / (1.0 - threshold), -16.0
    return TriplaneField(Triplane(planes), mlp)


@pytest.mark.parametrize("threshold", [0.0, 0.8])
def test_a_sheet_thinner_than_a_cell_is_not_lost(threshold):
    reconstruction = reconstruction_of(sheet_field(threshold), num_samples=512)
    exact = assert_equal_views(reconstruction, orbit(1, elevation_degrees=30.0, size=12))
    assert float((exact.opacity > 0.5).float().mean()) > 0.2


def test_the_grid_is_made_once_and_only_when_needed(shape_field, monkeypatch):
    import lrm_core.reconstruction.reconstruction as module

    made = []
    real = module.grid_query
    monkeypatch.setattr(module, "grid_query", lambda *a: made.append(a) or real(*a))
    reconstruction = reconstruction_of(shape_field(size=48))
    reconstruction.render(canonical_camera(4), exact=True)
    assert not made
    for _ in range(2):
        reconstruction.render(canonical_camera(4))
    assert len(made) == 1


def test_a_field_that_is_not_finite_is_named(shape_field):
    field = shape_field(size=48)
    field.nerf_mlp.linears[-1].bias[3] = float("nan")
    with pytest.raises(CheckpointError, match="not finite"):
        reconstruction_of(field).render(canonical_camera(4))


@pytest.mark.parametrize("appearance", ["none", "vertex_colors", "texture"])
def test_a_speck_beside_the_object_is_not_in_its_mesh(shape_field, appearance):
    """A ball of radius 0.6 and one of 0.04: 0.4 % of its surface."""
    field = shape_field("ball")
    planes, size = field.triplane.planes, field.triplane.planes.shape[-1]
    line = (torch.arange(size) + 0.5) * 2 / size - 1
    v, u = torch.meshgrid(line, line, indexing="ij")
    away = (u - 0.8) ** 2 + v**2
    planes[0, 0, 0] = torch.where(away < 0.1**2, away + 0.36 - 0.04**2, planes[0, 0, 0])
    options = MeshOptions(resolution=96, appearance=appearance, iso_level=1.0, texture_size=64)
    blocks = dense_density(field, 96, 1.0)
    vertices, faces = extract_surface(blocks, field.triplane)
    assert trimesh.Trimesh(vertices, faces).body_count == 2
    mesh = reconstruction_of(field).extract_mesh(options=options)
    assert mesh.vertices[:, 0].max() == pytest.approx(0.6, abs=0.02)


def test_views_are_integrated_as_the_models_config_says(shape_field, monkeypatch):
    """Neither number of samples, step nor place of the density is another model's."""
    seen = []

    def note(field, cameras, settings, **options):
        seen.append(settings)
        return render_field(field, cameras, settings, **options)

    monkeypatch.setattr(reconstruction_module, "render_field", note)
    own = {"num_samples": 37, "step": "normalized", "midpoint_density": True}
    field = shape_field("ball", extent=0.9, frustum=None, size=16)
    reconstruction_of(field, **own).render(orbit(1, size=4))
    reconstruction_of(field).render(orbit(1, size=4))
    names = ("num_samples", "step", "midpoint_density")
    assert [tuple(getattr(settings, name) for name in names) for settings in seen] == [
        tuple(own.values()),
        (64, "metric", False),
    ]


def test_the_network_is_given_the_detail_and_the_camera_of_its_photo(monkeypatch):
    config = load_preset("lrm-tiny")
    config = dataclasses.replace(config, input=dataclasses.replace(config.input, detail_size=40))
    model = ReconstructionModel(config)
    given = []

    def note(rgba, camera, *, detail, tell_camera):
        given.append((rgba, camera, detail, tell_camera))
        return predict(rgba, camera)

    predict = model.predict_triplane
    monkeypatch.setattr(model, "predict_triplane", note)
    camera = orbit(1, elevation_degrees=30.0)
    framed = model.reconstruct(TEAPOT, source_camera=camera)
    assert framed.photo is not None
    ((rgba, told, detail, tell_camera),) = given
    assert detail is framed.photo.detail
    assert detail.shape == (1, 4, 40, 40)
    assert rgba is framed.photo.rgba
    assert told is camera is framed.source_camera
    assert tell_camera
