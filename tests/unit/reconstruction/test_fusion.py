"""Several photos with the bundled model: a box whose sides are told apart by color."""

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.errors import ConfigError, InputError
from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.reconstruction.fusion import FusedReconstruction
from lrm_core.reconstruction.pipeline import load_model
from lrm_core.reconstruction.reconstruction import MeshOptions
from lrm_core.reconstruction.view_directions import DIRECTIONS, Direction
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.rendering.view_output import channel_image
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.photo_camera import PhotoCamera

OPTIONS = MeshOptions(resolution=64, appearance="vertex_colors")
# half sides along x, y and z; color of the faces towards -y, +y, and of all others
HALVES = np.array([0.5, 0.25, 0.7])
FRONT, BACK, REST = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8), (0.1, 0.7, 0.1)


@pytest.fixture(scope="module")
def model():
    return load_model("lrm-mini")


@pytest.fixture(scope="module")
def photos():
    """(512, 512, 4) by name, each from 2 units away with the canonical lens."""
    return {name: picture_from(direction) for name, direction in DIRECTIONS.items()}


def picture_from(direction):
    box = trimesh.creation.box(2 * HALVES)
    vertices = box.vertices[box.faces].reshape(-1, 3)
    normals = np.repeat(box.face_normals, 3, axis=0)
    colors = np.tile(REST, (len(vertices), 1))
    colors[normals[:, 1] < -0.5], colors[normals[:, 1] > 0.5] = FRONT, BACK
    faces = np.arange(len(vertices)).reshape(-1, 3)
    turned = vertices @ direction.rotation.numpy().T
    mesh = Mesh(turned.astype(np.float32), faces.astype(np.int32), colors.astype(np.float32))
    view = render_scene(scene_from_mesh(mesh), canonical_camera(512))
    return channel_image(view, "rgb", None)


def sides(photos, *names):
    return {name: photos[name] for name in names}


def test_a_side_photo_brings_the_true_depth(model, photos):
    """The front says nothing about it; the outline from the right does."""
    fused = model.reconstruct(
        sides(photos, "front", "right", "left"), camera=PhotoCamera(framing="as_is")
    )
    assert isinstance(fused, FusedReconstruction)
    vertices = fused.extract_mesh(options=OPTIONS).vertices
    low, high = np.percentile(vertices, [1, 99], axis=0)
    # upward all cones of sight widen with the distance: what is behind may reach higher
    np.testing.assert_allclose(((high - low) / 2)[:2], HALVES[:2], atol=0.08)


def test_the_back_has_the_color_of_its_photo(model, photos):
    fused = model.reconstruct(sides(photos, "front", "back"), camera=PhotoCamera(framing="as_is"))
    mesh = fused.extract_mesh(options=OPTIONS)
    assert mesh.vertex_colors is not None
    inner = (np.abs(mesh.vertices[:, [0, 2]]) < 0.3).all(axis=1)
    for side, color in ((-1, FRONT), (1, BACK)):
        chosen = inner & (side * mesh.vertices[:, 1] > 0.1)
        assert chosen.sum() > 20
        seen = mesh.vertex_colors[chosen].mean(axis=0)
        np.testing.assert_allclose(seen, color, atol=0.1)


def test_photos_of_another_size_and_place_are_brought_together(model, photos):
    """The back photo half as large and off center: cropping and the outlines' sizes undo it."""
    small = np.zeros_like(photos["back"])
    small[10:266, 200:456] = photos["back"][::2, ::2]
    fused = model.reconstruct({"front": photos["front"], "back": small})
    assert [view.scale for view in fused.views] == pytest.approx([1.0, 1.0], abs=0.02)
    mesh = fused.extract_mesh(options=OPTIONS)
    extent = np.ptp(mesh.vertices, axis=0)
    assert extent[2] / extent[0] == pytest.approx(HALVES[2] / HALVES[0], rel=0.1)


def test_the_first_photo_is_the_front_and_has_the_size_of_the_whole(model, photos):
    """Crops show the object at one scale, though it looks shorter from above."""
    fused = model.reconstruct(sides(photos, "right", "back", "top"))
    first, second, third = fused.views
    turns = [view.direction.azimuth - DIRECTIONS[name].azimuth
             for view, name in zip(fused.views, ("right", "back", "top"), strict=True)]  # fmt: skip
    assert turns == [-DIRECTIONS["right"].azimuth] * 3
    assert first.direction == Direction(0.0)
    assert (first.scale, second.scale) == (1.0, pytest.approx(1.0, abs=0.08))
    assert third.scale == pytest.approx(1.0, abs=0.08)
    rows = np.flatnonzero(third.reconstruction.photo.rgba[0, 3].amax(dim=1).numpy() > 0.5)
    share = (rows[-1] + 1 - rows[0]) / third.reconstruction.photo.rgba.shape[-1]
    assert share < 0.7 * model.config.input.foreground_ratio
    ratio = third.reconstruction.photo.camera.assumptions["foreground_ratio"]
    assert ratio.origin == "sizes in all photos"


def test_a_long_object_keeps_its_length_though_its_narrow_end_comes_first(model):
    """Framed as large as the side, the front would put both ends beyond what a field knows."""
    bar = trimesh.creation.box([0.6, 1.8, 0.7])
    made = {}
    for name in ("front", "right"):
        turned = bar.vertices @ DIRECTIONS[name].rotation.numpy().T
        mesh = Mesh(turned.astype(np.float32), bar.faces.astype(np.int32))
        made[name] = channel_image(
            render_scene(scene_from_mesh(mesh), canonical_camera(512)), "rgb", None
        )
    vertices = model.reconstruct(made).extract_mesh(options=OPTIONS).vertices
    low, high = np.percentile(vertices, [2, 98], axis=0)
    length, height = (high - low)[[1, 2]]
    assert length / height == pytest.approx(1.8 / 0.7, rel=0.2)


