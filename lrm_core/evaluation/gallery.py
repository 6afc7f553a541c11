"""Pictures and meshes of chosen objects for a page, made anew from what an evaluation cached.

Nothing is predicted here: references are rendered again, predictions come from the cache.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import fast_simplification
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy.spatial import cKDTree
from torch import Tensor

from lrm_core.baselines.predictor import Alignment, Prediction
from lrm_core.config import parse_config
from lrm_core.errors import ConfigError, InputError
from lrm_core.evaluation.alignment import Fit, place
from lrm_core.evaluation.collection import Collection
from lrm_core.evaluation.observation import observe
from lrm_core.evaluation.predictions import predict
from lrm_core.evaluation.protocol import Protocol
from lrm_core.evaluation.reference import Reference, make_reference
from lrm_core.evaluation.result_cache import ResultCache
from lrm_core.evaluation.setups import fit_of
from lrm_core.geometry.mesh_geometry import weld
from lrm_core.geometry.scene_conversion import mesh_from_scene, transform_scene
from lrm_core.geometry.surface_sampling import sample_surface
from lrm_core.geometry.trajectories import direction_degrees
from lrm_core.imaging.contact_sheet import fit_image
from lrm_core.meshes.gltf_writing import encode_glb
from lrm_core.reporting.examples import ChosenObject, Example, ObjectPictures
from lrm_core.reporting.metric_report import MetricReport
from lrm_core.structures.frames import WORLD_TO_GLTF
from lrm_core.structures.mesh import Mesh, Texture
from lrm_core.structures.scene import Scene

_NUM_VIEWS = 6
_PICTURE_SIZE = 160
_QUALITY = 82

# all meshes of a page together: some ten megabytes of base64
_MOST_FACES_OF_PAGE = 300_000
_MOST_FACES, _FEWEST_FACES = 20_000, 2_000
_TEXTURE_SIZE = 512
_COLOR_SAMPLES = 200_000


class _NotCachedError(Exception):
    """A prediction is not in the cache."""


@dataclass(frozen=True)
class _RecordedPredictor:
    """A method of a report: it knows what the cache knows."""

    name: str
    licence: str
    source: str
    fingerprint: str
    alignment: Alignment
    fit: Fit | None
    iso_level: None = None
    photo_colors: bool = False

    def predict(self, rgba: UInt8[np.ndarray, "H W 4"], *, name: str) -> Prediction:
        raise _NotCachedError(name)


def protocol_of(report: MetricReport) -> Protocol:
    """The protocol that a report followed, from the report itself.

    Raises:
        InputError: its content is not a protocol of this program, or not what was hashed.
    """
    origin = f"protocol of the report of {report.method['name']}"
    try:
        protocol = parse_config(Protocol, report.protocol["content"], origin=origin)
    except (ConfigError, KeyError) as error:
        raise InputError(f"{origin}: cannot be followed again ({error})") from error
    if protocol.sha256 != report.protocol["sha256"]:
        raise InputError(
            f"{origin}: its content has the hash {protocol.sha256[:8]}, the report says "
            f"{str(report.protocol['sha256'])[:8]}",
            hint="was the report edited, or written by another version?",
        )
    return protocol


def make_examples(
    protocol: Protocol,
    collection: Collection,
    reports: Sequence[MetricReport],
    chosen: Sequence[Sequence[ChosenObject]],
    cache: Path,
    *,
    on_object: Callable[[str], None] = lambda name: None,
) -> list[tuple[Example, ...]]:
    """Pictures and meshes of the objects chosen for each method.

    Args:
        protocol: the one that all reports followed.
        collection: holds all chosen objects.
        reports: one per method.
        chosen: objects of each.
        cache: folder of predictions that the evaluation filled.
        on_object: called with the name of each object that is done.

    Raises:
        InputError: an object cannot be used, or a report names no fingerprint.
    """
    methods = [_recorded(report.method, protocol) for report in reports]
    wanted = list(dict.fromkeys(choice.name for choices in chosen for choice in choices))
    num_meshes = len(wanted) + sum(map(len, chosen))
    most_faces = int(np.clip(_MOST_FACES_OF_PAGE // max(num_meshes, 1), _FEWEST_FACES, _MOST_FACES))
    kept = ResultCache(cache)
    made: list[dict[str, Example]] = [{} for _ in reports]
    for name in wanted:
        scene, _ = collection.load(name)
        reference = make_reference(name, scene, protocol)
        pictures = _object_pictures(reference, most_faces)
        for by_name, choices, method, report in zip(made, chosen, methods, reports, strict=True):
            for choice in choices:
                if choice.name == name:
                    by_name[name] = _example(
                        choice, pictures, reference, method, report, protocol, kept, most_faces
                    )
        on_object(name)
    return [
        tuple(by_name[choice.name] for choice in choices)
        for by_name, choices in zip(made, chosen, strict=True)
    ]


def viewer_mesh(scene: Scene, most_faces: int) -> Mesh | None:
    """A scene as one light mesh for a viewer in a page.

    A scene of one texture that is small enough keeps it, at 512 px at most; any other is welded,
    simplified by quadric edge collapse and given vertex colors of the surface nearby.

    Args:
        scene: in the world frame.
        most_faces: limit of the mesh.

    Returns:
        the mesh, or None where it cannot be simplified that far.
    """
    if len(scene.parts) == 1 and scene.num_faces <= most_faces:
        (part,) = scene.parts
        texture, uv = part.material.texture, part.uv
        plain = part.vertex_colors is None and part.material.base_color[:3] == (1.0, 1.0, 1.0)
        # viewers are told to clamp: textures that repeat become vertex colors
        if texture is not None and uv is not None and plain and 0 <= uv.min() <= uv.max() <= 1:
            image = fit_image(texture[..., :3], min(_TEXTURE_SIZE, max(texture.shape[:2])))
            return Mesh(part.vertices, part.faces, texture=Texture(image, uv))
    mesh = mesh_from_scene(scene)
    kept, welded = weld(mesh.vertices)
    vertices, faces = mesh.vertices[kept], welded[mesh.faces].astype(np.int32)
    if len(faces) > most_faces:
        vertices, faces = fast_simplification.simplify(vertices, faces, target_count=most_faces)
        if not 0 < len(faces) <= 1.5 * most_faces:
            return None
    return Mesh(
        vertices.astype(np.float32), faces.astype(np.int32), vertex_colors=_colors(scene, vertices)
    )


def _recorded(method: dict[str, Any], protocol: Protocol) -> _RecordedPredictor:
    """The method that a report describes, checked."""
    fingerprint = str(method.get("fingerprint"))
    alignments: tuple[Alignment, ...] = get_args(Alignment)
    alignment = next((known for known in alignments if known == method.get("alignment")), None)
    if not re.fullmatch(r"[0-9a-f]{64}", fingerprint) or alignment is None:
        raise InputError(
            f"the report of {method.get('name')} does not hold its method's fingerprint and "
            "alignment"
        )
    name, licence, source = (str(method.get(key)) for key in ("name", "licence", "source"))
    fit = fit_of(protocol.geometry, alignment)
    if "aligned" in method and method["aligned"] is None:
        fit = None
    elif "aligned" in method and fit is None:  # scored as a free method would be
        fit = fit_of(protocol.geometry, "free_azimuth")
    return _RecordedPredictor(name, licence, source, fingerprint, alignment, fit)


def _object_pictures(reference: Reference, most_faces: int) -> ObjectPictures:
    shown = _shown_views(len(reference.cameras))
    return ObjectPictures(
        reference.name,
        _webp(reference.picture),
        tuple(_direction(origin) for origin in reference.cameras[shown].origins),
        tuple(_webp(view) for view in reference.observation.rgb[shown]),
        None if reference.scene is None else _glb(reference.scene, most_faces),
    )


def _example(
    chosen: ChosenObject,
    pictures: ObjectPictures,
    reference: Reference,
    method: _RecordedPredictor,
    report: MetricReport,
    protocol: Protocol,
    cache: ResultCache,
    most_faces: int,
) -> Example:
    nothing = Example(chosen, pictures, (), None)
    try:
        prediction, failure = predict(method, reference.picture, reference.name, cache)
    except _NotCachedError:
        failure = report.failures.get(chosen.name)
        return replace(
            nothing, remark=failure or "The prediction is not in the cache: no pictures of it."
        )
    placed = prediction.scene
    if placed is None:
        return replace(nothing, remark=failure or "The method predicted nothing.")
    matrix = place(placed, method.alignment, method.fit, reference, seed=protocol.geometry.seed)
    if matrix is not None:
        placed = transform_scene(placed, matrix)
    cameras = reference.cameras[_shown_views(len(reference.cameras))]
    views = observe(placed, cameras, protocol).rgb
    remark = ""
    if report.method.get("views") == "field":
        remark = "Pictures show the mesh; scores of views are those of the radiance field."
    return replace(
        nothing,
        views=tuple(_webp(view) for view in views),
        mesh=_glb(placed, most_faces),
        remark=remark,
    )


def _shown_views(num: int) -> slice:
    """Evenly spaced ones, starting with the first."""
    step = max(1, num // _NUM_VIEWS)
    return slice(0, step * _NUM_VIEWS, step)


def _direction(origin: Float[Tensor, "3"]) -> str:
    """Azimuth and elevation of a camera; the input camera is at 0."""
    azimuth, elevation = direction_degrees(origin)
    return f"{azimuth}°, {elevation}°"


def _webp(image: UInt8[np.ndarray, "_ _ _"]) -> bytes:
    """A picture at the size of the page, transparent ones over white."""
    encoded = io.BytesIO()
    picture = Image.fromarray(fit_image(image, _PICTURE_SIZE))
    picture.save(encoded, "WEBP", quality=_QUALITY, method=6)
    return encoded.getvalue()


def _glb(scene: Scene, most_faces: int) -> bytes | None:
    mesh = viewer_mesh(scene, most_faces)
    if mesh is None or not len(mesh.faces):
        return None
    png = None
    if mesh.texture is not None:
        encoded = io.BytesIO()
        # a palette: a third of the bytes, and no difference at the size of a viewer
        Image.fromarray(mesh.texture.image).quantize(256).save(encoded, "PNG", optimize=True)
        png = encoded.getvalue()
    return encode_glb(mesh.transformed(WORLD_TO_GLTF), "object", png)


def _colors(scene: Scene, vertices: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    """sRGB of the surface near every vertex."""
    points, _, colors = sample_surface(scene, _COLOR_SAMPLES, np.random.default_rng(0))
    _, nearest = cKDTree(points).query(vertices, k=3)
    mean: np.ndarray = colors[nearest].mean(axis=1).astype(np.float32)
    return mean
