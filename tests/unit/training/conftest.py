"""A small dataset of views whose pixels follow from a formula: painted balls at the origin."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lrm_core.io.view_dataset_files import (
    DESCRIPTION,
    FORMAT,
    MANIFEST,
    SCHEMA_VERSION,
    encode_manifest,
    manifest_row,
    write_file,
)
from lrm_core.io.view_set_files import encode_view_set, write_samples
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.rendering.trajectories import random_on_shell
from lrm_core.structures.view_set import ObjectSource, ViewSet


def ball(object_id: str, seed: int, *, num_views: int = 6, size: int = 32) -> ViewSet:
    """A ball of radius 0.5 to 0.9, its colour a linear function of the position on it."""
    rng = np.random.default_rng(seed)
    radius, phase = rng.uniform(0.5, 0.9), rng.permutation(3)
    cameras = random_on_shell(
        num_views,
        radius_range=(1.5, 3.0),
        height_range=(-0.75, 1.6),
        size=size,
        focal=0.75,
        generator=torch.Generator().manual_seed(seed),
    )
    rays = generate_rays(cameras)
    along = (rays.origins * rays.directions).sum(dim=-1)
    inside = along.square() - rays.origins.square().sum(dim=-1) + radius**2
    hit = inside > 0.0
    points = rays.origins + (-along - inside.clamp_min(0.0).sqrt())[:, None] * rays.directions
    colors = (0.5 + 0.5 * points / radius).numpy()[:, phase]
    rgba = np.concatenate([colors, np.ones_like(colors[:, :1])], axis=1) * hit.numpy()[:, None]
    images = (rgba * 255.0 + 0.5).astype(np.uint8).reshape(num_views, size, size, 4)
    return ViewSet(object_id, images, cameras, ObjectSource("balls", "CC0-1.0", "0" * 64))


def write_views(url: str, view_sets: list[ViewSet], splits: list[str]) -> None:
    content, places = write_samples([encode_view_set(one) for one in view_sets])
    write_file(url, "shard-000000.tar", content)
    rows = [
        manifest_row(one.object_id, one.source, len(one.cameras), split, "shard-000000.tar", place)
        for one, split, place in zip(view_sets, splits, places, strict=True)
    ]
    write_file(url, MANIFEST, encode_manifest(rows))
    description = {"format": FORMAT, "schema_version": SCHEMA_VERSION}
    write_file(url, DESCRIPTION, json.dumps(description).encode())


@pytest.fixture(scope="session")
def make_ball() -> Callable[..., ViewSet]:
    return ball


@pytest.fixture(scope="session")
def write_view_dataset() -> Callable[[str, list[ViewSet], list[str]], None]:
    return write_views


@pytest.fixture(scope="session")
def ball_views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 4 balls for training and 2 for validation, 6 views of 32 pixels each."""
    folder = tmp_path_factory.mktemp("views") / "balls"
    names = [f"ball-{index}" for index in range(6)]
    balls = [ball(name, index) for index, name in enumerate(names)]
    write_views(str(folder), balls, ["train"] * 4 + ["val"] * 2)
    return folder


@pytest.fixture(scope="session")
def other_ball_views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second dataset: 3 balls for training."""
    folder = tmp_path_factory.mktemp("views") / "others"
    balls = [ball(f"other-{index}", 10 + index) for index in range(3)]
    write_views(str(folder), balls, ["train"] * 3)
    return folder
