"""Make objects of Infinigen into meshes for training.

    python3.11 -m venv ENV && ENV/bin/pip install infinigen          # brings Blender as a module
    ENV/bin/python benchmarks/infinigen_meshes.py OUT [--seeds 0 6] [--factories Cup Chair ...]

Infinigen (Raistrick et al., 2023 and 2024; BSD-3-Clause) makes animals, plants, fruit, tableware
and furniture by procedures, each seed another one. OUT/infinigen/FACTORY_SEED.ply holds a mesh of
at most 20,000 faces, z up, with the base color of its materials per vertex. Objects that are
there are kept; one that fails or takes longer than --seconds leaves FACTORY_SEED.failed, and a
factory that failed twice is passed over. Blender cannot be stopped in the middle of its work, so
objects are made in a process of its own, started again as needed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

MOST_FACES = 20_000
LONGEST_EDGE = 0.06  # of the object's longest side: colors lie on vertices
FACE_SIZE = 0.015  # meters; what Infinigen adapts to the distance of a camera otherwise
FACTORIES = """
    Bottle Bowl Can Chopsticks Cup FoodBag FoodBox Fork FruitContainer Jar Knife Pan Plate
    PlateOnRackBase Pot Spatula SpatulaOnHookBase Spoon Wineglass FruitApple FruitCompositional
    FruitDurian FruitPineapple FruitStarfruit FruitStrawberry

    ArmChair BarChair BathroomSink Bathtub Bed BeverageFridge CellShelf Chair CoffeeTable DeskLamp
    Dishwasher FloorLamp Hardware Lamp Mattress Microwave Monitor OfficeChair Oven SideTable
    SidetableDesk SimpleDesk SingleCabinet Sofa StandingSink TV TVStand TableCocktail TableDining
    Tap Toilet Balloon BasketBase Book BookStack HookBase Pants Pillow Shirt Towel Vase

    Auger Beetle Bird BrainCoral Carnivore Clam Conch Crab Dragonfly Fish FlyingBird Frog
    Herbivore Lizard Lobster Mussel Nautilus Scallop SnailBase Snake Urchin Volute

    AgaveMonocot BlenderRock ColumnarCactus GlobularCactus LargePlantContainer Mushroom Pinecone
    PlantContainer PrickyPearCactus SnakePlant Succulent
"""


def find_factories() -> dict[str, Any]:
    """Infinigen's factories by their name without the word."""
    import infinigen.assets.objects as objects

    found = {}
    for module in pkgutil.iter_modules(objects.__path__):
        content = importlib.import_module(f"infinigen.assets.objects.{module.name}")
        for name in dir(content):
            if "Factory" in name:
                found[name.replace("Factory", "")] = getattr(content, name)
    return found


