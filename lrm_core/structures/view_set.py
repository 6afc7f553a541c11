"""Views of one object: what data preparation makes and training and evaluation read."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from lrm_core.structures.cameras import Cameras

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_ID = 100


@dataclass(frozen=True)
class ObjectSource:
    """Where an object comes from.

    Attributes:
        name: the data set or collection.
        licence: the asset's, as its source states it.
        sha256: of the asset's bytes (for generated objects: of its geometry and texture).
        bounds: (2, 3) smallest and largest corner of the object in the world frame of its views,
            or None where only its images are known.
    """

    name: str
    licence: str
    sha256: str
    bounds: Float[np.ndarray, "2 3"] | None = None


@dataclass(frozen=True)
class ViewSet:
    """N views of one object in one world frame (z up, docs/conventions.md).

    Attributes:
        object_id: letters, digits, `_` and `-`; see `object_id_of`.
        images: (N, H, W, 4) sRGB with straight alpha.
        cameras: the cameras of the N views.
        source: where the object comes from.
        depth: (N, H, W) distance along the viewing axis in world units, infinity where there is
            nothing; None where it is not known.
        normals: (N, H, W, 3) unit normals in the world frame, zero where there is nothing, or None.
    """

    object_id: str
    images: UInt8[np.ndarray, "N H W 4"]
    cameras: Cameras
    source: ObjectSource
    depth: Float32[np.ndarray, "N H W"] | None = None
    normals: Float32[np.ndarray, "N H W 3"] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.cameras), self.cameras.height, self.cameras.width)
        if self.images.shape != (*shape, 4):
            raise ValueError(f"images must be {(*shape, 4)}, got {self.images.shape}")
        if self.depth is not None and self.depth.shape != shape:
            raise ValueError(f"depth must be {shape}, got {self.depth.shape}")
        if self.normals is not None and self.normals.shape != (*shape, 3):
            raise ValueError(f"normals must be {(*shape, 3)}, got {self.normals.shape}")


@dataclass(frozen=True)
class ObjectJob:
    """One object to be prepared.

    Attributes:
        object_id: what it will be called.
        location: where it comes from, as its source understands it: a path, a URL, an index.
    """

    object_id: str
    location: str


def object_id_of(name: str) -> str:
    """An object id for any name: the name itself, or its legal characters and a hash.

    Dots would end a WebDataset key, slashes a file name; names that differ keep ids that differ.
    """
    cleaned = _FOREIGN.sub("_", name).strip("_")[:_LONGEST_ID]
    if name and cleaned == name:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{cleaned}-{digest}" if cleaned else digest
