import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from lrm_core.errors import MetricUnavailableError, TrainingError
from lrm_core.metrics.lpips import load_lpips
from lrm_core.metrics.ssim import ssim
from lrm_core.training.objectives import perceptual_loss
from lrm_core.training.objectives.perceptual_loss import (
    build_perceptual_loss,
    gradient_difference,
    ms_ssim_loss,
)


def smooth_images(num: int, size: int, seed: int) -> torch.Tensor:
    """Clouds, so that every scale has structure."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(num, 3, size, size, dtype=torch.float64)
    for side in (2, 4, 8, 16, size):
        noise = torch.rand(num, 3, side, side, generator=generator, dtype=torch.float64)
        total += torch.nn.functional.interpolate(noise, size=(size, size), mode="bicubic") / 5.0
    return total.clamp(0.0, 1.0)


def ms_ssim_by_numpy(first: np.ndarray, second: np.ndarray, exponents: list[float]) -> float:
    """The definition of Wang, Simoncelli, Bovik (2003) for one (3, H, W) pair."""
    places = np.arange(-5, 6)
    kernel = np.exp(-(places**2) / (2 * 1.5**2))
    kernel /= kernel.sum()

    def mean(images: np.ndarray) -> np.ndarray:
        for axis in (1, 2):
            images = correlate1d(images, kernel, axis=axis)
        return images[:, 5:-5, 5:-5]

    product = 1.0
    for scale, exponent in enumerate(exponents):
        mu, nu = mean(first), mean(second)
        cov = mean(first * second) - mu * nu
        var = mean(first**2) - mu**2 + mean(second**2) - nu**2
        factor = (2 * cov + 0.03**2) / (var + 0.03**2)
        if scale == len(exponents) - 1:
            factor = factor * (2 * mu * nu + 0.01**2) / (mu**2 + nu**2 + 0.01**2)
        product *= factor.mean() ** (exponent / sum(exponents))
        half = [x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2] for x in (first, second)]
        first, second = (
            x.reshape(3, x.shape[1] // 2, 2, x.shape[2] // 2, 2).mean(axis=(2, 4)) for x in half
        )
    return product


@pytest.mark.parametrize(("size", "num_scales"), [(32, 2), (64, 3), (128, 4), (176, 5), (200, 5)])
def test_ms_ssim_is_its_definition(size: int, num_scales: int) -> None:
    reference = smooth_images(2, size, 0)
    predicted = 0.8 * reference + 0.2 * smooth_images(2, size, 1)
    exponents = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:num_scales]
    expected = [
        1.0 - ms_ssim_by_numpy(a.numpy(), b.numpy(), exponents)
        for a, b in zip(predicted, reference, strict=True)
    ]
    found = ms_ssim_loss(predicted, reference)
    assert found.min() > 0.01
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_with_room_for_one_scale_ms_ssim_is_ssim() -> None:
    reference = smooth_images(3, 21, 0)
    predicted = 0.8 * reference + 0.2 * smooth_images(3, 21, 1)
    torch.testing.assert_close(
        1.0 - ms_ssim_loss(predicted, reference), ssim(predicted, reference), atol=1e-9, rtol=0
    )


@pytest.mark.parametrize("loss", [gradient_difference, ms_ssim_loss])
def test_losses_are_zero_for_equal_images_and_have_their_gradients(loss) -> None:
    reference = smooth_images(2, 24, 0)
    assert loss(reference, reference).abs().max() < 1e-12
    predicted = (0.7 * reference + 0.3 * smooth_images(2, 24, 1))[..., :23].requires_grad_()
    torch.autograd.gradcheck(
        lambda x: loss(x, reference[..., :23]), predicted, fast_mode=True, atol=1e-6
    )


def test_ms_ssim_has_a_gradient_where_structure_is_opposite() -> None:
    reference = smooth_images(1, 32, 0)
    predicted = (1.0 - reference).requires_grad_()
    ms_ssim_loss(predicted, reference).sum().backward()
    assert predicted.grad.isfinite().all()


def test_gradient_difference_by_loops() -> None:
    predicted, reference = smooth_images(1, 16, 0), smooth_images(1, 16, 1)
    expected = 0.0
    a, b = predicted[0].numpy(), reference[0].numpy()
    for _ in range(4):
        for axis in (1, 2):
            expected += np.abs(np.diff(a, axis=axis) - np.diff(b, axis=axis)).mean()
        a, b = (x.reshape(3, len(x[0]) // 2, 2, -1, 2).mean(axis=(2, 4)) for x in (a, b))
    assert gradient_difference(predicted, reference).item() == pytest.approx(expected)
    shifted = gradient_difference(predicted + 0.1, predicted)
    assert shifted.item() == pytest.approx(0.0, abs=1e-12)


def test_ms_ssim_refuses_images_below_its_window() -> None:
    with pytest.raises(TrainingError, match="11 pixels"):
        ms_ssim_loss(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))


def test_losses_by_name() -> None:
    assert build_perceptual_loss("none") is None
    assert build_perceptual_loss("gradient") is gradient_difference
    assert build_perceptual_loss("ms-ssim") is ms_ssim_loss


def test_lpips_without_its_weights_says_what_to_do(monkeypatch) -> None:
    def missing(name: str):
        raise MetricUnavailableError(f"{name} is not on this disk")

    monkeypatch.setattr(perceptual_loss, "locate_weights", missing)
    with pytest.raises(TrainingError, match="VGG-16 weights are unavailable") as caught:
        build_perceptual_loss("lpips")
    for word in ("https://", "vgg16-397923af.pth", "LRM_METRIC_WEIGHTS", "gradient", "ms-ssim"):
        assert word in caught.value.hint


def test_lpips_is_the_metric_and_can_be_minimised(monkeypatch, tmp_path) -> None:
    """With a random backbone: the real one's 550 MB are not available in tests."""
    pytest.importorskip("lpips")
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = torchvision.models.vgg16().features.state_dict()
    path = tmp_path / "vgg.pth"
    state = {
        f"features.{name}": torch.randn(shape.shape) / max(shape[0].numel(), 1) ** 0.5
        for name, shape in shapes.items()
    }
    torch.save(state, path)
    for slow in ("normal_", "kaiming_normal_", "kaiming_uniform_"):  # all is overwritten
        monkeypatch.setattr(torch.nn.init, slow, lambda tensor, *_, **__: tensor)
    monkeypatch.setattr(perceptual_loss, "locate_weights", lambda name: path)
    loss = build_perceptual_loss("lpips")
    reference = smooth_images(2, 32, 0).float()
    predicted = smooth_images(2, 32, 1).float().requires_grad_()
    found = loss(predicted, reference)
    metric = load_lpips("vgg", path)
    torch.testing.assert_close(found.detach().double(), metric(predicted.detach(), reference))
    found.sum().backward()
    moved = predicted.detach() - 1e-2 * predicted.grad / predicted.grad.norm()
    assert (loss(moved, reference) < found).all()
