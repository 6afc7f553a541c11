import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_core.baselines.predictor import Prediction
from lrm_core.config import config_to_dict
from lrm_core.errors import EmptyForegroundError, InputError
from lrm_core.evaluation.collection import find_objects
from lrm_core.evaluation.gallery import make_examples, protocol_of, viewer_mesh
from lrm_core.evaluation.predictions import predict
from lrm_core.evaluation.protocol import Protocol, load_protocol
from lrm_core.evaluation.reference import make_reference
from lrm_core.evaluation.result_cache import ResultCache
from lrm_core.geometry.scene_conversion import transform_scene
from lrm_core.imaging.color import srgb_to_linear
from lrm_core.reporting.examples import ChosenObject
from lrm_core.reporting.metric_report import MetricReport
from lrm_core.structures.scene import Material, Scene, ScenePart

pytest.importorskip("manifold3d")

PROTOCOL = load_protocol("procedural-v1")
PROTOCOL = dataclasses.replace(
    PROTOCOL,
    objects=("0",),
    input_view=dataclasses.replace(PROTOCOL.input_view, size=64),
    reference_views=dataclasses.replace(
        PROTOCOL.reference_views,
        size=32,
        num_views=13,
        azimuth_step_degrees=18.0,
        elevations_degrees=(0.0, 20.0, 40.0, -10.0),
    ),
    geometry=dataclasses.replace(PROTOCOL.geometry, num_points=500),
)
BEST = ChosenObject("0", "best", "psnr")


@pytest.fixture(scope="module")
def reference():
    scene, _ = find_objects(PROTOCOL).load("0")
    return make_reference("0", scene, PROTOCOL)


@dataclasses.dataclass
class Method:
    """Answers what it is told to."""

    answer: Scene | Exception | None
    fingerprint: str = "a" * 64
    name: str = "method"
    licence: str = "none"
    source: str = "here"
    alignment: str = "canonical"
    iso_level: float | None = None
    photo_colors: bool = False
    aligned: str = ""  # older reports do not say

    def predict(self, rgba: np.ndarray, *, name: str) -> Prediction:
        if isinstance(self.answer, Exception):
            raise self.answer
        return Prediction(self.answer, 1.0)


def report_of(method: Method, protocol: Protocol = PROTOCOL) -> MetricReport:
    return MetricReport(
        protocol={"sha256": protocol.sha256, "content": config_to_dict(protocol)},
        dataset={"objects": ["0"]},
        method={
            name: getattr(method, name)
            for name in ("name", "licence", "source", "fingerprint", "alignment")
        }
        | ({"aligned": method.aligned} if method.aligned else {}),
        metrics={},
        failures={},
        notes={},
        provenance={},
    )


def example_of(method: Method, reference, cache: Path, *, asked: bool = True, protocol=PROTOCOL):
    if asked:
        predict(method, reference.picture, "0", ResultCache(cache))
    before = sorted(cache.rglob("*"))
    done = []
    ((example,),) = make_examples(
        protocol, find_objects(protocol), [report_of(method, protocol)], [[BEST]], cache,
        on_object=done.append,
    )  # fmt: skip
    assert done == ["0"]
    assert sorted(cache.rglob("*")) == before  # looking changes nothing
    return example


def test_a_perfect_prediction_looks_like_its_reference(reference, tmp_path: Path) -> None:
    example = example_of(Method(reference.scene), reference, tmp_path)
    assert example.remark == ""
    assert len(example.views) == 6
    assert example.views == example.pictures.views
    assert example.mesh == example.pictures.mesh
    # views 0, 2, ... 10 of 13, at 18 degrees each; elevations cycle 0, 20, 40, -10
    assert example.pictures.labels == (
        "0°, 0°", "36°, 40°", "72°, 0°", "108°, 40°", "144°, 0°", "180°, 40°",
    )  # fmt: skip
    for webp, expected in zip(example.views, reference.observation.rgb[0:12:2], strict=True):
        with Image.open(io.BytesIO(webp)) as image:
            assert image.format == "WEBP"
            assert image.size == (160, 160)
            small = np.asarray(image.resize((32, 32), Image.Resampling.BOX)).astype(int)
        assert np.abs(small - expected).mean() < 6


def test_the_mesh_is_a_glb_with_y_up(reference, tmp_path: Path) -> None:
    example = example_of(Method(reference.scene), reference, tmp_path)
    assert example.mesh is not None
    loaded = trimesh.load(io.BytesIO(example.mesh), file_type="glb", force="mesh")
    low, high = reference.scene.bounds
    expected = [[low[0], low[2], -high[1]], [high[0], high[2], -low[1]]]
    assert loaded.bounds == pytest.approx(np.array(expected), abs=0.02)
    assert len(loaded.faces) <= 20_000


