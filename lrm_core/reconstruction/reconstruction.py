"""A reconstructed object: a radiance field, the camera it was seen from, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int

from lrm_core.config import ModelConfig
from lrm_core.geometry.standing import Standing, stand, up_seen_from
from lrm_core.meshes.mesh_placement import UpAxis
from lrm_core.meshes.mesh_writing import write_mesh
from lrm_core.models.folded_field import fold
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.density_grid import dense_density, sparse_density
from lrm_core.reconstruction.grid_query import grid_query
from lrm_core.reconstruction.isosurface import extract_surface
from lrm_core.reconstruction.mesh_cleanup import decimate, remove_floaters
from lrm_core.reconstruction.photo_colors import LaidPhotos, photo_colors
from lrm_core.reconstruction.stages import StageClock
from lrm_core.reconstruction.texture_bake import bake_texture, vertex_colors
from lrm_core.reconstruction.uv_atlas import unwrap
from lrm_core.rendering.nerf_renderer import RenderSettings, render_field
from lrm_core.rendering.occupancy_grid import OccupancyGrid, grid_from_lattice
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.framed_photo import FramedPhoto
from lrm_core.structures.mesh import Mesh, Texture
from lrm_core.structures.render_output import RenderOutput
from lrm_core.structures.triplane import Triplane

DEFAULT_TEXTURE_FACES = 40_000
"""Face budget of textured meshes: unwrap and bake stay under 3 s of one core."""


# Cells per axis of the grid that tells empty space from matter: at least so many, and a whole
# number to each texel, so that texels' edges (and, of two, their centers) are lattice points.
_OCCUPANCY_CELLS = 96


class ExtractedMesh(Mesh):
    """A mesh that can write itself."""

    def save(
        self, path: str | Path, *, up: UpAxis | None = None, size_mm: float | None = None
    ) -> list[Path]:
        """Write OBJ (with MTL and PNG), GLB, PLY, STL, 3MF or USDZ; older files are replaced.

        Args:
            path: its suffix chooses the format.
            up: up axis of the file; None for the format's own.
            size_mm: longest side in millimeters (STL, 3MF, USDZ); None for 100.

        Returns:
            every file written.
        """
        return write_mesh(Path(path), self, up=up, size_mm=size_mm, overwrite=True)


@dataclass(frozen=True, kw_only=True)
class MeshOptions:
    """How a mesh is made from a radiance field.

    Attributes:
        resolution: grid points per axis; None for the model's own.
        exact: evaluate every grid point instead of those near the surface.
        appearance: a baked texture, colors at vertices, or none.
        texture_size: side of the texture in pixels.
        target_faces: faces after decimation; None keeps all, but textured meshes are brought down
            to `DEFAULT_TEXTURE_FACES`.
        iso_level: density of the surface; None for the model's own.
        photo_colors: take the photo's own colors where it shows the surface, if the reconstruction
            keeps a fine copy of the photo.
    """

    resolution: int | None = None
    exact: bool = False
    appearance: Literal["texture", "vertex_colors", "none"] = "texture"
    texture_size: int = 1024
    target_faces: int | None = None
    iso_level: float | None = None
    photo_colors: bool = True

    @property
    def face_budget(self) -> int | None:
        """Faces after decimation, or None for no limit."""
        if self.target_faces is None and self.appearance == "texture":
            return DEFAULT_TEXTURE_FACES
        return self.target_faces


@dataclass(frozen=True)
class Reconstruction:
    """One reconstructed object.

    Attributes:
        field: its radiance field, queried in the world frame.
        config: the configuration of the model that made it.
        source_camera: the camera of `photo`.
        photo: what the model saw; None where it is unknown.
    """

    field: TriplaneField
    config: ModelConfig
    source_camera: Cameras
    photo: FramedPhoto | None = None

    @property
    def up(self) -> Float[np.ndarray, "3"] | None:
        """The object's vertical, a unit vector; None where the camera's elevation is not known."""
        camera = None if self.photo is None else self.photo.camera
        if camera is None or camera.elevation is None:
            return None
        return up_seen_from(camera.elevation)

    @property
    def triplane(self) -> Triplane:
        """The feature planes."""
        return self.field.triplane

    @property
    def warning(self) -> str | None:
        """What the user should look at in the photo, in one line."""
        return None if self.photo is None else self.photo.warning

    @cached_property
    @torch.inference_mode()
    def occupancy_grid(self) -> OccupancyGrid:
        """Bounds of the field's density, made on first use from about two million grid points.

        Raises:
            CheckpointError: the field has densities that are not finite.
        """
        num_texels = self.triplane.planes.shape[-1]
        resolution = num_texels * -(-_OCCUPANCY_CELLS // num_texels) + 1
        query = grid_query(self.field, resolution)
        every = torch.arange(resolution, device=query.device)
        raw = query.lattice(every, every, every)
        density, _ = self.field.activate(F.pad(raw.view(-1, 1), (3, 0)))
        density = density.view(raw.shape)
        return grid_from_lattice(density, self.triplane.normalize)

    @torch.inference_mode()
    def extract_mesh(
        self,
        resolution: int | None = None,
        *,
        exact: bool = False,
        options: MeshOptions | None = None,
        clock: StageClock | None = None,
    ) -> ExtractedMesh:
        """The surface of the field as a closed, colored mesh in the world frame.

        Args:
            resolution: grid points per axis; None for the model's own.
            exact: evaluate every grid point.
            options: everything that can be chosen; replaces the two arguments before.
            clock: see `StageClock`.

        Raises:
            EmptySurfaceError: the field is nowhere as dense as the iso level.
            StoppedError: the clock was stopped.
        """
        options = options or MeshOptions(resolution=resolution, exact=exact)
        iso_level = options.iso_level
        if iso_level is None:
            iso_level = self.config.nerf.iso_level
        clock = clock or StageClock()
        with clock.stage("grid query"):
            density = dense_density if options.exact else sparse_density
            resolution = options.resolution or self.config.nerf.resolution
            blocks = density(self.field, resolution, iso_level, clock=clock)
        with clock.stage("marching cubes"):
            vertices, faces = extract_surface(blocks, self.triplane)
        with clock.stage("cleaning"):
            vertices, faces = remove_floaters(vertices, faces)
            if options.face_budget is not None:
                vertices, faces = decimate(vertices, faces, options.face_budget)
        if options.appearance == "none":
            return ExtractedMesh(vertices, faces)
        photo: LaidPhotos | None = None
        if options.photo_colors and self.photo is not None and self.photo.detail is not None:
            with clock.stage("photo colors"):
                photo = self.lay_photos(vertices, faces)
        if options.appearance == "vertex_colors":
            with clock.stage("vertex colors"):
                colors = vertex_colors(self.field, vertices, faces, photo=photo, clock=clock)
                return ExtractedMesh(vertices, faces, colors)
        with clock.stage("uv unwrap"):
            atlas = unwrap(vertices, faces, texture_size=options.texture_size)
        with clock.stage("texture bake"):
            vertices = vertices[atlas.vertex_map]
            image = bake_texture(
                self.field,
                vertices,
                atlas.faces,
                atlas.uv,
                size=options.texture_size,
                photo=photo,
                clock=clock,
            )
        return ExtractedMesh(vertices, atlas.faces, texture=Texture(image, atlas.uv))

    def stand(self, mesh: Mesh, *, ground: bool = False) -> tuple[ExtractedMesh, Standing]:
        """A mesh of this object, upright as the camera's elevation says, and how it was moved.

        Args:
            mesh: from `extract_mesh`.
            ground: turn it further, onto the flat side that it stands on, and shift it so that the
                floor is z = 0.
        """
        motion = stand(mesh.vertices, mesh.faces, up=self.up, ground=ground)
        return ExtractedMesh(**vars(motion.move_mesh(mesh))), motion

    def lay_photos(
        self, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
    ) -> LaidPhotos | None:
        """The photo's own colors on a surface, if a fine copy of the photo is there.

        Args:
            vertices: (V, 3) in the world frame.
            faces: (F, 3).
        """
        if self.photo is None or self.photo.detail is None:
            return None
        return photo_colors(self.photo.detail, self.source_camera, vertices, faces)

    @torch.inference_mode()
    def render(
        self,
        cameras: Cameras,
        size: int | None = None,
        *,
        want_normals: bool = False,
        exact: bool = False,
    ) -> RenderOutput:
        """Volume-rendered views (paper, appendix A.1).

        Args:
            cameras: N views in the world frame.
            size: side of square images; None keeps the cameras' own size.
            want_normals: compute normals too.
            exact: evaluate the field itself at every sample, instead of the folded field where it
                may be seen; colors and opacities differ by less than 1e-3.

        Raises:
            CheckpointError: the field has densities that are not finite (unless `exact`).
        """
        if size is not None:
            cameras = cameras.resized(size, size)
        rendering = self.config.rendering
        device = self.triplane.planes.device
        return render_field(
            self.field if exact else fold(self.field),
            cameras.to(device),
            RenderSettings(
                half_side=self.config.sampled_half_side,
                num_samples=rendering.num_samples,
                step=rendering.step,
                midpoint_density=rendering.midpoint_density,
            ),
            want_normals=want_normals,
            grid=None if exact else self.occupancy_grid,
        )
