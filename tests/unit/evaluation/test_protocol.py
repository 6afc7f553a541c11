import dataclasses
from pathlib import Path

import pytest
import yaml

from lrm_core.errors import ConfigError
from lrm_core.evaluation.protocol import load_protocol, protocol_names
from lrm_core.metrics.registry import find_metric

# Numbers of different contents must never bear the same name: a changed protocol gets a new
# version and a new line here, and the old line stays.
PUBLISHED = {
    ("gso-v1", 1): "eec91ff8ec36fa5b68d40b03611e616836584c8fa95573c3de80475d430c33e4",
    ("procedural-v1", 1): "37b488c5cc2892a5dbf8659cf2962b1147e6da0d5eee31fe4dd086981e8c1f8a",
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
    }
    hashes = {
        dataclasses.replace(protocol, **{key: value}).sha256 for key, value in changes.items()
    }
    assert len(hashes | {protocol.sha256}) == len(changes) + 1
    assert dataclasses.replace(protocol, description="other words").sha256 == protocol.sha256


def test_a_file_of_ones_own_is_read_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    values = {"name": "mine", "version": 1, "description": "mine", "dataset": "folder"}
    file.write_text(yaml.safe_dump(values))
    assert load_protocol(str(file)).name == "mine"
    for wrong, message in (
        ({"views": 3}, "views"),
        ({"objects": ["a", "a"]}, "twice"),
        ({"longest_side": 0}, "longest_side must be above 0"),
        ({"reference_views": {"elevations_degrees": []}}, "must not be empty"),
    ):
        file.write_text(yaml.safe_dump(values | wrong))
        with pytest.raises(ConfigError, match=message):
            load_protocol(str(file))
    with pytest.raises(ConfigError, match="no protocol is called 'gso-v9'"):
        load_protocol("gso-v9")


def test_the_repository_shows_them_where_benchmarks_are() -> None:
    shown = Path(__file__).parents[3] / "benchmarks" / "protocols"
    if not shown.is_dir():
        pytest.skip("a checkout without links")
    assert sorted(path.stem for path in shown.glob("*.yaml")) == protocol_names()