@pytest.mark.parametrize(
    ("method", "asked", "words"),
    [
        (Method(None), True, "predicted nothing"),
        (Method(EmptyForegroundError("cannot see it")), True, "cannot see it"),
        (Method(None), False, "not in the cache"),
    ],
)
def test_what_is_missing_is_said(reference, tmp_path: Path, method, asked: bool, words) -> None:
    example = example_of(method, reference, tmp_path, asked=asked)
    assert words in example.remark
    assert example.views == ()
    assert example.mesh is None
    assert len(example.pictures.views) == 6


def test_a_damaged_prediction_is_said(reference, tmp_path: Path) -> None:
    method = Method(reference.scene)
    predict(method, reference.picture, "0", ResultCache(tmp_path))
    (stored,) = tmp_path.rglob("*.safetensors")
    stored.write_bytes(b"not tensors")
    assert "not in the cache" in example_of(method, reference, tmp_path, asked=False).remark


def test_free_predictions_are_shown_as_they_were_scored(reference, tmp_path: Path) -> None:
    protocol = dataclasses.replace(
        PROTOCOL, geometry=dataclasses.replace(PROTOCOL.geometry, alignment="free_methods")
    )
    quarter = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    turned = transform_scene(reference.scene, quarter)

    def error(alignment: str, aligned: str = "") -> float:
        method = Method(turned, alignment=alignment, fingerprint="b" * 64, aligned=aligned)
        example = example_of(method, reference, tmp_path, protocol=protocol)
        pairs = zip(example.views, example.pictures.views, strict=True)
        decoded = [
            [np.asarray(Image.open(io.BytesIO(one))).astype(int) for one in p] for p in pairs
        ]
        return float(np.mean([np.abs(a - b).mean() for a, b in decoded]))

    assert error("free_azimuth") < 0.3 * error("canonical")
    assert error("canonical", "search and ICP") == error("free_azimuth")


@pytest.mark.parametrize("fingerprint", ["../../secrets", "", "A" * 64])
def test_a_fingerprint_is_no_path(reference, tmp_path: Path, fingerprint: str) -> None:
    with pytest.raises(InputError, match="fingerprint"):
        example_of(Method(None, fingerprint=fingerprint), reference, tmp_path, asked=False)


def test_the_protocol_comes_back_from_a_report() -> None:
    report = report_of(Method(None))
    assert protocol_of(report) == PROTOCOL
    report.protocol["content"]["longest_side"] = 1.7
    with pytest.raises(InputError, match="has the hash"):
        protocol_of(report)
    report.protocol["content"]["color"] = "red"
    with pytest.raises(InputError, match="cannot be followed"):
        protocol_of(report)


def test_many_faces_become_few_with_colors_of_the_surface() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=5)
    vertices = sphere.vertices.astype(np.float32)

    def color(points):  # sRGB by position
        return np.clip(0.5 + 0.4 * points, 0, 1)

    linear = np.concatenate([srgb_to_linear(color(vertices)), np.ones((len(vertices), 1))], axis=1)
    half = len(sphere.faces) // 2
    parts = [
        ScenePart(vertices, faces.astype(np.int32), Material(), vertex_colors=linear)
        for faces in (sphere.faces[:half], sphere.faces[half:])
    ]
    mesh = viewer_mesh(Scene(tuple(parts)), 2000)
    assert mesh is not None
    assert 1000 < len(mesh.faces) <= 2000
    assert np.linalg.norm(mesh.vertices, axis=1) == pytest.approx(1.0, abs=0.02)
    assert mesh.vertex_colors is not None
    assert np.abs(mesh.vertex_colors - color(mesh.vertices)).max() < 0.03


def test_a_small_mesh_keeps_its_texture() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    texture = np.full((1024, 1024, 4), (200, 100, 50, 255), dtype=np.uint8)
    uv = vertices[:, :2]
    plain = ScenePart(vertices, faces, Material(texture=texture), uv=uv)
    mesh = viewer_mesh(Scene((plain,)), 10)
    assert mesh is not None
    assert mesh.texture is not None
    assert mesh.texture.image.shape == (512, 512, 3)
    assert np.array_equal(mesh.texture.uv, uv)
    repeating = dataclasses.replace(plain, uv=uv * 2)
    mesh = viewer_mesh(Scene((repeating,)), 10)
    assert mesh is not None
    assert mesh.texture is None
    assert mesh.vertex_colors == pytest.approx(np.tile([200, 100, 50], (4, 1)) / 255, abs=0.01)
