"""Which camera a photo counts as taken with: what the caller says, then EXIF, then the canonical.

A crop is the picture of a camera with a longer lens that looks at the object. Its size leaves one
number open, how far away that camera was: near ones show a deep object as a wedge, far ones as it
is. The world is scaled so that the crop measures at the origin what the model is used to; then the
distance is proportional to the focal length, and a field of view gives both.

lrm-mini was trained on crops of all distances, and told the canonical camera for each (`framed`
photos of `ViewSampling`): its depths are those of the world, and the true camera says along which
rays they lie. Of pictures that are no crops it was told the camera, within limits. Models that are
always told it in training (the paper's, OpenLRM) are told it here.
"""

from __future__ import annotations

from dataclasses import replace

from lrm_core.config import ModelConfig
from lrm_core.errors import ConfigError
from lrm_core.imaging.framing import crop_window
from lrm_core.imaging.turned_view import turned_to_object
from lrm_core.structures.photo import CutOut
from lrm_core.structures.photo_camera import (
    Assumed,
    AssumedCamera,
    PhotoCamera,
    focal_of_fov,
    fov_of_focal,
)

NEAREST = 1.6
"""Distance of the nearest cameras that lrm-mini was trained on; nearer ones count as this."""

_TOLD = (1.8, 3.2)
"""Distances of the cameras that lrm-mini was told of in training, of pictures that are no crops."""

_DEFAULT = "default"
_OPTION = "option"


def assume_camera(
    config: ModelConfig, cut: CutOut, said: PhotoCamera
) -> tuple[CutOut, AssumedCamera]:
    """The camera of a cut-out photo, and the photo, turned to the object where its lens is known.

    Args:
        config: of the model that is to see it.
        cut: the object of a photo.
        said: what the caller knows.

    Raises:
        ConfigError: the model assumes a camera of its own, and the caller says another.
        EmptyForegroundError: alpha is zero everywhere.
    """
    _check_model(config, said)
    height, width = cut.rgba.shape[:2]
    fov, from_where = _field_of_view(config, cut, said)
    focal_pixels = None if fov is None else focal_of_fov(fov) * width
    turned = 0.0
    if focal_pixels is not None and said.framing == "crop":
        rgba, turned = turned_to_object(cut.rgba, focal_pixels)
        cut = replace(cut, rgba=rgba)
    ratio = said.foreground_ratio or config.input.foreground_ratio
    side = float(max(height, width))
    if said.framing == "crop":
        side = crop_window(cut.rgba[..., 3], ratio)[2]
    focal = None if focal_pixels is None else focal_pixels / side
    distance, focal, follows, warning = _place(config, said, focal)
    assumptions = {
        "framing": Assumed(said.framing, _DEFAULT if said.framing == "crop" else _OPTION),
        "field_of_view": Assumed(fov, from_where),
        "distance": Assumed(distance, follows),
        "picture_field_of_view": Assumed(fov_of_focal(focal), follows),
        "elevation": Assumed(
            said.elevation or 0.0, _DEFAULT if said.elevation is None else _OPTION
        ),
        "turned_to_object": Assumed(turned, "place in the photo" if turned else _DEFAULT),
    }
    if said.framing == "crop":
        assumptions["foreground_ratio"] = Assumed(
            ratio, "model" if said.foreground_ratio is None else _OPTION
        )
    told = not config.nerf.frustum
    if said.framing == "as_is":
        told |= _TOLD[0] <= distance <= _TOLD[1]
    camera = AssumedCamera(distance, focal, said.elevation, told, assumptions, warning)
    return cut, camera


def _check_model(config: ModelConfig, said: PhotoCamera) -> None:
    if config.decoder.camera_feature != "none":
        return
    named = {"--fov": said.fov, "--distance": said.distance}
    given = [name for name, value in named.items() if value is not None]
    if given:
        own = config.source_camera
        raise ConfigError(
            f"{' and '.join(given)}: {config.name} takes every photo for one with a field of view "
            f"of {fov_of_focal(own.focal):.1f} degrees at a distance of {own.distance:g}",
            hint="leave it out, or use a model that is told the camera, such as lrm-mini",
        )


def _field_of_view(config: ModelConfig, cut: CutOut, said: PhotoCamera) -> tuple[float | None, str]:
    """Degrees across the width of the photo, or None, and where they come from."""
    if said.fov is not None:
        return said.fov, _OPTION
    # EXIF is followed where that was measured: by models whose field lies along the photo's rays
    if cut.lens is None or said.distance is not None or not config.nerf.frustum:
        return None, _DEFAULT
    height, width = cut.rgba.shape[:2]
    return fov_of_focal(cut.lens.focal * max(height, width) / width), cut.lens.origin


def _place(
    config: ModelConfig, said: PhotoCamera, focal: float | None
) -> tuple[float, float, str, str | None]:
    """Distance and focal length of the framed picture's camera, their origin, and a warning."""
    own = config.source_camera
    reach = own.distance / own.focal  # what the picture's side measures at the origin
    if said.distance is not None:
        # both are given of a photo that is taken as it is
        return said.distance, focal or said.distance / reach, _OPTION, None
    if focal is None:
        return own.distance, own.focal, _DEFAULT, None
    distance = focal * reach
    if distance >= NEAREST:
        return distance, focal, "field of view", None
    return (
        NEAREST,
        NEAREST / reach,
        "field of view, limited",
        f"with this field of view the camera stood {distance:.2f} units from the object's center, "
        f"nearer than the model knows: {NEAREST:g} is assumed (--fov)",
    )
