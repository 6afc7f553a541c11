"""Losses against plain formulas; samples by index; a run cut off against an unbroken one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from lrm_core.config import (
    DecoderConfig,
    FieldConfig,
    ImageEncoderConfig,
    ModelConfig,
)
from lrm_core.errors import TrainingError
from lrm_core.models.lrm import LRM
from lrm_core.structures.triplane import Triplane, sample_planes
from lrm_core.training.checkpoints import newest_state
from lrm_core.training.config import OptimizerConfig, TrainingConfig
from lrm_core.training.loop import Trainer
from lrm_core.training.point_dataset import BatchSampling
from lrm_core.training.point_objective import PointConfig, PointObjective, PointSamples

Objects = list[dict[str, np.ndarray]]

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
POINTS = PointConfig(
    batch=BatchSampling(num_points=64, num_surface=32, num_rays=8, num_side_rays=4, side_samples=6),
    ray_samples=4,
    low_resolution=16,
    low_resolution_steps=2,
    side_weight=0.2,
)
CONFIG = TrainingConfig(
    objective="points",
    points=POINTS,
    optimizer=OptimizerConfig(learning_rate=6e-4, warmup_steps=2),
    global_batch=2,
    micro_batch=2,
    num_steps=6,
    ema_decay=0.998,
    precision="float32",
    log_every=1,
    checkpoint_every=3,
    tensorboard=False,
)


@pytest.fixture(scope="session")
def objects() -> Objects:
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


def _samples(objects: Objects, *, fixed: bool = False, config: PointConfig = POINTS):
    return PointSamples(objects, config, seed=1, global_batch=2, fixed=fixed)


def _same(one: object, other: object) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(one.arrays, other.arrays, strict=True)
    ) and np.array_equal(one.ray_depths, other.ray_depths)


class Listener:
    def __init__(self, last: int = 0) -> None:
        self.last = last
        self.totals: list[float] = []

    def on_step(self, step: int, values: dict[str, float]) -> None:
        self.totals.append(values["total"])
        if step == self.last:
            raise CutOffError

    def on_validation(self, step: int, scores: dict[str, float]) -> None:
        self.scores = scores

    def on_warning(self, message: str) -> None:
        raise AssertionError(message)


class CutOffError(Exception):
    pass


def _trainer(config: TrainingConfig, objects: Objects, folder: Path) -> Trainer:
    samples = PointSamples(objects, config.points, seed=config.seed, global_batch=2)
    assert config.num_steps is not None
    return Trainer(
        PointObjective(_model(), config.points), samples, _samples(objects, fixed=True), config,
        num_steps=config.num_steps, folder=folder, accelerator=Accelerator(cpu=True),
    )  # fmt: skip


def test_losses_are_what_their_names_say(objects: Objects):
    model = _model()
    samples = _samples(objects)
    task = samples.collate([samples[index] for index in (4, 5, 6)])
    # some rays leave the photo
    batch = replace(task.points, side_points=1.6 * task.points.side_points)
    task = replace(task, points=batch)
    losses = PointObjective(model, POINTS)(task)
    planes = Triplane(model(batch.images, batch.cameras))

    def density(points: torch.Tensor) -> torch.Tensor:
        return model.nerf_mlp(sample_planes(planes, points))[..., 3]

    def entropy(raw: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        probability = 1 / (1 + torch.exp(-raw))
        return -(truth * probability.log() + (1 - truth) * (1 - probability).log()).mean()

    raw, known = density(batch.points), ~batch.solid.isnan()
    assert 0 < (~known).sum() < POINTS.batch.num_far * 3
    per_photo = [entropy(raw[i][known[i]], batch.solid[i][known[i]]) for i in range(3)]
    torch.testing.assert_close(
        losses["occupancy"], torch.stack(per_photo).mean(), rtol=1e-4, atol=1e-5
    )
    rgb = torch.sigmoid(model.nerf_mlp(sample_planes(planes, batch.surface))[..., :3])
    error = (rgb - batch.colors).abs()
    huber = torch.where(error < 0.25, 2.0 * error**2, error - 0.125)
    torch.testing.assert_close(losses["color"], huber.mean())
    densest = []
    for photo in range(3):
        for ray in range(8):
            right, up = batch.ray_ends[photo, ray]
            points = [torch.stack([right, y, up]) for y in task.ray_depths[photo, ray]]
            one = Triplane(planes.planes[photo : photo + 1])
            values = model.nerf_mlp(sample_planes(one, torch.stack(points)[None]))[0, :, 3]
            densest.append(values.max())
    truth = batch.silhouette.flatten()
    torch.testing.assert_close(losses["silhouette"], entropy(torch.stack(densest), truth))
    side = density(batch.side_points.flatten(1, 2)).view(3, 4, 6)
    outside = (batch.side_points.abs() > 1.0).any(dim=-1)
    assert outside.any()
    side = torch.where(outside, -8.0, side).max(dim=-1).values
    torch.testing.assert_close(losses["side"], entropy(side, batch.side_silhouette))
    total = losses["occupancy"] + POINTS.color_weight * losses["color"]
    total = total + POINTS.silhouette_weight * losses["silhouette"] + 0.2 * losses["side"]
    torch.testing.assert_close(losses["total"], total)


def test_a_batch_in_pieces_counts_the_same(objects: Objects):
    objective, samples = PointObjective(_model(), POINTS), _samples(objects)
    rows = [samples[index] for index in range(4, 8)]
    whole = objective(samples.collate(rows))
    halves = [objective(samples.collate(part)) for part in (rows[:2], rows[2:])]
    for name, value in whole.items():
        torch.testing.assert_close(value, (halves[0][name] + halves[1][name]) / 2)


def test_samples_follow_from_seed_and_index_alone(objects: Objects):
    samples, again = _samples(objects), _samples(objects)
    for index in (0, 3, 100_000):
        assert _same(samples[index], again[index])
    assert not _same(samples[0], samples[1])
    other = PointSamples(objects, POINTS, seed=2, global_batch=2)
    assert not _same(samples[0], other[0])
    depths = samples[0].ray_depths
    edges = np.linspace(-POINTS.ray_reach, POINTS.ray_reach, 5)
    assert (depths >= edges[:-1]).all()
    assert (depths <= edges[1:]).all()


def test_photos_are_small_in_the_first_steps(objects: Objects):
    samples = _samples(objects)
    sizes = [samples.collate([samples[i]]).points.images.shape[-1] for i in range(6)]
    assert sizes == [16, 16, 16, 16, 32, 32]
    fixed = _samples(objects, fixed=True)
    assert fixed.collate([fixed[0]]).points.images.shape[-1] == 32


def test_every_object_is_drawn(objects: Objects):
    several = [{**objects[0], "colors": objects[0]["colors"] * 0 + value} for value in range(5)]
    plain = replace(POINTS, batch=replace(POINTS.batch, augment=False))
    samples = _samples(several, config=plain)
    drawn = [round(float(samples[i].arrays[5].mean()) * 255) for i in range(60)]
    assert set(drawn) == {0, 1, 2, 3, 4}
    fixed = _samples(several, fixed=True)
    assert [round(float(fixed[i].arrays[5].mean()) * 255) for i in range(5)] == [0, 1, 2, 3, 4]


def test_a_run_cut_off_and_resumed_gives_the_same_losses(tmp_path: Path, objects: Objects):
    config = replace(CONFIG, validate_every=2, validation_objects=1)
    unbroken, listener = _trainer(config, objects, tmp_path / "a"), Listener()
    unbroken.run(listener)
    assert "psnr" not in listener.scores
    with pytest.raises(CutOffError):
        _trainer(config, objects, tmp_path / "b").run(Listener(last=5))
    again = _trainer(config, objects, tmp_path / "b")
    state, damaged = newest_state(tmp_path / "b")
    assert state is not None
    assert state.step in (3, 4)  # 4 was validated, and saved where it was the best
    assert damaged == []
    again.restore(state)
    resumed = Listener()
    again.run(resumed)
    assert resumed.totals == listener.totals[state.step :]
    assert unbroken.average is not None
    assert again.average is not None
    for name, value in unbroken.average.state.items():
        assert torch.equal(again.average.state[name], value)
    text = (tmp_path / "b" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2, 3, 4, 4, 5, 6, 6]


def test_training_lowers_the_loss(tmp_path: Path, objects: Objects):
    config = replace(
        CONFIG, num_steps=40, checkpoint_every=40, points=replace(POINTS, low_resolution_steps=0),
        optimizer=replace(CONFIG.optimizer, learning_rate=3e-3),
    )  # fmt: skip
    listener = Listener()
    _trainer(config, objects, tmp_path).run(listener)
    assert np.mean(listener.totals[-5:]) < 0.7 * np.mean(listener.totals[:5])


def test_no_objects_and_foreign_states_are_clear_errors(tmp_path: Path, objects: Objects):
    with pytest.raises(TrainingError, match="no training object"):
        _samples([])
    config = replace(CONFIG, num_steps=1)
    trainer = _trainer(config, objects, tmp_path)
    trainer.run(Listener())
    state, _ = newest_state(tmp_path)
    assert state is not None
    wrong = replace(state, model={**state.model, "decoder.triplane_tokens": torch.zeros(3, 3)})
    with pytest.raises(TrainingError, match="do not fit the model"):
        trainer.restore(wrong)
