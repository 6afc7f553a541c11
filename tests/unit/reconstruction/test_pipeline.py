"""Photo to mesh with the bundled model: frames, cameras and files must agree with one another."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

import lrm_core
from lrm_core.errors import (
    CheckpointError,
    EmptyForegroundError,
    EmptySurfaceError,
    OutputError,
    StoppedError,
)
from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.reconstruction.pipeline import ReconstructionModel, load_model
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.reconstruction.result_files import write_result, write_turntable
from lrm_core.reconstruction.stages import StageClock
from lrm_core.reconstruction.stored_field import load_field, save_field
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.photo_camera import PhotoCamera

OPTIONS = MeshOptions(resolution=96, appearance="vertex_colors")


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """A red disc over a blue box, off center, with alpha: left, right, up and down all differ."""
    rgba = np.zeros((300, 400, 4), dtype=np.uint8)
    rows, columns = np.mgrid[:300, :400]
    rgba[(rows > 150) & (rows < 260) & (columns > 180) & (columns < 350)] = (30, 60, 200, 255)
    rgba[(rows - 110) ** 2 + (columns - 230) ** 2 < 60**2] = (210, 40, 30, 255)
    return Image.fromarray(rgba)


@pytest.fixture(scope="module")
def model() -> ReconstructionModel:
    return load_model("lrm-mini")


@pytest.fixture(scope="module")
def reconstruction(model, photo) -> Reconstruction:
    return model.reconstruct(photo)


def _silhouette(reconstruction: Reconstruction) -> np.ndarray:
    assert reconstruction.photo is not None
    return reconstruction.photo.rgba[0, 3].numpy() > 0.5


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_the_package_offers_the_api_lazily():
    assert lrm_core.load_model is load_model
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lrm_core.nothing  # noqa: B018


def test_the_object_is_framed_as_the_model_was_trained(model, reconstruction):
    alpha = _silhouette(reconstruction)
    size = model.config.encoder.image_size
    assert alpha.shape == (size, size)
    rows, columns = np.nonzero(alpha)
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    assert longer / size == pytest.approx(model.config.input.foreground_ratio, abs=0.03)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(size / 2, abs=1.5)


def test_the_mesh_is_closed_outward_and_fills_the_photos_silhouette(reconstruction):
    mesh = reconstruction.extract_mesh(options=OPTIONS)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.volume > 0
    alpha = _silhouette(reconstruction)
    camera = reconstruction.source_camera.resized(*alpha.shape)
    seen = render_scene(scene_from_mesh(mesh), camera).opacity[0].numpy() > 0.5
    assert _iou(alpha, seen) > 0.85


def test_volume_rendering_and_the_mesh_show_the_same_object(reconstruction):
    mesh = reconstruction.extract_mesh(options=OPTIONS)
    camera = reconstruction.source_camera.resized(64, 64)
    volume = reconstruction.render(camera)
    surface = render_scene(scene_from_mesh(mesh), camera)
    assert _iou(volume.opacity[0].numpy() > 0.5, surface.opacity[0].numpy() > 0.5) > 0.85
    red_above = surface.rgb[0, :28, :, 0].mean() - surface.rgb[0, :28, :, 2].mean()
    blue_below = surface.rgb[0, 40:, :, 2].mean() - surface.rgb[0, 40:, :, 0].mean()
    assert red_above > 0
    assert blue_below > 0


def test_fast_and_exact_extraction_agree(reconstruction):
    fast = reconstruction.extract_mesh(options=MeshOptions(resolution=64, appearance="none"))
    exact = reconstruction.extract_mesh(
        options=MeshOptions(resolution=64, appearance="none", exact=True)
    )
    assert len(fast.faces) == len(exact.faces)
    np.testing.assert_allclose(
        np.sort(fast.vertices, axis=0), np.sort(exact.vertices, axis=0), atol=1e-4
    )


@pytest.mark.parametrize(
    ("stage", "options"),
    [
        ("grid query", MeshOptions(resolution=48, exact=True)),
        ("texture bake", MeshOptions(resolution=48, texture_size=1024)),
        ("vertex colors", MeshOptions(resolution=128, appearance="vertex_colors")),
    ],
    ids=["grid", "bake", "vertices"],
)
def test_a_job_is_left_within_the_stage_that_reports_progress(reconstruction, stage, options):
    shares = []

    def stop_there(name: str, done: float | None) -> None:
        if name == stage and done is not None:
            shares.append(done)
            if len(shares) == 2:
                clock.stop()

    clock = StageClock(stop_there)
    with pytest.raises(StoppedError):
        reconstruction.extract_mesh(options=options, clock=clock)
    assert list(clock.seconds)[-1] == stage
    assert 0.0 <= shares[0] < shares[1] < 1.0
    assert len(shares) == 2


def test_the_record_of_a_job_holds_the_seconds_of_all_its_stages(model, photo, tmp_path):
    clock = StageClock()
    reconstruction = model.reconstruct(photo, clock=clock)
    mesh = reconstruction.extract_mesh(
        options=MeshOptions(resolution=48, texture_size=64), clock=clock
    )
    _, record = write_result(tmp_path / "a.ply", reconstruction, mesh, clock=clock)
    assert list(record["seconds"]) == [
        "read", "background", "framing", "encode and decode", "grid query", "marching cubes",
        "cleaning", "photo colors", "uv unwrap", "texture bake", "write",
    ]  # fmt: skip
    assert record["seconds"] == pytest.approx(clock.seconds, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "up", "size_mm"),
    [("mesh.obj", "y", None), ("mesh.obj", "z", None), ("mesh.stl", None, 120.0)],
)
def test_the_recorded_camera_reproduces_the_silhouette_from_the_file_alone(
    reconstruction, tmp_path, name, up, size_mm
):
    mesh = reconstruction.extract_mesh(options=MeshOptions(resolution=96, texture_size=256))
    files, record = write_result(tmp_path / name, reconstruction, mesh, up=up, size_mm=size_mm)
    assert {path.name for path in files} == {path.name for path in tmp_path.iterdir()}
    on_disk = json.loads((tmp_path / "mesh.json").read_text())
    assert on_disk == json.loads(json.dumps(record))
    with Image.open(tmp_path / "mesh.input.png") as image:
        alpha = np.asarray(image)[..., 3] > 127
    size = alpha.shape[0]
    # an independent reader of the file, and the camera in that file's frame
    loaded = trimesh.load(tmp_path / name, process=False, force="mesh")
    camera = on_disk["source_camera"]
    fx, fy, cx, cy = (camera[key] * size for key in ("fx", "fy", "cx", "cy"))
    cameras = Cameras(torch.tensor([camera["c2w"]]), torch.tensor([[fx, fy, cx, cy]]), size, size)
    part = scene_from_mesh(type(mesh)(np.float32(loaded.vertices), np.int32(loaded.faces)))
    seen = render_scene(part, cameras).opacity[0].numpy() > 0.5
    assert _iou(alpha, seen) > 0.85
    assert on_disk["frame"]["up"] == (up or "z")
    if size_mm is not None:
        assert on_disk["frame"]["unit"] == "mm"
        assert np.ptp(on_disk["bounds"], axis=0).max() == pytest.approx(size_mm)
    assert on_disk["num_faces"] == len(mesh.faces)
    assert on_disk["licence"] == "Apache-2.0"


def test_a_textured_mesh_is_as_large_as_asked(reconstruction, tmp_path):
    mesh = reconstruction.extract_mesh(
        options=MeshOptions(resolution=96, texture_size=128, target_faces=2000)
    )
    assert mesh.texture is not None
    assert mesh.texture.image.shape[:2] == (128, 128)
    assert 1900 <= len(mesh.faces) <= 2020  # separated sheets may add a few
    mesh.save(tmp_path / "mesh.glb")
    assert read_scene(tmp_path / "mesh.glb").num_faces == len(mesh.faces)


def test_a_stored_field_renders_and_meshes_like_the_reconstruction(reconstruction, tmp_path):
    path = tmp_path / "field.safetensors"
    save_field(path, reconstruction)
    again = load_field(path)
    camera = reconstruction.source_camera.resized(24, 24)
    torch.testing.assert_close(again.render(camera).rgb, reconstruction.render(camera).rgb)
    np.testing.assert_array_equal(
        again.extract_mesh(48).faces, reconstruction.extract_mesh(48).faces
    )
    assert again.config == reconstruction.config
    assert again.photo.background_removal == "alpha"
    torch.testing.assert_close(again.photo.rgba, reconstruction.photo.rgba)
    torch.testing.assert_close(
        again.photo.detail, reconstruction.photo.detail, atol=0.5 / 255, rtol=0
    )
    torch.testing.assert_close(again.source_camera.c2w, reconstruction.source_camera.c2w)


@pytest.mark.parametrize("damage", ["truncated", "text", "model"])
def test_damaged_field_files_are_one_clear_error(reconstruction, tmp_path, damage):
    path = tmp_path / "field.safetensors"
    save_field(path, reconstruction)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "text":
        path.write_text("hello")
    else:
        from safetensors.torch import save_file

        save_file({"planes": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError) as error:
        load_field(path)
    assert "\n" not in error.value.message


def test_an_empty_surface_and_an_empty_photo_are_named(model, reconstruction):
    with pytest.raises(EmptySurfaceError):
        reconstruction.extract_mesh(options=MeshOptions(resolution=32, iso_level=1e12))
    empty = np.zeros((64, 64, 4), dtype=np.uint8)
    with pytest.raises(EmptyForegroundError):
        model.reconstruct(empty)


def test_as_is_framing_keeps_the_photo_where_it_is(model):
    rgba = np.zeros((64, 64, 4), dtype=np.uint8)
    rgba[20:30, 30:50] = 255
    framed = model.reconstruct(rgba, camera=PhotoCamera(framing="as_is")).photo
    size = framed.rgba.shape[-1]
    rows = np.nonzero(framed.rgba[0, 3].numpy().max(axis=1) > 0.5)[0]
    assert rows.min() / size == pytest.approx(20 / 64, abs=0.02)


def test_a_result_that_was_killed_before_its_mesh_is_finished(reconstruction, tmp_path):
    mesh = reconstruction.extract_mesh(options=OPTIONS)
    files, _ = write_result(tmp_path / "a.obj", reconstruction, mesh)
    for count in range(1, len(files)):  # the record is written first, the mesh last
        for file in files[:count]:
            file.unlink()
        again, _ = write_result(tmp_path / "a.obj", reconstruction, mesh)
        assert {file.name for file in again} == {file.name for file in files}
        assert all(file.is_file() for file in again)


def test_outputs_are_never_replaced_unasked(reconstruction, tmp_path):
    mesh = reconstruction.extract_mesh(options=OPTIONS)
    write_result(tmp_path / "a.ply", reconstruction, mesh)
    with pytest.raises(OutputError, match="exists"):
        write_result(tmp_path / "a.ply", reconstruction, mesh)
    write_result(tmp_path / "a.ply", reconstruction, mesh, overwrite=True)
    write_turntable(tmp_path / "a.gif", mesh, reconstruction.source_camera, num_frames=3, size=32)
    with Image.open(tmp_path / "a.gif") as video:
        assert video.n_frames == 3


def test_the_models_own_resolution_is_the_default(reconstruction) -> None:
    """Cells of a mesh at 48 grid points are as wide as the config says, not as the code does."""
    nerf = replace(reconstruction.config.nerf, resolution=48)
    own = replace(reconstruction, config=replace(reconstruction.config, nerf=nerf))
    plain = MeshOptions(appearance="none")
    expected = reconstruction.extract_mesh(options=replace(plain, resolution=48))
    np.testing.assert_array_equal(own.extract_mesh(options=plain).vertices, expected.vertices)
    other = own.extract_mesh(options=replace(plain, resolution=64))
    assert len(other.vertices) != len(expected.vertices)
