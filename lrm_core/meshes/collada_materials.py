"""Materials of a COLLADA document: diffuse color or texture, opacity, vertex colors aside.

Source: COLLADA 1.4.1 and 1.5 specifications, chapter "FX"; colors are taken as sRGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

import numpy as np

from lrm_core.imaging.color import srgb_to_linear
from lrm_core.meshes.mesh_assets import MeshAssets, with_alpha
from lrm_core.structures.scene import Material, Wrap

_WRAPS: dict[str, Wrap] = {"MIRROR": "MIRROR", "CLAMP": "CLAMP", "BORDER": "CLAMP", "NONE": "CLAMP"}


@dataclass(frozen=True)
class _Texture:
    """A texture that an effect names.

    Attributes:
        name: its file.
        texcoord: the effect's name for the texture coordinates.
        wrap: what lies outside of it along u and v.
    """

    name: str
    texcoord: str
    wrap: tuple[Wrap, Wrap]


@dataclass(frozen=True)
class BoundMaterial:
    """A material and the name of the texture coordinates that it is drawn with."""

    material: Material
    texcoord: str = ""


class ColladaMaterials:
    """Reads each material of a document once.

    Args:
        by_id: every element with an id; tags without namespaces.
        assets: where textures lie.
    """

    def __init__(self, by_id: dict[str, Element], assets: MeshAssets) -> None:
        self._by_id = by_id
        self._assets = assets
        self._read: dict[str, BoundMaterial | None] = {}

    def get(self, material_id: str) -> BoundMaterial | None:
        """The material of that id; None where it says nothing about color.

        Raises:
            InputError: a texture that it names is missing or not an image.
        """
        if material_id not in self._read:
            self._read[material_id] = self._material(material_id)
        return self._read[material_id]

    def _material(self, material_id: str) -> BoundMaterial | None:
        material = self._by_id.get(material_id)
        instance = None if material is None else material.find("instance_effect")
        if instance is None:
            return None
        effect = self._by_id.get(instance.get("url", "").lstrip("#"))
        if effect is None:
            return None
        kinds = ("lambert", "phong", "blinn", "constant")
        shader = next((e for kind in kinds if (e := effect.find(f".//{kind}")) is not None), None)
        if shader is None:
            return None
        color, texture = self._slot(effect, shader.find("diffuse"))
        if texture is None and not np.any(color or 0.0):  # what glows and reflects nothing
            glow, glowing = self._slot(effect, shader.find("emission"))
            if glowing is not None or np.any(glow or 0.0):
                color, texture = glow, glowing
        opacity, mask = self._opacity(effect, shader)
        alpha_mode: Literal["OPAQUE", "MASK", "BLEND"] = "BLEND" if opacity < 1 else "OPAQUE"
        if texture is None and color is None:
            return None
        if texture is None:
            red, green, blue = srgb_to_linear(np.clip(np.array(color), 0.0, 1.0)).tolist()
            return BoundMaterial(Material((red, green, blue, opacity), alpha_mode=alpha_mode))
        texels = self._assets.texture(texture.name)
        if mask is not None:
            alpha_mode = "MASK" if alpha_mode == "OPAQUE" else alpha_mode
            if mask.name != texture.name:
                texels = with_alpha(texels, self._assets.texture(mask.name))
        material_of = Material((1.0, 1.0, 1.0, opacity), texels, alpha_mode, wrap=texture.wrap)
        return BoundMaterial(material_of, texture.texcoord)

    def _slot(
        self, effect: Element, slot: Element | None
    ) -> tuple[tuple[float, ...] | None, _Texture | None]:
        """Color (sRGB) or texture of one slot of a shader."""
        if slot is None:
            return None, None
        named = slot.find("texture")
        if named is not None:
            return None, self._texture(effect, named)
        color = slot.find("color")
        reference = slot.find("param")
        if color is None and reference is not None:
            parameter = effect.find(f".//newparam[@sid='{reference.get('ref', '')}']")
            color = None if parameter is None else next(iter(parameter), None)
        values = [] if color is None else [float(word) for word in (color.text or "").split()]
        return (tuple(values[:3]) if len(values) >= 3 else None), None

    def _texture(self, effect: Element, named: Element) -> _Texture | None:
        """The image behind texture -> sampler -> surface -> image, any of which may be left out."""
        reference = named.get("texture", "")
        wrap: list[Wrap] = ["REPEAT", "REPEAT"]
        parameters = {p.get("sid", ""): p for p in effect.iter("newparam")}
        sampler = parameters.get(reference, Element("none")).find("sampler2D")
        if sampler is not None:
            modes = [(sampler.findtext(axis) or "").strip() for axis in ("wrap_s", "wrap_t")]
            wrap = [_WRAPS.get(mode, "REPEAT") for mode in modes]
            instance = sampler.find("instance_image")  # 1.5
            reference = (sampler.findtext("source") or "").strip()
            if instance is not None:
                reference = instance.get("url", "").lstrip("#")
        surface = parameters.get(reference, Element("none")).find("surface")
        if surface is not None:
            reference = (surface.findtext("init_from") or "").strip()
        image = self._by_id.get(reference)
        if image is None or image.tag != "image":
            return None
        name = image.findtext("init_from/ref") or image.findtext("init_from") or ""
        if not name.strip():
            return None
        return _Texture(name.strip(), named.get("texcoord", ""), (wrap[0], wrap[1]))

    def _opacity(self, effect: Element, shader: Element) -> tuple[float, _Texture | None]:
        """Opacity of `transparent` and `transparency`, and the texture that holds it."""
        slot = shader.find("transparent")
        if slot is None:
            return 1.0, None
        amount = shader.find("transparency/float")
        factor = 1.0 if amount is None else float(amount.text or 1.0)
        named = slot.find("texture")
        if named is not None:
            return 1.0, self._texture(effect, named)
        values = [float(word) for word in (slot.findtext("color") or "").split()]
        mode = slot.get("opaque", "A_ONE")
        if len(values) < 4:
            return 1.0, None
        amounts = {
            "A_ONE": values[3] * factor,
            "A_ZERO": 1.0 - values[3] * factor,
            "RGB_ONE": float(np.mean(values[:3])) * factor,
            "RGB_ZERO": 1.0 - float(np.mean(values[:3])) * factor,
        }
        opacity = amounts.get(mode, 1.0)
        # invisible is a common mistake of exporters for opaque
        return (min(opacity, 1.0) if opacity > 0 else 1.0), None
