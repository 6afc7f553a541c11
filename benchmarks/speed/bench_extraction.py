"""Radiance field -> mesh on the disk, one stage at a time, at growing resolution."""

from pathlib import Path

import pytest
from conftest import Extracted, Measure

from lrm_core.meshes.mesh_writing import write_mesh
from lrm_core.reconstruction.density_grid import sparse_density
from lrm_core.reconstruction.isosurface import extract_surface
from lrm_core.reconstruction.mesh_cleanup import decimate, remove_floaters
from lrm_core.reconstruction.photo_colors import photo_colors
from lrm_core.reconstruction.reconstruction import DEFAULT_TEXTURE_FACES
from lrm_core.reconstruction.texture_bake import bake_texture, vertex_colors
from lrm_core.reconstruction.uv_atlas import unwrap
from lrm_core.structures.mesh import Mesh, Texture

TEXTURE_SIZE = 1024


def bench_grid_query(extracted: Extracted, measure: Measure) -> None:
    """Field -> densities near the surface."""
    field, level = extracted.reconstruction.field, extracted.reconstruction.config.nerf.iso_level
    # the three tables are written and read
    tables = 2 * 3 * extracted.resolution**2 * field.nerf_mlp.config.width * 4
    blocks = measure(lambda: sparse_density(field, extracted.resolution, level), moved=tables)
    assert blocks.num_evaluated < extracted.resolution**3


def bench_marching_cubes(extracted: Extracted, measure: Measure) -> None:
    """Densities -> triangles."""
    triplane = extracted.reconstruction.triplane
    _, faces = extracted.surface
    measure(lambda: extract_surface(extracted.blocks, triplane), faces=len(faces))


def bench_cleaning(extracted: Extracted, measure: Measure) -> None:
    """Floaters dropped, faces brought down to the budget of textured meshes."""
    measure(
        lambda: decimate(*remove_floaters(*extracted.surface), DEFAULT_TEXTURE_FACES),
        faces=len(extracted.surface[1]),
    )


def bench_uv_unwrap(extracted: Extracted, measure: Measure) -> None:
    """Triangles -> charts in a square."""
    vertices, faces = extracted.cleaned
    measure(lambda: unwrap(vertices, faces, texture_size=TEXTURE_SIZE), faces=len(faces))


def bench_texture_bake(extracted: Extracted, measure: Measure) -> None:
    """Charts -> texture, with the photo's colors for models that keep a fine copy of it."""
    source = extracted.reconstruction
    vertices, faces = extracted.cleaned
    photo = None
    if source.photo is not None and source.photo.detail is not None:
        photo = photo_colors(source.photo.detail, source.source_camera, vertices, faces)
    atlas = unwrap(vertices, faces, texture_size=TEXTURE_SIZE)
    vertices = vertices[atlas.vertex_map]
    measure(
        lambda: bake_texture(
            source.field, vertices, atlas.faces, atlas.uv, size=TEXTURE_SIZE, photo=photo
        )
    )


def bench_vertex_colors(extracted: Extracted, measure: Measure) -> None:
    """Colors at the vertices of the surface before decimation."""
    vertices, faces = extracted.surface
    measure(lambda: vertex_colors(extracted.reconstruction.field, vertices, faces))


@pytest.mark.parametrize("suffix", [".obj", ".glb"])
def bench_write(suffix: str, extracted: Extracted, tmp_path: Path, measure: Measure) -> None:
    """Mesh and texture -> files."""
    vertices, faces = extracted.cleaned
    atlas = unwrap(vertices, faces, texture_size=TEXTURE_SIZE)
    vertices = vertices[atlas.vertex_map]
    image = bake_texture(
        extracted.reconstruction.field, vertices, atlas.faces, atlas.uv, size=TEXTURE_SIZE
    )
    mesh = Mesh(vertices, atlas.faces, texture=Texture(image, atlas.uv))
    measure(lambda: write_mesh(tmp_path / f"mesh{suffix}", mesh, overwrite=True))
