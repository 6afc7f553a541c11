"""Settings of layer training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class MeshFolder:
    """A folder of mesh files to train on."""

    folder: str
    """Path; environment variables are expanded."""
    up: Literal["y", "z"] = "y"
    """Up axis of the files."""
    weights: dict[str, float] = field(default_factory=dict)
    """How often the meshes of a sub-folder come, 1 where it is not named; 0 leaves them out."""


@dataclass(frozen=True, kw_only=True)
class ViewSampling:
    """The cameras of training photos; ranges are uniform.

    Three kinds, and the camera that the model is given with each:

    - canonical: distance 2, focal length 0.75, the object's longest side 2 x `canonical_half_side`,
      centered; half of them level. The size of the object in the photo then tells how deep it may
      be. The model is given this camera.
    - framed: any lens, cropped so that the outline's longer side is `framed_ratio` of the photo, as
      photos of unknown origin are. The model is given the canonical camera; what does not fit into
      its cube is pressed in along the depth.
    - free: any size, distance and focal length; the model is given the true camera.
    """

    num_views: int = 4
    """Photos per object and turn."""
    size: int = 128
    """Photo side in pixels."""
    elevation_degrees: tuple[float, float] = (-10.0, 40.0)
    """Elevation of the camera above the object."""
    half_side: tuple[float, float] = (0.65, 0.95)
    """Free photos: half of the object's longest side in the world."""
    distance: tuple[float, float] = (1.8, 3.2)
    """Free photos: distance of the camera from the world's origin; the focal length follows, so
    that the object keeps its size in the photo."""
    focal_at_2: tuple[float, float] = (0.7, 0.8)
    """Free photos: focal length over image width for distance 2."""
    shift: float = 0.04
    """Free photos: largest offset of the object from the world's origin, per axis."""
    canonical_share: float = 0.5
    """Share of canonical photos."""
    canonical_half_side: float = 0.9
    framed_share: float = 0.35
    """Share of framed photos; the others are free."""
    framed_ratio: float = 0.7
    framed_distance: tuple[float, float] = (1.6, 6.0)
    """Distances from which framed photos are taken, uniform in the inverse."""
    roll_degrees: float = 5.0
    """Framed photos: largest turn of the camera about its axis."""
    lying_share: float = 0.05
    """Share of photos of the object tipped over by a right angle."""


@dataclass(frozen=True, kw_only=True)
class ObjectStreamConfig:
    """The objects, and how long each set of photos is used (`object_stream.py`)."""

    meshes: tuple[MeshFolder, ...] = ()
    num_procedural: int = 0
    num_sets: int = 0
    """Wide, low objects of many parts (`procedural/sets.py`)."""
    num_household: int = 0
    """Everyday things (`procedural/household.py`)."""
    num_groups: int = 0
    """Two to seven of all these objects side by side, scanned as one in many collections."""
    seed: int = 0
    """Seed of the procedural objects."""
    views: ViewSampling = field(default_factory=ViewSampling)
    window: int = 512
    """Objects that samples are drawn from at a time."""
    uses: int = 16
    """Samples after which the window moves on by one object: how often each object is used before
    it is photographed anew."""


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """Data and losses of layer supervision (`layer_objective.py`)."""

    data: ObjectStreamConfig = field(default_factory=ObjectStreamConfig)
    num_points: int = 256
    """Colored points at the surface per photo, seen or not."""
    surface_noise: tuple[float, float] = (0.01, 0.06)
    """Standard deviations of their distance from it, one for each half: surfaces are reconstructed
    a little off, and need colors there."""
    augment: bool = True
    """Mirror, light, permute color channels, and add the faults of real photos."""
    lit_share: float = 0.6
    """Share of photos with a light, if augmented; the others show plain albedo."""
    shadowed_share: float = 0.7
    """Share of photos in which surfaces shade one another, if augmented: hollows and contacts are
    darker, as in real photos and in the textures of scans."""
    smooth_weight: float = 2.0
    """Weight of the error of depth differences between neighboring pixels, where the true
    difference is below `smooth_below`: what makes surfaces smooth and edges sharp."""
    smooth_below: float = 0.08
    coarse_weight: float = 2.0
    """Weight of the error of depth differences over 2, 4, 8 and 16 pixels, jumps included: what
    lies before what, wherever the whole may be (multi-scale gradients; Li and Snavely, MegaDepth,
    2018, equation 4)."""
    behind_weight: float = 0.5
    """Weight of the color of the last surface."""
    detail_weight: float = 1.0
    """Weight of that color's differences between neighboring pixels: a face copied to the back of a
    head costs its outlines."""
    color_weight: float = 0.5
    """Weight of the colors of points."""
    colored_share: float = 1.0
    """Share of each batch that the three losses of color are taken from. Colors are easier to learn
    than depths and cost a quarter of a step."""
