"""Materials and textures of a glTF 2.0 document.

A view of ours has no light of its own and no refraction: what only glows shows its emission, and
glass its base color with little opacity.
Source: Khronos glTF 2.0 specification; sections are cited below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lrm_core.errors import InputError
from lrm_core.meshes.mesh_assets import Texels, decode_texture
from lrm_core.structures.scene import Material, Wrap

_WRAPS: dict[int, Wrap] = {10497: "REPEAT", 33071: "CLAMP", 33648: "MIRROR"}
_ALPHA_MODES: dict[str, Literal["MASK", "BLEND"]] = {"MASK": "MASK", "BLEND": "BLEND"}
# opacity of perfectly clear glass: it must be seen to be there
_GLASS = 0.2
# textures in formats that are tried before the one of the core specification
_TEXTURE_EXTENSIONS = ("EXT_texture_webp", "EXT_texture_avif")


@dataclass(frozen=True)
class PlacedMaterial:
    """A material and how its texture lies.

    Attributes:
        material: the material.
        uv_set: number of its texture coordinates.
        uv_transform: (3, 3) of KHR_texture_transform.
    """

    material: Material
    uv_set: int
    uv_transform: np.ndarray


class GltfMaterials:
    """Reads each material and texture of a document once.

    Args:
        gltf: the document.
        image_content: bytes of an entry of its `images`.
    """

    def __init__(
        self, gltf: dict[str, Any], image_content: Callable[[dict[str, Any]], bytes]
    ) -> None:
        self._gltf = gltf
        self._image_content = image_content
        self._textures: dict[int, Texels] = {}
        self._materials: dict[int, PlacedMaterial] = {}

    def get(self, index: int) -> PlacedMaterial:
        """The material of that index (section 3.9).

        Raises:
            InputError: its texture is missing, not an image, or in a format that is not supported.
        """
        if index not in self._materials:
            self._materials[index] = self._material(self._gltf["materials"][index])
        return self._materials[index]

    def _material(self, source: dict[str, Any]) -> PlacedMaterial:
        extensions = source.get("extensions", {})
        glossy = extensions.get("KHR_materials_pbrSpecularGlossiness")
        if glossy is not None:
            factor, info = glossy.get("diffuseFactor"), glossy.get("diffuseTexture")
        else:
            pbr = source.get("pbrMetallicRoughness", {})
            factor, info = pbr.get("baseColorFactor"), pbr.get("baseColorTexture")
        color = np.clip(factor or [1.0] * 4, 0.0, 1.0)
        emission = np.array(source.get("emissiveFactor", [0.0] * 3), dtype=np.float64)
        strength = extensions.get("KHR_materials_emissive_strength", {})
        if not color[:3].any() and emission.any():  # what glows and reflects nothing
            color[:3] = np.clip(emission * strength.get("emissiveStrength", 1.0), 0.0, 1.0)
            info = source.get("emissiveTexture")
        mode: Literal["OPAQUE", "MASK", "BLEND"] = "OPAQUE"
        mode = _ALPHA_MODES.get(source.get("alphaMode", "OPAQUE"), mode)
        glass = extensions.get("KHR_materials_transmission", {})
        if glass.get("transmissionFactor", 0.0) > 0 and "transmissionTexture" not in glass:
            color[3] *= 1.0 - (1.0 - _GLASS) * min(glass["transmissionFactor"], 1.0)
            mode = "BLEND"
        info = info or {}
        texture = self._gltf["textures"][info["index"]] if info else {}
        red, green, blue, alpha = color.tolist()
        material = Material(
            base_color=(red, green, blue, alpha),
            texture=self._texels(info["index"], texture) if info else None,
            alpha_mode=mode,
            alpha_cutoff=float(source.get("alphaCutoff", 0.5)),
            double_sided=bool(source.get("doubleSided", False)),
            wrap=self._wrap(texture),
        )
        transform = info.get("extensions", {}).get("KHR_texture_transform", {})
        uv_set = int(transform.get("texCoord", info.get("texCoord", 0)))
        return PlacedMaterial(material, uv_set, _uv_matrix(transform))

    def _wrap(self, texture: dict[str, Any]) -> tuple[Wrap, Wrap]:
        """What lies outside of a texture (section 3.8.4)."""
        sampler = self._gltf["samplers"][texture["sampler"]] if "sampler" in texture else {}
        modes = [_WRAPS.get(sampler.get(axis, 0), "REPEAT") for axis in ("wrapS", "wrapT")]
        return modes[0], modes[1]

    def _texels(self, index: int, texture: dict[str, Any]) -> Texels | None:
        """(H, W, 4) texels of a texture's image (sections 3.8.2 and 3.8.3); None without one."""
        extensions = texture.get("extensions", {})
        sources = [extensions.get(name, {}).get("source") for name in _TEXTURE_EXTENSIONS]
        sources = [source for source in [*sources, texture.get("source")] if source is not None]
        if not sources and not extensions:  # a picture that its program has lost
            return None
        if not sources:
            raise InputError(
                f"texture {index} is in a format that is not supported ({', '.join(extensions)})",
                hint="re-export it with PNG, JPEG or WebP textures",
            )
        source = sources[0]
        if source not in self._textures:
            image = self._gltf["images"][source]
            name = image.get("uri", "")
            name = f"'{name}'" if name and not name.startswith("data:") else f"image {source}"
            content = self._image_content(image)
            self._textures[source] = decode_texture(content, f"{name}, which it names,")
        return self._textures[source]


def _uv_matrix(transform: dict[str, Any]) -> np.ndarray:
    """(3, 3) translation * rotation * scale of KHR_texture_transform."""
    cosine, sine = np.cos(transform.get("rotation", 0.0)), np.sin(transform.get("rotation", 0.0))
    matrix = np.eye(3)
    matrix[:2, :2] = np.array([[cosine, sine], [-sine, cosine]]) * transform.get("scale", (1, 1))
    matrix[:2, 2] = transform.get("offset", (0.0, 0.0))
    return matrix
