import json
import pickle
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lrm_core.config import load_preset, parse_config
from lrm_core.errors import ConfigError, InputError, TrainingError
from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set
from lrm_core.training.data import view_samples
from lrm_core.training.data.view_samples import (
    ViewSample,
    ViewSamples,
    collate_views,
)
from lrm_core.training.view_config import ViewDataConfig, ViewSource

MODEL = load_preset("lrm-tiny")


def config_for(*sources: ViewSource, **settings: object) -> ViewDataConfig:
    settings = {"target_resolution": (16, 24), "crop": 16} | settings
    return ViewDataConfig(sources=sources, **settings)


def samples_of(
    *sources: ViewSource, seed: int = 0, split: str = "train", **settings
) -> ViewSamples:
    fixed = bool(settings.pop("fixed", False))
    return ViewSamples(config_for(*sources, **settings), MODEL, split=split, seed=seed, fixed=fixed)


def assert_same(first: ViewSample, second: ViewSample) -> None:
    assert first.object_id == second.object_id
    assert (first.seed, first.damaged) == (second.seed, second.damaged)
    for one, other in [
        (first.image, second.image),
        (first.camera.c2w, second.camera.c2w),
        (first.targets.cameras.c2w, second.targets.cameras.c2w),
        (first.targets.cameras.intrinsics, second.targets.cameras.intrinsics),
        (first.targets.rgb, second.targets.rgb),
        (first.targets.alpha, second.targets.alpha),
    ]:
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_sample_follows_from_seed_and_index_alone(ball_views) -> None:
    source = ViewSource(url=str(ball_views))
    samples = samples_of(source, seed=3)
    expected = [samples[index] for index in range(9)]
    again = pickle.loads(pickle.dumps(samples_of(source, seed=3)))
    for index in (8, 0, 5):  # any order, another process
        assert_same(again[index], expected[index])
    other = samples_of(source, seed=4)
    assert any(not torch.equal(other[i].image, expected[i].image) for i in range(4))
    assert len({sample.seed for sample in expected}) == 9


def test_every_epoch_holds_each_object_as_often_as_its_source_repeats(
    ball_views, other_ball_views
) -> None:
    samples = samples_of(
        ViewSource(url=str(ball_views)), ViewSource(url=str(other_ball_views), repeats=3)
    )
    assert len(samples) == 4 + 3 * 3
    orders = []
    for epoch in range(2):
        ids = [samples[epoch * 13 + index].object_id for index in range(13)]
        expected = {f"ball-{i}": 1 for i in range(4)} | {f"other-{i}": 3 for i in range(3)}
        assert Counter(ids) == expected
        orders.append(ids)
    assert orders[0] != orders[1]


def test_pictures_and_cameras_belong_together(ball_views) -> None:
    """Every drawn view is found among the object's views, and its camera is that view's."""
    dataset = open_view_dataset(ball_views)
    samples = samples_of(
        ViewSource(url=str(ball_views)), target_resolution=(32, 32), crop=32, camera_poses="none"
    )
    for index in range(6):
        sample = samples[index]
        stored = read_view_set(dataset, sample.object_id)
        rgba = stored.images.astype(np.float64) / 255.0
        composited = rgba[..., :3] * rgba[..., 3:] + 1.0 - rgba[..., 3:]
        drawn = []
        for rgb, c2w in zip(sample.targets.rgb, sample.targets.cameras.c2w, strict=True):
            errors = np.abs(composited - rgb.numpy()).max(axis=(1, 2, 3))
            drawn.append(int(errors.argmin()))
            assert errors.min() < 1e-6
            assert torch.equal(c2w, stored.cameras.c2w[drawn[-1]])
        assert len(set(drawn)) == 4
        assert torch.equal(sample.camera.c2w[0], sample.targets.cameras.c2w[0])


def test_the_input_camera_is_normalized_and_sees_the_same_ball(ball_views) -> None:
    samples = samples_of(ViewSource(url=str(ball_views), distance=2.0))
    own = samples_of(ViewSource(url=str(ball_views), distance=None))
    distances = set()
    for index in range(4):
        c2w = samples[index].camera.c2w[0]
        torch.testing.assert_close(c2w[:3, 3], torch.tensor([0.0, -2.0, 0.0]))
        torch.testing.assert_close(-c2w[:3, 2], torch.tensor([0.0, 1.0, 0.0]))
        center = own[index].camera.c2w[0, :3, 3]
        assert center[0].abs() < 1e-6
        distances.add(round(float(-center[1]), 3))
        # the ball's center, the origin, stays in the middle of every whole view
        cameras = samples[index].targets.cameras
        pixels, depth = cameras.project(torch.zeros(1, 3))
        middle = cameras.intrinsics[:, 2:]
        torch.testing.assert_close(pixels[:, 0], middle, rtol=0, atol=1e-3)
        assert (depth > 0).all()
    assert len(distances) == 4


