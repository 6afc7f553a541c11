"""Samples by index, their geometry in the mirror and beside the photo, and batches of them."""

from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import trimesh

from lrm_core.structures.scene import Material, Scene, ScenePart
from lrm_core.training.data import layer_samples
from lrm_core.training.data.layer_samples import (
    LayerBatch,
    LayerSample,
    LayerSamples,
    collate_layers,
    draw_sample,
)
from lrm_core.training.data.object_stream import ObjectStream, TrainingObject
from lrm_core.training.data.photo_look import Look
from lrm_core.training.data.training_photos import LayeredPhotos, take_photos
from lrm_core.training.layer_config import LayerConfig, ObjectStreamConfig, ViewSampling

VIEWS = ViewSampling(num_views=3, size=32)
CONFIG = LayerConfig(
    data=ObjectStreamConfig(views=VIEWS, window=4, uses=2),
    num_points=200,
)
EXACT = replace(CONFIG, augment=False, surface_noise=(0.0, 0.0))


def boxes(width: float = 2.0) -> Scene:
    """Two boxes of different colors: no symmetry hides a flipped axis."""
    parts = []
    for extents, offset, color in (
        ((width, 0.7, 0.9), (0.0, -0.1, -0.4), (1.0, 0.1, 0.1, 1.0)),
        ((0.6, 0.9, 1.0), (-0.6, 0.2, 0.3), (0.1, 0.1, 1.0, 1.0)),
    ):
        box = trimesh.creation.box(extents=extents).apply_translation(offset)
        parts.append(
            ScenePart(np.float32(box.vertices), np.int32(box.faces), Material(base_color=color))
        )
    return Scene(tuple(parts))


def samples_of(folder: Path, config: LayerConfig = CONFIG, **options: object) -> LayerSamples:
    some = [TrainingObject(f"boxes-{i}", partial(boxes, 1.4 + 0.2 * i)) for i in range(5)]
    stream = ObjectStream(some, config.data.views, 0, folder, keep=100)
    return LayerSamples(stream, config, seed=3, **options)


def same(one: LayerSample, other: LayerSample) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b
        for a, b in ((getattr(one, f.name), getattr(other, f.name)) for f in fields(LayerSample))
    )


@pytest.fixture(scope="module")
def photos() -> LayeredPhotos:
    return take_photos(boxes(), VIEWS, np.random.default_rng(0), num_surface=3000)


def test_a_sample_follows_from_seed_and_index_alone(tmp_path: Path):
    first, second = samples_of(tmp_path / "a"), samples_of(tmp_path / "b")
    expected = [first[index] for index in range(6)]
    for index in (5, 0, 3, 1):
        assert same(second[index], expected[index])
    assert not same(expected[0], expected[1])
    other = samples_of(tmp_path / "a")
    other.seed = 4
    assert not same(other[0], expected[0])
    far = first[100_000]
    assert same(second[100_000], far)


def test_the_window_slides_over_the_stream(tmp_path: Path):
    """After `uses` samples it moves on by one position."""
    samples = samples_of(tmp_path)
    for index in range(40):
        samples[index]
    positions = {int(path.stem) for path in tmp_path.iterdir()}
    assert positions <= set(range(0, 19 + 4))
    assert len(positions) > 18
    assert len(samples) == 5 * 2


def test_a_sample_comes_from_anywhere_in_its_window(
    tmp_path: Path, photos: LayeredPhotos, monkeypatch: pytest.MonkeyPatch
):
    """Neighbors in time must be different objects."""
    wide = replace(CONFIG, data=replace(CONFIG.data, window=8, uses=1000))
    samples = samples_of(tmp_path, wide)
    seen: list[int] = []

    def note(stream: ObjectStream, position: int) -> tuple[LayeredPhotos, str]:
        seen.append(position)
        return photos, ""

    monkeypatch.setattr(ObjectStream, "photos", note)
    for index in range(2000, 2200):
        samples[index]
    counts = np.bincount(seen, minlength=10)
    assert counts[2:].sum() == 200
    assert counts[2:].min() > 8  # 25 on average
    assert len(counts) == 10


