import numpy as np
import pytest
from scipy import ndimage

from lrm_core.errors import EmptyForegroundError, InputError, MissingDependencyError
from lrm_core.foreground import removal as module
from lrm_core.foreground.removal import remove_background
from lrm_core.io.image_files import read_image, read_mask
from lrm_core.structures.photo import Photo


@pytest.fixture(autouse=True)
def without_rembg(monkeypatch):
    monkeypatch.setattr(module, "rembg_installed", lambda: False)


def busy(height, width):
    noise = np.random.default_rng(3).normal(0, 1, (height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (6, 6, 0))
    return np.array([90.0, 140.0, 150.0]) + smooth / smooth.std() * (20.0, 30.0, 40.0)


def plain(height, width):
    return np.full((height, width, 3), 240.0)


def found(foreground):
    return foreground.rgba[..., 3] >= 128


def test_auto_before_a_plain_wall(compose, intersection_over_union):
    rgb, alpha = compose(plain(240, 320))
    cut = remove_background(read_image(rgb))
    assert (cut.method, cut.warning) == ("u2netp", None)
    assert intersection_over_union(found(cut), alpha > 0.5) > 0.97
    # the soft edge too: mean error far below a hard edge's
    assert np.abs(cut.rgba[..., 3] / 255 - alpha).mean() < 0.01


def test_cut_out_has_no_halo(compose):
    rgb, alpha = compose(plain(240, 320))
    cut = remove_background(read_image(rgb)).rgba.astype(float)
    edge = (alpha > 0.2) & (alpha < 0.8) & (cut[..., 3] > 60)
    # both colors of the object are far darker than the background
    assert np.median(cut[edge][:, :3].mean(axis=-1)) < 100
    assert np.median(rgb[edge].mean(axis=-1)) > 130


def test_auto_takes_the_network_in_the_package_for_a_busy_background(
    compose, intersection_over_union
):
    rgb, alpha = compose(busy(240, 320))
    cut = remove_background(read_image(rgb))
    assert (cut.method, cut.warning) == ("u2netp", None)
    assert intersection_over_union(found(cut), alpha > 0.5) > 0.93


def test_what_fills_the_picture_is_seen_from_further_away(intersection_over_union):
    y, x = np.mgrid[:256, :256]
    ball = np.hypot(x - 127.5, y - 127.5) < 143  # touches all sides, white in the corners
    shade = 0.7 + 0.3 * (x + y)[..., None] / 512
    rgb = np.where(ball[..., None], np.array([60.0, 110.0, 190.0]) * shade, 255.0)
    cut = remove_background(read_image(rgb.astype(np.uint8)))
    assert intersection_over_union(found(cut), ball) > 0.98
    assert "on all four sides" in cut.warning


def test_grabcut_is_only_used_when_named_and_warns(compose, intersection_over_union):
    rgb, alpha = compose(busy(240, 320))
    cut = remove_background(read_image(rgb), method="grabcut")
    assert cut.method == "grabcut"
    assert "GrabCut" in cut.warning
    assert intersection_over_union(found(cut), alpha > 0.5) > 0.9


def test_auto_takes_a_real_alpha_channel_as_it_is():
    rgba = np.zeros((32, 32, 4), np.uint8)
    rgba[8:20, 8:20] = (200, 30, 60, 255)
    rgba[8:20, 20] = (10, 20, 30, 77)
    cut = remove_background(read_image(rgba))
    assert cut.method == "alpha"
    np.testing.assert_array_equal(cut.rgba, rgba)


def test_other_methods_see_a_transparent_image_on_white():
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[16:48, 16:48] = (200, 30, 60, 255)
    cut = remove_background(read_image(rgba), method="border")
    assert cut.method == "border"
    np.testing.assert_array_equal(found(cut), rgba[..., 3] > 0)


def test_letterbox_bars_are_background(compose, intersection_over_union):
    for background in (plain, busy):
        rgb, alpha = compose(background(200, 300))
        barred = np.pad(rgb, ((40, 40), (0, 0), (0, 0)))
        cut = remove_background(read_image(barred))
        assert cut.method == "u2netp"
        assert cut.rgba.shape == (280, 300, 4)
        assert (cut.rgba[:38, :, 3] == 0).all()
        truth = np.pad(alpha, ((40, 40), (0, 0))) > 0.5
        assert intersection_over_union(found(cut), truth) > 0.9


def test_rembg_comes_before_the_network_in_the_package(compose, monkeypatch):
    rgb, alpha = compose(busy(120, 160))
    isnet = module.REMBG_MODELS["isnet-general-use"]
    monkeypatch.setattr(module, "rembg_installed", lambda: True)
    monkeypatch.setattr(module, "preferred_model", lambda: isnet)
    monkeypatch.setattr(module, "rembg_alpha", lambda rgb, model: 0.9 * alpha + 0.05)
    cut = remove_background(read_image(rgb))
    assert (cut.method, cut.warning) == ("rembg:isnet-general-use", None)
    inside, outside = (ndimage.distance_transform_edt(alpha > 0.5),
                       ndimage.distance_transform_edt(alpha <= 0.5))  # fmt: skip
    assert (cut.rgba[outside > 4, 3] == 0).all()  # no veil
    assert (cut.rgba[inside > 4, 3] == 255).all()


def test_a_model_of_rembg_is_named(compose, monkeypatch):
    rgb, alpha = compose(busy(120, 160))
    asked = []
    monkeypatch.setattr(module, "rembg_alpha", lambda rgb, model: asked.append(model.name) or alpha)
    cut = remove_background(read_image(rgb), method="rembg:birefnet-general")
    assert asked == ["birefnet-general"]
    assert cut.method == "rembg:birefnet-general"


def test_the_network_in_the_package_steps_in_where_rembg_fails(compose, monkeypatch):
    rgb, _ = compose(busy(120, 160))

    def offline(rgb, model):
        raise MissingDependencyError("rembg cannot use its model 'u2net' (no network)")

    monkeypatch.setattr(module, "rembg_installed", lambda: True)
    monkeypatch.setattr(module, "rembg_alpha", offline)
    cut = remove_background(read_image(rgb))
    assert cut.method == "u2netp"
    assert "no network" in cut.warning
    with pytest.raises(MissingDependencyError):
        remove_background(read_image(rgb), method="rembg")


def test_mask_goes_before_everything():
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[..., :3] = 90
    rgba[10:30, 10:30, 3] = 255
    mask = np.zeros((40, 40), bool)
    mask[5:15, 20:35] = True
    for given in (mask, mask * np.uint8(255), mask.astype(np.float32)):
        for method in ("auto", "none", "grabcut"):
            cut = remove_background(read_image(rgba), method=method, mask=given)
            assert cut.method == "mask"
            np.testing.assert_array_equal(cut.rgba[..., 3], mask * 255)


@pytest.mark.parametrize("scale", [0.25, 3])
def test_mask_of_another_size(scale):
    mask = np.zeros((int(120 * scale), int(80 * scale)), np.uint8)
    mask[: int(60 * scale)] = 255
    cut = remove_background(read_image(np.zeros((120, 80, 3), np.uint8)), mask=mask)
    assert cut.rgba.shape == (120, 80, 4)
    np.testing.assert_array_equal(found(cut), np.arange(120)[:, None] < np.full((1, 80), 60))


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.ones((80, 120), bool), "not the same picture"),
        (np.full((120, 80), 7.0), r"\[7, 7\]"),
        (np.full((120, 80), np.nan, np.float32), "expected"),
    ],
)
def test_bad_masks(mask, words):
    with pytest.raises(InputError, match=words):
        remove_background(read_image(np.zeros((120, 80, 3), np.uint8)), mask=mask)


