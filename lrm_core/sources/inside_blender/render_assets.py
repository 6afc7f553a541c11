"""Runs inside Blender: imports one asset, says what it holds, renders it on request.

Started by `blender_views` with the Python of another environment that has `bpy`, or by Blender
itself; nothing of this project is imported here, and nothing of this project imports it. Requests
come as JSON lines on stdin:

    {"import": PATH, "up": "y" | "z", "longest_side": 2.0, "max_memory": BYTES}
    {"render": FOLDER, "cameras": [{"c2w": [[...]], "lens": F, "shift": [x, y]}], "size": [w, h],
     "lighting": "unlit" | {...}, "samples": N, "threads": N, "normals": true | false}

and each is answered by one line on stdout that starts with `LRM `, as Blender prints there too.
Images are written as FOLDER/000_rgba.png (8-bit sRGB, straight alpha), 000_depth.npy (float32,
infinity where nothing was hit) and 000_normal.npy (world frame, zero where nothing was hit).

The world frame is Blender's own: z up, front -y, which is this project's too. Color, depth and
normals are each rendered by materials that emit them, so that all three see the same holes
(MASK), culled back faces and translucent parts.
"""

# mypy: ignore-errors
# (bpy has no types)

import json
import math
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import bpy
import mathutils
import numpy as np

# Blender does not look beside the script that it runs
sys.path.insert(0, str(Path(__file__).parent))
from emitters import (
    MESH_LIKE,
    Emitter,
    give_materials,
    is_textured,
    read_obj_colors,
)

SENSOR_WIDTH = 32.0  # mm; Blender clamps lenses to at least 1 mm
# where Gazebo Fuel (Google Scanned Objects) keeps what a material names without its folder
TEXTURE_FOLDERS = (".", "textures", "../textures", "../materials/textures")


class UnusableError(Exception):
    """The asset cannot be used; one line says why."""


def import_asset(path: Path, up: str) -> None:
    """Load a file into an empty scene, without its lights and cameras, at rest."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    suffix = path.suffix.lower()
    name = str(path)
    # which axis of a y-up file points away from the viewer's front: glTF's convention
    axes = {"y": ("NEGATIVE_Z", "Y"), "z": ("Y", "Z")}[up]
    frame = {"forward_axis": axes[0], "up_axis": axes[1]}
    if suffix in (".glb", ".gltf"):
        bpy.ops.import_scene.gltf(filepath=name, import_shading="NORMALS")
    elif suffix == ".obj":
        bpy.ops.wm.obj_import(filepath=name, **frame)
        read_obj_colors()
    elif suffix == ".ply":
        bpy.ops.wm.ply_import(filepath=name, **frame)
    elif suffix == ".stl":
        bpy.ops.wm.stl_import(filepath=name, **frame)
    elif suffix == ".fbx" and "fbx_import" in dir(bpy.ops.wm):
        bpy.ops.wm.fbx_import(filepath=name, use_anim=False)
    elif suffix == ".fbx":
        bpy.ops.import_scene.fbx(filepath=name, use_anim=False)
    elif suffix == ".dae" and "collada_import" in dir(bpy.ops.wm):
        bpy.ops.wm.collada_import(filepath=name)
    elif suffix == ".blend":
        append_scene(name)
    else:
        raise UnusableError(f"Blender {bpy.app.version_string} cannot read {suffix} files")
    for thing in list(bpy.data.objects):
        if thing.type in {"LIGHT", "CAMERA", "LIGHT_PROBE", "SPEAKER"}:
            bpy.data.objects.remove(thing)
        else:
            thing.animation_data_clear()


def append_scene(name: str) -> None:
    """The visible objects of a .blend file's first scene; its scripts and settings stay out."""
    with bpy.data.libraries.load(name) as (found, wanted):
        wanted.scenes = found.scenes[:1]
    if not wanted.scenes:
        raise UnusableError("it holds no scene")
    for thing in wanted.scenes[0].collection.all_objects:
        if not thing.hide_render:
            bpy.context.scene.collection.objects.link(thing)


