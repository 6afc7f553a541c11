"""Scene files of models that follow the rays of the photo, and of those that do not."""

from pathlib import Path

import pytest
import torch

from lrm_core.config import ModelConfig
from lrm_core.errors import CheckpointError
from lrm_core.io.checkpoint_files import read_metadata, read_tensors, write_safetensors
from lrm_core.reconstruction.pipeline import ReconstructionModel
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.reconstruction.stored_field import load_field, save_field
from lrm_core.structures.framed_photo import FramedPhoto


@pytest.fixture
def reconstruction(tiny_ray_config: ModelConfig) -> Reconstruction:
    """Of a random model: what the rays meet is a slab behind a disc, and the MLP adds noise."""
    torch.manual_seed(0)
    model = ReconstructionModel(tiny_ray_config).eval().requires_grad_(False)
    torch.nn.init.normal_(model.nerf_mlp.linears[-1].weight, std=0.3)
    rgba = torch.rand(1, 4, 64, 64)
    line = torch.arange(64) - 31.5
    rgba[:, 3] = (line[:, None] ** 2 + line**2 < 20**2).float()
    detail = torch.nn.functional.interpolate(rgba, scale_factor=2)
    triplane = model.predict_triplane(rgba, detail=detail)
    return Reconstruction(
        field=model.field(triplane),
        config=tiny_ray_config,
        source_camera=model.canonical_camera(),
        photo=FramedPhoto(rgba),
    )


def test_what_the_rays_meet_is_kept_bit_for_bit(reconstruction: Reconstruction, tmp_path: Path):
    path = tmp_path / "field.safetensors"
    save_field(path, reconstruction)
    again = load_field(path)
    rays, expected = again.triplane.rays, reconstruction.triplane.rays
    assert rays is not None
    assert expected is not None
    assert rays.maps.shape == (1, 12, 128, 128)
    assert torch.equal(rays.maps, expected.maps)
    assert rays.steepness == expected.steepness == 60.0
    assert again.triplane.frustum == reconstruction.triplane.frustum
    points = torch.rand(2000, 3) * 1.6 - 0.8
    assert torch.equal(again.field.raw(points), reconstruction.field.raw(points))
    options = MeshOptions(resolution=48, appearance="vertex_colors")
    first, second = (one.extract_mesh(options=options) for one in (reconstruction, again))
    assert (first.vertices == second.vertices).all()
    assert (first.faces == second.faces).all()


def test_fields_without_rays_have_none(reconstruction: Reconstruction, tmp_path: Path):
    path = tmp_path / "field.safetensors"
    save_field(path, reconstruction)
    tensors = {name: tensor for name, tensor in read_tensors(path).items() if name != "rays"}
    write_safetensors(path, tensors, metadata=read_metadata(path))
    assert load_field(path).triplane.rays is None


@pytest.mark.parametrize("shape", [(1, 11, 8, 8), (12, 8, 8)])
def test_rays_of_another_shape_are_a_damaged_field(reconstruction, tmp_path, shape):
    path = tmp_path / "field.safetensors"
    save_field(path, reconstruction)
    tensors = {**read_tensors(path), "rays": torch.zeros(shape)}
    write_safetensors(path, tensors, metadata=read_metadata(path))
    with pytest.raises(CheckpointError, match=r"damaged field \(rays have shape"):
        load_field(path)
