"""Losses against plain loops; a batch in pieces; a run from mesh files, cut off and resumed."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.config import ModelConfig, config_to_dict, load_preset
from lrm_core.errors import ConfigError, TrainingError
from lrm_core.models.loading import load_lrm
from lrm_core.models.lrm import LRM
from lrm_core.structures.scene import Material, Scene, ScenePart
from lrm_core.training.config import OptimizerConfig, TrainingConfig
from lrm_core.training.data.layer_samples import LayerBatch, collate_layers, draw_sample
from lrm_core.training.data.object_stream import ObjectStream, TrainingObject
from lrm_core.training.data.training_photos import take_photos
from lrm_core.training.layer_config import (
    LayerConfig,
    MeshFolder,
    ObjectStreamConfig,
    ViewSampling,
)
from lrm_core.training.objectives.layer_objective import LayerObjective
from lrm_core.training.run.checkpoints import checkpoints_of, read_checkpoint
from lrm_core.training.run.start import RunStart, release, start_run

VIEWS = ViewSampling(num_views=2, size=64)
CONFIG = LayerConfig(data=ObjectStreamConfig(views=VIEWS), num_points=64)
LOSSES = ("first", "last", "smooth", "coarse", "behind", "detail", "color")


def painted_ball(scale: float = 1.0, *, alike: bool = False) -> Scene:
    """A ball whose far side shows colors that the near side does not, or those it does."""
    ball = trimesh.creation.icosphere(3)
    colors = np.ones((len(ball.vertices), 4), dtype=np.float32)
    places = ball.vertices * [1.0, 0.0, 1.0] if alike else ball.vertices
    colors[:, :3] = 0.5 + places / 4
    vertices = np.float32(ball.vertices * [1.0, scale, 1.0])
    return Scene((ScenePart(vertices, np.int32(ball.faces), Material(), vertex_colors=colors),))


@pytest.fixture(scope="module")
def batch() -> LayerBatch:
    """Four photos of two bodies."""
    rows = []
    for index, scale in enumerate((1.0, 0.6)):
        photos = take_photos(painted_ball(scale), VIEWS, np.random.default_rng(index))
        rows += [
            draw_sample(photos, CONFIG, np.random.default_rng(place), index=place)
            for place in range(2)
        ]
    return collate_layers(rows)


@pytest.fixture
def model(tiny_ray_config: ModelConfig) -> LRM:
    """Says something of its own about every ray and point."""
    torch.manual_seed(0)
    model = LRM(tiny_ray_config)
    torch.nn.init.normal_(model.ray_layer_decoder.to_rays.weight, std=0.1)
    return model


def part_of(batch: LayerBatch, start: int, stop: int) -> LayerBatch:
    part = slice(start, stop)
    return LayerBatch(
        batch.images[part], batch.cameras[part], batch.depths[part], batch.behind[part],
        batch.points[part], batch.colors[part],
    )  # fmt: skip


def sigmoid(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-x)))


def test_losses_are_what_their_names_say(model: LRM, batch: LayerBatch):
    config = replace(
        CONFIG, smooth_weight=1.7, smooth_below=0.05, coarse_weight=0.8, behind_weight=0.3,
        detail_weight=0.9, color_weight=0.6,
    )  # fmt: skip
    objective = LayerObjective(model, config)
    with torch.no_grad():
        losses = {name: float(value) for name, value in objective(batch).items()}
        decoded = model(batch.images, batch.cameras)
    assert set(losses) == {"total", *LOSSES}
    expected: dict[str, list[float]] = {name: [] for name in LOSSES}
    rays, images = decoded.rays.double().numpy(), batch.images.double().numpy()
    true, behind = batch.depths.double().numpy(), batch.behind.double().numpy()
    size = images.shape[-1]
    for photo in range(4):
        errors: dict[str, list[float]] = {name: [] for name in LOSSES}
        back = np.zeros((3, size, size))
        for row in range(size):
            for column in range(size):
                share = sigmoid(rays[photo, 5, row, column])
                for channel in range(3):
                    copied = rays[photo, 2 + channel, row, column]
                    own = images[photo, channel, row, column]
                    back[channel, row, column] = (1 - share) * copied + share * own

        def known(row: int, column: int, photo: int = photo) -> bool:
            return bool(np.isfinite(true[photo, 0, row, column]))

        def shown(row: int, column: int, photo: int = photo) -> bool:
            return bool(known(row, column, photo) and images[photo, 3, row, column] > 0.9)

        for row in range(size):
            for column in range(size):
                if known(row, column):
                    for layer, name in ((0, "first"), (1, "last")):
                        errors[name].append(
                            abs(rays[photo, layer, row, column] - true[photo, layer, row, column])
                        )
                if shown(row, column):
                    errors["behind"].append(
                        float(np.abs(back - behind[photo])[:, row, column].mean())
                    )
                for down, right in ((0, 1), (1, 0)):
                    other = (row + down, column + right)
                    if max(other) >= size:
                        continue
                    if known(row, column) and known(*other):
                        for layer in range(2):
                            step = true[photo, layer][other] - true[photo, layer, row, column]
                            found = rays[photo, layer][other] - rays[photo, layer, row, column]
                            if abs(step) < 0.05:
                                errors["smooth"].append(abs(found - step))
                    if shown(row, column) and shown(*other):
                        for channel in range(3):
                            step = (
                                behind[photo, channel][other] - behind[photo, channel, row, column]
                            )
                            found = back[channel][other] - back[channel, row, column]
                            errors["detail"].append(abs(found - step))
        by_distance = []
        for pixels in (2, 4, 8, 16):
            far = []
            for row, column in np.argwhere(np.isfinite(true[photo, 0])):
                for other in ((row + pixels, column), (row, column + pixels)):
                    if max(other) < size and known(*other):
                        for layer in range(2):
                            step = true[photo, layer][other] - true[photo, layer, row, column]
                            found = rays[photo, layer][other] - rays[photo, layer, row, column]
                            far.append(abs(found - step))
            by_distance.append(np.mean(far))
        expected["coarse"].append(float(np.mean(by_distance)))
        for name in ("first", "last", "behind", "smooth", "detail"):
            assert len(errors[name]) > 100
            expected[name].append(float(np.mean(errors[name])))
    for name in ("first", "last", "behind", "smooth", "coarse", "detail"):
        assert losses[name] == pytest.approx(np.mean(expected[name]), rel=1e-4)
    total = losses["first"] + losses["last"] + 1.7 * losses["smooth"] + 0.3 * losses["behind"]
    total += 0.8 * losses["coarse"] + 0.9 * losses["detail"] + 0.6 * losses["color"]
    assert losses["total"] == pytest.approx(total, rel=1e-5)


def test_the_color_loss_is_that_of_the_field_at_the_points(model: LRM, batch: LayerBatch):
    """Asked through `LRM.field`, in the world; there the outline is the photo's, which no color
    depends on."""
    objective = LayerObjective(model, CONFIG)
    with torch.no_grad():
        found = float(objective(batch)["color"])
        decoded = model(batch.images, batch.cameras)
        errors = []
        for index in range(4):
            triplane = model.triplane_of(
                decoded[index], batch.images[index : index + 1], batch.cameras[index]
            )
            points = triplane.denormalize(batch.points[index])
            _, rgb = model.field(triplane)(points)
            for color, reference in zip(rgb.tolist(), batch.colors[index].tolist(), strict=True):
                for one, other in zip(color, reference, strict=True):
                    gap = abs(one - other)
                    # Huber with a knee at 0.1
                    errors.append(gap**2 / 0.2 if gap < 0.1 else gap - 0.05)
    assert found == pytest.approx(np.mean(errors), rel=1e-4)


def test_a_batch_in_pieces_counts_the_same(model: LRM, batch: LayerBatch):
    objective = LayerObjective(model, CONFIG)
    objective(batch)["total"].backward()
    whole = {name: p.grad.clone() for name, p in model.named_parameters()}
    losses = objective(batch)
    objective.zero_grad()
    parts = [objective(part_of(batch, start, start + 2)) for start in (0, 2)]
    for name, value in losses.items():
        torch.testing.assert_close(value, (parts[0][name] + parts[1][name]) / 2)
    for part in parts:
        (part["total"] / 2).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, whole[name], rtol=1e-3, atol=1e-5)


def test_colors_are_learnt_from_a_share_of_the_batch(model: LRM, batch: LayerBatch):
    whole = LayerObjective(model, CONFIG)(batch)
    half = LayerObjective(model, CONFIG)(part_of(batch, 0, len(batch) // 2))
    objective = LayerObjective(model, replace(CONFIG, colored_share=0.5))
    losses = objective(batch)
    for name in ("first", "last", "smooth", "coarse"):
        torch.testing.assert_close(losses[name], whole[name])
    for name in ("behind", "detail", "color"):
        torch.testing.assert_close(losses[name], half[name])
        assert abs((half[name] - whole[name]).item()) > 1e-4
    model.eval()  # scores are taken from all photos
    torch.testing.assert_close(
        objective(batch)["color"], LayerObjective(model, CONFIG)(batch)["color"]
    )


def test_gradients_reach_every_part(model: LRM, batch: LayerBatch):
    with torch.no_grad():  # what starts as zero keeps others silent
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    LayerObjective(model, CONFIG)(batch)["total"].backward()
    # of the raw outputs of the MLP no label judges the density
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
    assert not model.nerf_mlp.linears[-1].weight.grad[3].any()
    for part in (model.image_encoder.backbone.stem, model.ray_layer_decoder.to_rays):
        assert all(parameter.grad.isfinite().all() for parameter in part.parameters())


def test_photos_without_any_label_cost_nothing(model: LRM, batch: LayerBatch):
    nothing = replace(
        batch,
        images=torch.cat([batch.images[:, :3], torch.zeros_like(batch.images[:, 3:])], dim=1),
        depths=torch.full_like(batch.depths, torch.nan),
    )
    losses = LayerObjective(model, CONFIG)(nothing)
    losses["total"].backward()
    assert all(value.isfinite() for value in losses.values())
    assert [losses[name].item() for name in LOSSES[:5]] == [0.0] * 5
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_losses_stay_exact_under_autocast(model: LRM, batch: LayerBatch):
    objective = LayerObjective(model, CONFIG)
    with torch.no_grad():
        exact = objective(batch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            coarse = objective(batch)
    for name, value in coarse.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, exact[name], rtol=0.1, atol=0.01)


def test_validation_scores_are_the_losses(model: LRM, batch: LayerBatch):
    objective = LayerObjective(model, CONFIG)
    result = objective.validate(batch)
    assert result.num_objects == 4
    assert result.rows == []
    with torch.no_grad():
        for name, value in objective(batch).items():
            assert result.scores[name] == pytest.approx(float(value))


def test_models_that_say_nothing_of_rays_are_refused():
    with pytest.raises(ConfigError, match="lrm-tiny does not say what rays meet") as caught:
        LayerObjective(LRM(load_preset("lrm-tiny")), CONFIG)
    assert "lrm-mini" in caught.value.hint


def test_one_photo_is_learnt_by_heart(tiny_ray_config: ModelConfig):
    """A random network starts 0.3 off; a ball is 1.8 deep."""
    torch.manual_seed(0)
    views = replace(VIEWS, num_views=1, canonical_share=1.0)
    photos = take_photos(painted_ball(alike=True), views, np.random.default_rng(0))
    plain = replace(CONFIG, augment=False)
    single = collate_layers([draw_sample(photos, plain, np.random.default_rng(0))])
    objective = LayerObjective(LRM(tiny_ray_config), plain)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=4e-3)
    curve = []
    for _ in range(120):
        losses = objective(single)
        optimizer.zero_grad()
        losses["total"].backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        optimizer.step()
        curve.append([losses[name].item() for name in ("first", "last", "behind")])
    first, last, behind = np.mean(curve[-10:], axis=0)
    assert curve[0][0] > 0.15
    assert curve[0][1] > 0.15
    assert first < 0.04
    assert last < 0.09
    assert behind < 0.036


class Listener:
    def __init__(self, last: int = 0) -> None:
        self.last = last
        self.totals: list[float] = []
        self.scores: dict[int, dict[str, float]] = {}
        self.warnings: list[str] = []

    def on_step(self, step: int, values: dict[str, float]) -> None:
        self.totals.append(values["total"])
        if step == self.last:
            raise CutOffError

    def on_validation(self, step: int, scores: dict[str, float]) -> None:
        self.scores[step] = scores

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)


class CutOffError(Exception):
    """The run ends here, as if the machine had been switched off."""


@pytest.fixture(scope="module")
def run_config(
    tiny_ray_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory
) -> TrainingConfig:
    """Two mesh files and a model in miniature."""
    folder = tmp_path_factory.mktemp("meshes")
    for name, extents in (("slab", (1.0, 2.0, 0.5)), ("cube", (1.0, 1.0, 1.0))):
        trimesh.creation.box(extents=extents).export(folder / f"{name}.glb")
    sizes = config_to_dict(tiny_ray_config)
    settings = {part: sizes[part] for part in ("encoder", "decoder", "nerf")}
    data = ObjectStreamConfig(
        meshes=(MeshFolder(folder=str(folder)),),
        views=ViewSampling(num_views=2, size=64),
        window=2,
        uses=2,
    )
    return TrainingConfig(
        model="lrm-mini",
        model_settings=settings,
        objective="layers",
        layers=LayerConfig(data=data, num_points=32),
        optimizer=OptimizerConfig(
            learning_rate=2e-3, warmup_steps=2, decay_steps=2, backbone_factor=0.25
        ),
        global_batch=2,
        micro_batch=1,
        num_steps=6,
        ema_decay=0.9,
        precision="float32",
        log_every=1,
        checkpoint_every=2,
        validate_every=3,
        validation_objects=1,
        tensorboard=False,
    )


def start(config: TrainingConfig, folder: Path, **options: Any) -> RunStart:
    torch.manual_seed(hash(folder) % 1000)  # nothing may depend on the state of the process
    return start_run(config, folder, device="cpu", **options)


def lines(folder: Path) -> list[dict[str, Any]]:
    """What was logged, without the clock."""
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for entry in entries:
        entry.pop("samples_per_second", None)
    return entries


def test_a_run_from_mesh_files_resumes_bit_for_bit_and_releases_a_model(
    run_config: TrainingConfig, tmp_path: Path
):
    whole = start(run_config, tmp_path / "a")
    assert "1 objects for validation" in whole.facts["data"]
    listener = Listener()
    whole.trainer.run(listener)
    assert len(listener.totals) == 6
    assert list(listener.scores) == [3, 6]
    assert set(listener.scores[6]) == {"total", *LOSSES}
    assert not (tmp_path / "a" / "validation").exists()  # there are no pictures
    rates = {(g["factor"], g["lr"]) for g in whole.trainer.optimizer.param_groups}
    assert rates == {(0.25, 2e-3 / 2 / 4), (1.0, 2e-3 / 2)}  # the last step but one of the decay

    with pytest.raises(CutOffError):
        start(run_config, tmp_path / "b").trainer.run(Listener(last=5))
    for path in (tmp_path / "b" / "data").rglob("*.npz"):  # files are only a cache
        path.unlink()
    again = start(run_config, tmp_path / "b").trainer
    assert again.step == 4
    again.run(Listener())
    assert lines(tmp_path / "a") == lines(tmp_path / "b")
    first, second = (read_checkpoint(checkpoints_of(tmp_path / f)[0]) for f in ("a", "b"))
    assert first.step == second.step == 6
    for name, value in first.model.items():
        assert torch.equal(value, second.model[name]), name
        assert torch.equal(first.average[name], second.average[name]), name

    release(whole.trainer, tmp_path / "model")
    released = load_lrm(tmp_path / "model")
    assert released.config.decoder.ray_widths == (8, 8, 8, 8, 16)
    assert released(torch.rand(1, 4, 64, 64)).rays.shape == (1, 6, 64, 64)


def test_photos_lie_where_they_are_asked_for(run_config: TrainingConfig, tmp_path: Path):
    run = start(replace(run_config, num_steps=1), tmp_path / "run", data=tmp_path / "photos")
    run.trainer.run(Listener())
    names = {path.parent.name for path in (tmp_path / "photos").rglob("*.npz")}
    assert names == {"photos", "validation"}
    assert not (tmp_path / "run" / "data").exists()


def test_validation_holds_objects_out(run_config: TrainingConfig, tmp_path: Path):
    trainer = start(run_config, tmp_path).trainer
    (kept,), (held_out,) = trainer.samples.stream.objects, trainer.validation_samples.stream.objects
    assert {kept.name, held_out.name} == {"slab", "cube"}
    every = replace(run_config, validate_every=None)
    trainer = start(every, tmp_path / "all").trainer
    assert len(trainer.samples.stream.objects) == 2
    assert trainer.validation_samples is None
    with pytest.raises(TrainingError, match="2 objects for validation of 2 leave none"):
        start(replace(run_config, validation_objects=2), tmp_path / "none")


def test_objects_that_are_passed_over_are_said(
    tiny_ray_config: ModelConfig, run_config: TrainingConfig, tmp_path: Path
):
    folder = Path(run_config.layers.data.meshes[0].folder)
    for path in folder.iterdir():
        (tmp_path / "meshes").mkdir(exist_ok=True)
        (tmp_path / "meshes" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "meshes" / "bad.glb").write_bytes(b"glTF")
    data = replace(
        run_config.layers.data, meshes=(MeshFolder(folder=str(tmp_path / "meshes")),), window=3
    )
    config = replace(
        run_config, layers=replace(run_config.layers, data=data), validate_every=None
    )  # fmt: skip
    listener = Listener()
    start(config, tmp_path / "run").trainer.run(listener)
    assert any("bad was passed over" in message for message in listener.warnings)


def test_more_objects_than_the_stream_has_are_no_problem(tmp_path: Path):
    stream = ObjectStream(
        [TrainingObject("ball", partial(painted_ball, 1.0))], VIEWS, 0, tmp_path, keep=10
    )
    assert stream.round_length == 1
    assert stream.photos(5)[0].views.shape == (2, 18)
