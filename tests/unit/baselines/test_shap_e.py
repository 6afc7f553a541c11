"""Shap-E end to end with the real pipeline class and tiny random networks."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import trimesh
from skimage.measure import marching_cubes

from lrm_core.baselines.loading import PredictorOptions, load_predictor
from lrm_core.baselines.predictor import on_white
from lrm_core.baselines.shap_e import ShapEPredictor, load_shap_e
from lrm_core.errors import CheckpointError, LrmError

diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore")  # third parties', of which there are many

WIDTH = 32


def marching_cubes_tables() -> tuple[torch.Tensor, torch.Tensor]:
    """What the published weights bring along: triangles of the 256 cases as edges of a cube.

    Made by scikit-image, one cube at a time; bit x + 2 y + 4 z of a case is its corner (x, y, z).
    """
    from diffusers.pipelines.shap_e.renderer import _create_flat_edge_indices

    ends = np.indices((2, 2, 2)).transpose(1, 2, 3, 0).astype(float)
    middles = [(ends[:-1] + ends[1:]) / 2, (ends[:, :-1] + ends[:, 1:]) / 2]
    middles = np.concatenate(
        [part.reshape(-1, 3) for part in (*middles, (ends[:, :, :-1] + ends[:, :, 1:]) / 2)]
    )
    edges = _create_flat_edge_indices(torch.zeros(1, 3, dtype=torch.long), (2, 2, 2))[0]
    middles = middles[edges.numpy()]
    cases, masks = torch.zeros(256, 5, 3, dtype=torch.long), torch.zeros(256, 5, dtype=torch.bool)
    for case in range(1, 255):
        corners = np.array([case >> bit & 1 for bit in range(8)]).reshape(2, 2, 2)
        volume = corners.transpose(2, 1, 0) - 0.5
        vertices, faces, *_ = marching_cubes(volume, 0.0, method="lorensen")
        edge = np.abs(vertices[:, None] - middles[None]).sum(axis=-1).argmin(axis=1)
        cases[case, : len(faces)] = torch.from_numpy(edge[faces])
        masks[case, : len(faces)] = True
    return cases, masks


@pytest.fixture(scope="module")
def pipeline():
    """The parts that `openai/shap-e-img2img` has, a thousandth as large."""
    from diffusers.pipelines.shap_e import ShapERenderer

    torch.manual_seed(0)
    vision = transformers.CLIPVisionConfig(
        hidden_size=WIDTH,
        image_size=32,
        patch_size=8,
        projection_dim=WIDTH,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
    )
    prior = diffusers.PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=16,
        embedding_dim=WIDTH,
        num_embeddings=32,
        embedding_proj_dim=WIDTH,
        time_embed_dim=4 * WIDTH,
        num_layers=1,
        clip_embed_dim=2 * WIDTH,
        additional_embeddings=0,
        time_embed_act_fn="gelu",
        norm_in_type="layer",
        embedding_proj_norm_type="layer",
        encoder_hid_proj_type=None,
        added_emb_type=None,
    )
    renderer = ShapERenderer(
        param_shapes=((8, 93), (8, 8), (8, 8), (8, 8)),
        d_latent=WIDTH,
        d_hidden=8,
        n_output=12,
        background=(0.1, 0.1, 0.1),
    )
    cases, masks = marching_cubes_tables()
    renderer.mesh_decoder.cases.copy_(cases)
    renderer.mesh_decoder.masks.copy_(masks)
    pipeline = diffusers.ShapEImg2ImgPipeline(
        prior=prior,
        image_encoder=transformers.CLIPVisionModel(vision),
        image_processor=transformers.CLIPImageProcessor(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        ),
        scheduler=diffusers.HeunDiscreteScheduler(
            beta_schedule="exp",
            num_train_timesteps=1024,
            prediction_type="sample",
            use_karras_sigmas=True,
            clip_sample=True,
        ),
        shap_e_renderer=renderer,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def predictor(pipeline, picture) -> ShapEPredictor:
    """With a surface half-way through the values of this picture's random field, on a 32^3 grid."""
    renderer = pipeline.shap_e_renderer
    renderer.decode_to_mesh = partial(renderer.decode_to_mesh, grid_size=32)
    predictor = ShapEPredictor(pipeline, num_inference_steps=2)
    latents = pipeline(
        on_white(picture),
        num_inference_steps=2,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(0),
        output_type="latent",
    ).images
    with torch.no_grad():
        for name, value in renderer.params_proj(latents[:1]).items():
            renderer.mlp.get_parameter(name.removeprefix("nerstf.")).copy_(value[0])
        points = torch.rand(1, 4000, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
        field = renderer.mlp(
            position=points, direction=None, ts=None, nerf_level="fine", rendering_mode="stf"
        )
        renderer.mlp.mlp[-1].bias[0] -= torch.atanh(field.signed_distance).median()
    return predictor


def test_the_real_pipeline_gives_a_scene(predictor, picture):
    prediction = predictor.predict(picture, name="x")
    (part,) = prediction.scene.parts
    low, high = prediction.scene.bounds
    assert np.allclose(low, -high, atol=1e-5)
    assert (high - low).max() == pytest.approx(1.8, abs=1e-5)
    assert trimesh.Trimesh(part.vertices, part.faces, process=False).volume > 0
    assert len(part.vertex_colors) == len(part.vertices)
    assert prediction.seconds > 0


def test_frame_and_colors_are_those_of_the_pipeline(predictor, picture, monkeypatch):
    """z stays up, x and y where they were, and colors stay linear."""
    box = trimesh.creation.box((0.4, 0.8, 1.2))
    colors = torch.linspace(0, 1, 8)
    mesh = SimpleNamespace(
        verts=torch.tensor(box.vertices),
        faces=torch.tensor(box.faces),
        vertex_channels={"R": colors, "G": colors**2, "B": 1 - colors},
    )
    seen = {}

    def pipeline(image, **options):
        seen.update(options, image=np.asarray(image))
        return SimpleNamespace(images=[mesh])

    scene = ShapEPredictor(pipeline, seed=7).predict(picture, name="x").scene
    (part,) = scene.parts
    assert np.allclose(part.vertices, np.asarray(box.vertices) * 1.5, atol=1e-6)
    expected = torch.stack([colors, colors**2, 1 - colors, torch.ones(8)], dim=1).numpy()
    assert np.allclose(part.vertex_colors, expected)
    assert seen["output_type"] == "mesh"
    assert (seen["num_inference_steps"], seen["guidance_scale"]) == (64, 3.0)
    assert seen["generator"].initial_seed() == 7
    assert (seen["image"][picture[..., 3] == 0] == 255).all()


def test_the_same_picture_gives_the_same_mesh(predictor, picture):
    first, second = (predictor.predict(picture, name=name).scene for name in "ab")
    assert np.array_equal(first.parts[0].vertices, second.parts[0].vertices)


def test_a_field_without_surface_is_a_named_failure(predictor, picture):
    bias = predictor.pipeline.shap_e_renderer.mlp.mlp[-1].bias
    with torch.no_grad():
        bias[0] -= 100
        try:
            with pytest.raises(LrmError, match="Shap-E failed on 'x'"):
                predictor.predict(picture, name="x")
        finally:
            bias[0] += 100


def test_loaded_from_a_folder_it_is_the_same(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    options = PredictorOptions(device="cpu", shap_e_weights=str(tmp_path))
    loaded = load_predictor("shap-e", options)
    assert loaded.licence == "MIT"
    assert loaded.alignment == "free_azimuth"
    assert loaded.fingerprint == ShapEPredictor(pipeline).fingerprint
    assert loaded.fingerprint != ShapEPredictor(pipeline, seed=1).fingerprint
    assert loaded.fingerprint != ShapEPredictor(pipeline, num_inference_steps=3).fingerprint
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_shap_e(str(tmp_path / "prior"))
