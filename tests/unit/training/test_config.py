"""Recipes: read, overridden, checked, written and read again."""

from dataclasses import replace
from pathlib import Path

import pytest

from lrm_core.config import load_preset
from lrm_core.errors import ConfigError
from lrm_core.training.config import (
    TrainingConfig,
    model_config,
    read_training_config,
    recipe_names,
    with_overrides,
)
from lrm_core.training.run.start import write_config


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_reads_and_names_a_model(name: str, tmp_path: Path):
    config = read_training_config(name, {})
    assert config.init is not None or model_config(config).name == config.model
    write_config(config, tmp_path / "config.yaml")
    assert read_training_config(str(tmp_path / "config.yaml"), {}) == config


def test_overrides_reach_into_sections_and_leave_the_rest():
    plain = read_training_config("lrm-mini", {})
    config = read_training_config(
        "lrm-mini",
        {"num_steps": 7, "layers.data.num_procedural": 3, "optimizer.learning_rate": "1e-3",
         "views.crop": 64},
    )  # fmt: skip
    assert (config.num_steps, config.layers.data.num_procedural) == (7, 3)
    assert config.optimizer.learning_rate == 1e-3
    assert config.optimizer.warmup_steps == plain.optimizer.warmup_steps
    assert config.layers.data.meshes == plain.layers.data.meshes
    assert config.views.crop == 64


def test_overriding_changes_no_input():
    values = {"a": {"b": 1, "c": 2}}
    assert with_overrides(values, {"a.b": 5, "d.e": 6}, origin="x") == {
        "a": {"b": 5, "c": 2}, "d": {"e": 6},
    }  # fmt: skip
    assert values == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"num_step": 7}, "num_step"),
        ({"views.cropp": 7}, "views.cropp"),
        ({"layers.data.meshes": [{"folder": "x", "upp": "y"}]}, "upp"),
        ({"num_steps.x": 3}, "'num_steps' is not a group of settings"),
        ({"epochs": 3}, "exactly one of epochs"),
        ({"num_steps": None}, "exactly one of epochs"),
        ({"num_steps": 0}, "length of the run"),
        ({"micro_batch": 3}, "multiple of micro_batch 3"),
        ({"micro_batch": 0}, "micro_batch must be 1"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"spike_factor": 0.5}, "spike_factor"),
        ({"optimizer.learning_rate": 0}, "learning_rate"),
        ({"precision": "float16"}, "precision"),
        ({"init": "lrm-mini", "encoder_init": "facebook/dino-vitb16"}, "brings a whole model"),
    ],
)
def test_mistakes_are_named(overrides: dict, words: str):
    with pytest.raises(ConfigError, match=words):
        read_training_config("lrm-mini", overrides)


def test_unknown_recipes_list_the_known(tmp_path: Path):
    with pytest.raises(ConfigError, match="neither a file") as caught:
        read_training_config("lrm-huge", {})
    assert "lrm-mini" in caught.value.hint


def test_nested_model_settings_leave_the_others_alone():
    """As the command line makes them: model_settings.decoder.num_layers=6."""
    nested = {"decoder": {"num_layers": 6}, "name": "mine"}
    model = model_config(TrainingConfig(num_steps=1, model="lrm-tiny", model_settings=nested))
    preset = load_preset("lrm-tiny")
    assert model.decoder == replace(preset.decoder, num_layers=6)
    assert (model.name, model.encoder, model.nerf) == ("mine", preset.encoder, preset.nerf)


def test_model_settings_change_the_preset():
    settings = {"decoder.num_layers": 1, "nerf.num_layers": 2}
    config = TrainingConfig(num_steps=1, model="lrm-tiny", model_settings=settings)
    changed, preset = model_config(config), load_preset("lrm-tiny")
    assert (changed.decoder.num_layers, changed.nerf.num_layers) == (1, 2)
    assert changed.decoder.width == preset.decoder.width
    assert changed.encoder == preset.encoder
    assert model_config(TrainingConfig(num_steps=1, model="lrm-tiny")) == preset
    for settings, words in (
        ({"decoder.layers": 1}, "decoder.layers"),
        ({"decoder.num_heads": 3}, "must be divisible"),
    ):
        with pytest.raises(ConfigError, match=words):
            model_config(TrainingConfig(num_steps=1, model="lrm-tiny", model_settings=settings))
    with pytest.raises(ConfigError, match="no preset is called 'lrm-huge'"):
        model_config(TrainingConfig(num_steps=1, model="lrm-huge"))