def test_none_keeps_everything():
    rgba = np.random.default_rng(0).integers(0, 256, (16, 16, 4), np.uint8)
    photo = read_image(rgba)
    np.testing.assert_array_equal(remove_background(photo, method="none").rgba, rgba)


def test_alpha_and_border_say_when_they_do_not_apply(compose):
    rgb, _ = compose(busy(120, 160))
    for method, words in (("alpha", "no alpha"), ("border", "not near-uniform")):
        with pytest.raises(InputError, match=words) as caught:
            remove_background(read_image(rgb), method=method)
        assert "--mask" in caught.value.hint


@pytest.mark.parametrize("method", ["auto", "border", "u2netp", "grabcut"])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_in_the_picture(method, level):
    with pytest.raises(EmptyForegroundError) as caught:
        remove_background(read_image(np.full((60, 80, 3), level, np.uint8)), method=method)
    assert "--mask" in caught.value.hint
    assert caught.value.mask.shape == (60, 80)


def test_empty_mask_and_empty_alpha():
    photo = read_image(np.full((60, 80, 3), 9, np.uint8))
    with pytest.raises(EmptyForegroundError, match="mask") as caught:
        remove_background(photo, mask=np.zeros((60, 80), bool))
    assert "--background-removal" in caught.value.hint
    with pytest.raises(EmptyForegroundError, match="alpha"):
        remove_background(read_image(np.zeros((60, 80, 4), np.uint8)))


