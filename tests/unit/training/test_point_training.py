"""Losses against plain formulas; a run that was cut off goes on as if it had not been."""

import json
import math

import numpy as np
import pytest
import torch

from lrm_core.config import (
    DecoderConfig,
    FieldConfig,
    ImageEncoderConfig,
    ModelConfig,
)
from lrm_core.errors import ConfigError, TrainingError
from lrm_core.models.lrm import LRM
from lrm_core.structures.triplane import Triplane, sample_planes
from lrm_core.training.point_dataset import BatchSampling, draw_batch
from lrm_core.training.point_training import (
    PointTrainer,
    PointTrainingConfig,
    build_optimizer,
    learning_rate_at,
    point_losses,
)
from lrm_core.training.run import read_training_config

MODEL = ModelConfig(
    encoder=ImageEncoderConfig(
        kind="rgba", image_size=32, patch_size=4, width=16, num_layers=1, num_heads=2,
        stem_widths=(8, 8),
    ),
    decoder=DecoderConfig(
        width=16, num_layers=1, num_heads=2, camera_embedding_width=8, token_resolution=4,
        upsample=2, channels=16, front_plane_skip=True,
    ),
    nerf=FieldConfig(num_layers=2, width=16, density_activation="exp", frustum=True),
)  # fmt: skip
CONFIG = PointTrainingConfig(
    batch=BatchSampling(num_points=64, num_surface=32, num_rays=8),
    batch_size=2,
    num_steps=6,
    warmup_steps=2,
    ray_samples=4,
    dtype="float32",
    log_every=1,
    checkpoint_every=3,
    low_resolution=16,
    low_resolution_steps=2,
)


@pytest.fixture(scope="module")
def objects() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    photos = np.full((2, 32, 32, 4), 200, dtype=np.uint8)
    photos[..., 3] = 255 * (np.hypot(*np.mgrid[-15.5:16, -15.5:16]) < 10)
    view = np.concatenate([np.eye(3).ravel(), [0.8, 0, 0, 0, 2.0, 0.75, 1.0, 0, 0, 1]])
    points = rng.uniform(-1, 1, (500, 3)).astype(np.float16)
    return [
        {
            "points": points,
            "solid": np.linalg.norm(points, axis=1) < 0.7,
            "surface": points[:200],
            "normals": points[:200],
            "colors": np.full((200, 3), 200, dtype=np.uint8),
            "photos": photos,
            "views": np.stack([view, view]).astype(np.float32),
        }
    ]


def _model() -> LRM:
    torch.manual_seed(0)
    return LRM(MODEL)


def test_losses_are_what_their_names_say(objects):
    model = _model()
    batch = draw_batch(objects, 2, CONFIG.batch, np.random.default_rng(1))
    losses = point_losses(model, batch, CONFIG, torch.Generator().manual_seed(0))
    planes = Triplane(model(batch.images, batch.cameras))
    raw = model.nerf_mlp(sample_planes(planes, batch.points))[..., 3]
    known = ~batch.solid.isnan()
    assert 0 < (~known).sum() < CONFIG.batch.num_far * 2
    solid, probability = batch.solid[known], 1 / (1 + torch.exp(-raw[known]))
    entropy = -(solid * probability.log() + (1 - solid) * (1 - probability).log()).mean()
    torch.testing.assert_close(losses.occupancy, entropy, rtol=1e-4, atol=1e-5)
    rgb = torch.sigmoid(model.nerf_mlp(sample_planes(planes, batch.surface))[..., :3])
    torch.testing.assert_close(losses.color, (rgb - batch.colors).abs().mean())
    total = losses.occupancy + CONFIG.color_weight * losses.color
    torch.testing.assert_close(losses.total, total + CONFIG.silhouette_weight * losses.silhouette)


def test_schedule_warms_up_and_ends_at_zero():
    assert learning_rate_at(0, CONFIG) == pytest.approx(CONFIG.learning_rate / 2)
    assert learning_rate_at(2, CONFIG) == pytest.approx(CONFIG.learning_rate)
    assert learning_rate_at(4, CONFIG) == pytest.approx(
        CONFIG.learning_rate * 0.5 * (1 + math.cos(math.pi * 0.5))
    )
    assert learning_rate_at(6, CONFIG) == pytest.approx(0.0)


def test_weight_decay_spares_vectors():
    decayed, spared = build_optimizer(_model(), CONFIG).param_groups
    assert decayed["weight_decay"] == CONFIG.weight_decay
    assert spared["weight_decay"] == 0.0
    assert all(p.ndim < 2 for p in spared["params"])


def test_a_run_cut_off_and_resumed_gives_the_same_losses(tmp_path, objects):
    unbroken: list[dict[str, float]] = []
    whole = PointTrainer(_model(), CONFIG, objects, tmp_path / "a")
    whole.run(unbroken.append)

    class CutOffError(Exception):
        pass

    def cut_off(entry: dict[str, float]) -> None:
        if entry["step"] == 5:
            raise CutOffError

    with pytest.raises(CutOffError):
        PointTrainer(_model(), CONFIG, objects, tmp_path / "b").run(cut_off)
    torch.manual_seed(99)  # nothing may depend on the state of the process
    again = PointTrainer(LRM(MODEL), CONFIG, objects, tmp_path / "b")
    assert again.resume()
    assert again.step == 3
    resumed: list[dict[str, float]] = []
    again.run(resumed.append)
    for before, after in zip(unbroken[3:], resumed, strict=True):
        assert after["total"] == pytest.approx(before["total"], rel=1e-6)
    for name, value in whole.average.items():
        torch.testing.assert_close(again.average[name], value)
    lines = (tmp_path / "a" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_training_lowers_the_loss(tmp_path, objects):
    from dataclasses import replace

    config = replace(CONFIG, num_steps=60, learning_rate=3e-3, low_resolution_steps=0)
    entries: list[dict[str, float]] = []
    PointTrainer(_model(), config, objects, tmp_path).run(entries.append)
    first, last = (np.mean([e["total"] for e in part]) for part in (entries[:5], entries[-5:]))
    assert last < 0.7 * first


def test_a_loss_that_is_not_finite_stops_with_the_last_good_state(tmp_path, objects):
    model = _model()
    with torch.no_grad():
        model.nerf_mlp.linears[0].weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="step 0"):
        PointTrainer(model, CONFIG, objects, tmp_path).run_step()


def test_no_objects_and_foreign_states_are_clear_errors(tmp_path, objects):
    with pytest.raises(TrainingError, match="no training object"):
        PointTrainer(_model(), CONFIG, [], tmp_path)
    PointTrainer(_model(), CONFIG, objects, tmp_path).save()
    from dataclasses import replace

    other = LRM(replace(MODEL, nerf=replace(MODEL.nerf, width=32)))
    with pytest.raises(TrainingError, match="another configuration"):
        PointTrainer(other, CONFIG, objects, tmp_path).resume()


def test_recipes_are_read_with_overrides_and_checked(tmp_path):
    config = read_training_config("lrm-mini", {"num_steps": 7, "data.num_procedural": 3})
    assert (config.num_steps, config.data.num_procedural) == (7, 3)
    assert config.model == "lrm-mini"
    with pytest.raises(ConfigError, match="num_step"):
        read_training_config("lrm-mini", {"num_step": 7})
    with pytest.raises(ConfigError, match="neither a file"):
        read_training_config("lrm-huge", {})
