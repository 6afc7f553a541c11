"""Textured scenes as named arrays, for caches: every part, number and texel as it is.

Mesh formats round, merge and re-encode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lrm_core.errors import InputError
from lrm_core.structures.scene import Material, Scene, ScenePart


def scene_arrays(scene: Scene) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """A scene as named arrays, and its materials as plain values; see `scene_from_arrays`."""
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
    return arrays, materials


def scene_from_arrays(
    arrays: Mapping[str, np.ndarray], materials: Sequence[Mapping[str, Any]]
) -> Scene:
    """The scene of `scene_arrays`.

    Raises:
        InputError: these are not the arrays and materials of a scene.
    """
    try:
        return Scene(
            tuple(
                ScenePart(
                    vertices=arrays[f"{index}.vertices"],
                    faces=arrays[f"{index}.faces"],
                    material=Material(
                        **{
                            **material,
                            "base_color": tuple(material["base_color"]),
                            "wrap": tuple(material["wrap"]),
                        },
                        texture=arrays.get(f"{index}.texture"),
                    ),
                    uv=arrays.get(f"{index}.uv"),
                    vertex_colors=arrays.get(f"{index}.vertex_colors"),
                )
                for index, material in enumerate(materials)
            )
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"not the arrays of a scene ({error})") from error
