import dataclasses

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.baselines.lrm import LrmPredictor, load_lrm_predictor
from lrm_core.errors import CheckpointError, EmptyForegroundError
from lrm_core.geometry.trajectories import orbit
from lrm_core.reconstruction.pipeline import load_model
from lrm_core.reconstruction.reconstruction import MeshOptions
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.mesh_shading import STUDIO_LIGHTS
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.photo_camera import PhotoCamera
from lrm_core.structures.scene import Material, Scene, ScenePart


@pytest.fixture(scope="module")
def mini() -> LrmPredictor:
    return load_lrm_predictor("lrm-mini", resolution=64)


@pytest.fixture(scope="module")
def cropping() -> LrmPredictor:
    """lrm-mini as a model that cannot be told a camera."""
    model = load_model("lrm-mini")
    decoder = dataclasses.replace(model.config.decoder, camera_feature="none")
    model.config = dataclasses.replace(model.config, decoder=decoder)
    return LrmPredictor(model, "cropping", MeshOptions(resolution=64, appearance="vertex_colors"))


def silhouette_iou(predictor: LrmPredictor, picture: np.ndarray) -> float:
    scene = predictor.predict(picture, name="x").scene
    assert scene is not None
    seen = render_scene(scene, canonical_camera(len(picture))).opacity[0].numpy() > 0.5
    alpha = picture[..., 3] > 127
    return float((seen & alpha).sum() / (seen | alpha).sum())


@pytest.mark.parametrize("predictor", ["mini", "cropping"])
def test_the_mesh_covers_the_object_in_the_picture(predictor, picture, request):
    """The object lies off center and fills 0.44 of the picture: frames must be undone exactly."""
    assert silhouette_iou(request.getfixturevalue(predictor), picture) > 0.85


def test_smaller_in_the_picture_is_smaller_in_the_world(cropping, picture):
    """The crop hides the size of the object; its place in the picture brings it back."""
    small = np.zeros_like(picture)
    small[64:192, 64:192] = picture[::2, ::2]
    large, little = (cropping.predict(image, name="x").scene for image in (picture, small))
    ratio = np.ptp(little.bounds, axis=0) / np.ptp(large.bounds, axis=0)
    assert ratio == pytest.approx(np.full(3, 0.5), abs=0.05)


def test_identity_of_a_predictor(mini, cropping):
    assert mini.name == "lrm-mini"
    assert mini.licence == "Apache-2.0"
    assert mini.source
    assert mini.alignment == "canonical"
    again = LrmPredictor(mini.model, "other name", mini.mesh)
    finer = LrmPredictor(mini.model, mini.name, MeshOptions(resolution=65))
    assert again.fingerprint == mini.fingerprint
    assert len({mini.fingerprint, cropping.fingerprint, finer.fingerprint}) == 3
    changed = load_model("lrm-mini")
    with torch.no_grad():
        next(changed.parameters()).view(-1)[0] += 1e-3
    assert LrmPredictor(changed, mini.name, mini.mesh).fingerprint != mini.fingerprint


def test_a_field_without_surface_is_an_answer(mini, picture):
    nowhere = dataclasses.replace(mini.mesh, iso_level=1e30)
    prediction = LrmPredictor(mini.model, "x", nowhere).predict(picture, name="x")
    assert prediction.scene is None
    assert prediction.notes


def test_an_empty_picture_is_an_error(mini, picture):
    with pytest.raises(EmptyForegroundError):
        mini.predict(picture * np.array([1, 1, 1, 0], dtype=np.uint8), name="x")


def test_no_such_model():
    with pytest.raises(CheckpointError):
        load_lrm_predictor("no-such-model")


