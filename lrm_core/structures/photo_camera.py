"""What is known of the camera that took a photo, and what is assumed of it. No torch here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from lrm_core.errors import ConfigError

Framing = Literal["crop", "as_is"]

_LEAST_FOV, _MOST_FOV = 1.0, 150.0
_MOST_ELEVATION = 90.0
LEAST_RATIO = 0.1
_LEAST_DISTANCE, _MOST_DISTANCE = 1.2, 100.0


@dataclass(frozen=True, kw_only=True)
class PhotoCamera:
    """What a caller says of the camera and of the picture it took; None for what is not known.

    Attributes:
        fov: degrees that the whole photo shows across its width; for a model that crops, the
            distance of the camera follows from it and from how large the object appears.
        distance: of the camera from the object's center, in world units (the object is about 1.9
            long); without a field of view that follows from it.
        elevation: degrees of the camera above the object's horizon; the mesh is turned upright.
        framing: `crop` centers the object at the size that the model was trained with; `as_is`
            takes the photo as it is.
        foreground_ratio: longer side of the object's box over the side of the crop.

    Raises:
        ConfigError: a value is out of range, or two contradict one another.
    """

    fov: float | None = None
    distance: float | None = None
    elevation: float | None = None
    framing: Framing = "crop"
    foreground_ratio: float | None = None

    @classmethod
    def from_options(
        cls, *, framing: Literal["crop", "as-is"] = "crop", **known: float | None
    ) -> PhotoCamera:
        """The camera as it is said on the command line and in a form.

        Args:
            framing: by its name there.
            known: the other attributes.

        Raises:
            ConfigError: see `PhotoCamera`.
        """
        return cls(framing="as_is" if framing == "as-is" else "crop", **known)

    def __post_init__(self) -> None:
        _check("field of view", self.fov, _LEAST_FOV, _MOST_FOV, "degrees")
        _check("distance", self.distance, _LEAST_DISTANCE, _MOST_DISTANCE, "world units")
        _check("elevation", self.elevation, -_MOST_ELEVATION, _MOST_ELEVATION, "degrees")
        _check("foreground ratio", self.foreground_ratio, LEAST_RATIO, 1.0, "of the side")
        if self.framing == "as_is" and self.foreground_ratio is not None:
            raise ConfigError(
                "a foreground ratio is that of a crop, but the photo is to be taken as it is",
                hint="leave out --foreground-ratio, or --framing as-is",
            )
        if self.framing == "crop" and self.fov is not None and self.distance is not None:
            raise ConfigError(
                "of a photo that is cropped, the field of view gives the distance: both were given",
                hint="leave out --distance or --fov, or take the photo as it is: --framing as-is",
            )


def _check(name: str, value: float | None, low: float, high: float, unit: str) -> None:
    # written so that NaN fails too
    if value is not None and not low <= value <= high:
        raise ConfigError(f"{name} {value:g}, expected {low:g} to {high:g} {unit}")


@dataclass(frozen=True)
class Assumed:
    """A value, and where it comes from.

    Attributes:
        value: the value; None where nothing is assumed.
        origin: "option", "default", "model", what it follows from, or EXIF's own words.
    """

    value: float | str | None
    origin: str


@dataclass(frozen=True)
class AssumedCamera:
    """The camera that a framed photo counts as taken with, at (0, -distance, 0).

    Attributes:
        distance: of the camera from the world's origin, in world units.
        focal: focal length over the side of the framed picture.
        elevation: degrees above the object's horizon; None where it is not known.
        told: whether the network is told this camera; if not, the canonical one.
        assumptions: name -> value and origin, for the record.
        warning: one line for the user, or None.
    """

    distance: float
    focal: float
    elevation: float | None
    told: bool
    assumptions: dict[str, Assumed]
    warning: str | None = None

    def as_record(self) -> dict[str, Any]:
        """What `mesh.json` says of it."""
        return {
            name: {"value": _rounded(assumed.value), "from": assumed.origin}
            for name, assumed in self.assumptions.items()
        }


def _rounded(value: float | str | None) -> float | str | None:
    return round(value, 3) if isinstance(value, float) else value


def focal_of_fov(degrees: float) -> float:
    """Focal length over the side that a field of view spans."""
    return 0.5 / math.tan(math.radians(degrees) / 2.0)


def fov_of_focal(focal: float) -> float:
    """Inverse of `focal_of_fov`."""
    return math.degrees(2.0 * math.atan(0.5 / focal))
