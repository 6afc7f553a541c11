"""`lrm models`, and the numbers that the README states about models."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from lrm_core.config import load_preset, preset_names
from lrm_core.models.lrm import LRM

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_table_names_every_preset_and_the_public_families(lrm: Callable[..., Result]) -> None:
    result = lrm("models")
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.stdout.splitlines()[1:]}
    assert set(preset_names()) <= set(rows)
    assert "MIT" in rows["stabilityai/TripoSR"]
    assert " yes " in rows["stabilityai/TripoSR"]
    non_commercial = rows["zxhezexin/openlrm-mix-base-1.1"]
    assert "CC-BY-NC-4.0" in non_commercial
    assert " no " in non_commercial


def test_the_document_holds_what_the_table_shows(lrm: Callable[..., Result]) -> None:
    result = lrm("models", "--json")
    entries = {entry["name"]: entry for entry in json.loads(result.stdout)["models"]}
    assert set(preset_names()) <= set(entries)
    for entry in entries.values():
        assert entry["availability"] in {"bundled", "cached", "download", "train"}
        assert entry["licence"]
        assert isinstance(entry["commercial_use"], bool)
        # only an architecture without weights has no count
        assert entry["num_parameters"] or entry["availability"] == "train"


def test_quiet_says_nothing(lrm: Callable[..., Result]) -> None:
    assert lrm("models", "--quiet").output == ""


@pytest.mark.parametrize("name", preset_names())
def test_the_readme_states_the_exact_parameter_count(name: str) -> None:
    with torch.device("meta"):
        count = LRM(load_preset(name)).num_parameters
    assert re.search(rf"`{name}`[^`]*\b{count:,}\b", README), f"{name}: {count:,}"