def test_cameras_of_views_see_the_mesh_where_their_photo_shows_it(model, photos):
    fused = model.reconstruct(
        sides(photos, "front", "right", "back", "left"), camera=PhotoCamera(framing="as_is")
    )
    scene = scene_from_mesh(fused.extract_mesh(options=OPTIONS))
    for view, name in zip(fused.views, ("front", "right", "back", "left"), strict=True):
        seen = render_scene(scene, view.camera.resized(512, 512)).opacity[0].numpy() > 0.5
        shown = photos[name][..., 3] > 127
        assert (seen & shown).sum() / (seen | shown).sum() > 0.93, name


def test_photos_from_above_make_an_object_that_stands_upright(model):
    """All four from 25 degrees above: the first camera is the frame, until the mesh is stood up."""
    level = ("front", "right", "back", "left")
    seen_from = {name: Direction(DIRECTIONS[name].azimuth, 25.0) for name in level}
    pictures = {name: picture_from(direction) for name, direction in seen_from.items()}
    camera = PhotoCamera(framing="as_is", elevation=25.0)
    fused = model.reconstruct(pictures, camera=camera)
    mesh, motion = fused.stand(fused.extract_mesh(options=OPTIONS))
    assert motion.turned_degrees == pytest.approx(25.0)
    low, high = np.percentile(mesh.vertices, [1, 99], axis=0)
    np.testing.assert_allclose((high - low) / 2, HALVES, atol=0.1)
    scene = scene_from_mesh(mesh)
    for view, name in zip(fused.views, level, strict=True):
        placed = motion.move_cameras(view.camera).resized(512, 512)
        seen = render_scene(scene, placed).opacity[0].numpy() > 0.5
        shown = pictures[name][..., 3] > 127
        assert (seen & shown).sum() / (seen | shown).sum() > 0.93, name


def test_any_photo_may_come_first(model, photos):
    """From above first: the front then lies below, until the mesh is stood up."""
    fused = model.reconstruct(
        sides(photos, "top", "front", "right", "back", "left"), camera=PhotoCamera(framing="as_is")
    )
    np.testing.assert_allclose(fused.up, [0.0, -1.0, 0.0], atol=1e-9)
    mesh, _ = fused.stand(fused.extract_mesh(options=OPTIONS))
    low, high = np.percentile(mesh.vertices, [1, 99], axis=0)
    np.testing.assert_allclose((high - low) / 2, HALVES, atol=0.12)


def test_one_photo_by_name_is_one_photo(model, photos):
    alone = model.reconstruct(photos["front"])
    named = model.reconstruct({"front": photos["front"]})
    points = torch.rand(200, 3) * 1.6 - 0.8
    torch.testing.assert_close(named.field.raw(points), alone.field.raw(points))


def test_each_photo_may_have_a_mask_of_its_own(model, photos):
    """Half of the front photo is masked away; the back is cut out as ever."""
    opaque = photos["front"][..., :3]
    mask = photos["front"][..., 3].copy()
    mask[256:] = 0
    whole = model.reconstruct(sides(photos, "front", "back"))
    fused = model.reconstruct({"front": opaque, "back": photos["back"]}, mask={"front": mask})
    front, back = (view.reconstruction.photo for view in fused.views)
    assert (front.background_removal, back.background_removal) == ("mask", "alpha")
    pictures = front, back, whole.views[1].reconstruction.photo
    boxes = [np.ptp(np.argwhere(p.rgba[0, 3].numpy() > 0.5), axis=0) for p in pictures]
    assert boxes[0][0] < 0.8 * boxes[0][1] < boxes[1][0], "lower than wide, and higher than wide"
    assert boxes[1][0] / boxes[1][1] == pytest.approx(boxes[2][0] / boxes[2][1], rel=0.03)


def test_warnings_name_their_photos(model, photos):
    cut_off = {name: photos[name][:, 200:] for name in ("front", "back")}
    front, back = model.reconstruct(cut_off).warning.split("; ")
    assert front.startswith("front: ")
    assert back.startswith("back: ")
    assert model.reconstruct(sides(photos, "front", "back")).warning is None


def test_what_cannot_be_fused_is_refused(model, photos):
    with pytest.raises(ConfigError, match="not a direction"):
        model.reconstruct({"front": photos["front"], "behind": photos["back"]})
    with pytest.raises(InputError, match="no photo"):
        model.reconstruct({})
    with pytest.raises(InputError, match="mask"):
        model.reconstruct(sides(photos, "front", "back"), mask=photos["front"][..., 3])
    with pytest.raises(ConfigError, match="mask, but no photo, of 'left'"):
        model.reconstruct(sides(photos, "front"), mask={"left": photos["left"][..., 3]})
    with pytest.raises(InputError, match="masks are named"):
        model.reconstruct(photos["front"], mask={"front": photos["front"][..., 3]})
    with pytest.raises(InputError, match=r"^back: .*(transparent|less than)") as caught:
        model.reconstruct({"front": photos["front"], "back": np.zeros((64, 64, 4), np.uint8)})
    assert caught.value.message == str(caught.value)


def test_the_field_renders_as_any_other(model, photos):
    fused = model.reconstruct(sides(photos, "front", "back"), camera=PhotoCamera(framing="as_is"))
    view = fused.render(canonical_camera(64))
    shown = photos["front"][4::8, 4::8, 3] > 127
    assert float(((view.opacity[0].numpy() > 0.5) == shown).mean()) > 0.95
