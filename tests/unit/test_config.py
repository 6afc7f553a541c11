"""Configuration: presets parse, round trip, and every mistake is named with its place."""

import dataclasses
from pathlib import Path

import pytest

from lrm_core.config import (
    ModelConfig,
    changed_settings,
    config_to_dict,
    load_preset,
    parse_config,
    preset_names,
    read_yaml,
)
from lrm_core.errors import ConfigError
from lrm_core.training.config import TrainingConfig

every_preset = pytest.mark.parametrize("name", preset_names())


def test_the_presets_of_the_paper_and_of_the_project_ship() -> None:
    assert {"lrm-large", "lrm-small", "lrm-mini", "lrm-tiny"} <= set(preset_names())


@every_preset
def test_a_preset_parses_and_carries_its_own_name(name: str) -> None:
    assert load_preset(name).name == name


@every_preset
def test_plain_values_rebuild_the_same_configuration(name: str) -> None:
    config = load_preset(name)
    assert parse_config(ModelConfig, config_to_dict(config), origin="round trip") == config


def test_lrm_large_is_the_model_of_section_4_2() -> None:
    config = load_preset("lrm-large")
    encoder, decoder, nerf = config.encoder, config.decoder, config.nerf
    assert (encoder.kind, encoder.image_size, encoder.patch_size) == ("dino", 512, 16)
    assert (encoder.image_size // encoder.patch_size) ** 2 + 1 == 1025
    assert (encoder.width, decoder.width, decoder.num_layers) == (768, 1024, 16)
    assert (decoder.token_resolution, decoder.plane_resolution, decoder.channels) == (32, 64, 80)
    assert (decoder.camera_feature, decoder.attention_output_bias) == ("camera20", False)
    assert (nerf.num_layers, nerf.width, nerf.activation, nerf.extent) == (10, 64, "relu", 1.0)
    assert (config.rendering.num_samples, config.rendering.step) == (128, "metric")
    assert config.source_camera.distance == 2.0


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"decoder": {"widht": 8}}, "decoder.widht"),
        ({"decoder": {"num_layers": "many"}}, "decoder.num_layers"),
        ({"encoder": {"kind": "clip"}}, "encoder.kind"),
        ({"nerf": {"plane_axes": [["x", "y"]]}}, "nerf.plane_axes"),
        ({"decoder": {"width": 10, "num_heads": 4}}, "decoder.width 10"),
        ({"encoder": {"image_size": 100}}, "image_size 100"),
        ({"decoder": {"ray_widths": [8, 8]}}, "ray_widths needs 5 numbers"),
        ({"decoder": {"ray_widths": [8] * 5}}, "ray_widths needs nerf.frustum"),
        ({"model": {}}, "model"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_place(values: dict[str, object], place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(ModelConfig, values, origin="mine.yaml")
    assert caught.value.message.startswith("mine.yaml: ")
    assert place in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        load_preset("lrm-huge")
    assert "lrm-huge" in caught.value.message
    assert "lrm-large" in caught.value.hint


@pytest.mark.parametrize(
    "content",
    [b"a: [1", b"- 1\n- 2\n", b"", b"\xff\xfe\x00", b"!!python/object/apply:os.getcwd []"],
    ids=["cut off", "a list", "empty", "binary", "hostile"],
)
def test_what_is_no_mapping_of_plain_values_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^bad\.yaml: "):
        read_yaml(path, origin="bad.yaml")


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml", origin="none.yaml")


def test_configurations_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_preset("lrm-tiny").name = "other"  # type: ignore[misc]


def test_an_unknown_setting_is_answered_with_those_of_its_group() -> None:
    values = {"views": {"sources": [{"url": "data", "repeat": 3}]}, "num_steps": 1}
    with pytest.raises(ConfigError, match=r"views\.sources\.0\.repeat") as caught:
        parse_config(TrainingConfig, values, origin="recipe")
    assert caught.value.hint == "settings: url, repeats, distance"


def test_settings_that_differ_are_told_by_their_keys() -> None:
    before = {"b": {"x": 1, "y": (1, 2)}, "a": 3, "same": {"x": 0}}
    now = {"b": {"x": 2, "y": (1, 2), "z": 4}, "a": {"c": 3}, "same": {"x": 0}}
    assert list(changed_settings(before, now)) == [
        ("a", 3, {"c": 3}),
        ("b.x", 1, 2),
        ("b.z", None, 4),
    ]
    assert not list(changed_settings(now, now))
