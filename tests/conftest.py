"""Shared fixtures: where the shared data lies, and shape checks switched on for the whole suite."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# every jaxtyping annotation of the core is checked by beartype while tests run
install_import_hook("lrm_core", "beartype.beartype")


def _folder(variable: str) -> Path:
    value = os.environ.get(variable, "")
    if not value or not Path(value).is_dir():
        pytest.skip(f"{variable} names no folder: shared test data is not here")
    return Path(value)


@pytest.fixture(scope="session")
def gso_dir() -> Path:
    return _folder("LRM_GSO_DIR")


@pytest.fixture(scope="session")
def photo_dir() -> Path:
    return _folder("LRM_PHOTO_DIR")


@pytest.fixture(scope="session")
def train_mesh_dir() -> Path:
    return _folder("LRM_TRAIN_MESH_DIR")


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    return _folder("LRM_REFERENCE_DIR")
