"""Chamfer distance against Kaolin's documented values, all distances, and Kaolin where it runs."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from lrm_core.metrics import chamfer as module
from lrm_core.metrics.chamfer import (
    Chamfer,
    chamfer,
    chamfer_by_kaolin,
    chamfer_of_neighbors,
    kaolin_is_usable,
)
from lrm_core.metrics.nearest_neighbors import find_nearest_neighbors

# the example in the documentation of kaolin.metrics.pointcloud.chamfer_distance
KAOLIN_P1 = [
    [[8.8977, 4.1709, 1.2839], [8.5640, 7.7767, 9.4214]],
    [[0.5431, 6.4495, 11.4914], [3.2126, 8.0865, 3.1018]],
]
KAOLIN_P2 = [
    [[6.9340, 6.1152, 3.4435], [0.1032, 9.8181, 11.3350]],
    [[11.4006, 2.2154, 7.9589], [4.2586, 1.4133, 7.2606]],
]
KAOLIN_DISTANCES = [72.5838, 151.0809]


def by_tree(a: np.ndarray, b: np.ndarray) -> Chamfer:
    return chamfer_of_neighbors(find_nearest_neighbors(a, b))


@pytest.mark.parametrize("case", [0, 1])
def test_kaolins_documented_values(case: int) -> None:
    found = by_tree(np.array(KAOLIN_P1[case]), np.array(KAOLIN_P2[case]))
    assert found.squared == pytest.approx(KAOLIN_DISTANCES[case], abs=5e-5)


def test_both_values_agree_with_all_distances() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(40, 3)), rng.normal(size=(90, 3))
    distances = np.linalg.norm(a[:, None] - b[None], axis=2)
    nearest = distances.min(axis=1), distances.min(axis=0)
    found = by_tree(a, b)
    assert found.squared == pytest.approx(sum((d**2).mean() for d in nearest), rel=1e-12)
    assert found.distance == pytest.approx(sum(d.mean() for d in nearest), rel=1e-12)
    assert found.backend.startswith("scipy ")
    assert found.backend.endswith("cKDTree, float64")


def test_shifted_planes_have_a_known_distance() -> None:
    grid = np.stack([*np.meshgrid(np.arange(9.0), np.arange(9.0)), np.zeros((9, 9))], axis=-1)
    points = grid.reshape(-1, 3)
    found = by_tree(points, points + np.array([0.0, 0.0, 0.3]))
    assert found.squared == pytest.approx(2 * 0.3**2)
    assert found.distance == pytest.approx(2 * 0.3)


def fake_kaolin(monkeypatch: pytest.MonkeyPatch, calls: list[dict]) -> None:
    def chamfer_distance(
        p1: torch.Tensor, p2: torch.Tensor, w1: float = 1.0, w2: float = 1.0, squared: bool = True
    ) -> torch.Tensor:
        calls.append({"shapes": (p1.shape, p2.shape), "dtype": p1.dtype, "squared": squared})
        return torch.tensor([0.25 if squared else 0.5])

    pointcloud = ModuleType("kaolin.metrics.pointcloud")
    pointcloud.chamfer_distance = chamfer_distance  # type: ignore[attr-defined]
    for name in ("kaolin", "kaolin.metrics"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "kaolin.metrics.pointcloud", pointcloud)
    monkeypatch.setattr(module, "version", lambda name: f"1.2.3-{name}")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    as_tensor = torch.as_tensor
    monkeypatch.setattr(
        torch, "as_tensor", lambda data, dtype=None, device=None: as_tensor(data, dtype=dtype)
    )


def test_kaolin_is_asked_where_it_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its interface as recorded from version 0.18; Kaolin itself needs CUDA (test below)."""
    calls: list[dict] = []
    fake_kaolin(monkeypatch, calls)
    found = chamfer(np.zeros((4, 3)), np.ones((5, 3)))
    assert (found.squared, found.distance) == (0.25, 0.5)
    assert found.backend == "kaolin 1.2.3-kaolin, float32, cuda"
    assert [call["squared"] for call in calls] == [True, False]
    assert all(call["shapes"] == ((1, 4, 3), (1, 5, 3)) for call in calls)
    assert all(call["dtype"] == torch.float32 for call in calls)


def test_without_kaolin_or_cuda_the_tree_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_kaolin(monkeypatch, [])
    a, b = np.zeros((4, 3)), np.ones((5, 3))
    monkeypatch.setitem(sys.modules, "kaolin.metrics.pointcloud", None)  # the placeholder on PyPI
    assert "cKDTree" in chamfer(a, b).backend
    monkeypatch.undo()
    fake_kaolin(monkeypatch, [])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "cKDTree" in chamfer(a, b, find_nearest_neighbors(a, b)).backend


@pytest.mark.gpu
@pytest.mark.skipif(not kaolin_is_usable(), reason="needs Kaolin and a CUDA device")
def test_kaolin_and_the_tree_agree() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(1000, 3)), rng.normal(size=(1500, 3))
    ours, theirs = by_tree(a, b), chamfer_by_kaolin(a, b)
    assert theirs.squared == pytest.approx(ours.squared, rel=1e-5)
    assert theirs.distance == pytest.approx(ours.distance, rel=1e-5)