def test_input_and_targets_lie_on_the_backgrounds_of_model_and_run(ball_views) -> None:
    """Neither is the white of the paper."""
    model = replace(MODEL, input=replace(MODEL.input, background=0.25))
    config = config_for(ViewSource(url=str(ball_views)), background=0.6)
    sample = ViewSamples(config, model, split="train")[0]
    hidden = sample.image[3] == 0.0
    assert hidden.sum() > 20
    torch.testing.assert_close(
        sample.image[:3, hidden], torch.full((3, int(hidden.sum())), 0.25), rtol=0, atol=1e-6
    )
    beyond = sample.targets.alpha == 0.0
    assert beyond.sum() > 20
    assert sample.targets.rgb[beyond].unique().tolist() == pytest.approx([0.6])
    assert collate_views([sample]).background == 0.6


def test_every_resolution_of_the_range_is_drawn(ball_views) -> None:
    """Seen in the focal length in pixels: 0.75 of the resized view's side."""
    samples = samples_of(ViewSource(url=str(ball_views)), num_side_views=0)
    drawn = Counter(
        round(float(samples[index].targets.cameras.intrinsics[0, 0]) / 0.75) for index in range(180)
    )
    assert set(drawn) == set(range(16, 25))
    assert max(drawn.values()) < 40  # 20 of each on average


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear"])
def test_the_input_view_is_read_with_the_models_filter(ball_views, kernel: str) -> None:
    """Against torch's own resampling, which takes Pillow's kernels with `antialias`."""
    model = replace(MODEL, input=replace(MODEL.input, resize=kernel))
    config = config_for(ViewSource(url=str(ball_views)), camera_poses="none")
    sample = ViewSamples(config, model, split="train")[0]
    stored = read_view_set(open_view_dataset(ball_views), sample.object_id)
    (view,) = (stored.cameras.c2w == sample.camera.c2w[0]).all(dim=2).all(dim=1).nonzero()[0]
    rgba = torch.from_numpy(stored.images[view]).float().permute(2, 0, 1)[None] / 255.0
    rgba[:, :3] *= rgba[:, 3:]

    def resized(mode: str) -> torch.Tensor:
        scaled = F.interpolate(rgba, size=(64, 64), mode=mode, antialias=True)[0]
        alpha = scaled[3:].clamp(0.0, 1.0)
        return torch.cat([torch.minimum(scaled[:3].clamp_min(0.0), alpha), alpha])

    found = torch.cat([sample.image[:3] * sample.image[3:], sample.image[3:]])
    torch.testing.assert_close(found, resized(kernel), rtol=0, atol=3e-3)
    assert (resized("bicubic") - resized("bilinear")).abs().max() > 0.05


def test_contents_are_those_of_the_datasets_wherever_they_lie(
    ball_views, other_ball_views, tmp_path, make_ball, write_view_dataset
) -> None:
    samples = samples_of(ViewSource(url=str(ball_views)), ViewSource(url=str(other_ball_views)))
    contents = samples.contents()
    names = [*(f"1/ball-{i}" for i in range(6)), *(f"2/other-{i}" for i in range(3))]
    assert [name for name, _ in contents] == names
    assert contents[5] == ("1/ball-5", f"val, 6 views, {'0' * 64}")
    shutil.copytree(other_ball_views, tmp_path / "copy")
    copied = samples_of(ViewSource(url=str(ball_views)), ViewSource(url=str(tmp_path / "copy")))
    assert copied.contents() == contents

    description = json.loads((tmp_path / "copy" / "dataset.json").read_text())
    description["shards"] = [{"shard": "shard-000000.tar", "bytes": 10, "sha256": "ab"}]
    (tmp_path / "copy" / "dataset.json").write_text(json.dumps(description))
    with_shards = samples_of(ViewSource(url=str(tmp_path / "copy"))).contents()
    assert with_shards[0] == ("1/shard-000000.tar", "ab")
    assert len(with_shards) == 4


def test_only_the_drawn_views_are_read(ball_views, monkeypatch) -> None:
    asked = []

    def spy(dataset, object_id, views=None, **kwargs):
        asked.append(views)
        return read_view_set(dataset, object_id, views, **kwargs)

    monkeypatch.setattr(view_samples, "read_view_set", spy)
    samples_of(ViewSource(url=str(ball_views)), num_side_views=2)[0]
    assert [len(views) for views in asked] == [3]


def test_max_views_keeps_to_a_subset_whatever_the_seed(ball_views, monkeypatch) -> None:
    asked: dict[str, set[int]] = {}

    def spy(dataset, object_id, views=None, **kwargs):
        asked.setdefault(object_id, set()).update(views)
        return read_view_set(dataset, object_id, views, **kwargs)

    monkeypatch.setattr(view_samples, "read_view_set", spy)
    source = ViewSource(url=str(ball_views))
    for seed in range(3):
        samples = samples_of(source, seed=seed, max_views=3, num_side_views=2)
        for index in range(8):
            samples[index]
    assert {len(views) for views in asked.values()} == {3}
    assert len({tuple(sorted(views)) for views in asked.values()}) > 1


