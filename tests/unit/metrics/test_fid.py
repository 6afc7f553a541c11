"""FID: statistics, the distance in closed form, and pytorch-fid's own functions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lrm_core.errors import InputError, MetricUnavailableError
from lrm_core.metrics.fid import (
    FeatureStatistics,
    feature_statistics,
    frechet_distance,
    load_inception,
)


def correlated(num: int, dims: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(dims, dims)) / dims**0.5
    return rng.normal(size=(num, dims)) @ mixing + rng.normal(size=dims)


def gaussian(mean: np.ndarray, covariance: np.ndarray) -> FeatureStatistics:
    return FeatureStatistics(11, mean, covariance * 10)


def test_statistics_agree_with_numpy() -> None:
    features = correlated(50, 6, 13)
    found = feature_statistics(features)
    np.testing.assert_allclose(found.mean, features.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(features, rowvar=False), rtol=1e-11)


def test_merged_parts_are_the_statistics_of_the_whole() -> None:
    features = correlated(60, 5, 14).astype(np.float32) + 1000.0  # far from 0: cancellation shows
    parts = [feature_statistics(part) for part in np.split(features, [1, 20, 41])]
    merged = parts[0].merged(parts[1]).merged(parts[2].merged(parts[3]))
    exact = features.astype(np.float64)
    assert merged.count == 60
    np.testing.assert_allclose(merged.mean, exact.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(merged.covariance, np.cov(exact, rowvar=False), rtol=1e-9)


def test_diagonal_gaussians_have_a_closed_form() -> None:
    """d = |m1 - m2|^2 + sum of (s1 - s2)^2."""
    rng = np.random.default_rng(15)
    m1, m2 = rng.normal(size=(2, 8))
    s1, s2 = rng.uniform(0.1, 3.0, (2, 8))
    found = frechet_distance(gaussian(m1, np.diag(s1**2)), gaussian(m2, np.diag(s2**2)))
    assert found == pytest.approx(((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum(), rel=1e-12)


def test_rotated_gaussians_have_a_closed_form() -> None:
    """Two that share eigenvectors: as if diagonal."""
    rotation = np.linalg.qr(np.random.default_rng(16).normal(size=(3, 3)))[0]
    c1 = rotation @ np.diag([1.0, 4.0, 9.0]) @ rotation.T
    c2 = rotation @ np.diag([4.0, 4.0, 0.0]) @ rotation.T
    found = frechet_distance(gaussian(np.zeros(3), c1), gaussian(np.zeros(3), c2))
    assert found == pytest.approx(1.0 + 0.0 + 9.0, abs=1e-6)


def test_equal_sets_have_distance_zero() -> None:
    statistics = feature_statistics(correlated(30, 10, 17))
    assert frechet_distance(statistics, statistics) == pytest.approx(0.0, abs=1e-9)


def test_fewer_images_than_dimensions_stay_exact() -> None:
    """The trace from the features themselves: the sum of the singular values of X Y^T."""
    x, y = correlated(12, 40, 18), correlated(15, 40, 19)
    a, b = ((f - f.mean(axis=0)) / (len(f) - 1) ** 0.5 for f in (x, y))
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    step = x.mean(axis=0) - y.mean(axis=0)
    expected = step @ step + (a**2).sum() + (b**2).sum() - 2 * cross
    found = frechet_distance(feature_statistics(x), feature_statistics(y))
    assert found == pytest.approx(expected, rel=1e-6)


def test_one_image_is_too_few() -> None:
    one = feature_statistics(np.ones((1, 4)))
    with pytest.raises(InputError, match="2 images or more, got 1"):
        frechet_distance(one, one)


def test_the_distance_agrees_with_pytorch_fid() -> None:
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    x, y = correlated(200, 24, 20), correlated(150, 24, 21)
    expected = fid_score.calculate_frechet_distance(
        x.mean(axis=0), np.cov(x, rowvar=False), y.mean(axis=0), np.cov(y, rowvar=False)
    )
    found = frechet_distance(feature_statistics(x), feature_statistics(y))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of FID's own architecture."""
    inception = pytest.importorskip("pytorch_fid.inception")
    torch.manual_seed(22)
    taken: list[torch.nn.Module] = []

    class Unloaded(dict):
        """Lets the constructor pass without weights."""

    def load_state_dict(network: torch.nn.Module, state: dict, *_: object) -> None:
        assert isinstance(state, Unloaded)
        taken.append(network)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: Unloaded())
        patch.setattr(inception.torchvision.models.Inception3, "load_state_dict", load_state_dict)
        inception.fid_inception_v3()
    path = tmp_path_factory.mktemp("fid") / "inception.pth"
    torch.save(taken[0].state_dict(), path)
    return path


def test_features_and_distance_agree_with_pytorch_fid(
    inception_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From image files, as its command line computes them."""
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    inception = pytest.importorskip("pytorch_fid.inception")
    pixels = np.random.default_rng(23).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
    files = []
    for index, image in enumerate(pixels):
        files.append(str(tmp_path / f"{index}.png"))
        Image.fromarray(image).save(files[-1])
    state = torch.load(inception_file, weights_only=True)
    with monkeypatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: state)
        theirs = inception.InceptionV3([3])
    monkeypatch.setattr(fid_score, "tqdm", lambda batches: batches)
    expected = fid_score.get_activations(files, theirs, batch_size=2, num_workers=0)

    ours = load_inception(inception_file)
    found = ours.embed(torch.tensor(pixels).permute(0, 3, 1, 2) / 255.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
    assert "pytorch-fid" in ours.backend
    assert inception.load_state_dict_from_url.__name__ == "load_state_dict_from_url"


def test_another_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pytorch_fid.inception")
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "w.pth")
    with pytest.raises(MetricUnavailableError, match="Inception"):
        load_inception(tmp_path / "w.pth")
