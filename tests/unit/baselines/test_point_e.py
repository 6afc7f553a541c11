"""Point-E against a recording of its package's interface (openai/point-e, 2022 to 2023).

The package is on no index. The stand-ins below have the signatures that the adapter uses, as they
are in the package's source, and refuse what these would refuse.
"""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.baselines.loading import PredictorOptions, load_predictor
from lrm_core.baselines.point_e import PointEPredictor
from lrm_core.errors import CheckpointError, LrmError, MissingDependencyError
from lrm_core.imaging.color import srgb_to_linear

BOX = trimesh.creation.box((0.2, 0.4, 0.6))
COLORS = np.linspace(0, 1, 24).reshape(8, 3)


class PointCloudSampler:
    """point_e/diffusion/sampler.py"""

    def __init__(
        self,
        device,
        models,
        diffusions,
        num_points,
        aux_channels,
        model_kwargs_key_filter=("*",),
        guidance_scale=(3.0, 3.0),
    ):
        assert len(models) == len(diffusions) == len(num_points) == len(guidance_scale) == 2
        assert aux_channels == ["R", "G", "B"]
        self.device, self.models, self.num_points = device, models, num_points

    def sample_batch_progressive(self, batch_size, model_kwargs):
        assert batch_size == 1
        (self.image,) = model_kwargs["images"]
        assert self.image.mode == "RGB"
        for stage in range(2):
            yield torch.randn(1, 6, sum(self.num_points[: stage + 1]))

    def output_to_point_clouds(self, output):
        (sample,) = output
        coords = sample[:3].T.numpy()
        return [SimpleNamespace(coords=coords, channels=dict.fromkeys("RGB", coords[:, 0]))]


def marching_cubes_mesh(
    pc, model, batch_size=4096, grid_size=128, side_length=1.02, fill_vertex_channels=True
):
    """point_e/util/pc_to_mesh.py: a box whose place shows what was sampled"""
    assert isinstance(model, torch.nn.Module)
    if not np.isfinite(pc.coords).all():
        raise ValueError("no surface found")
    return SimpleNamespace(
        verts=np.asarray(BOX.vertices),
        faces=np.asarray(BOX.faces),
        vertex_channels=dict(zip("RGB", COLORS.T, strict=True)),
        cloud=pc.coords,
        grid_size=grid_size,
    )


def model_from_config(config, device):
    assert device == torch.device("cpu")
    torch.manual_seed(len(config["name"]))
    return torch.nn.Linear(3, config["width"])


@pytest.fixture
def package(monkeypatch):
    """The package's modules; `folders` says where weights were looked for."""
    configs = {
        "base40M": {"name": "CLIPImageGridPointDiffusionTransformer", "width": 5},
        "upsample": {"name": "CLIPImageGridUpsamplePointDiffusionTransformer", "width": 6},
        "sdf": {"name": "CrossAttentionPointCloudSDFModel", "width": 7},
    }
    folders = []

    def load_checkpoint(checkpoint_name, device, progress=True, cache_dir=None, chunk_size=4096):
        folders.append(cache_dir)
        return model_from_config(configs[checkpoint_name], device).state_dict()

    content = {
        "point_e": {},
        "point_e.models": {},
        "point_e.models.configs": {
            "MODEL_CONFIGS": configs,
            "model_from_config": model_from_config,
        },
        "point_e.models.download": {"load_checkpoint": load_checkpoint},
        "point_e.diffusion": {},
        "point_e.diffusion.configs": {
            "DIFFUSION_CONFIGS": {"base40M": {}, "upsample": {}},
            "diffusion_from_config": lambda config: object(),
        },
        "point_e.diffusion.sampler": {"PointCloudSampler": PointCloudSampler},
        "point_e.util": {},
        "point_e.util.pc_to_mesh": {"marching_cubes_mesh": marching_cubes_mesh},
    }
    for name, values in content.items():
        module = ModuleType(name)
        module.__dict__.update(values)
        monkeypatch.setitem(sys.modules, name, module)
    return SimpleNamespace(folders=folders, modules=sys.modules)


@pytest.fixture
def predictor(package, tmp_path) -> PointEPredictor:
    return load_predictor("point-e", PredictorOptions(device="cpu", point_e_weights=tmp_path))


def test_networks_and_weights_come_from_the_package(package, predictor, tmp_path):
    assert package.folders == [str(tmp_path)] * 3
    assert [network.out_features for network in predictor.sampler.models] == [5, 6]
    assert predictor.sdf.out_features == 7
    assert not any(network.training for network in (*predictor.sampler.models, predictor.sdf))
    assert predictor.sampler.num_points == [1024, 3072]
    assert (predictor.licence, predictor.alignment) == ("MIT", "free_azimuth")


def test_the_mesh_is_brought_to_size_and_its_colors_to_linear_light(predictor, picture):
    (part,) = predictor.predict(picture, name="x").scene.parts
    assert np.allclose(part.vertices, np.asarray(BOX.vertices) * 3.0, atol=1e-6)
    assert np.allclose(part.vertex_colors[:, :3], srgb_to_linear(COLORS), atol=1e-6)
    shown = np.asarray(predictor.sampler.image)
    assert (shown[picture[..., 3] == 0] == 255).all()


def test_sampling_is_seeded_and_leaves_the_global_generator_alone(
    predictor, picture, package, monkeypatch
):
    clouds = []

    def recorded(**options):
        mesh = marching_cubes_mesh(**options)
        clouds.append(mesh.cloud)
        assert mesh.grid_size == 128
        return mesh

    module = package.modules["point_e.util.pc_to_mesh"]
    monkeypatch.setattr(module, "marching_cubes_mesh", recorded)
    torch.manual_seed(3)
    expected = torch.rand(1)
    predictor.predict(picture, name="x")  # from another state of the generator
    torch.manual_seed(3)
    predictor.predict(picture, name="x")
    assert torch.rand(1) == expected
    assert np.array_equal(*clouds)
    assert clouds[0].shape == (4096, 3)


def test_fingerprint_follows_weights_and_seed(predictor):
    sampler, sdf = predictor.sampler, predictor.sdf
    assert PointEPredictor(sampler, sdf).fingerprint == predictor.fingerprint
    assert PointEPredictor(sampler, sdf, seed=1).fingerprint != predictor.fingerprint
    other = torch.nn.Linear(3, 7)
    assert PointEPredictor(sampler, other).fingerprint != predictor.fingerprint


def test_failures_are_named(package, predictor, picture, monkeypatch):
    monkeypatch.setattr(torch, "randn", lambda *shape: torch.full(shape, torch.nan))
    with pytest.raises(LrmError, match="Point-E failed on 'x': no surface"):
        predictor.predict(picture, name="x")

    def offline(*_, **__):
        raise ConnectionError("no network")

    monkeypatch.setattr(package.modules["point_e.models.download"], "load_checkpoint", offline)
    with pytest.raises(CheckpointError, match="no network"):
        load_predictor("point-e", PredictorOptions(device="cpu"))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "point_e", None)
    with pytest.raises(MissingDependencyError) as error:
        load_predictor("point-e", PredictorOptions(device="cpu"))
    assert "github.com/openai/point-e" in error.value.hint
