"""Crops of frames: pixels and cameras move together, whatever the lens and the box."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lrm_core.errors import EmptyForegroundError, InputError
from lrm_core.io.colmap_model import ColmapCamera
from lrm_core.sources.capture_frames import CutOutFrame, crop_frame, cut_out_frame

PROFILE = settings(deadline=None, max_examples=40)
POSE = np.eye(4)


def frame_with_box(width, height, box, color=(200, 60, 20)):
    left, top, right, bottom = box
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[..., :3] = 90
    rgba[top:bottom, left:right] = (*color, 255)
    return rgba


@st.composite
def boxed_frames(draw):
    """A frame, a box of object in it, a camera of another size than the frame."""
    width, height = draw(st.integers(60, 200)), draw(st.integers(60, 200))
    left, top = draw(st.integers(1, width - 41)), draw(st.integers(1, height - 41))
    right = draw(st.integers(left + 20, width - 1))
    bottom = draw(st.integers(top + 20, height - 1))
    factor = draw(st.sampled_from([1, 2, 5]))
    number = st.floats(0.3, 3.0)
    params = (
        draw(number) * width * factor,
        draw(number) * width * factor,
        draw(st.floats(0.2, 0.8)) * width * factor,
        draw(st.floats(0.2, 0.8)) * height * factor,
    )
    return (width, height), (left, top, right, bottom), params, factor


@PROFILE
@given(boxed_frames(), st.integers(16, 90), st.floats(0.5, 1.0), st.integers(0, 3))
def test_the_box_lies_in_the_middle_and_the_camera_sees_it_there(case, size, ratio, turns):
    (width, height), box, params, factor = case
    camera = ColmapCamera(1, "PINHOLE", width * factor, height * factor, params)
    frame = CutOutFrame(frame_with_box(width, height, box), turns)
    view = crop_frame(frame, camera, POSE, size=size, foreground_ratio=ratio)
    fx, fy, cx, cy = (value / factor for value in params)
    longer = max(box[2] - box[0], box[3] - box[1])
    for x, y in ((box[0], box[1]), (box[2], box[3])):
        # where a corner of the box lies in the crop: by definition of the crop
        across = (x - (box[0] + box[2]) / 2) / longer * ratio * size
        down = (y - (box[1] + box[3]) / 2) / longer * ratio * size
        for _ in range(turns):
            across, down = down, -across
        # and where the new camera sees the world point that the old one saw in that corner
        point = np.array([(x - cx) / fx, -(y - cy) / fy, -1.0, 1.0])
        right, up, back, _ = np.linalg.inv(view.c2w) @ point
        seen_x = view.intrinsics[0] * right / -back + view.intrinsics[2]
        seen_y = -view.intrinsics[1] * up / -back + view.intrinsics[3]
        assert seen_x == pytest.approx(size / 2 + across, abs=1e-6)
        assert seen_y == pytest.approx(size / 2 + down, abs=1e-6)
    assert np.linalg.det(view.c2w[:3, :3]) == pytest.approx(1.0)


@PROFILE
@given(boxed_frames(), st.integers(24, 90))
def test_the_pixels_lie_where_the_camera_says(case, size):
    (width, height), box, params, factor = case
    camera = ColmapCamera(1, "PINHOLE", width * factor, height * factor, params)
    view = crop_frame(
        CutOutFrame(frame_with_box(width, height, box), 0),
        camera, POSE, size=size, foreground_ratio=0.8,
    )  # fmt: skip
    alpha = view.rgba[..., 3] / 255.0
    spans = (
        np.array([box[2] - box[0], box[3] - box[1]])
        * 0.8
        * size
        / max(box[2] - box[0], box[3] - box[1])
    )
    assert alpha.sum() == pytest.approx(spans.prod(), rel=0.04)
    y, x = np.mgrid[:size, :size] + 0.5
    assert (x * alpha).sum() / alpha.sum() == pytest.approx(size / 2, abs=0.05)
    assert (y * alpha).sum() / alpha.sum() == pytest.approx(size / 2, abs=0.05)
    # no fringe of the hidden gray where the edge is; the kernel rings a little
    seen = view.rgba[(alpha > 0.2) & (alpha < 0.8)][:, :3].astype(int)
    assert np.abs(seen - [200, 60, 20]).max(initial=0) <= 30


def test_the_crop_may_leave_the_image():
    camera = ColmapCamera(1, "PINHOLE", 100, 80, (90.0, 90.0, 50.0, 40.0))
    frame = CutOutFrame(frame_with_box(100, 80, (1, 10, 61, 70)), 0)
    view = crop_frame(frame, camera, POSE, size=60, foreground_ratio=0.5)
    assert (view.rgba[:, :14, 3] == 0).all()
    assert (view.rgba[20:40, 20:40, 3] == 255).all()


def test_straightened_pixels_are_those_of_the_distortion_formula():
    """Marks at known pixels of a bent image appear where the pinhole sees their rays."""
    size = 96
    lens = (300.0, 300.0, 210.0, 140.0)
    k1, k2, p1, p2 = -0.2, 0.05, 0.004, -0.003
    camera = ColmapCamera(1, "OPENCV", 400, 300, (*lens, k1, k2, p1, p2))
    rgba = frame_with_box(400, 300, (60, 40, 340, 260), color=(0, 0, 0))
    marks = []
    for u, v in ((-0.35, -0.2), (0.3, -0.22), (0.0, 0.1), (0.25, 0.25)):
        r2 = u * u + v * v
        radial = 1 + k1 * r2 + k2 * r2 * r2
        x = lens[0] * (u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u * u)) + lens[2]
        y = lens[1] * (v * radial + p1 * (r2 + 2 * v * v) + 2 * p2 * u * v) + lens[3]
        rows, columns = np.mgrid[:300, :400] + 0.5
        blob = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 4.0**2))
        rgba[..., len(marks) % 3] = np.maximum(rgba[..., len(marks) % 3], 255 * blob)
        marks.append((u, v))
    view = crop_frame(CutOutFrame(rgba, 0), camera, POSE, size=4 * size, foreground_ratio=0.9)
    fx, fy, cx, cy = view.intrinsics
    y, x = np.mgrid[: 4 * size, : 4 * size] + 0.5
    for index, (u, v) in enumerate(marks):
        expected = np.array([fx * u + cx, fy * v + cy])
        near = np.hypot(x - expected[0], y - expected[1]) < 25
        weight = near * view.rgba[..., index % 3].astype(float)
        seen = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
        np.testing.assert_allclose(seen, expected, atol=0.15)


def test_specks_are_removed():
    rgba = frame_with_box(100, 80, (30, 20, 70, 60))
    rgba[2:5, 2:5] = 255
    camera = ColmapCamera(1, "PINHOLE", 100, 80, (90.0, 90.0, 50.0, 40.0))
    view = crop_frame(CutOutFrame(rgba, 0), camera, POSE, size=80, foreground_ratio=0.5)
    assert view.intrinsics[0] == pytest.approx(90.0)  # 40 pixels are half of 80
    assert view.rgba[..., 3].sum() / 255 == pytest.approx(1600, rel=0.03)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0, 20, 60, 70), "border"),
        ((30, 20, 40, 30), "10 pixels"),
        ((30, 20, 30, 30), "empty"),
    ],
)
def test_frames_that_show_no_whole_object_are_refused(box, message):
    camera = ColmapCamera(1, "PINHOLE", 100, 80, (90.0, 90.0, 50.0, 40.0))
    frame = CutOutFrame(frame_with_box(100, 80, box), 0)
    with pytest.raises(InputError, match=message):
        crop_frame(frame, camera, POSE, size=64, foreground_ratio=0.8)


def test_a_veil_is_no_object():
    rgba = frame_with_box(100, 80, (10, 10, 90, 70))
    rgba[..., 3] //= 3
    camera = ColmapCamera(1, "PINHOLE", 100, 80, (90.0, 90.0, 50.0, 40.0))
    with pytest.raises(InputError, match="faint"):
        crop_frame(CutOutFrame(rgba, 0), camera, POSE, size=64, foreground_ratio=0.8)


def test_foreign_frames_and_lenses_are_refused():
    frame = CutOutFrame(frame_with_box(100, 80, (10, 10, 90, 70)), 0)
    camera = ColmapCamera(1, "PINHOLE", 80, 100, (90.0, 90.0, 50.0, 40.0))
    with pytest.raises(InputError, match="its camera has 80 x 100"):
        crop_frame(frame, camera, POSE, size=64, foreground_ratio=0.8)
    for strength in (-50.0, 1e6, -1e300):
        camera = ColmapCamera(1, "SIMPLE_RADIAL", 100, 80, (90.0, 50.0, 40.0, strength))
        with pytest.raises(InputError, match="cannot be straightened"):
            crop_frame(frame, camera, POSE, size=64, foreground_ratio=0.8)


def test_masks_and_photos_are_read_as_stored(tmp_path):
    stored = frame_with_box(100, 80, (10, 20, 50, 60))
    mask = Image.fromarray(stored[..., 3])
    mask.save(tmp_path / "mask.png")
    exif = Image.Exif()
    for orientation, turns in ((1, 0), (3, 2), (6, 3), (8, 1)):
        exif[0x0112] = orientation
        Image.fromarray(stored[..., :3]).save(tmp_path / "frame.png", exif=exif)
        frame = cut_out_frame(tmp_path / "frame.png", tmp_path / "mask.png", "auto")
        assert frame.quarter_turns == turns
        np.testing.assert_array_equal(frame.rgba[..., 3], stored[..., 3])
    # the mask of an upright copy
    mask.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "mask.png")
    frame = cut_out_frame(tmp_path / "frame.png", tmp_path / "mask.png", "auto")
    np.testing.assert_array_equal(frame.rgba[..., 3], stored[..., 3])
    exif[0x0112] = 2
    Image.fromarray(stored[..., :3]).save(tmp_path / "frame.png", exif=exif)
    with pytest.raises(InputError, match="mirrors"):
        cut_out_frame(tmp_path / "frame.png", None, "auto")
    Image.new("L", (100, 80)).save(tmp_path / "mask.png")
    Image.fromarray(stored[..., :3]).save(tmp_path / "frame.png")
    with pytest.raises(EmptyForegroundError):
        cut_out_frame(tmp_path / "frame.png", tmp_path / "mask.png", "auto")