def test_objects_with_few_views_repeat_them(tmp_path, make_ball, write_view_dataset) -> None:
    views = [make_ball("two", 0, num_views=2), make_ball("one", 1, num_views=1)]
    write_view_dataset(str(tmp_path / "few"), views, ["train"] * 2)
    samples = samples_of(ViewSource(url=str(tmp_path / "few")))
    for index in range(2):
        sample = samples[index]
        assert sample.targets.rgb.shape == (4, 16, 16, 3)
        num_distinct = len(np.unique(sample.targets.cameras.c2w.numpy().round(4), axis=0))
        assert num_distinct == {"two": 2, "one": 1}[sample.object_id]


def test_a_damaged_object_is_replaced_and_named(tmp_path, make_ball, write_view_dataset) -> None:
    balls = [make_ball(f"ball-{index}", index) for index in range(3)]
    damaged = balls[1].cameras.c2w.clone()
    damaged[:, 0, 0] = torch.nan
    balls[1] = replace(balls[1], cameras=replace(balls[1].cameras, c2w=damaged))
    url = str(tmp_path / "damaged")
    write_view_dataset(url, balls, ["train"] * 3)
    samples = samples_of(ViewSource(url=url))
    drawn = [samples[index] for index in range(6)]
    assert {sample.object_id for sample in drawn} == {"ball-0", "ball-2"}
    lines = [line for sample in drawn for line in sample.damaged]
    assert len(lines) >= 2  # once in each of two epochs, or where the next one begins with it
    assert all(url in line and "ball-1" in line for line in lines)
    for index, sample in enumerate(drawn):
        assert_same(samples[index], sample)
    batch = collate_views(drawn)
    assert batch.damaged == tuple(lines)


def test_nothing_but_damage_ends_the_run(ball_views, monkeypatch) -> None:
    def broken(*args, **kwargs):
        raise InputError("the shard is gone")

    samples = samples_of(ViewSource(url=str(ball_views)))
    monkeypatch.setattr(view_samples, "read_view_set", broken)
    with pytest.raises(TrainingError, match=r"16 objects in a row.*the shard is gone"):
        samples[0]


def test_validation_is_fixed_and_whole(ball_views) -> None:
    source = ViewSource(url=str(ball_views), repeats=5)
    first = samples_of(source, split="val", fixed=True)
    assert len(first) == 2
    assert {first[index].object_id for index in range(2)} == {"ball-4", "ball-5"}
    for seed in (0, 7):
        other = samples_of(source, split="val", fixed=True, seed=seed)
        for index in range(2):
            assert_same(other[index], first[index])
    cameras = first[0].targets.cameras
    assert (cameras.width, cameras.height) == (16, 16)
    middle = torch.full((4, 2), 8.0)
    torch.testing.assert_close(cameras.intrinsics[:, 2:], middle)


def test_a_batch_keeps_objects_and_views_in_order(ball_views) -> None:
    samples = samples_of(ViewSource(url=str(ball_views)), background=0.5)
    drawn = [samples[index] for index in range(3)]
    batch = ViewSamples.collate(drawn).to("cpu")
    assert len(batch) == 3
    assert batch.images.shape == (3, 4, 64, 64)
    assert batch.rgb.shape == (3, 4, 16, 16, 3)
    assert batch.background == 0.5
    for index, sample in enumerate(drawn):
        assert torch.equal(batch.rgb[index], sample.targets.rgb)
        views = batch.target_cameras[index * 4 : index * 4 + 4]
        assert torch.equal(views.intrinsics, sample.targets.cameras.intrinsics)
        assert torch.equal(batch.cameras.c2w[index], sample.camera.c2w[0])
        assert batch.seeds[index] == sample.seed


def test_urls_with_variables(ball_views, monkeypatch) -> None:
    monkeypatch.setenv("LRM_SOME_VIEWS", str(ball_views))
    assert len(samples_of(ViewSource(url="$LRM_SOME_VIEWS"))) == 4
    monkeypatch.delenv("LRM_SOME_VIEWS")
    with pytest.raises(TrainingError, match=r"\$LRM_SOME_VIEWS"):
        samples_of(ViewSource(url="$LRM_SOME_VIEWS"))


def test_missing_data_is_said_clearly(ball_views, tmp_path) -> None:
    with pytest.raises(TrainingError, match="nothing to train on"):
        samples_of()
    with pytest.raises(TrainingError, match="nowhere"):
        samples_of(ViewSource(url=str(tmp_path / "nowhere")))
    with pytest.raises(TrainingError, match=r"'test'.*train 4, val 2"):
        samples_of(ViewSource(url=str(ball_views)), split="test")


@pytest.mark.parametrize(
    "values",
    [
        {"crop": 128, "target_resolution": [64, 96]},
        {"target_resolution": [96, 64]},
        {"sources": [{"url": "x", "repeats": 0}]},
        {"sources": [{"url": "x", "repeat": 1}]},
        {"camera_poses": "canonical"},
        {"max_views": 0},
    ],
)
def test_impossible_settings_are_refused(values) -> None:
    with pytest.raises(ConfigError):
        parse_config(ViewDataConfig, values, origin="test")
