"""Views per second: of a radiance field, all samples or those that can be seen, and of a mesh."""

from typing import Any

import pytest
from architectures import teapot
from conftest import Measure

from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.geometry.trajectories import orbit
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.rendering.mesh_renderer import SceneTracer, render_scene
from lrm_core.structures.scene import Scene

_FIELD_SIZE = 128  # an exact view of 256 px takes a CPU ten seconds
_MESH_VIEWS = 8
_MESH_FACES = 40_000


@pytest.fixture(scope="session")
def textured_mesh() -> Scene:
    """The object as a textured mesh of some 40,000 faces."""
    options = MeshOptions(resolution=256, target_faces=_MESH_FACES)
    return scene_from_mesh(teapot().extract_mesh(options=options))


@pytest.mark.parametrize("samples", ["exact", "occupancy_grid"])
def bench_nerf_view(
    samples: str, reconstruction: Reconstruction, benchmark: Any, measure: Measure
) -> None:
    """Volume rendering; the grid is made before, as it serves all views of an object."""
    cameras = orbit(1, elevation_degrees=20.0, size=_FIELD_SIZE)
    _ = reconstruction.occupancy_grid
    view = measure(lambda: reconstruction.render(cameras, exact=samples == "exact"))
    assert float(view.opacity.max()) > 0.9
    benchmark.extra_info.update(views_per_s=1.0 / benchmark.stats.stats.median, size=_FIELD_SIZE)


def bench_occupancy_grid(reconstruction: Reconstruction, measure: Measure) -> None:
    """Radiance field -> which cells hold density: once per object."""

    def forget() -> None:
        reconstruction.__dict__.pop("occupancy_grid", None)

    measure(lambda: reconstruction.occupancy_grid, before=forget)


@pytest.mark.parametrize("size", [256, 512])
def bench_mesh_view(size: int, textured_mesh: Scene, benchmark: Any, measure: Measure) -> None:
    """Ray casting of a textured mesh, on the CPU whatever the device."""
    tracer = SceneTracer(textured_mesh)
    _ = tracer.caster
    cameras = orbit(_MESH_VIEWS, elevation_degrees=20.0, size=size)
    views = measure(
        lambda: render_scene(tracer, cameras, channels=("rgb", "depth", "alpha")),
        faces=textured_mesh.num_faces,
    )
    assert float(views.opacity.max()) == 1.0
    benchmark.extra_info.update(views_per_s=_MESH_VIEWS / benchmark.stats.stats.median)


def bench_mesh_preparation(textured_mesh: Scene, measure: Measure) -> None:
    """Mesh -> mipmaps and acceleration structure: once per object."""
    measure(lambda: SceneTracer(textured_mesh).caster, faces=textured_mesh.num_faces)
