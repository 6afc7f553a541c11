"""Materials inside Blender: which color they show, and how to show it, depth or normals alone.

Imported by `render_assets` beside it, in Blender's Python; nothing else imports it.
"""

# mypy: ignore-errors
# (bpy has no types)

import bpy
import mathutils

# sRGB 0.5 as linear light: surfaces without any color
GRAY = (0.21404114, 0.21404114, 0.21404114, 1.0)
MESH_LIKE = {"MESH", "CURVE", "SURFACE", "FONT", "META"}
COLOR_INPUTS = ("Base Color", "Color")
VERTEX_COLOR_NODES = {"ShaderNodeVertexColor", "ShaderNodeAttribute"}


def read_obj_colors() -> None:
    """Kd is sRGB and a texture's alpha hides nothing, as this project's reader takes them."""
    for image in bpy.data.images:
        image.alpha_mode = "CHANNEL_PACKED"
    for material in bpy.data.materials:
        shader = color_node(material)
        color = color_input(shader)
        if color is not None and not color.is_linked:
            red, green, blue, alpha = color.default_value
            linear = mathutils.Color((red, green, blue)).from_srgb_to_scene_linear()
            color.default_value = (*linear, alpha)


def color_node(material):
    """The shader whose color the material shows: the nearest to its output that has one."""
    output = material.node_tree.get_output_node("CYCLES") if material.node_tree else None
    pending = [output] if output else []
    seen = set()
    while pending:
        node = pending.pop(0)
        if node in seen:
            continue
        seen.add(node)
        if (
            node is not output
            and color_input(node) is not None
            and node.outputs[0].type == "SHADER"
        ):
            return node
        pending += [
            link.from_node
            for socket in node.inputs
            if socket.type == "SHADER"
            for link in socket.links
        ]
    return None


def color_input(node):
    """The color input of a shader node, or None."""
    if node is None or node.type == "BSDF_TRANSPARENT":
        return None
    return next((node.inputs[name] for name in COLOR_INPUTS if name in node.inputs), None)


def give_materials() -> None:
    """Gray where a mesh has no material; vertex colors where the material leaves them out."""
    gray = bpy.data.materials.new("gray")
    gray.use_nodes = True
    color_input(color_node(gray)).default_value = GRAY
    white = bpy.data.materials.new("white")
    white.use_nodes = True
    color_input(color_node(white)).default_value = (1.0, 1.0, 1.0, 1.0)
    for thing in list(bpy.data.objects):
        if thing.type not in MESH_LIKE:
            continue
        colored = thing.type == "MESH" and len(thing.data.color_attributes) > 0
        if not thing.material_slots:
            thing.data.materials.append(white if colored else gray)
        for slot in thing.material_slots:
            if slot.material is None:
                slot.material = white if colored else gray
            if colored and not uses_vertex_colors(slot.material):
                slot.material = slot.material.copy()
                multiply_vertex_colors(slot.material, thing.data.color_attributes)


def uses_vertex_colors(material) -> bool:
    """Whether a material reads vertex colors already."""
    tree = material.node_tree
    return tree is not None and any(node.bl_idname in VERTEX_COLOR_NODES for node in tree.nodes)


def multiply_vertex_colors(material, attributes) -> None:
    """Let a mesh's vertex colors tint its material."""
    color = color_input(color_node(material))
    if color is None:
        return
    tree = material.node_tree
    attribute = tree.nodes.new("ShaderNodeVertexColor")
    attribute.layer_name = attributes[max(attributes.render_color_index, 0)].name
    product = tree.nodes.new("ShaderNodeVectorMath")
    product.operation = "MULTIPLY"
    connect(tree, color_source(color), product.inputs[0])
    tree.links.new(attribute.outputs["Color"], product.inputs[1])
    tree.links.new(product.outputs["Vector"], color)