@pytest.mark.parametrize("size", [(8, 8), (16, 16), (8, 100)])
def test_tiny_pictures_work_or_give_a_named_error(size):
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    for method in ("auto", "border", "u2netp", "grabcut"):
        try:
            cut = remove_background(read_image(rgb), method=method)
        except InputError:
            continue
        assert cut.rgba.shape == (*size, 4)


def two_discs(*, alpha=False):
    """Red discs of radius 60 and 30 on light gray, far apart."""
    y, x = np.mgrid[:256, :320]
    large, small = np.hypot(x - 90, y - 128) < 60, np.hypot(x - 260, y - 128) < 30
    rgb = np.where((large | small)[..., None], (200, 40, 30), (235, 235, 235)).astype(np.uint8)
    if alpha:
        rgb = np.dstack([rgb, np.where(large | small, np.uint8(255), np.uint8(0))])
    return read_image(rgb), large, small


@pytest.mark.parametrize("method", ["border", "alpha"])
def test_the_largest_of_several_objects_is_kept_and_said(method, intersection_over_union):
    photo, large, small = two_discs(alpha=method == "alpha")
    cut = remove_background(photo, method=method)
    assert intersection_over_union(found(cut), large) > 0.98
    assert "2 separate objects" in cut.warning
    assert "--keep all" in cut.warning
    cut = remove_background(photo, method=method, keep="all")
    assert intersection_over_union(found(cut), large | small) > 0.98
    assert cut.warning is None


def test_a_mask_is_taken_with_all_its_parts():
    photo, large, small = two_discs()
    cut = remove_background(photo, mask=large | small)
    np.testing.assert_array_equal(found(cut), large | small)
    assert cut.warning is None


def test_what_was_not_read_is_said_with_the_cut_out():
    photo, _, _ = two_discs()
    photo = Photo(photo.rgba, photo.has_alpha, note="the file is cut short")
    cut = remove_background(photo, method="border")
    assert cut.warning.startswith("the file is cut short; 2 separate objects")
    assert remove_background(photo, method="none").warning == "the file is cut short"


def test_real_photos(photo_dir, intersection_over_union):
    """The hand-made masks of real photos; docs/background-removal.md has every number."""
    ious = []
    for name, at_least in (
        ("banana", 0.97), ("blue_bird", 0.84), ("cactus", 0.95), ("fish_real_nemo", 0.93),
        ("metal_dragon_statue", 0.96), ("stone_dragon_statue", 0.97), ("teddy_bear", 0.95),
        ("watercolor_horse", 0.95),
    ):  # fmt: skip
        cut = remove_background(read_image(photo_dir / f"photo_{name}__image.png"))
        truth = read_mask(photo_dir / f"photo_{name}__mask.png") >= 128
        ious.append(intersection_over_union(found(cut), truth))
        assert ious[-1] > at_least, name
    assert np.mean(ious) > 0.95
