"""LPIPS with random backbones of the real architectures against the package's own forward."""

import warnings
from pathlib import Path

import pytest
import torch
import torchvision

from lrm_core.errors import MetricUnavailableError
from lrm_core.metrics.lpips import load_lpips

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
