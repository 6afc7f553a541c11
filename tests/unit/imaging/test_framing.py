import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lrm_core.errors import EmptyForegroundError
from lrm_core.imaging.compositing import over_gray
from lrm_core.imaging.framing import frame_as_is, frame_for_model, mask_box, object_box


def box_image(height, width, left, top, right, bottom, color=(200, 30, 60), behind=(0, 255, 0)):
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[..., :3] = behind  # hidden, and must stay so
    rgba[top:bottom, left:right] = (*color, 255)
    return rgba


def soft_extent(alpha, axis):
    """Sub-pixel start and end of a box: its center of mass plus and minus half its mass."""
    profile = alpha.max(dim=axis).values
    mass = profile.sum()
    center = (profile * (torch.arange(len(profile)) + 0.5)).sum() / mass
    return float(center - mass / 2), float(center + mass / 2)


@settings(deadline=None, max_examples=40)
@given(
    size=st.tuples(st.integers(8, 200), st.integers(8, 200)),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
    target=st.integers(16, 200),
    ratio=st.floats(0.3, 1.0),
    resize=st.sampled_from(["bilinear", "bicubic"]),
)
def test_box_is_centred_and_has_the_ratio(size, corners, target, ratio, resize):
    height, width = size
    left, right = sorted(int(c * (width - 1)) for c in corners[:2])
    top, bottom = sorted(int(c * (height - 1)) for c in corners[2:])
    right, bottom = right + 1, bottom + 1
    framed = frame_for_model(
        box_image(height, width, left, top, right, bottom),
        size=target,
        foreground_ratio=ratio,
        background=1.0,
        resize=resize,
    )
    assert framed.shape == (1, 4, target, target)
    assert framed.dtype == torch.float32
    assert framed.min() >= 0
    assert framed.max() <= 1
    alpha = framed[0, 3]
    longer = max(right - left, bottom - top)
    scale = ratio * target / longer
    # the center of mass of the result is the image's center (symmetry); a single-pixel line of
    # one output pixel can fall below half a gray level at its ends
    total = alpha.sum()
    assert total > 0
    rows = (alpha.sum(dim=1) * (torch.arange(target) + 0.5)).sum() / total
    columns = (alpha.sum(dim=0) * (torch.arange(target) + 0.5)).sum() / total
    assert float(rows) == pytest.approx(target / 2, abs=0.02)
    assert float(columns) == pytest.approx(target / 2, abs=0.02)
    # the area is the box's, scaled (bicubic's clipped lobes and image edges spoil small ones)
    shorter = min(right - left, bottom - top)
    if shorter >= 6 and shorter * scale >= 4 and ratio < 0.9:
        expected = (right - left) * (bottom - top) * scale**2
        assert float(total) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("ratio", [0.5, 0.75, 0.85])
@pytest.mark.parametrize(("width", "height"), [(60, 20), (20, 60), (40, 40)])
def test_box_position_by_formula(ratio, width, height):
    framed = frame_for_model(
        box_image(200, 150, 10, 120, 10 + width, 120 + height),
        size=256,
        foreground_ratio=ratio,
        background=0.5,
        resize="bilinear",
    )
    longer = max(width, height)
    for axis, extent in ((0, width), (1, height)):
        half = ratio * 256 * extent / longer / 2
        start, end = soft_extent(framed[0, 3], axis)
        assert start == pytest.approx(128 - half, abs=0.1)
        assert end == pytest.approx(128 + half, abs=0.1)


@pytest.mark.parametrize("resize", ["bilinear", "bicubic"])
@pytest.mark.parametrize("target", [17, 64, 200])
def test_no_fringe(resize, target):
    """A red disc with a soft edge over hidden green stays red wherever it is visible."""
    y, x = np.mgrid[:101, :91]
    alpha = np.clip((30 - np.hypot(y - 50, x - 45)) / 8 + 0.5, 0, 1)
    rgba = np.zeros((101, 91, 4), np.uint8)
    rgba[..., 1] = 255
    rgba[alpha > 0, :3] = (220, 0, 0)
    rgba[..., 3] = np.round(alpha * 255)
    framed = frame_for_model(rgba, size=target, foreground_ratio=0.8, background=1.0, resize=resize)
    visible = framed[0, 3] > 0.02
    color = framed[0, :3, visible]
    assert torch.allclose(color[0], torch.tensor(220 / 255), atol=0.02)
    assert color[1:].max() < 0.02


