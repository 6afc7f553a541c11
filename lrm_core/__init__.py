"""One photo to a textured 3D mesh with a Large Reconstruction Model.

    import lrm_core as lrm

    model = lrm.load_model("lrm-mini")
    mesh = model.reconstruct("photo.png").extract_mesh(resolution=256)
    mesh.save("mesh.obj")

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrm_core.version import __version__

if TYPE_CHECKING:
    from lrm_core.errors import LrmError, StoppedError
    from lrm_core.reconstruction.pipeline import ReconstructionModel, load_model
    from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
    from lrm_core.reconstruction.stages import StageClock
    from lrm_core.reconstruction.stored_field import load_field, save_field
    from lrm_core.structures.cameras import Cameras
    from lrm_core.structures.mesh import Mesh
    from lrm_core.structures.photo_camera import PhotoCamera
    from lrm_core.structures.triplane import Triplane

_HOMES = {
    "LrmError": "lrm_core.errors",
    "StoppedError": "lrm_core.errors",
    "ReconstructionModel": "lrm_core.reconstruction.pipeline",
    "load_model": "lrm_core.reconstruction.pipeline",
    "MeshOptions": "lrm_core.reconstruction.reconstruction",
    "Reconstruction": "lrm_core.reconstruction.reconstruction",
    "load_field": "lrm_core.reconstruction.stored_field",
    "save_field": "lrm_core.reconstruction.stored_field",
    "StageClock": "lrm_core.reconstruction.stages",
    "Cameras": "lrm_core.structures.cameras",
    "Mesh": "lrm_core.structures.mesh",
    "PhotoCamera": "lrm_core.structures.photo_camera",
    "Triplane": "lrm_core.structures.triplane",
}

__all__ = [
    "Cameras",
    "LrmError",
    "Mesh",
    "MeshOptions",
    "PhotoCamera",
    "Reconstruction",
    "ReconstructionModel",
    "StageClock",
    "StoppedError",
    "Triplane",
    "__version__",
    "load_field",
    "load_model",
    "save_field",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lrm_core' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