def check_images(asset: Path) -> int:
    """Pixels of all images that the asset uses.

    Raises:
        UnusableError: one is missing, or lies more than a folder above the asset.
    """
    limit = asset.parent.resolve().parent
    pixels = 0
    for image in list(bpy.data.images):
        if image.source not in {"FILE", "TILED"} or image.users == 0:
            continue
        if image.packed_file is None:
            named = Path(bpy.path.abspath(image.filepath, library=image.library))
            beside = [asset.parent / folder / named.name for folder in TEXTURE_FOLDERS]
            files = [file.resolve() for file in [named, *beside]]
            found = [file for file in files if file.is_relative_to(limit) and file.is_file()]
            if not found:
                raise UnusableError(f"'{named.name or image.name}', which it names, is missing")
            if found[0] != files[0]:
                # Blender never looks again for a file that it did not find
                replacement = bpy.data.images.load(str(found[0]))
                image.user_remap(replacement)
                image = replacement
        width, height = image.size
        if width * height == 0:
            raise UnusableError(f"'{image.name}', which it names, is no readable image")
        pixels += width * height
    return pixels


def visible_instances():
    """Evaluated objects with a surface and where they stand."""
    for instance in bpy.context.evaluated_depsgraph_get().object_instances:
        if instance.object.type in MESH_LIKE and not instance.object.hide_render:
            yield instance.object, np.array(instance.matrix_world, dtype=np.float64)


def measure() -> tuple[int, np.ndarray, float]:
    """Triangles, (2, 3) bounding box of what they span, and their area."""
    num_faces, area = 0, 0.0
    lower, upper = np.full(3, np.inf), np.full(3, -np.inf)
    for thing, matrix in visible_instances():
        mesh = thing.to_mesh()
        mesh.calc_loop_triangles()
        count = len(mesh.loop_triangles)
        if count:
            points = np.empty(3 * len(mesh.vertices), dtype=np.float32)
            mesh.vertices.foreach_get("co", points)
            corners = np.empty(3 * count, dtype=np.int32)
            mesh.loop_triangles.foreach_get("vertices", corners)
            placed = points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
            triangles = placed[corners].reshape(-1, 3, 3)
            edges = triangles[:, 1:] - triangles[:, :1]
            area += 0.5 * np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=-1).sum()
            lower = np.minimum(lower, triangles.min(axis=(0, 1)))
            upper = np.maximum(upper, triangles.max(axis=(0, 1)))
            num_faces += count
        thing.to_mesh_clear()
    return num_faces, np.stack([lower, upper]), float(area)


def normalize(bounds: np.ndarray, longest_side: float) -> None:
    """Center the bounding box at the origin and scale it, by a parent of all roots."""
    roots = [thing for thing in bpy.context.scene.objects if thing.parent is None]
    scale = longest_side / float((bounds[1] - bounds[0]).max())
    parent = bpy.data.objects.new("normalized", None)
    parent.scale = (scale, scale, scale)
    parent.location = -scale * bounds.mean(axis=0)
    bpy.context.scene.collection.objects.link(parent)
    for thing in roots:
        thing.parent = parent
    bpy.context.view_layer.update()