@pytest.mark.parametrize("resize", ["bilinear", "bicubic"])
@pytest.mark.parametrize("target", [32, 96])
def test_resampling_agrees_with_torch(resize, target):
    rgba = np.random.default_rng(0).integers(0, 256, (64, 64, 4), np.uint8)
    framed = frame_as_is(rgba, size=target, background=0.5, resize=resize)
    image = torch.from_numpy(rgba / np.float32(255)).permute(2, 0, 1)[None]
    premultiplied = torch.cat([image[:, :3] * image[:, 3:], image[:, 3:]], dim=1)
    expected = F.interpolate(premultiplied, (target, target), mode=resize, antialias=True)
    alpha = expected[:, 3:].clamp(0, 1)
    color = torch.minimum(expected[:, :3].clamp_min(0), alpha)
    torch.testing.assert_close(framed[:, 3:], alpha, atol=2e-3, rtol=0)
    torch.testing.assert_close(over_gray(framed, 0.5), color + 0.5 * (1 - alpha), atol=2e-3, rtol=0)


def test_as_is_keeps_a_square_image():
    rgba = np.random.default_rng(0).integers(0, 256, (48, 48, 4), np.uint8)
    rgba[..., 3] = 255
    framed = frame_as_is(rgba, size=48, background=1.0, resize="bicubic")
    expected = torch.from_numpy(rgba / np.float32(255)).permute(2, 0, 1)[None]
    torch.testing.assert_close(framed, expected, atol=1e-6, rtol=0)


def test_as_is_pads_to_a_square():
    rgba = np.full((20, 40, 4), 255, np.uint8)
    rgba[..., :3] = 0
    framed = frame_as_is(rgba, size=40, background=0.5, resize="bilinear")
    expected = torch.full((3, 40, 40), 0.5)
    expected[:, 10:30] = 0.0
    torch.testing.assert_close(over_gray(framed, 0.5)[0], expected)
    assert (framed[0, 3, :10] == 0).all()


@pytest.mark.parametrize("background", [0.0, 0.5, 1.0])
def test_background_gray_level(background):
    framed = frame_for_model(
        box_image(40, 40, 10, 10, 30, 30),
        size=64,
        foreground_ratio=0.5,
        background=background,
        resize="bicubic",
    )
    for corner in (framed[0, :3, 0, 0], framed[0, :3, -1, -1]):
        torch.testing.assert_close(corner, torch.full((3,), background))


def test_framing_a_framed_image_changes_nothing():
    first = frame_for_model(
        box_image(90, 80, 20, 30, 52, 62), size=64, foreground_ratio=0.5, background=1.0,
        resize="bilinear",
    )  # fmt: skip
    again = (first[0].permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
    second = frame_for_model(
        again, size=64, foreground_ratio=0.5, background=1.0, resize="bilinear"
    )
    torch.testing.assert_close(over_gray(first, 1.0), over_gray(second, 1.0), atol=0.01, rtol=0)


def test_faint_halo_does_not_move_the_box():
    clean = box_image(100, 100, 40, 40, 60, 60)
    haloed = clean.copy()
    haloed[5:35, 5:95, 3] = 12
    frames = [
        frame_for_model(x, size=64, foreground_ratio=0.5, background=1.0, resize="bilinear")
        for x in (clean, haloed)
    ]
    torch.testing.assert_close(frames[0][0, 3, 16:48], frames[1][0, 3, 16:48])


def test_faint_object_and_no_object():
    faint = np.zeros((20, 20, 4), np.uint8)
    faint[5:10, 5:10] = (255, 0, 0, 10)
    framed = frame_for_model(faint, size=32, foreground_ratio=1.0, background=1.0, resize="bicubic")
    assert framed[0, 3].mean() == pytest.approx(10 / 255, rel=0.1)
    with pytest.raises(EmptyForegroundError) as caught:
        frame_for_model(
            np.zeros((20, 20, 4), np.uint8), size=32, foreground_ratio=1.0, background=1.0,
            resize="bicubic",
        )  # fmt: skip
    assert "--mask" in caught.value.hint


def test_boxes():
    mask = np.zeros((20, 30), bool)
    assert mask_box(mask) is None
    mask[3:7, 11:12] = True
    assert mask_box(mask) == (11, 3, 12, 7)
    alpha = np.zeros((20, 30), np.uint8)
    assert object_box(alpha) is None
    alpha[2:9, 4:6] = 10
    assert object_box(alpha) == (4, 2, 6, 9)
    alpha[3, 5] = 200  # beside something plain, the faint is a halo
    assert object_box(alpha) == (5, 3, 6, 4)
