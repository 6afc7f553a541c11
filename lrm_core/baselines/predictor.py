"""What a method under evaluation is: a picture goes in, a scene in a known frame comes out.

A method that has a radiance field behind its mesh gives that too: protocols choose which of the two
is rendered.

All methods see the same picture and answer in the same frame. The picture is square, its object cut
out with straight alpha, seen by `canonical_camera`: from (0, -2, 0) along +y, focal length 0.75 of
the width, the object's box centered at the origin with a longest side of 1.8 (protocol `gso-v1`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from lrm_core.errors import EmptyForegroundError, InputError
from lrm_core.imaging.compositing import over_white
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.render_output import RenderOutput
from lrm_core.structures.scene import Scene
from lrm_core.version import __version__

Alignment = Literal["canonical", "free_azimuth", "free"]

NO_WEIGHTS = "Apache-2.0 (no weights)"

OBJECT_SIDE = 1.8
"""Longest side of every object's box, in world units: known to methods without a scale."""


@runtime_checkable
class RadianceField(Protocol):
    """Something that is rendered without a mesh."""

    def render(self, cameras: Cameras) -> RenderOutput:
        """Views of N cameras in the frame of the scene, on white."""
        ...


@dataclass(frozen=True)
class Prediction:
    """What a method made of one picture.

    Attributes:
        scene: in the world frame (z up, the picture's camera at (0, -2, 0) looking along +y), the
            object near [-0.9, 0.9]^3; None where the method says that there is no surface.
        seconds: wall time of the method itself, without loading it.
        notes: what the report should say about this object, one line each.
        field: the radiance field that the scene is the surface of, in the same frame; None where
            the method has none.
    """

    scene: Scene | None
    seconds: float
    notes: tuple[str, ...] = ()
    field: RadianceField | None = None


@runtime_checkable
class Predictor(Protocol):
    """A method under evaluation.

    Attributes:
        name: as on the command line.
        licence: licence of its weights.
        source: where the weights come from.
        fingerprint: SHA-256 over everything that its predictions depend on: kind, options, weights
            and this package's version. A cache of predictions goes by it.
        alignment: what the method promises about the frame. canonical: the frame above;
            free_azimuth: upright, turned about z by an unknown angle, its size normalized; free:
            nothing.
        iso_level: density of its radiance field at which the mesh lies; None where the method has
            no field.
        photo_colors: whether its meshes take colors from the picture itself where that shows them.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def licence(self) -> str: ...  # noqa: D102

    @property
    def source(self) -> str: ...  # noqa: D102

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    @property
    def alignment(self) -> Alignment: ...  # noqa: D102

    @property
    def iso_level(self) -> float | None: ...  # noqa: D102

    @property
    def photo_colors(self) -> bool: ...  # noqa: D102

    def predict(self, rgba: UInt8[np.ndarray, "H W 4"], *, name: str) -> Prediction:
        """The method's answer to one picture.

        Args:
            rgba: (H, W, 4) sRGB with straight alpha, H = W, seen by the camera above.
            name: of the object; only methods that look their answers up may use it.

        Raises:
            LrmError: the method fails on this picture.
        """
        ...


View = tuple[float, UInt8[np.ndarray, "H W 4"]]
"""Azimuth of a camera in degrees, counted from the first picture's, and its picture."""


@runtime_checkable
class SeveralViewsPredictor(Protocol):
    """A method that takes several pictures of an object."""

    def predict_views(self, views: Sequence[View]) -> Prediction:
        """The method's answer to several pictures, in the frame of the first one.

        Args:
            views: pictures by the camera above, turned about the object's vertical; the first at
                azimuth 0.

        Raises:
            LrmError: the method fails on these pictures.
        """
        ...


def fingerprint_of(kind: str, options: Mapping[str, object]) -> str:
    """SHA-256 of a predictor's kind, this package's version and everything in `options`.

    Args:
        kind: what kind of predictor it is.
        options: numbers, strings and hashes of weights: whatever a prediction depends on.
    """
    values = {"kind": kind, "version": __version__, **options}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of named tensors: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def require_object(rgba: UInt8[np.ndarray, "H W 4"]) -> None:
    """Check a picture that a predictor is given.

    Raises:
        InputError: it is not square.
        EmptyForegroundError: alpha is zero everywhere.
    """
    height, width = rgba.shape[:2]
    if height != width:
        raise InputError(f"the picture has {width} x {height} pixels, expected a square")
    if not rgba[..., 3].any():
        raise EmptyForegroundError("the picture is fully transparent, expected an object")


def on_white(rgba: UInt8[np.ndarray, "H W 4"]) -> Image.Image:
    """The picture as RGB on white, for methods that know no alpha."""
    return over_white(Image.fromarray(rgba))
