import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lrm_core.errors import ConfigError, InputError
from lrm_core.evaluation.collection import find_objects
from lrm_core.evaluation.held_out_views import draw_held_out_views, draw_objects, spread
from lrm_core.evaluation.posed_images import input_picture, observe_images, reference_cameras
from lrm_core.evaluation.protocol import HeldOutViewsConfig, Protocol, load_protocol
from lrm_core.io.view_dataset_files import open_view_dataset

DRAWING = HeldOutViewsConfig(split="test", num_objects=2, num_inputs=2, num_views=5, seed=0)
PROTOCOL = load_protocol("lrm2023-views")


def protocol_of(drawing: HeldOutViewsConfig) -> Protocol:
    views = dataclasses.replace(PROTOCOL.reference_views, size=16)
    return dataclasses.replace(PROTOCOL, held_out_views=drawing, reference_views=views)


@pytest.fixture(scope="module")
def balls(tmp_path_factory, make_ball, write_view_dataset) -> Path:
    """Eight balls of the split test, two of which have too few views; one ball for training."""
    folder = tmp_path_factory.mktemp("held out") / "balls"
    views = [make_ball(f"ball-{i}", i, num_views=3 if i in (2, 5) else 10) for i in range(9)]
    write_view_dataset(str(folder), views, ["test"] * 8 + ["train"])
    return folder


def test_indices_are_spread_and_not_neighbors() -> None:
    assert spread(15, 5) == [0, 3, 6, 9, 12]
    assert spread(100, 4) == [0, 25, 50, 75]
    for available in (15, 16, 40, 199):
        assert len(set(spread(available, 15))) == 15
        assert max(spread(available, 15)) < available


def test_objects_are_drawn_by_the_seed_from_the_split_and_not_by_the_alphabet(balls) -> None:
    dataset = open_view_dataset(balls)
    orders = {
        seed: draw_objects(dataset, dataclasses.replace(DRAWING, seed=seed, num_objects=6))[0]
        for seed in range(6)
    }
    usable = {f"ball-{index}" for index in (0, 1, 3, 4, 6, 7)}
    assert all(set(order) == usable for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) > 1
    first = {order[0] for order in orders.values()}
    assert len(first) > 1
    fewer, _ = draw_objects(dataset, DRAWING)
    assert fewer == orders[0][:2]  # drawing more keeps what was drawn


def test_objects_with_few_views_are_skipped_by_name(balls: Path) -> None:
    everything = dataclasses.replace(DRAWING, num_objects=50)
    drawn = draw_held_out_views([str(balls)], protocol_of(everything))
    assert {name for name, _ in drawn.skipped} == {"ball-2", "ball-5"}
    assert all("has 3 views, expected 5" in reason for _, reason in drawn.skipped)
    assert len(drawn.locations) == 6 * 2
    with pytest.raises(InputError, match="no object of the split 'test' has 11 views"):
        draw_objects(open_view_dataset(balls), dataclasses.replace(DRAWING, num_views=11))


def test_an_input_is_compared_with_all_reference_views_itself_among_them(balls: Path) -> None:
    protocol = protocol_of(DRAWING)
    collection = find_objects(protocol, root=str(balls))
    assert len(collection.names) == 4
    name = collection.names[1]
    object_id = collection.object_of(name)
    assert collection.object_of(collection.names[0]) == object_id
    assert name == f"{object_id}/4"  # views 0 2 4 6 8 of 10 are the reference, 0 and 4 inputs
    images, sha256 = collection.load(name)
    assert (images.source, images.references) == (2, (0, 1, 2, 3, 4))
    cameras = reference_cameras(images, protocol)
    np.testing.assert_allclose(cameras.origins[2], [0, -2, 0], atol=1e-5)
    seen = observe_images(images, cameras, protocol)
    assert seen.rgb.shape == (5, 16, 16, 3)
    assert input_picture(images, protocol).shape == (512, 512, 4)
    _, other = collection.load(collection.names[0])
    assert sha256 != other


def test_as_many_objects_are_drawn_from_each_dataset(
    balls: Path, tmp_path: Path, make_ball, write_view_dataset
) -> None:
    others = tmp_path / "others"
    write_view_dataset(str(others), [make_ball(f"other-{i}", i) for i in range(3)], ["test"] * 3)
    collection = find_objects(protocol_of(DRAWING), root=f"{balls},{others}")
    kinds = [collection.object_of(name).partition("-")[0] for name in collection.names]
    assert kinds == ["ball"] * 4 + ["other"] * 4
    with pytest.raises(InputError, match="another dataset has an object"):
        find_objects(protocol_of(DRAWING), root=f"{balls},{balls}")


def test_inputs_are_named_among_those_that_were_drawn(balls: Path) -> None:
    """As a page asks for them."""
    every = find_objects(protocol_of(DRAWING), root=str(balls)).names
    some = find_objects(protocol_of(DRAWING), root=balls, names=[every[2], every[0]])
    assert some.names == (every[2], every[0])
    with pytest.raises(InputError, match="not among the inputs"):
        find_objects(protocol_of(DRAWING), root=str(balls), names=["ball-0/3"])
    with pytest.raises(ConfigError, match="need a dataset"):
        find_objects(protocol_of(DRAWING))