def test_highlights_are_on_the_photo_alone(photos: LayeredPhotos, monkeypatch: pytest.MonkeyPatch):
    """They follow the viewer: what lies behind, and points seen from anywhere, are matt."""
    light = np.array([0.0, -0.8, 0.6])
    matt = Look(ambient=0.5, light=tuple(light.tolist()))
    drawn = {}
    for gloss in (0.0, 0.6):
        look = replace(matt, gloss=gloss, hardness=2.0)
        monkeypatch.setattr(layer_samples, "draw_look", lambda rng, look=look, **shares: look)
        monkeypatch.setattr(layer_samples, "with_faults", lambda photo, rng: photo)
        lit = replace(EXACT, augment=True)
        drawn[gloss] = draw_sample(photos, lit, np.random.default_rng(3), index=0)
    plain, glossy = drawn[0.0], drawn[0.6]
    assert np.abs(glossy.image - plain.image).max() > 0.1
    np.testing.assert_array_equal(glossy.behind, plain.behind)
    np.testing.assert_array_equal(glossy.colors, plain.colors)


def test_validation_takes_every_photo_of_every_object_plainly(tmp_path: Path):
    samples = samples_of(tmp_path, fixed=5)
    assert len(samples) == 5 * 3
    drawn = [samples[index] for index in range(15)]
    # the first five are as many objects
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{position:09d}.npz" for position in range(5)
    ]
    for index, sample in enumerate(drawn):
        photos, _ = samples.stream.photos(index % 5)
        albedo = photos.albedo[index // 5].astype(np.float32) / 255.0
        np.testing.assert_allclose(sample.image.transpose(1, 2, 0), albedo, atol=1e-6)
        np.testing.assert_array_equal(sample.depths, photos.depths[index // 5].astype(np.float32))


def test_why_an_object_was_passed_over_is_said_once(tmp_path: Path):
    def broken() -> Scene:
        raise ValueError("no faces")

    some = [TrainingObject("bad", broken), TrainingObject("good", boxes)]
    stream = ObjectStream(some, VIEWS, 0, tmp_path, keep=100)
    samples = LayerSamples(stream, CONFIG, seed=0, fixed=2)
    rows = [samples[index] for index in range(4)]
    said = [row.damaged for row in rows]
    assert sorted(said) == ["", "", "", "bad was passed over: ValueError: no faces"]
    assert collate_layers(rows).damaged == ("bad was passed over: ValueError: no faces",)


def test_mirrored_twice_is_the_same(photos: LayeredPhotos):
    sample = draw_sample(photos, EXACT, np.random.default_rng(1))
    mirrored = sample.mirrored()
    assert same(mirrored.mirrored(), sample)
    assert not same(mirrored, sample)
    for name in ("image", "depths", "behind"):
        maps, flipped = getattr(sample, name), getattr(mirrored, name)
        assert not np.array_equal(maps, maps[..., ::-1], equal_nan=True)
        np.testing.assert_array_equal(flipped, maps[..., ::-1])
    np.testing.assert_array_equal(mirrored.points[:, 0], -sample.points[:, 0])
    np.testing.assert_array_equal(mirrored.points[:, 1:], sample.points[:, 1:])


def at_points(maps: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Nearest values (Q, C) of maps (C, S, S) where points (right, depth, up) lie."""
    grid = torch.from_numpy(points[:, [0, 2]] * np.float32([1.0, -1.0]))[None, None]
    found = F.grid_sample(
        torch.from_numpy(maps)[None], grid, mode="nearest", align_corners=False
    )  # fmt: skip
    return found[0, :, 0].T.numpy()


@pytest.fixture(scope="module")
def large_photos() -> LayeredPhotos:
    """Pixels so small that depths hardly change within: two framed ones and a canonical one."""
    views = replace(VIEWS, size=192)
    return take_photos(boxes(), views, np.random.default_rng(0), num_surface=3000)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("mirror", [False, True])
def test_points_of_the_surface_lie_on_the_depths_and_have_the_photo_s_colors(
    large_photos: LayeredPhotos, index: int, mirror: bool
):
    sample = draw_sample(large_photos, EXACT, np.random.default_rng(2), index=index)
    if mirror:
        sample = sample.mirrored()
    depths = at_points(sample.depths, sample.points)
    gaps = np.abs(depths - sample.points[:, 1:2])
    known = np.isfinite(gaps).all(axis=1)
    assert known.mean() > 0.9
    # none lies in front of the first surface or behind the last, but for pixels on an edge
    between = (sample.points[:, 1] > depths[:, 0] - 0.06) & (
        sample.points[:, 1] < depths[:, 1] + 0.06
    )
    assert between[known].mean() > 0.95
    on_first, on_last = gaps[:, 0] < 0.02, gaps[:, 1] < 0.02
    assert (on_first | on_last)[known].mean() > 0.5
    for layer, where in ((sample.image[:3], on_first), (sample.behind, on_last)):
        error = np.abs(at_points(layer, sample.points) - sample.colors).max(axis=1)
        assert where.sum() > 15
        assert np.median(error[where]) < 0.01
    wrong = sample.points * np.float32([-1.0, 1.0, 1.0])
    turned = np.abs(at_points(sample.depths, wrong) - wrong[:, 1:2]).min(axis=1)
    assert np.nan_to_num(turned, nan=1.0).mean() > 2 * np.nan_to_num(gaps.min(axis=1)).mean()


def test_light_falls_on_the_photo_and_on_what_lies_behind_it(photos: LayeredPhotos):
    """The label behind is lit as from behind: a matt front and back of one color stay alike."""
    config = replace(EXACT, augment=True, lit_share=1.0)
    brighter = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        sample = draw_sample(photos, config, rng, index=1)
        assert sample.image.min() >= 0.0
        assert sample.image.max() <= 1.0
        assert np.isfinite(sample.colors).all()
        plain = draw_sample(photos, EXACT, np.random.default_rng(seed), index=1)
        brighter += bool(np.abs(sample.behind - plain.behind).max() > 0.05)
    assert brighter > 25


def test_noise_is_meant_in_world_units(photos: LayeredPhotos):
    noisy = replace(EXACT, num_points=3000, surface_noise=(0.02, 0.02))
    one, other = (
        draw_sample(photos, config, np.random.default_rng(5), index=2) for config in
        (noisy, replace(noisy, surface_noise=(0.0, 0.0)))
    )  # fmt: skip
    distance, focal = one.lens
    moved = []
    for points in (one.points, other.points):
        # back to the world: this photo is a canonical one
        scale = (points[:, 1] + distance) / (2.0 * focal)
        moved.append(np.stack([points[:, 0] * scale, points[:, 1], points[:, 2] * scale], axis=1))
    offset = np.linalg.norm(moved[0] - moved[1], axis=1)
    assert np.sqrt((offset**2).mean()) == pytest.approx(0.02, rel=0.05)


def test_a_batch_has_the_cameras_that_the_model_is_told(photos: LayeredPhotos):
    rows = [draw_sample(photos, CONFIG, np.random.default_rng(seed)) for seed in range(5)]
    batch = collate_layers(rows)
    assert len(batch) == len(batch.cameras) == 5
    assert batch.images.shape == (5, 4, 32, 32)
    assert batch.depths.shape == (5, 2, 32, 32)
    assert batch.behind.shape == (5, 3, 32, 32)
    assert batch.points.shape == batch.colors.shape == (5, 200, 3)
    for index, row in enumerate(rows):
        camera = batch.cameras[index]
        distance, focal = row.lens.tolist()
        torch.testing.assert_close(camera.origins, torch.tensor([[0.0, -distance, 0.0]]))
        # looks along +y with z up: the world's origin is in the middle, at its distance
        pixels, depth = camera.project(torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 0.2]]))
        right, up = 0.1 * 32 * focal / distance, 0.2 * 32 * focal / distance
        expected = torch.tensor([[16.0, 16.0], [16.0 + right, 16.0 - up]])
        torch.testing.assert_close(pixels[0], expected, atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(depth[0], torch.full((2,), distance))
        np.testing.assert_array_equal(batch.images[index], row.image)
        np.testing.assert_array_equal(batch.colors[index], row.colors)


def test_batches_move_as_a_whole(photos: LayeredPhotos):
    batch = collate_layers([draw_sample(photos, CONFIG, np.random.default_rng(0))])
    moved = replace(batch, damaged=("one",)).to("meta")
    assert isinstance(moved, LayerBatch)
    assert moved.damaged == ("one",)
    for one in fields(LayerBatch):
        value = getattr(moved, one.name)
        if isinstance(value, torch.Tensor):
            assert value.device.type == "meta"
            assert value.shape == getattr(batch, one.name).shape
    assert moved.cameras.c2w.device.type == "meta"
