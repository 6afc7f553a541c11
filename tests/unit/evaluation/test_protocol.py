import dataclasses
import math
from pathlib import Path

import pytest
import yaml

from lrm_core.errors import ConfigError
from lrm_core.evaluation.protocol import VariedCameraConfig, load_protocol, protocol_names
from lrm_core.metrics.registry import find_metric

# Numbers of different contents must never bear the same name: a changed protocol gets a new
# version and a new line here, and the old line stays.
PUBLISHED = {
    ("folder-v1", 1): "5ea56870ebcc52df4039f2a8b8a2ded9d85e0cba793985c72164a470aa4b085a",
    ("gso-v1", 1): "eec91ff8ec36fa5b68d40b03611e616836584c8fa95573c3de80475d430c33e4",
    ("gso-v1-multiview", 1): "29f72969cd52433101dd7d247f9d11351152325ff487cfed3b94d62bcb63d548",
    ("gso-varied-v1", 1): "a8385bbfde9623e6e0d465811feb3a1ea716ffe139b0d05dfff5b9e2ca890832",
    ("instantmesh2024", 1): "4480f6e4361bc137bae1b8788d36e5b57fb5ac0c4e3aedd96e2f561ccd1ec11b",
    ("lrm2023", 1): "d41300a12e0f61c6009a67c0f25fc51792d8e012c34ef8379b0771b59296fd47",
    ("lrm2023", 2): "61818837b4cfa66babb4ee85397875c18a21ef8b6b7a1c04d07119bb7ca65ac4",
    ("lrm2023-views", 1): "17d921e4b6dfba45263931d333b5ff589dcadb61303c10eac0f04b4a0e850f7f",
    ("procedural-v1", 1): "37b488c5cc2892a5dbf8659cf2962b1147e6da0d5eee31fe4dd086981e8c1f8a",
    ("triposr2024", 1): "2a63fe825e4e2698da957177849ccadb5ed520c9cfada5ad6d6a769d3989749c",
    ("triposr2024", 2): "8ea72b2f24d44a7898f53254d1d6a0f987d243d468556504a4483a36346f7509",
}


@pytest.mark.parametrize("name", protocol_names())
def test_the_content_of_a_version_never_changes(name: str) -> None:
    protocol = load_protocol(name)
    assert protocol.name == name
    assert PUBLISHED[name, protocol.version] == protocol.sha256


@pytest.mark.parametrize("name", protocol_names())
def test_every_metric_is_known(name: str) -> None:
    for metric in load_protocol(name).metrics:
        assert find_metric(metric).direction in ("higher", "lower")


def test_the_hash_follows_whatever_moves_a_number() -> None:
    protocol = load_protocol("gso-v1")
    changes = {
        "version": 2,
        "objects": protocol.objects[:-1],
        "longest_side": 2.0,
        "input_view": dataclasses.replace(protocol.input_view, azimuth="front"),
        "geometry": dataclasses.replace(protocol.geometry, seed=1),
        "networks": dataclasses.replace(protocol.networks, lpips="vgg"),
        "render": "field",
        "reference_views": dataclasses.replace(protocol.reference_views, focal=1.0),
    }
    hashes = {
        dataclasses.replace(protocol, **{key: value}).sha256 for key, value in changes.items()
    }
    assert len(hashes | {protocol.sha256}) == len(changes) + 1
    assert dataclasses.replace(protocol, description="other words").sha256 == protocol.sha256
    moved = dataclasses.replace(protocol.geometry, translate=True)
    varied = dataclasses.replace(protocol.input_view, varied=VariedCameraConfig())
    reseeded = dataclasses.replace(protocol.input_view, varied=VariedCameraConfig(seed=1))
    assert (
        len(
            {protocol.sha256, dataclasses.replace(protocol, geometry=moved).sha256}
            | {dataclasses.replace(protocol, input_view=v).sha256 for v in (varied, reseeded)}
        )
        == 4
    )


