"""Planes, densities and colors agree with the original code's own.

The references are small random checkpoints in the public layouts, run by the original code of
OpenLRM and TripoSR (`expected.npz`, in the original's frame).
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lrm_core.models.loading import load_lrm
from lrm_core.models.lrm import LRM
from lrm_core.structures.triplane import Triplane

NAMES = ["openlrm-tiny-a", "openlrm-tiny-b", "triposr-tiny"]


def to_world(name: str, points: torch.Tensor) -> torch.Tensor:
    """TripoSR has its front at +x: (x, y, z) there is (y, -x, z) in the world."""
    if name.startswith("openlrm"):
        return points
    return torch.stack([points[:, 1], -points[:, 0], points[:, 2]], dim=-1)


class Reference:
    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.model: LRM = load_lrm(folder)
        pixels = np.asarray(Image.open(folder / "input.png").convert("RGB"))
        self.image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        with np.load(folder / "expected.npz") as file:
            expected = {key: torch.from_numpy(value) for key, value in file.items()}
        self.planes = expected["planes"]
        self.points = to_world(self.name, expected["points"])
        self.density = expected["density"]
        self.color = expected["color"]

    def triplane(self) -> Triplane:
        return self.model.predict_triplane(self.image)


@pytest.fixture(scope="module", params=NAMES)
def reference(request: pytest.FixtureRequest, reference_dir: Path) -> Reference:
    return Reference(reference_dir / request.param)


def test_planes(reference: Reference) -> None:
    planes = reference.triplane().planes[0]
    assert planes.shape == reference.planes.shape
    largest = reference.planes.abs().max()
    assert (planes - reference.planes).abs().max() / largest < 1e-5  # 7e-7 seen


def test_density(reference: Reference) -> None:
    density, _ = reference.model.query(reference.triplane(), reference.points)
    # TripoSR's exponential turns rounding of raw values near -80 into 2e-4 of densities near
    # 1e-37, also between the original in float32 and in float64
    error = (density - reference.density).abs()
    assert (error / reference.density.clamp_min(1e-2)).max() < 1e-4


def test_color(reference: Reference) -> None:
    _, color = reference.model.query(reference.triplane(), reference.points)
    assert (color - reference.color).abs().max() < 1e-4


def test_axes_matter(reference: Reference) -> None:
    """The comparison can see a wrong frame: swapped plane axes are far off."""
    triplane = reference.triplane()
    swapped = tuple((v, u) for u, v in triplane.axes)
    wrong = Triplane(triplane.planes, triplane.extent, swapped)
    _, color = reference.model.query(wrong, reference.points)
    assert (color - reference.color).abs().max() > 0.05


def test_camera_of_openlrm(reference_dir: Path) -> None:
    """Its recorded source camera is the one assumed here."""
    from lrm_core.models.camera_embedding import camera_feature

    model = load_lrm(reference_dir / "openlrm-tiny-a")
    with np.load(reference_dir / "openlrm-tiny-a" / "expected.npz") as file:
        expected = torch.from_numpy(file["source_camera"])
    feature = camera_feature(model.canonical_camera(), "camera16")[0]
    torch.testing.assert_close(feature, expected)