@pytest.mark.parametrize("name", ["triposr-tiny", "openlrm-tiny-a", "openlrm-tiny-b"])
def test_foreign_checkpoints_predict_what_they_reconstruct(reference_dir, picture, name):
    """Random weights of the public layouts, through the predictor and as for any photo."""
    predictor = load_lrm_predictor(reference_dir / name)
    cropped = name == "triposr-tiny"
    framing = "crop" if cropped else "as_is"
    reconstruction = predictor.model.reconstruct(picture, camera=PhotoCamera(framing=framing))
    line = torch.linspace(-0.8, 0.8, 12)
    density, _ = reconstruction.field(torch.cartesian_prod(line, line, line))
    options = MeshOptions(
        resolution=16, appearance="vertex_colors", iso_level=float(density.median())
    )
    expected = reconstruction.extract_mesh(options=options)

    scene = LrmPredictor(predictor.model, name, options).predict(picture, name="x").scene
    assert scene is not None
    (part,) = scene.parts
    assert np.array_equal(part.faces, expected.faces)
    if not cropped:
        assert np.array_equal(part.vertices, expected.vertices)
        return
    # TripoSR's camera: 1.9 away, field of view 40 degrees; the object's box is 109 x 144 pixels
    # around (155.5, 128) of 256 and becomes 0.85 of the crop
    scale = 144 / 0.85 / 256 * (2.0 / 0.75) * (0.5 / np.tan(np.radians(20.0))) / 1.9
    middle = np.array([155.5 / 256 - 0.5, 0.0, 0.5 - 128.0 / 256]) * 2.0 / 0.75
    assert np.allclose(part.vertices, scale * expected.vertices + middle, atol=1e-5)


def test_the_field_of_an_answer_shows_its_mesh(mini, cropping, picture):
    """Seen by the camera of the picture, whichever way the answer came back to it."""
    camera = canonical_camera(48)
    for predictor in (mini, cropping):
        prediction = predictor.predict(picture, name="x")
        mesh = render_scene(prediction.scene, camera).opacity[0].numpy() > 0.5
        field = prediction.field.render(camera).opacity[0].numpy() > 0.5
        assert (field & mesh).sum() / (field | mesh).sum() > 0.75
    # in the frame of the crop it is elsewhere
    field = prediction.field.field.render(camera).opacity[0].numpy() > 0.5
    assert (field & mesh).sum() / (field | mesh).sum() < 0.6
    assert mini.iso_level == mini.model.config.nerf.iso_level


def test_pictures_of_unknown_cameras_are_cropped(mini, picture):
    """A model that is not told the camera gets the object cropped, and the crop is undone."""
    unknown = dataclasses.replace(mini, framing="crop")
    assert silhouette_iou(unknown, picture) > 0.8
    assert unknown.fingerprint != mini.fingerprint
    small = np.zeros_like(picture)
    small[64:192, 64:192] = picture[::2, ::2]
    large, little = (unknown.predict(image, name="x").scene for image in (picture, small))
    ratio = np.ptp(little.bounds, axis=0) / np.ptp(large.bounds, axis=0)
    assert ratio == pytest.approx(np.full(3, 0.5), abs=0.05)


def test_a_long_thing_keeps_its_length_where_its_narrow_end_comes_first(cropping):
    """A box four times as long as it is high, cropped in each picture."""
    corners = trimesh.creation.box((0.4, 1.6, 0.4))
    box = Scene((ScenePart(corners.vertices, corners.faces, Material()),))
    cameras = orbit(4, size=256)
    pictures = []
    for index in (0, 1):
        seen = render_scene(box, cameras[index], shading=STUDIO_LIGHTS)
        rgba = torch.cat([seen.rgb[0], seen.opacity[0][..., None]], dim=-1)
        pictures.append((rgba * 255).round().to(torch.uint8).numpy())
    scene = cropping.predict_views([(0.0, pictures[0]), (90.0, pictures[1])]).scene
    _, depth, height = np.ptp(scene.bounds, axis=0)
    assert depth / height == pytest.approx(4.0, rel=0.15)  # 1.1 where each fills its own crop


def test_colors_of_the_photo_can_be_left_out(mini, picture):
    plain = load_lrm_predictor("lrm-mini", resolution=64, photo_colors=False)
    assert plain.model is load_lrm_predictor("lrm-mini", resolution=64).model  # loaded once
    assert (mini.photo_colors, plain.photo_colors) == (True, False)
    assert plain.fingerprint != mini.fingerprint
    with_photo, without = (
        predictor.predict(picture, name="x").scene.parts[0] for predictor in (mini, plain)
    )
    np.testing.assert_array_equal(with_photo.vertices, without.vertices)
    assert np.abs(with_photo.vertex_colors - without.vertex_colors).max() > 0.02