def test_a_file_of_your_own_is_read_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    values = {"name": "mine", "version": 1, "description": "mine", "dataset": "folder"}
    file.write_text(yaml.safe_dump(values))
    assert load_protocol(str(file)).name == "mine"
    for wrong, message in (
        ({"views": 3}, "views"),
        ({"objects": ["a", "a"]}, "twice"),
        ({"longest_side": 0}, "longest_side must be above 0"),
        ({"reference_views": {"elevations_degrees": []}}, "must not be empty"),
        ({"objects": "gso-v9"}, "objects: no protocol is called 'gso-v9'"),
        # what predictors cannot follow
        ({"input_view": {"radius": 3.0}}, "radius 3 and focal 0.75, expected 2 and 0.75"),
        ({"input_view": {"focal": 1.0}}, "radius 2 and focal 1, expected 2 and 0.75"),
        ({"longest_side": 2.0}, "longest_side 2, expected 1.8"),
        (
            {"longest_side": 2.0, "geometry": {"alignment": "free_methods", "rescale": True}},
            "longest_side 2",
        ),
        ({"longest_side": 2.0, "geometry": {"alignment": "all"}}, "longest_side 2"),
        ({"geometry": {"translate": True}}, "translate without geometry.alignment"),
        ({"render": "points"}, "render"),
        ({"held_out_views": {}}, "belongs to the dataset views"),
        ({"dataset": "views"}, "belongs to the dataset views"),
        ({"dataset": "views", "held_out_views": {"num_inputs": 20}}, "20 inputs among 15 views"),
        ({"input_view": {"varied": {"focal": [1.2, 0.6]}}}, "varied.focal 1.2 to 0.6"),
        ({"input_view": {"varied": {"fill": [0, 0.6]}}}, "varied.fill 0 to 0.6"),
        ({"input_view": {"varied": {"elevation_degrees": [0, 90]}}}, "below 90"),
    ):
        file.write_text(yaml.safe_dump(values | wrong))
        with pytest.raises(ConfigError, match=message):
            load_protocol(str(file))
    with pytest.raises(ConfigError, match="no protocol is called 'gso-v9'"):
        load_protocol("gso-v9")


def test_a_protocol_may_take_the_objects_of_another(tmp_path: Path) -> None:
    values = {"name": "mine", "version": 1, "description": "mine", "dataset": "gso"}
    file, whole = tmp_path / "mine.yaml", tmp_path / "whole.yaml"
    file.write_text(yaml.safe_dump(values | {"objects": "gso-v1"}))
    objects = load_protocol("gso-v1").objects
    whole.write_text(yaml.safe_dump(values | {"objects": list(objects)}))
    assert load_protocol(str(file)).objects == objects
    # the names count, however they were written down
    assert load_protocol(str(file)).sha256 == load_protocol(str(whole)).sha256


def test_another_size_goes_with_an_alignment_that_undoes_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    values = {"name": "mine", "version": 1, "description": "mine", "dataset": "folder"}
    undone = {"longest_side": 2.0, "geometry": {"alignment": "all", "rescale": True}}
    file.write_text(yaml.safe_dump(values | undone))
    assert load_protocol(str(file)).longest_side == 2.0


def test_instantmesh_sees_every_azimuth_at_every_elevation() -> None:
    views = load_protocol("instantmesh2024").reference_views
    # as reference.py lays them out: view k at k steps, elevations in turn
    seen = {
        (k * 21 * views.azimuth_step_degrees / 360, views.elevations_degrees[k % 63])
        for k in range(views.num_views)
    }
    turns = {(round(step, 9) % 21, elevation) for step, elevation in seen}
    assert turns == {(float(a), e) for a in range(21) for e in (30.0, 0.0, -30.0)}
    # and the whole box [-1, 1]^3 is inside each: its corners on a sphere of radius sqrt(3)
    half_angle = math.atan(0.5 / views.focal)
    assert views.radius * math.sin(half_angle) > math.sqrt(3.0)


def test_the_papers_protocols_share_the_pictures_of_gso_v1() -> None:
    """So that predictions are made once: the cache finds them by the picture."""
    ours = load_protocol("gso-v1")
    for name in ("lrm2023", "triposr2024"):
        theirs = load_protocol(name)
        assert theirs.input_view == ours.input_view
        assert (theirs.objects, theirs.longest_side) == (ours.objects, ours.longest_side)


def test_the_repository_shows_them_where_benchmarks_are() -> None:
    shown = Path(__file__).parents[3] / "benchmarks" / "protocols"
    if not shown.is_dir():
        pytest.skip("a checkout without links")
    assert sorted(path.stem for path in shown.glob("*.yaml")) == sorted(protocol_names())
