"""Evaluation protocols: data with a name, a version and a hash of their content.

A score means something only beside the protocol it was measured with: the same weights have
Chamfer distances from 0.0255 to 0.214 in five papers. A protocol therefore fixes all that moves a
number (objects, normalization, views, sampling, thresholds, networks), and its hash stands in
every report.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lrm_core.baselines.predictor import OBJECT_SIDE
from lrm_core.config import bundled_presets, config_to_dict, parse_config, read_yaml
from lrm_core.errors import ConfigError
from lrm_core.structures.cameras import CANONICAL_DISTANCE, CANONICAL_FOCAL

# part of the protocol, setting, and the value that means what protocols without it do
_LATER_SETTINGS: tuple[tuple[str, str, Any], ...] = (
    ("", "render", "mesh"),
    ("", "held_out_views", None),
    ("input_view", "varied", None),
    ("input_view", "further_azimuths_degrees", []),
    ("geometry", "translate", False),
)


@dataclass(frozen=True, kw_only=True)
class VariedCameraConfig:
    """Input cameras that differ from object to object and that methods are not told of.

    What is drawn for an object depends on the seed and its name alone: uniform in each range. The
    camera's distance follows from the lens and from how large the object appears.
    """

    seed: int = 0
    elevation_degrees: tuple[float, float] = (-10.0, 40.0)
    focal: tuple[float, float] = (0.6, 1.2)
    """Focal length over image width."""
    fill: tuple[float, float] = (0.35, 0.6)
    """Longest side of the object over what the picture's width shows at the object's center."""


@dataclass(frozen=True, kw_only=True)
class InputViewConfig:
    """The picture that methods are given.

    Radius and focal length are those that every predictor is built for
    (`lrm_core.baselines.predictor`); a protocol file that says otherwise is refused. Where cameras
    are varied, methods still assume this one: their answers are scaled by the width of the picture
    at the object's center, which is all that a photo without a known camera leaves open.
    """

    azimuth: Literal["hash", "front"] = "hash"
    """hash: 360 degrees times the first 8 bytes of sha256(object name) over 2^64; front: 0."""
    elevation_degrees: float = 0.0
    radius: float = 2.0
    focal: float = 0.75
    """Focal length over image width."""
    size: int = 512
    further_azimuths_degrees: tuple[float, ...] = ()
    """Where further pictures are taken, counted from the first one's; `lrm evaluate --views N`
    gives methods the first and N - 1 of these."""
    varied: VariedCameraConfig | None = None
    """None: elevation, radius and focal length above, for every object."""


@dataclass(frozen=True, kw_only=True)
class ReferenceViewsConfig:
    """The views that predictions are compared in; the first lies at the input's azimuth."""

    num_views: int = 20
    azimuth_step_degrees: float = 18.0
    elevations_degrees: tuple[float, ...] = (0.0, 20.0, 40.0, -10.0)
    """View k takes the k-th, cyclically."""
    radius: float = 2.0
    focal: float = 0.75
    size: int = 256
    background: float = 1.0


@dataclass(frozen=True, kw_only=True)
class GeometryConfig:
    """How surfaces are compared."""

    num_points: int = 10_000
    """Per surface, uniform by area."""
    seed: int = 0
    thresholds: tuple[float, ...] = (0.05, 0.1, 0.2)
    """Distances of the F-score, in world units."""
    alignment: Literal["none", "free_methods", "all"] = "none"
    """Whose predictions are turned before they are compared: nobody's, those of methods that do not
    promise the input camera's frame, or all. The search is over rotations, followed by ICP."""
    rescale: bool = False
    """Whether alignment also fits position and scale."""
    translate: bool = False
    """Whether alignment fits position though not scale."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The networks of learned metrics."""

    lpips: Literal["alex", "vgg"] = "alex"
    clip_model: str = "ViT-B-32"
    clip_weights: str = "openai"
    fid: Literal["pt_inception-2015-12-05"] = "pt_inception-2015-12-05"


@dataclass(frozen=True, kw_only=True)
class HeldOutViewsConfig:
    """Which objects and views of a dataset of views are evaluated (paper, section 4.1)."""

    split: str = "test"
    num_objects: int = 50
    """Objects of each dataset, drawn by the seed among those that have enough views."""
    num_inputs: int = 5
    """Views that are given to the method, one by one; spread over the reference views."""
    num_views: int = 15
    """Reference views, spread over all views of the object; the inputs are among them."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything that moves a number; see the YAML files in `presets/protocols`."""

    name: str
    version: int
    description: str
    dataset: Literal["gso", "procedural", "folder", "views"]
    objects: tuple[str, ...] = ()
    """Names of the objects; of the procedural dataset their indices. A file may name the protocol
    whose list it takes instead. None: all that are there."""
    procedural_seed: int = 0
    longest_side: float = 1.8
    """Longest side of an object's box, centered at the origin. Methods answer at 1.8: another size
    needs an alignment that rescales all of them."""
    render: Literal["mesh", "field"] = "mesh"
    """What reference views are compared with: pictures of the mesh, or of the radiance field of
    methods that have one (mesh of the others). Surfaces are always those of the mesh."""
    held_out_views: HeldOutViewsConfig | None = None
    """What is drawn from the dataset `views`; None for any other."""
    input_view: InputViewConfig = field(default_factory=InputViewConfig)
    reference_views: ReferenceViewsConfig = field(default_factory=ReferenceViewsConfig)
    geometry: GeometryConfig = field(default_factory=GeometryConfig)
    networks: NetworkConfig = field(default_factory=NetworkConfig)
    metrics: tuple[str, ...] = ()
    """What is reported by default."""

    @property
    def sha256(self) -> str:
        """Hash of the content: every field but the description and the metrics shown.

        Settings that came later count where they are used only, so that a protocol without them
        keeps its hash.
        """
        content = config_to_dict(self)
        for name in ("description", "metrics"):
            del content[name]
        for part, name, unused in _LATER_SETTINGS:
            holder = content[part] if part else content
            if holder[name] == unused:
                del holder[name]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """Name and version, as reports show them."""
        return f"{self.name} (version {self.version}, {self.sha256[:8]})"


