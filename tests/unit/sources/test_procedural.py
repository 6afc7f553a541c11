import pickle

import numpy as np
import pytest

from lrm_core.sources.object_views import ViewSettings
from lrm_core.sources.procedural import (
    ProceduralSource,
    random_lights,
)
from lrm_core.structures.view_set import ViewSet

pytest.importorskip("manifold3d")
SETTINGS = ViewSettings(num_views=3, size=48, normals=True)


def first_of(source: ProceduralSource) -> ViewSet:
    return source(source.jobs()[0])


def test_a_job_gives_the_same_views_in_any_order_and_copy() -> None:
    make = ProceduralSource(3, 5, SETTINGS)
    jobs = make.jobs()
    first = [make(job) for job in jobs]
    copied = pickle.loads(pickle.dumps(make))
    for before, job in zip(reversed(first), reversed(jobs), strict=True):
        after = copied(job)
        np.testing.assert_array_equal(after.images, before.images)
        assert after.source.sha256 == before.source.sha256
    assert len({one.source.sha256 for one in first}) == 3


def test_seed_and_index_matter() -> None:
    one, other = (first_of(ProceduralSource(1, seed, SETTINGS)) for seed in (1, 2))
    assert one.object_id != other.object_id
    assert one.source.sha256 != other.source.sha256


def test_views_hold_an_object_within_its_box() -> None:
    made = first_of(ProceduralSource(1, 0, SETTINGS))
    assert made.source.bounds is not None
    assert np.isclose((made.source.bounds[1] - made.source.bounds[0]).max(), 2.0)
    assert made.images[..., 3].max() == 255
    assert made.depth is not None
    assert np.array_equal(np.isfinite(made.depth), made.images[..., 3] > 0)
    assert made.normals is not None


def test_light_changes_colors_and_nothing_else() -> None:
    plain, lit = (first_of(ProceduralSource(1, 0, SETTINGS, share)) for share in (0.0, 1.0))
    np.testing.assert_array_equal(plain.depth, lit.depth)
    np.testing.assert_array_equal(plain.images[..., 3] == 0, lit.images[..., 3] == 0)
    assert not np.array_equal(plain.images, lit.images)


def test_lights_never_burn_out_and_never_leave_the_dark() -> None:
    for seed in range(50):
        shading = random_lights(np.random.default_rng(seed))
        total = np.array(shading.ambient) + np.sum(shading.colors, axis=0)
        assert np.all(total <= 1.6)
        assert np.all(np.array(shading.ambient) >= 0.35)
        assert all(z > 0 for _, _, z in shading.directions)