def is_textured() -> bool:
    """Whether more than one color shows: textures, vertex colors, different materials."""
    materials = {
        slot.material
        for thing in bpy.data.objects
        if thing.type in MESH_LIKE
        for slot in thing.material_slots
        if slot.material is not None
    }
    plain = set()
    for material in materials:
        color = color_input(color_node(material))
        if color is not None and color.is_linked:
            return True
        shown = material.diffuse_color if color is None else color.default_value
        plain.add(tuple(round(channel, 4) for channel in shown[:3]))
    return len(plain) > 1


def color_source(socket):
    """What feeds an input: the output it is linked to, or its own value."""
    return socket.links[0].from_socket if socket.is_linked else socket.default_value


def connect(tree, source, target) -> None:
    """Feed an input from a socket or with a value."""
    if isinstance(source, bpy.types.NodeSocket):
        tree.links.new(source, target)
        return
    values = list(source) if hasattr(source, "__len__") else source
    if isinstance(values, list):
        values = values[: len(target.default_value)]
    target.default_value = values


class Emitter:
    """A material that can show its color, its depth or its normals, or stay as it was."""

    def __init__(self, material) -> None:
        self.tree = material.node_tree
        self.output = self.tree.get_output_node("CYCLES")
        if self.output is None:
            self.output = self.tree.nodes.new("ShaderNodeOutputMaterial")
        surface = self.output.inputs["Surface"]
        for name in ("Volume", "Displacement"):
            for link in list(self.output.inputs[name].links):
                self.tree.links.remove(link)
        shader = color_node(material)
        color = color_input(shader)
        alpha = None if shader is None else shader.inputs.get("Alpha")
        self.culled = material.use_backface_culling
        self.color = tuple(material.diffuse_color) if color is None else color_source(color)
        self.alpha = 1.0 if alpha is None else color_source(alpha)
        self.original = surface.links[0].from_socket if surface.is_linked else None
        self.emission = self.tree.nodes.new("ShaderNodeEmission")
        self.camera = self.tree.nodes.new("ShaderNodeCameraData")
        self.geometry = self.tree.nodes.new("ShaderNodeNewGeometry")
        # an emitting mesh is no lamp here: without this Cycles samples every triangle as one
        material.cycles.emission_sampling = "NONE"

    def show(self, kind: str) -> None:
        """Let the output be `lit` (as imported), `color`, `depth` or `normal`."""
        if kind == "lit" and self.original is not None:
            surface, opacity = self.original, 1.0
        else:
            surface = self.emission.outputs[0]
            shown = {
                "depth": self.camera.outputs["View Z Depth"],
                "normal": self.half(self.geometry.outputs["True Normal"]),
            }.get(kind, self.color)
            connect(self.tree, shown, self.emission.inputs["Color"])
            # depth and normals belong to the first surface that is not wholly transparent
            geometric = kind in ("depth", "normal")
            opacity = self.math("GREATER_THAN", self.alpha, 0.0) if geometric else self.alpha
        if self.culled:
            front = self.math("SUBTRACT", 1.0, self.geometry.outputs["Backfacing"])
            opacity = self.math("MULTIPLY", opacity, front)
        mix = self.tree.nodes.new("ShaderNodeMixShader")
        connect(self.tree, opacity, mix.inputs[0])
        hole = self.tree.nodes.new("ShaderNodeBsdfTransparent")
        self.tree.links.new(hole.outputs[0], mix.inputs[1])
        self.tree.links.new(surface, mix.inputs[2])
        self.tree.links.new(mix.outputs[0], self.output.inputs["Surface"])

    def math(self, operation: str, first, second):
        """A new node's output: an operation on two sockets or values."""
        node = self.tree.nodes.new("ShaderNodeMath")
        node.operation = operation
        connect(self.tree, first, node.inputs[0])
        connect(self.tree, second, node.inputs[1])
        return node.outputs[0]

    def half(self, vector):
        """Components in [-1, 1] brought to [0, 1]: light cannot be negative."""
        node = self.tree.nodes.new("ShaderNodeVectorMath")
        node.operation = "MULTIPLY_ADD"
        self.tree.links.new(vector, node.inputs[0])
        node.inputs[1].default_value = node.inputs[2].default_value = (0.5, 0.5, 0.5)
        return node.outputs["Vector"]