def protocol_names() -> list[str]:
    """Names of the protocols that ship with the package."""
    return list(bundled_presets("protocols"))


def load_protocol(source: str) -> Protocol:
    """A protocol by name, or from your own YAML file.

    Raises:
        ConfigError: no such protocol, an unknown key or a bad value.
    """
    path: Any = Path(source)
    if path.suffix not in (".yaml", ".yml"):
        if source not in protocol_names():
            raise ConfigError(
                f"no protocol is called '{source}'",
                hint=f"protocols: {', '.join(protocol_names())}, or a .yaml file",
            )
        path = bundled_presets("protocols")[source]
    values = read_yaml(path, origin=source)
    listed = values.get("objects")
    if isinstance(listed, str):
        if listed not in protocol_names():
            raise ConfigError(
                f"{source}: objects: no protocol is called '{listed}'",
                hint=f"a list of names, or one of {', '.join(protocol_names())}",
            )
        values["objects"] = list(load_protocol(listed).objects)
    protocol = parse_config(Protocol, values, origin=source)
    _check(protocol, source)
    return protocol


def _check(protocol: Protocol, origin: str) -> None:
    if len(set(protocol.objects)) < len(protocol.objects):
        raise ConfigError(f"{origin}: objects: a name stands there twice")
    positive = {
        "longest_side": protocol.longest_side,
        "input_view.radius": protocol.input_view.radius,
        "input_view.focal": protocol.input_view.focal,
        "input_view.size": protocol.input_view.size,
        "reference_views.num_views": protocol.reference_views.num_views,
        "reference_views.radius": protocol.reference_views.radius,
        "reference_views.focal": protocol.reference_views.focal,
        "reference_views.size": protocol.reference_views.size,
        "geometry.num_points": protocol.geometry.num_points,
    }
    for name, value in positive.items():
        if not value > 0:
            raise ConfigError(f"{origin}: {name} must be above 0, got {value}")
    if (protocol.held_out_views is not None) != (protocol.dataset == "views"):
        raise ConfigError(
            f"{origin}: held_out_views belongs to the dataset views, and to it alone; "
            f"the dataset is {protocol.dataset}"
        )
    _check_views(protocol, origin)
    if not protocol.reference_views.elevations_degrees:
        raise ConfigError(f"{origin}: reference_views.elevations_degrees must not be empty")
    _check_that_predictors_can_follow(protocol, origin)


def _check_views(protocol: Protocol, origin: str) -> None:
    held_out, varied = protocol.held_out_views, protocol.input_view.varied
    if held_out is not None:
        numbers = (held_out.num_objects, held_out.num_inputs, held_out.num_views)
        if min(numbers) < 1 or held_out.num_inputs > held_out.num_views or held_out.num_views < 2:
            raise ConfigError(
                f"{origin}: held_out_views: {held_out.num_inputs} inputs among "
                f"{held_out.num_views} views of {held_out.num_objects} objects, expected at least "
                "one input, two views and one object, and no more inputs than views"
            )
    if varied is not None:
        for name, (low, high), floor in (
            ("elevation_degrees", varied.elevation_degrees, -90.0),
            ("focal", varied.focal, 0.0),
            ("fill", varied.fill, 0.0),
        ):
            if not floor < low <= high:
                raise ConfigError(f"{origin}: input_view.varied.{name} {low:g} to {high:g}")
        if varied.elevation_degrees[1] >= 90.0:
            raise ConfigError(f"{origin}: input_view.varied.elevation_degrees must stay below 90")


def _check_that_predictors_can_follow(protocol: Protocol, origin: str) -> None:
    """All methods are told one camera and one size; what differs must be undone by alignment."""
    given, geometry = protocol.input_view, protocol.geometry
    if (given.radius, given.focal) != (CANONICAL_DISTANCE, CANONICAL_FOCAL):
        raise ConfigError(
            f"{origin}: input_view: radius {given.radius:g} and focal {given.focal:g}, expected "
            f"{CANONICAL_DISTANCE:g} and {CANONICAL_FOCAL:g}",
            hint="every method is built for this camera; reference_views are free",
        )
    if geometry.translate and geometry.alignment == "none":
        raise ConfigError(f"{origin}: geometry.translate without geometry.alignment")
    rescaled = geometry.alignment == "all" and geometry.rescale
    if protocol.longest_side != OBJECT_SIDE and not rescaled:
        raise ConfigError(
            f"{origin}: longest_side {protocol.longest_side:g}, expected {OBJECT_SIDE:g}",
            hint="methods without a scale answer at this size; another one needs "
            "geometry.alignment: all and geometry.rescale: true",
        )
