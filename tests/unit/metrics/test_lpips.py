"""LPIPS with random backbones of the real architectures against the package's own forward."""

import os
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

from lrm_core.errors import MetricUnavailableError
from lrm_core.metrics.lpips import Lpips, load_lpips
from lrm_core.metrics.metric_weights import find_weights
from lrm_core.metrics.psnr import psnr

package = pytest.importorskip("lpips")

ARCHITECTURES = {"alex": torchvision.models.alexnet, "vgg": torchvision.models.vgg16}


@pytest.fixture(scope="module", params=["alex", "vgg"])
def backbone(request: pytest.FixtureRequest) -> tuple[str, dict[str, torch.Tensor]]:
    """Random weights, named as in torchvision's file, without the classifier for its size."""
    torch.manual_seed(11)
    # built empty: initialising the classifier takes seconds
    with torch.device("meta"):
        shapes = ARCHITECTURES[request.param]().features.state_dict()
    state = {
        f"features.{name}": torch.randn(tensor.shape) / max(tensor[0].numel(), 1) ** 0.5
        for name, tensor in shapes.items()
    }
    return request.param, state


def test_it_agrees_with_the_package(
    backbone: tuple[str, dict[str, torch.Tensor]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, state = backbone
    for slow in ("normal_", "kaiming_normal_", "kaiming_uniform_"):  # all is overwritten below
        monkeypatch.setattr(torch.nn.init, slow, lambda tensor, *_, **__: tensor)
    torch.save(state, tmp_path / "weights.pth")
    ours = load_lpips(name, tmp_path / "weights.pth")  # type: ignore[arg-type]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        theirs = package.LPIPS(net=name, pnet_rand=True, verbose=False)
    for module_name, parameter in theirs.net.named_parameters():
        parameter.data.copy_(state["features." + module_name.split(".", 1)[1]])

    a, b = torch.rand(2, 5, 3, 64, 64).unbind()
    with torch.no_grad():
        expected = theirs(a * 2 - 1, b * 2 - 1).flatten().double()
    found = ours(a, b)
    assert found.dtype == torch.float64
    assert torch.allclose(found, expected, rtol=1e-5, atol=0)
    assert (found > 0).all()
    assert ours(a, a).tolist() == [0.0] * 5
    assert name in ours.backend


def test_another_file_is_refused(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11)}, tmp_path / "w.pth")
    with pytest.raises(MetricUnavailableError, match="backbone 'alex'"):
        load_lpips("alex", tmp_path / "w.pth")


def published_weights(backbone: Literal["alex", "vgg"]) -> Lpips:
    """LPIPS as published, where its weights are on this disk (benchmarks/lpips_weights.py)."""
    path = find_weights(f"lpips/{backbone}")
    if path is None:
        pytest.skip("no weights of LPIPS: LRM_METRIC_WEIGHTS names their folder")
    return load_lpips(backbone, path)


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float() / 255.0


def test_the_published_example_has_the_published_values() -> None:
    """The pair in the readme of the package: 0.722 and 0.138."""
    folder = os.environ.get("LRM_LPIPS_EXAMPLES")
    if not folder:
        pytest.skip("LRM_LPIPS_EXAMPLES names no folder with ex_ref.png, ex_p0.png, ex_p1.png")
    reference, first, second = (
        as_tensor(np.asarray(Image.open(Path(folder) / name).convert("RGB")))
        for name in ("ex_ref.png", "ex_p0.png", "ex_p1.png")
    )
    metric = published_weights("alex")
    assert metric(first, reference).item() == pytest.approx(0.722, abs=6e-4)
    assert metric(second, reference).item() == pytest.approx(0.138, abs=6e-4)


@pytest.mark.parametrize("backbone", ["alex", "vgg"])
def test_a_shift_is_nearer_than_a_blur_whatever_psnr_says(backbone) -> None:
    """Figure 1 of the paper in one pair: random features do not see it."""
    metric = published_weights(backbone)
    image = data.astronaut()[:128, 160:288]
    sharp, shifted = as_tensor(image), as_tensor(np.roll(image, 3, axis=1))
    blurred = as_tensor(gaussian_filter(image.astype(float), (4, 4, 0)))
    assert psnr(blurred, sharp) > psnr(shifted, sharp) + 2.0
    assert metric(blurred, sharp) > 2.0 * metric(shifted, sharp)
