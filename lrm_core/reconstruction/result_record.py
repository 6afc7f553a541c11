"""The files of one result, and the record that says which photo it was made from. No torch here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lrm_core.meshes.mesh_writing import companions


def result_paths(mesh: Path) -> tuple[Path, ...]:
    """Every file that a result may bring, the mesh first."""
    return mesh, *companions(mesh), input_image_path(mesh), record_path(mesh)


def input_image_path(mesh: Path) -> Path:
    """The image that the model saw."""
    return mesh.with_name(f"{mesh.stem}.input.png")


def record_path(mesh: Path) -> Path:
    """How the mesh came about."""
    return mesh.with_name(f"{mesh.stem}.json")


def read_record(mesh: Path) -> dict[str, Any]:
    """The record of an earlier result; empty where there is none, or a file of somebody else."""
    try:
        record = json.loads(record_path(mesh).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) and "lrm_version" in record else {}


def files_of_record(mesh: Path) -> set[Path]:
    """What an earlier result of the same name consists of, its record among them."""
    record = read_record(mesh)
    names = record.get("files", []) if isinstance(record.get("files", []), list) else []
    plain = [n for n in names if isinstance(n, str) and n not in ("", "..") and Path(n).name == n]
    return {mesh.with_name(name) for name in plain} | ({record_path(mesh)} if record else set())
