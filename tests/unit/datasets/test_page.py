"""Pages of datasets of plain colors: what is shown where."""

import dataclasses
import itertools

import numpy as np
import pytest

from lrm_core.datasets.building import build_dataset
from lrm_core.datasets.page import choose_objects, dataset_page
from lrm_core.errors import InputError
from lrm_core.geometry.trajectories import orbit
from lrm_core.io.view_dataset_files import open_view_dataset
from lrm_core.structures.view_set import ObjectJob, ObjectSource, ViewSet

NUM_VIEWS = 6


def color(object_index: int, view: int) -> tuple[int, int, int]:
    return 40 + 40 * view, 20 + 30 * object_index, 255


def make(job: ObjectJob) -> ViewSet:
    """Every view is one flat color; left half opaque, right half empty."""
    index = int(job.location)
    images = np.zeros((NUM_VIEWS, 16, 16, 4), np.uint8)
    for view in range(NUM_VIEWS):
        images[view, :, :8] = (*color(index, view), 255)
    depth = np.full((NUM_VIEWS, 16, 16), np.inf, np.float32)
    depth[:, :, :8] = 2.0
    source = ObjectSource("abc"[index % 2], "CC0", "0" * 64)
    return ViewSet(job.object_id, images, orbit(NUM_VIEWS, size=16), source, depth)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, source_of):
    out = tmp_path_factory.mktemp("data")
    jobs = [ObjectJob(f"object-{index}", str(index)) for index in range(5)]
    build_dataset(str(out), source_of(make, "flat"), jobs)
    return open_view_dataset(out)


def shown(page: np.ndarray) -> dict[tuple[int, int], tuple[float, float]]:
    """(object, view) -> row and column on the page of its color's center."""
    places = {}
    for index, view in itertools.product(range(5), range(NUM_VIEWS)):
        rows, columns = np.nonzero((page == color(index, view)).all(-1))
        if len(rows) > 50:
            places[index, view] = (rows.mean(), columns.mean())
    return places


def test_objects_are_rows_and_views_columns(dataset):
    places = shown(dataset_page(dataset, ["object-3", "object-1"], num_views=NUM_VIEWS))
    assert set(places) == {(i, view) for i in (1, 3) for view in range(NUM_VIEWS)}
    # in the order that was asked for
    assert places[3, 0][0] < places[1, 0][0]
    for index in (1, 3):
        rows, columns = zip(*(places[index, view] for view in range(NUM_VIEWS)), strict=True)
        assert len(set(rows)) == 1
        assert list(columns) == sorted(set(columns))


def test_few_views_are_evenly_spaced_and_more_than_there_are_is_all(dataset):
    assert set(shown(dataset_page(dataset, ["object-0"], num_views=3))) == {(0, 0), (0, 2), (0, 4)}
    assert len(shown(dataset_page(dataset, ["object-0"], num_views=99))) == NUM_VIEWS


def test_single_views_fill_a_grid(dataset):
    places = shown(dataset_page(dataset, dataset.object_ids * 2, num_views=1))
    assert set(places) == {(index, 0) for index in range(5)}
    page = dataset_page(dataset, dataset.object_ids * 2, num_views=1)
    assert page.shape[1] > 3 * page.shape[0]  # ten cells: a row of eight, a row of two


def test_channels_are_below_one_another(dataset):
    page = dataset_page(dataset, ["object-2"], num_views=2, channels=("rgb", "depth", "alpha"))
    plain = dataset_page(dataset, ["object-2"], num_views=2)
    assert page.shape[0] > 2 * plain.shape[0]
    assert set(shown(page)) == {(2, 0), (2, 3)}
    black = (page == 0).all(-1).sum()  # half of the alpha images
    assert black == pytest.approx((page == color(2, 0)).all(-1).sum() * 2, rel=0.2)


def test_objects_of_all_sources_are_chosen(dataset):
    sources = dataset.manifest.set_index("object_id")["source"]
    for seed in range(5):
        chosen = choose_objects(dataset, 2, seed)
        assert {sources[object_id] for object_id in chosen} == {"a", "b"}
        assert chosen == choose_objects(dataset, 2, seed)
    assert len({tuple(choose_objects(dataset, 2, seed)) for seed in range(10)}) > 1
    assert choose_objects(dataset, 99) == dataset.object_ids


def test_what_cannot_be_shown_is_named(dataset):
    with pytest.raises(InputError, match="no object 'absent'"):
        dataset_page(dataset, ["absent"])
    with pytest.raises(InputError, match=r"holds no 000\.normal"):
        dataset_page(dataset, ["object-0"], channels=("normal",))
    with pytest.raises(InputError, match="too many for one page"):
        dataset_page(dataset, dataset.object_ids, num_views=2000)
    empty = dataclasses.replace(dataset, manifest=dataset.manifest[:0])
    with pytest.raises(InputError, match="no object to show"):
        dataset_page(empty, choose_objects(empty, 3))