def set_up(request: dict) -> None:
    """Cycles on the CPU, transparent film, no view transform beyond sRGB."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.cycles.seed = 0
    scene.cycles.transparent_max_bounces = 64
    scene.render.film_transparent = True
    scene.render.use_persistent_data = True
    scene.render.dither_intensity = 0.0
    scene.render.use_compositing = scene.render.use_sequencer = False
    scene.render.resolution_x, scene.render.resolution_y = request["size"]
    scene.render.resolution_percentage = 100
    if request["threads"]:
        scene.render.threads_mode = "FIXED"
        scene.render.threads = request["threads"]
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    scene.view_settings.exposure, scene.view_settings.gamma = 0.0, 1.0
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.sensor_fit = "AUTO"
    camera.data.sensor_width = SENSOR_WIDTH
    camera.data.clip_start, camera.data.clip_end = 1e-3, 1e3
    scene.collection.objects.link(camera)
    scene.camera = camera
    if request["lighting"] != "unlit":
        light_scene(**request["lighting"])


def light_scene(ambient, directions, colors) -> None:
    """Suns and a sky: a white matte surface that faces a sun is as bright as its color."""
    scene = bpy.context.scene
    world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (*ambient, 1.0)
    scene.world = world
    for direction, color in zip(directions, colors, strict=True):
        sun = bpy.data.lights.new("sun", "SUN")
        sun.color, sun.energy, sun.angle = color, math.pi, 0.0
        lamp = bpy.data.objects.new("sun", sun)
        lamp.rotation_mode = "QUATERNION"
        # a lamp shines along its -z
        lamp.rotation_quaternion = mathutils.Vector(direction).to_track_quat("Z", "Y")
        scene.collection.objects.link(lamp)


def render_pass(kind: str, request: dict) -> None:
    """All views of one kind, so that what Cycles prepared for the first serves the others."""
    scene = bpy.context.scene
    exact = kind in ("depth", "normal")
    if exact:  # one ray through the pixel center
        scene.cycles.samples = 1
        scene.cycles.pixel_filter_type, scene.cycles.filter_width = "GAUSSIAN", 0.01
    else:
        scene.cycles.samples = request["samples"]
        scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.max_bounces = 4 if kind == "lit" else 0
    image = scene.render.image_settings
    image.file_format = "OPEN_EXR" if exact else "PNG"
    image.color_mode = "RGBA"
    image.color_depth = "32" if exact else "8"
    folder = Path(request["render"])
    parent = os.getppid()
    for index, view in enumerate(request["cameras"]):
        if os.getppid() != parent:
            raise SystemExit("nobody waits for the views any more")
        scene.camera.matrix_world = mathutils.Matrix(view["c2w"])
        scene.camera.data.lens = view["lens"] * SENSOR_WIDTH
        scene.camera.data.shift_x, scene.camera.data.shift_y = view["shift"]
        file = folder / (f"{index:03d}_{kind}.exr" if exact else f"{index:03d}_rgba.png")
        scene.render.filepath = str(file)
        bpy.ops.render.render(write_still=True)
        if exact:
            rgba = read_exr(file)
            seen = rgba[..., 3] > 0.5
            if kind == "depth":
                values = np.where(seen, rgba[..., 0], np.float32(np.inf))
            else:
                values = np.where(seen[..., None], 2.0 * rgba[..., :3] - 1.0, np.float32(0.0))
            np.save(file.with_suffix(".npy"), values.astype(np.float32))
            file.unlink()


def read_exr(file: Path) -> np.ndarray:
    """(H, W, 4) values of an image, the first row at the top."""
    image = bpy.data.images.load(str(file))
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    values = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1]


@contextmanager
def memory_limit(more: int):
    """Within the block this process gets at most so many more bytes (Linux)."""
    if sys.platform != "linux":
        yield
        return
    import resource

    data_pages = int(Path("/proc/self/statm").read_text().split()[5])
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    wanted = data_pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *allowed]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def answer_import(request: dict) -> dict:
    """What the asset holds, after it was normalized."""
    path = Path(request["import"])
    with memory_limit(request["max_memory"]):
        import_asset(path, request["up"])
        texture_pixels = check_images(path)
    num_faces, bounds, area = measure()
    extent = float((bounds[1] - bounds[0]).max()) if num_faces else 0.0
    if num_faces and not math.isfinite(extent):
        raise UnusableError("has vertices that are not finite numbers")
    if extent > 0:
        give_materials()
        normalize(bounds, request["longest_side"])
        bounds = measure()[1]
    return {
        "num_faces": num_faces,
        "texture_pixels": texture_pixels,
        "is_textured": is_textured(),
        "relative_area": area / extent**2 if extent > 0 else 0.0,
        "bounds": bounds.tolist() if num_faces else None,
    }


def answer_render(request: dict) -> dict:
    """Render every view."""
    set_up(request)
    emitters = [
        Emitter(material) for material in bpy.data.materials if material.node_tree is not None
    ]
    kinds = ["color" if request["lighting"] == "unlit" else "lit", "depth"]
    for kind in [*kinds, "normal"] if request["normals"] else kinds:
        for emitter in emitters:
            emitter.show(kind)
        render_pass(kind, request)
    return {"views": len(request["cameras"])}


def main() -> None:
    """Answer requests until stdin ends."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = answer_import(request) if "import" in request else answer_render(request)
        except UnusableError as error:
            answer = {"error": str(error)}
        # importers meet hostile bytes here and raise whatever they raise
        except Exception as error:
            # a traceback ends with what happened, and Blender adds where
            lines = [part.strip() for part in str(error).splitlines()]
            said = [part for part in lines if part and not part.startswith("Location:")]
            answer = {"error": f"Blender: {said[-1] if said else type(error).__name__}"[:200]}
        sys.stdout.write(f"\nLRM {json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
