"""Scores against scikit-image and scipy, from the very pictures and points."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lrm_core.evaluation.observation import Observation
from lrm_core.evaluation.scoring import score

BOX = trimesh.creation.box().triangles.astype(np.float32)


def random_observation(seed: int, *, points: int = 300) -> Observation:
    rng = np.random.default_rng(seed)
    alpha = np.zeros((3, 32, 32), np.uint8)
    alpha[:, 5 : 20 + seed, 8:25] = 255
    rgb = np.where(alpha[..., None] > 0, rng.integers(0, 256, (3, 32, 32, 3)), 255)
    depth = np.where(alpha > 0, 2 + 0.1 * rng.random((3, 32, 32)), np.inf)
    normals = rng.normal(size=(points, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Observation(
        rgb.astype(np.uint8),
        alpha,
        depth.astype(np.float32),
        rng.normal(size=(points, 3)).astype(np.float32) * 0.3,
        normals.astype(np.float32),
        BOX * np.float32(0.5 + 0.1 * seed),
    )


def test_scores_are_those_of_other_libraries_on_the_same_pictures_and_points() -> None:
    predicted, expected = random_observation(1), random_observation(2)
    scores = score(predicted, expected, thresholds=(0.05, 0.2))
    pairs = list(zip(predicted.rgb, expected.rgb, strict=True))
    psnr = np.mean([peak_signal_noise_ratio(b, a, data_range=255) for a, b in pairs])
    ssim = np.mean(
        [
            structural_similarity(
                a / 255,
                b / 255,
                channel_axis=2,
                data_range=1,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for a, b in pairs
        ]
    )
    assert scores.values["psnr"] == pytest.approx(psnr, abs=1e-6)
    assert scores.values["ssim"] == pytest.approx(ssim, abs=1e-6)
    there, _ = cKDTree(expected.points).query(predicted.points)
    back, _ = cKDTree(predicted.points).query(expected.points)
    assert scores.values["chamfer_distance"] == pytest.approx(there.mean() + back.mean(), abs=1e-6)
    squared = (there**2).mean() + (back**2).mean()
    assert scores.values["chamfer_squared"] == pytest.approx(squared, abs=1e-6)
    for distance in (0.05, 0.2):
        precision, recall = (there <= distance).mean(), (back <= distance).mean()
        f_score = 2 * precision * recall / (precision + recall)
        assert scores.values[f"f_score@{distance:g}"] == pytest.approx(f_score, abs=1e-6)
        assert scores.values[f"precision@{distance:g}"] == pytest.approx(precision, abs=1e-6)
    a, b = predicted.alpha > 127, expected.alpha > 127
    iou = np.mean((a & b).sum((1, 2)) / (a | b).sum((1, 2)))
    assert scores.values["silhouette_iou"] == pytest.approx(iou, abs=1e-6)
    both = a & b
    errors = [
        np.abs(predicted.depth[view][both[view]] - expected.depth[view][both[view]]).mean()
        for view in range(3)
    ]
    assert scores.values["depth_error"] == pytest.approx(np.mean(errors), abs=1e-6)
    # boxes of side 0.6 and 0.7 around one center
    assert scores.values["volume_iou"] == pytest.approx((0.6 / 0.7) ** 3, rel=0.01)
    assert set(scores.values) == set(scores.backends)


def test_nothing_scores_nothing_but_its_empty_pictures() -> None:
    expected = random_observation(2)
    nothing = Observation(
        np.full_like(expected.rgb, 255),
        np.zeros_like(expected.alpha),
        np.full_like(expected.depth, np.inf),
        np.zeros((0, 3), np.float32),
        np.zeros((0, 3), np.float32),
        np.zeros((0, 3, 3), np.float32),
    )
    scores = score(nothing, expected, thresholds=(0.1,))
    assert scores.values["f_score@0.1"] == 0.0
    assert scores.values["silhouette_iou"] == 0.0
    assert scores.values["volume_iou"] == 0.0
    assert scores.values["depth_coverage"] == 0.0
    assert scores.undefined["chamfer_distance"] == "nothing was predicted"
    assert scores.undefined["depth_error"] == "no pixel shows both objects"
    assert not set(scores.undefined) & set(scores.values)


def test_equal_things_are_perfect() -> None:
    same = random_observation(1)
    scores = score(same, same, thresholds=(0.1,))
    assert scores.values["ssim"] == pytest.approx(1.0)
    assert scores.values["chamfer_distance"] == 0.0
    assert scores.values["f_score@0.1"] == 1.0
    assert scores.values["normal_consistency"] == pytest.approx(1.0)
    assert scores.undefined["psnr"] == "all pictures are equal"
