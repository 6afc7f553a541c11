"""Lenses against OpenCV's, the law of a fisheye lens, and the formula point by point."""

import math

import cv2
import numpy as np
import pytest

from lrm_core.imaging.lens_distortion import LensDistortion

POINTS = np.random.default_rng(0).uniform(-1.2, 1.2, (200, 2))
THIN_PRISM = (0.02, -0.01, 0.003, -0.002, 0.004, -0.001, 0.001, -0.002)


@pytest.mark.parametrize(
    "terms", [(0.1, -0.02, 0.01, -0.004), (-0.03, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)]
)
def test_a_fisheye_lens_without_prism_is_opencvs(terms):
    k1, k2, k3, k4 = terms
    lens = LensDistortion((k1, k2, 0.0, 0.0, k3, k4, 0.0, 0.0), fisheye=True)
    expected = cv2.fisheye.distortPoints(POINTS[:, None], np.eye(3), np.array(terms))[:, 0]
    np.testing.assert_allclose(lens.bend(POINTS), expected, atol=1e-12)
    np.testing.assert_allclose(lens.straighten(expected), POINTS, atol=1e-9)


@pytest.mark.parametrize("degrees", [0, 1, 30, 60, 85])
def test_without_terms_the_angle_is_the_distance(degrees):
    lens = LensDistortion((0.0,) * 8, fisheye=True)
    angle = math.radians(degrees)
    seen = lens.bend(np.array([[0.6, 0.8]]) * math.tan(angle))
    np.testing.assert_allclose(seen, [[0.6 * angle, 0.8 * angle]], atol=1e-12)
    back = lens.straighten(seen)
    np.testing.assert_allclose(back, np.array([[0.6, 0.8]]) * math.tan(angle), atol=1e-9)


def test_a_thin_prism_follows_its_formula():
    lens = LensDistortion(THIN_PRISM, fisheye=True)
    k1, k2, p1, p2, k3, k4, sx1, sy1 = THIN_PRISM
    for (u, v), (seen_x, seen_y) in zip(POINTS, lens.bend(POINTS), strict=True):
        r = math.hypot(u, v)
        x, y = u * math.atan(r) / r, v * math.atan(r) / r
        r2 = x * x + y * y
        radial = k1 * r2 + k2 * r2**2 + k3 * r2**3 + k4 * r2**4
        wanted_x = x + x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + sx1 * r2
        wanted_y = y + y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y) + sy1 * r2
        assert (seen_x, seen_y) == pytest.approx((wanted_x, wanted_y), abs=1e-12)
    np.testing.assert_allclose(lens.straighten(lens.bend(POINTS)), POINTS, atol=1e-9)


def test_what_lies_behind_the_lens_has_no_place_in_a_pinhole():
    lens = LensDistortion((0.0,) * 8, fisheye=True)
    assert np.isnan(lens.straighten(np.array([[math.radians(95), 0.0]]))).all()


def test_terms_without_sense_raise_nothing():
    lens = LensDistortion((-1e6, 1e9, 1e300, -1e300, 0.0, 0.0, 0.0, 0.0), fisheye=True)
    found = lens.straighten(POINTS)
    assert found.shape == POINTS.shape


def test_a_lens_of_normal_angle_is_opencvs():
    terms = (0.1, -0.05, 0.004, -0.006, 0.01, 0.0, 0.0, 0.0)
    lens = LensDistortion(terms)
    points = POINTS * 0.4
    x, y = points.T
    r2 = x * x + y * y
    radial = 1 + 0.1 * r2 - 0.05 * r2**2 + 0.01 * r2**3
    expected = np.stack(
        [
            x * radial + 2 * 0.004 * x * y - 0.006 * (r2 + 2 * x * x),
            y * radial + 0.004 * (r2 + 2 * y * y) - 2 * 0.006 * x * y,
        ],
        axis=-1,
    )
    np.testing.assert_allclose(lens.bend(points), expected, atol=1e-12)
    np.testing.assert_allclose(lens.straighten(expected), points, atol=1e-3)
