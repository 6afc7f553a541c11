"""What all speed cases share: models, the object at every stage, one way of measuring, the report.

Models and objects are session fixtures with parameters: pytest orders the cases so that one large
model after the other is made, measured and given up.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the cases import their neighbors by name

import torch
from architectures import (
    MODELS,
    PHOTO,
    architecture,
    num_parameters,
    reconstruction_of,
    save_weights,
)
from ceilings import floor
from measuring import free_memory, peak_memory, seconds_of, synchronise
from report import update_report

from lrm_core.device import choose_device, choose_dtype
from lrm_core.models.model_sources import bundled_folder
from lrm_core.reconstruction.density_grid import SurfaceBlocks, sparse_density
from lrm_core.reconstruction.isosurface import extract_surface
from lrm_core.reconstruction.mesh_cleanup import decimate, remove_floaters
from lrm_core.reconstruction.pipeline import ReconstructionModel, load_model
from lrm_core.reconstruction.reconstruction import DEFAULT_TEXTURE_FACES, Reconstruction

RESOLUTIONS = (128, 256, 384, 512)
_MOST_ROUNDS = 30
_LEAST_ROUNDS = 3

# Beside the weights and a copy of them: activations, the other caches of a session.
_MEMORY_MARGIN = 2 * 10**9

Measure = Callable[..., Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("speed")
    group.addoption("--device", default="auto", help="auto, cpu, cuda or mps")
    group.addoption(
        "--budget", type=float, default=5.0, help="seconds per case: rounds are chosen to fit"
    )
    group.addoption("--report", type=Path, default=Path(__file__).parents[2] / "reports" / "speed")


def pytest_benchmark_update_json(
    config: pytest.Config, benchmarks: list[Any], output_json: dict[str, Any]
) -> None:
    """Reduce what was measured to what is needed, and merge it into the device's report."""
    device = choose_device(config.getoption("--device"))
    update_report(config.getoption("--report"), output_json["benchmarks"], device=device)


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """Where models and fields compute."""
    return choose_device(request.config.getoption("--device"))


@pytest.fixture(scope="session", params=MODELS)
def model_name(request: pytest.FixtureRequest) -> str:
    """One of the architectures."""
    return str(request.param)


@pytest.fixture(scope="session", params=RESOLUTIONS)
def resolution(request: pytest.FixtureRequest) -> int:
    """Grid points per axis."""
    return int(request.param)


@pytest.fixture(scope="session")
def weights(model_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a model that makes the object of any photo."""
    bundled = bundled_folder(model_name)
    if bundled is not None:
        yield bundled
        return
    needed = 2 * 4 * num_parameters(architecture(model_name)) + _MEMORY_MARGIN
    _require_memory(needed, "cpu")
    folder = tmp_path_factory.mktemp(model_name)
    save_weights(architecture(model_name), folder)
    yield folder
    shutil.rmtree(folder)  # gigabytes


@pytest.fixture(scope="session", params=["auto", "float32"])
def dtype(request: pytest.FixtureRequest, device: str, model_name: str) -> torch.dtype:
    """Number format of the weights: what `lrm` chooses by itself, and float32."""
    parameters = num_parameters(architecture(model_name))
    chosen = choose_dtype(request.param, device, parameters)
    if request.param == "float32" and chosen == choose_dtype("auto", device, parameters):
        pytest.skip(f"auto is float32 for {model_name} on this {device}: measured already")
    return chosen


@pytest.fixture(scope="session")
def model(
    model_name: str, weights: Path, device: str, dtype: torch.dtype
) -> Iterator[ReconstructionModel]:
    """The model on its device."""
    parameters = num_parameters(architecture(model_name))
    _require_memory(2 * parameters * dtype.itemsize + _MEMORY_MARGIN, device)
    yield load_model(weights, device=device, dtype=dtype)
    if device == "cuda":
        torch.cuda.empty_cache()


@pytest.fixture(scope="session")
def reconstruction(model_name: str, device: str) -> Reconstruction:
    """The object as a field of the architecture, on the device."""
    return reconstruction_of(model_name, device)


@dataclass(frozen=True)
class Extracted:
    """The object after each step that a grid's resolution bears on.

    Attributes:
        reconstruction: the field that it came from.
        resolution: grid points per axis.
        blocks: densities near the surface.
        surface: vertices and faces of marching cubes.
        cleaned: vertices and faces without floaters, at the face budget of textured meshes.
    """

    reconstruction: Reconstruction
    resolution: int
    blocks: SurfaceBlocks
    surface: tuple[np.ndarray, np.ndarray]
    cleaned: tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="session")
def extracted(reconstruction: Reconstruction, resolution: int) -> Extracted:
    """What the later steps start from."""
    level = reconstruction.config.nerf.iso_level
    blocks = sparse_density(reconstruction.field, resolution, level)
    surface = extract_surface(blocks, reconstruction.triplane)
    cleaned = decimate(*remove_floaters(*surface), DEFAULT_TEXTURE_FACES)
    return Extracted(reconstruction, resolution, blocks, surface, cleaned)


@pytest.fixture
def need_memory(device: str) -> Callable[[int], None]:
    """Skip the case where this many bytes of the device are not free."""
    return lambda needed: _require_memory(needed, device)


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest, device: str) -> Measure:
    """Time a piece of work: once cold, with its memory, and then in rounds within the budget."""

    def run(
        work: Callable[[], Any],
        *,
        before: Callable[[], None] | None = None,
        in_process: bool = True,
        moved: int | None = None,
        number_format: torch.dtype = torch.float32,
        **facts: object,
    ) -> Any:
        """Measure `work`.

        Args:
            work: what is timed; its result is returned.
            before: runs untimed ahead of every round.
            in_process: whether this process's memory says anything.
            moved: bytes that the work must read and write: its floor goes to the report.
            number_format: of the work's matrix products.
            facts: go to the report.
        """
        prepare = before or (lambda: None)
        prepare()
        first = 0.0

        def first_time() -> None:
            nonlocal first
            first = seconds_of(work, device)

        memory = peak_memory(first_time, device)
        affordable = int(request.config.getoption("--budget") / max(first, 1e-6))
        rounds = min(_MOST_ROUNDS, max(1 if affordable < 1 else _LEAST_ROUNDS, affordable))

        def timed() -> Any:
            result = work()
            synchronise(device)
            return result

        result = benchmark.pedantic(timed, setup=prepare, rounds=rounds, iterations=1)
        facts |= memory if in_process else {}
        if moved is not None:
            least = floor(work, moved=moved, dtype=number_format, device=device)
            facts |= {**least, "floors": benchmark.stats.stats.median / least["floor_s"]}
        benchmark.extra_info.update(facts, first_s=first)
        return result

    return run


@pytest.fixture(scope="session")
def photo() -> Path:
    """The photo that everything starts from."""
    return PHOTO


def _require_memory(needed: int, device: str) -> None:
    free = free_memory(device)
    if free < needed:
        pytest.skip(f"needs {needed / 1e9:.1f} GB of {device} memory, {free / 1e9:.1f} GB are free")