def make_object(factory: Any, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, triangles and sRGB per vertex of one object."""
    from infinigen.core.util import blender
    from infinigen.core.util.math import FixedSeed

    blender.clear_scene()
    with FixedSeed(seed):
        maker = factory(seed)
        asset = maker.spawn_asset(seed, distance=15.0)
        maker.finalize_assets(asset)
    joined = as_one_mesh([asset, *asset.children_recursive])
    with_small_triangles(joined)
    return with_baked_colors(joined)


def as_one_mesh(objects: list[Any]) -> Any:
    """One object of all: modifiers applied, instances real."""
    import bpy

    depsgraph = bpy.context.evaluated_depsgraph_get()
    names = {item.name for item in objects}
    copies = []
    for instance in depsgraph.object_instances:
        item = instance.object
        owner = instance.parent if instance.is_instance else item
        if item.type != "MESH" or owner is None or owner.original.name not in names:
            continue
        source = item if instance.is_instance else item.evaluated_get(depsgraph)
        mesh = bpy.data.meshes.new_from_object(
            source, preserve_all_data_layers=True, depsgraph=depsgraph
        )
        if len(mesh.polygons) > 0:
            copy = bpy.data.objects.new("part", mesh)
            copy.matrix_world = instance.matrix_world.copy()
            copies.append(copy)
    if not copies:
        raise ValueError("no mesh")
    for copy in copies:
        bpy.context.scene.collection.objects.link(copy)
    select(copies)
    if len(copies) > 1:
        bpy.ops.object.join()
    return bpy.context.view_layer.objects.active


def select(objects: list[Any]) -> None:
    """Make the objects what operators work on."""
    import bpy

    bpy.ops.object.select_all(action="DESELECT")
    for item in objects:
        item.select_set(True)
    bpy.context.view_layer.objects.active = objects[0]


def with_small_triangles(item: Any) -> None:
    """Triangles that are small enough to hold colors, and not too many."""
    import bmesh
    import bpy

    edit = bmesh.new()
    edit.from_mesh(item.data)
    bmesh.ops.triangulate(edit, faces=edit.faces)
    points = np.array([vertex.co for vertex in edit.verts])
    longest = LONGEST_EDGE * float(np.ptp(points, axis=0).max())
    while len(edit.faces) <= MOST_FACES:
        long = [edge for edge in edit.edges if edge.calc_length() > longest]
        if not long:
            break
        bmesh.ops.subdivide_edges(edit, edges=long, cuts=1)
        bmesh.ops.triangulate(edit, faces=edit.faces)
    edit.to_mesh(item.data)
    edit.free()
    if len(item.data.polygons) > MOST_FACES:
        item.modifiers.new("fewer", "DECIMATE").ratio = MOST_FACES / len(item.data.polygons)
        bpy.ops.object.modifier_apply(modifier="fewer")


def with_baked_colors(item: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, triangles and base colors; metals and glass count as paint."""
    import bpy

    for slot in item.material_slots:
        if slot.material is not None and slot.material.use_nodes:
            as_paint(slot.material.node_tree)
    for attribute in list(item.data.color_attributes):
        item.data.color_attributes.remove(attribute)
    item.data.color_attributes.active_color = item.data.color_attributes.new(
        "baked", "FLOAT_COLOR", "POINT"
    )
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    select([item])
    bpy.ops.object.bake(type="DIFFUSE", pass_filter={"COLOR"}, target="VERTEX_COLORS")
    mesh = item.data
    points = np.empty((len(mesh.vertices), 3), dtype=np.float32)
    triangles = np.empty((len(mesh.polygons), 3), dtype=np.int32)
    colors = np.empty((len(mesh.vertices), 4), dtype=np.float32)
    mesh.vertices.foreach_get("co", points.ravel())
    mesh.polygons.foreach_get("vertices", triangles.ravel())
    mesh.color_attributes["baked"].data.foreach_get("color", colors.ravel())
    matrix = np.array(item.matrix_world)
    linear = colors[:, :3].clip(0.0, 1.0)
    # glass and mirrors have no color of their own, and black shows no shape
    linear[linear.max(axis=1) < 0.004] = np.random.default_rng(len(points)).uniform(0.05, 0.9, 3)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return points @ matrix[:3, :3].T + matrix[:3, 3], triangles, (srgb * 255.0).round()


def as_paint(tree: Any) -> None:
    """Neither metal nor glass nor light, in all groups of a node tree: what is left is a color."""
    for node in tree.nodes:
        if node.type == "GROUP" and node.node_tree is not None:
            as_paint(node.node_tree)
        if node.type != "BSDF_PRINCIPLED":
            continue
        for name in ("Metallic", "Transmission Weight", "Subsurface Weight", "Emission Strength"):
            for link in list(node.inputs[name].links):
                tree.links.remove(link)
            node.inputs[name].default_value = 0.0


def write_ply(path: Path, points: np.ndarray, triangles: np.ndarray, colors: np.ndarray) -> None:
    """A binary PLY file with colors."""
    vertices = np.zeros(len(points), dtype=[("point", "<f4", 3), ("color", "u1", 3)])
    vertices["point"], vertices["color"] = points, colors
    faces = np.zeros(len(triangles), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, triangles
    header = "\n".join([
        "ply", "format binary_little_endian 1.0", f"element vertex {len(points)}",
        *(f"property float {name}" for name in "xyz"),
        *(f"property uchar {name}" for name in ("red", "green", "blue")),
        f"element face {len(triangles)}", "property list uchar int vertex_indices",
        "end_header", "",
    ])  # fmt: skip
    partial = path.with_suffix(".partial")
    partial.write_bytes(header.encode() + vertices.tobytes() + faces.tobytes())
    partial.rename(path)


def make_all(arguments: argparse.Namespace) -> None:
    """All objects that are missing; SIGALRM ends the process at one that takes too long."""
    from infinigen.core import init
    from infinigen.core.placement import detail

    configurations = ["infinigen_examples/configs_indoor", "infinigen_examples/configs_nature"]
    factories = find_factories()
    init.apply_gin_configs(configurations, skip_unknown=True)
    detail.target_face_size = lambda *_, **__: FACE_SIZE
    for seed in range(*arguments.seeds):
        for name in arguments.factories:
            path = arguments.out / f"{name}_{seed}.ply"
            failed = path.with_suffix(".failed")
            if path.exists() or failed.exists():
                continue
            if len(list(arguments.out.glob(f"{name}_*.failed"))) > 1:
                continue
            failed.write_text(f"took longer than {arguments.seconds} s\n")
            start = time.monotonic()
            signal.alarm(arguments.seconds)
            try:
                mesh = make_object(factories[name], seed)
            except Exception:  # one of 90 generators of others: the rest must go on
                failed.write_text(traceback.format_exc())
                continue
            finally:
                signal.alarm(0)
            write_ply(path, *mesh)
            failed.unlink()
            seconds = time.monotonic() - start
            print(f"{path.name}: {len(mesh[1]):,} faces, {seconds:.1f} s", flush=True)


def main() -> None:
    """Start the process that makes objects until none is left to try."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 6), metavar=("FIRST", "END"))
    parser.add_argument("--factories", nargs="+", default=FACTORIES.split(), metavar="NAME")
    parser.add_argument("--seconds", type=int, default=30, help="most for one object")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.out /= "infinigen"
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.inside:
        make_all(arguments)
        os._exit(0)  # Blender's own end takes long, and sometimes crashes
    # everything that Blender and Infinigen print goes to a file
    with (arguments.out / "log.txt").open("a") as log:
        while subprocess.call([sys.executable, *sys.argv, "--inside"], stdout=log, stderr=log) != 0:
            pass
    made, failed = (len(list(arguments.out.glob(f"*.{kind}"))) for kind in ("ply", "failed"))
    print(f"{made} meshes, {failed} failed: {arguments.out}")


if __name__ == "__main__":
    main()
