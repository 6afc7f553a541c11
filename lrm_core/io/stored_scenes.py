"""Textured scenes kept exactly as they are, for caches: every part, number and texel.

Mesh formats round, merge and re-encode; this one is a safetensors file of the arrays.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lrm_core.errors import InputError
from lrm_core.io.atomic_write import replacing
from lrm_core.structures.scene import Material, Scene, ScenePart


def store_scene(path: Path, scene: Scene) -> None:
    """Write a scene; an older file is replaced in one step.

    Raises:
        OutputError: the file cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    materials = []
    for index, part in enumerate(scene.parts):
        fields = {
            "vertices": part.vertices,
            "faces": part.faces,
            "uv": part.uv,
            "vertex_colors": part.vertex_colors,
            "texture": part.material.texture,
        }
        for name, array in fields.items():
            if array is not None:
                arrays[f"{index}.{name}"] = np.ascontiguousarray(array)
        material = part.material
        materials.append(
            {
                "base_color": material.base_color,
                "alpha_mode": material.alpha_mode,
                "alpha_cutoff": material.alpha_cutoff,
                "double_sided": material.double_sided,
                "wrap": material.wrap,
            }
        )
    with replacing(path) as temporary:
        save_file(arrays, temporary, metadata={"materials": json.dumps(materials)})


def read_stored_scene(path: Path) -> Scene:
    """Read a scene of `store_scene`.

    Raises:
        InputError: no such file, or not one of `store_scene`.
    """
    try:
        with safe_open(path, framework="np") as file:
            materials = json.loads(file.metadata()["materials"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Scene(
            tuple(
                ScenePart(
                    vertices=arrays[f"{index}.vertices"],
                    faces=arrays[f"{index}.faces"],
                    material=Material(
                        base_color=tuple(material.pop("base_color")),
                        wrap=tuple(material.pop("wrap", ("REPEAT", "REPEAT"))),
                        texture=arrays.get(f"{index}.texture"),
                        **material,
                    ),
                    uv=arrays.get(f"{index}.uv"),
                    vertex_colors=arrays.get(f"{index}.vertex_colors"),
                )
                for index, material in enumerate(materials)
            )
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a stored scene ({error})") from error
