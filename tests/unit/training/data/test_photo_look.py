"""Light against Lambert's law in a plain loop; faults keep what a photo is."""

from dataclasses import replace

import numpy as np
import pytest

from lrm_core.training.data.photo_look import LIGHT_DIRECTIONS, Look, draw_look, with_faults


def srgb_to_linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def linear_to_srgb(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def surfaces(num: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Albedo and unit normals; the last one has none."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(num, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals[-1] = 0.0
    return rng.random((num, 3), dtype=np.float32), normals.astype(np.float32)


def photo(size: int = 48) -> np.ndarray:
    rng = np.random.default_rng(1)
    rgba = rng.random((size, size, 4), dtype=np.float32)
    line = np.arange(size) - size / 2 + 0.5
    rgba[..., 3] = (line[:, None] ** 2 + line**2 < (0.4 * size) ** 2).astype(np.float32)
    return rgba


def test_the_default_look_is_the_albedo_itself():
    albedo, normals = surfaces()
    np.testing.assert_array_equal(Look().of(albedo, normals), albedo)


def test_light_is_lambert_s_law_with_highlights():
    albedo, normals = surfaces()
    light = np.array([0.6, -0.48, 0.64])
    look = Look(
        ambient=0.55, light=tuple(light.tolist()), tint=(1.1, 1.0, 0.9), gloss=0.4, hardness=12.0,
        gamma=(0.9, 1.0, 1.2), order=(2, 0, 1),
    )  # fmt: skip
    found = look.of(albedo, normals)
    assert found.dtype == np.float32
    viewer = np.array([0.0, -1.0, 0.0])
    halfway = (light + viewer) / np.sqrt(((light + viewer) ** 2).sum())
    lit = dark = 0
    for color, normal, result in zip(albedo.tolist(), normals, found.tolist(), strict=True):
        cosine = sum(float(n) * float(one) for n, one in zip(normal, light, strict=True))
        lit, dark = lit + (cosine > 0), dark + (cosine < 0)
        shade = 0.55 + 0.45 * 1.5 * max(0.0, cosine)
        highlight = 0.4 * max(0.0, float(normal @ halfway)) ** 12.0
        expected = []
        for channel, (tint, gamma) in enumerate(zip(look.tint, look.gamma, strict=True)):
            linear = srgb_to_linear(color[channel]) * shade * tint + highlight
            expected.append(linear_to_srgb(min(linear, 1.0)) ** gamma)
        assert result == pytest.approx([expected[2], expected[0], expected[1]], abs=1e-4)
    assert min(lit, dark) > 10


def test_shadows_take_the_light_that_does_not_arrive():
    """Of the light from everywhere by the cosines of what is blocked, of the distant light by the
    share of its lobe."""
    albedo, normals = surfaces()
    reached = np.random.default_rng(2).random((len(albedo), 64)) < 0.6
    look = Look(
        ambient=0.6, light=(0.0, -0.6, 0.8), gloss=0.3, hardness=8.0, shadow=0.7, sharpness=12.0
    )
    found = look.of(albedo, normals, np.packbits(reached, axis=-1))
    open_look = replace(look, shadow=0.0)
    halfway = np.array([0.0, -1.6, 0.8]) / np.hypot(1.6, 0.8)
    for index, (color, normal) in enumerate(zip(albedo.tolist(), normals, strict=True)):
        sky = [0.0, 0.0]
        direct = [0.0, 0.0]
        for bit, direction in enumerate(LIGHT_DIRECTIONS):
            cosine = max(0.0, float(normal @ direction))
            weight = np.exp(12.0 * (float(direction @ look.light) - 1.0))
            for sums, part in ((sky, cosine), (direct, cosine * weight)):
                sums[0] += part * bool(reached[index, bit])
                sums[1] += part
        arrives = [
            1 - 0.7 * (1 - a / max(b, 1e-6)) if normal.any() else 1 for a, b in (sky, direct)
        ]
        lambert = max(0.0, float(normal @ look.light))
        shade = 0.6 * arrives[0] + 0.4 * 1.5 * lambert * arrives[1]
        highlight = 0.3 * max(0.0, float(normal @ halfway)) ** 8.0 * arrives[1]
        expected = [
            linear_to_srgb(min(srgb_to_linear(channel) * shade + highlight, 1.0))
            for channel in color
        ]
        assert found[index].tolist() == pytest.approx(expected, abs=1e-3)
    everything = np.full((len(albedo), 8), 255, dtype=np.uint8)
    np.testing.assert_allclose(
        look.of(albedo, normals, everything), open_look.of(albedo, normals), atol=1e-5
    )
    np.testing.assert_array_equal(
        open_look.of(albedo, normals, np.packbits(reached, axis=-1)), open_look.of(albedo, normals)
    )


def test_light_from_everywhere_darkens_hollows_alone():
    albedo, normals = surfaces()
    overcast = Look(shadow=1.0)
    hollow = np.zeros((len(albedo), 8), dtype=np.uint8)
    found = overcast.of(albedo, normals, hollow)
    np.testing.assert_array_equal(found[:-1], 0.0)
    np.testing.assert_allclose(found[-1], albedo[-1], atol=1e-5)  # no surface


def test_a_look_works_on_maps_as_on_lists():
    albedo, normals = surfaces(48)
    look = draw_look(np.random.default_rng(5), lit_share=1.0, shadowed_share=0.5)
    reached = np.random.default_rng(3).integers(0, 256, (48, 8), dtype=np.uint8)
    maps = look.of(albedo.reshape(6, 8, 3), normals.reshape(6, 8, 3), reached.reshape(6, 8, 8))
    np.testing.assert_allclose(maps.reshape(-1, 3), look.of(albedo, normals, reached), atol=1e-6)


def test_looks_follow_from_the_generator_and_their_shares():
    shares = {"lit_share": 0.6, "shadowed_share": 0.7}
    looks = [draw_look(np.random.default_rng(seed), **shares) for seed in range(300)]
    again = [draw_look(np.random.default_rng(seed), **shares) for seed in range(300)]
    assert looks == again
    shadows = [look.shadow for look in looks if look.shadow > 0.0]
    assert len(shadows) / 300 == pytest.approx(0.7, abs=0.08)
    assert 0.3 <= min(shadows) < max(shadows) <= 1.0
    natural = [look for look in looks if look.order == (0, 1, 2)]
    assert len(natural) / 300 == pytest.approx(0.5 + 0.5 / 6, abs=0.1)
    lit = [look for look in looks if look.ambient < 1.0]
    assert len(lit) / 300 == pytest.approx(0.6, abs=0.08)
    assert {look.order for look in looks} == {
        (0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0),
    }  # fmt: skip
    for look in lit:
        assert np.linalg.norm(look.light) == pytest.approx(1.0)
        assert 0.0 <= look.gloss <= 0.6
    unlit = [
        draw_look(np.random.default_rng(seed), lit_share=0.0, shadowed_share=0.0)
        for seed in range(30)
    ]
    assert all(replace(one, gamma=(1.0, 1.0, 1.0), order=(0, 1, 2)) == Look() for one in unlit)
    albedo, normals = surfaces()
    for look in looks:
        color = look.of(albedo, normals)
        assert np.isfinite(color).all()
        assert color.min() >= 0.0
        assert color.max() <= 1.0


@pytest.mark.parametrize("size", [48, 33])
def test_faults_keep_range_shape_and_type_and_follow_from_the_generator(size: int):
    clean = photo(size)
    kept = clean.copy()
    differing = 0
    for seed in range(80):
        found = with_faults(clean, np.random.default_rng(seed))
        again = with_faults(clean, np.random.default_rng(seed))
        np.testing.assert_array_equal(found, again)
        assert found.shape == clean.shape
        assert found.dtype == np.float32
        assert found.min() >= 0.0
        assert found.max() <= 1.0
        differing += bool(np.abs(found - clean).max() > 1e-3)
    assert 40 < differing < 80  # some photos have none
    np.testing.assert_array_equal(clean, kept)


def test_masks_are_cut_a_pixel_too_tight_or_too_wide_at_most():
    clean = photo()
    area = clean[..., 3].sum()
    changes = set()
    for seed in range(120):
        alpha = with_faults(clean, np.random.default_rng(seed))[..., 3]
        changed = np.abs(alpha - clean[..., 3]) > 0.5
        ring = np.hypot(*(np.mgrid[:48, :48] - 23.5))
        assert np.abs(ring[changed] - 0.4 * 48).max(initial=0.0) < 2.0
        changes.add(int(np.sign(round(float(alpha.sum() - area)))))
    assert changes == {-1, 0, 1}
