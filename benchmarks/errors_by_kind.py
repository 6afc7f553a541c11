"""Mean scores of a run on scans, by kind of object: where a model is weak.

    python benchmarks/errors_by_kind.py reports/runs/gso-v1/lrm-mini [RUN...] [--cut] [--sheet PNG]

With --cut, also by whether the picture that methods are given shows the object whole. With --sheet,
the picture, the mesh and the scan of the worst object of every kind of the first run, as its method
answers now. The kinds are ours, given by eye to the 61 scans of `LRM_GSO_DIR`; groups are several
objects that were scanned as one, flat things are low where the photo is level. Writes a Markdown
table per run, worst kind first.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from lrm_core.baselines.loading import load_predictor
from lrm_core.evaluation.collection import find_objects
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.evaluation.reference import make_reference
from lrm_core.foreground.separate_objects import cut_sides
from lrm_core.geometry.trajectories import orbit
from lrm_core.imaging.contact_sheet import contact_sheet
from lrm_core.io.image_writing import to_uint8, write_png
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.reporting.tables import markdown_table
from lrm_core.structures.scene import Scene

METRICS = ("psnr", "chamfer_distance", "f_score@0.1", "silhouette_iou", "depth_error")
KINDS = {
    "shoes": "DRAGON_W FYW_DIVISION REEF_BANTU",
    "packages and vessels": "3D_Dollhouse_Refrigerator FemDophilus Sleep_Optimizer Womens_Multi_13 "
    "BIA_Cordon_Bleu_White_Porcelain_Utensil_Holder_900028",
    "figures and animals": "3D_Dollhouse_Happy_Brother Animal_Planet_Foam_2Headed_Dragon Dino_3 "
    "Nintendo_Mario_Action_Figure Schleich_Bald_Eagle Schleich_Hereford_Bull "
    "Schleich_S_Bayala_Unicorn_70432 SpiderMan_Titan_Hero_12Inch_Action_Figure_oo1qph4wwiW",
    "vehicles": "BABY_CAR BUNNY_RACER CAR_CARRIER_TRAIN CHICKEN_RACER FIRE_TRUCK MINI_EXCAVATOR "
    "MINI_ROLLER SCHOOL_BUS Sonny_School_Bus TURBOPROP_AIRPLANE_WITH_PILOT "
    "Thomas_Friends_Wooden_Railway_Porter_5JzRhMm3a9o",
    "groups": "BATHROOM_CLASSIC BATHROOM_FURNITURE_SET_1 BEDROOM_CLASSIC FISHING_GAME "
    "FOOD_BEVERAGE_SET HAMMER_BALL HAMMER_PEG HAPPY_ENGINE MIRACLE_POUNDING MOSAIC NUTS_BOLTS "
    "PUNCH_DROP ROAD_CONSTRUCTION_SET SHAPE_SORTER SPEED_BOAT TOOL_BELT TOWER_TUMBLING",
    "flat and thin things": "BAGEL_WITH_CHEESE Chefmate_8_Frypan OVAL_XYLOPHONE "
    "Granimals_20_Wooden_ABC_Blocks_Wagon Kingston_DT4000MR_G2_Management_Ready_USB_64GB "
    "Room_Essentials_Salad_Plate_Turquoise Rubbermaid_Large_Drainer "
    "Thomas_Friends_Wooden_Railway_Ascending_Track_Riser_Pack",
    "other things": "3D_Dollhouse_Lamp 3D_Dollhouse_Swing BALANCING_CACTUS BUILD_A_ZOO "
    "BUNNY_RATTLE Cole_Hardware_School_Bell_Solid_Brass_38 LADYBUG_BEAD PEEKABOO_ROLLER "
    "Razer_Kraken_Pro_headset_Full_size_Black_with_cable",
}


def errors_by_kind(scores: pd.DataFrame) -> pd.DataFrame:
    """Means by kind, the number of objects first; the worst Chamfer distance on top."""
    kind_of = {name: kind for kind, names in KINDS.items() for name in names.split()}
    return _means(scores, scores["object"].map(kind_of).fillna("not in the list").rename("kind"))


def errors_by_picture(scores: pd.DataFrame, cut: Collection[str]) -> pd.DataFrame:
    """Means of the objects that their picture cuts off, and of those that it shows whole."""
    is_cut = scores["object"].isin(cut)
    return _means(scores, is_cut.map({True: "cut off", False: "whole"}).rename("in the picture"))


def _means(scores: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    grouped = scores.groupby(groups)
    means = grouped[[metric for metric in METRICS if metric in scores]].mean()
    means.insert(0, "objects", grouped.size())
    return means.sort_values("chamfer_distance", ascending=False)


def worst_of_each_kind(scores: pd.DataFrame) -> list[str]:
    """The object with the largest Chamfer distance of every kind, in the order of the table."""
    distances = scores.set_index("object")["chamfer_distance"]
    return [
        str(distances.reindex(KINDS[str(kind)].split()).idxmax())
        for kind in errors_by_kind(scores).index
        if kind in KINDS
    ]


def touches_border(picture: np.ndarray) -> bool:
    """Whether the object of an (H, W, 4) picture, alpha in [0, 1], reaches the picture's border."""
    return bool(cut_sides(to_uint8(picture)[..., 3], trimmed=False))


@cache  # runs of one protocol were given the same pictures
def pictures_that_cut(protocol_name: str, names: tuple[str, ...]) -> frozenset[str]:
    """The objects that reach the border of the picture that methods are given."""
    protocol = load_protocol(protocol_name)
    collection = find_objects(protocol, names=names)
    return frozenset(
        name
        for name in names
        if touches_border(make_reference(name, collection.load(name)[0], protocol).picture)
    )


def failures(protocol_name: str, method: str, names: list[str]) -> list[list[np.ndarray]]:
    """A row per object: what the method is given, its mesh from three sides, the scan likewise."""
    protocol, predictor = load_protocol(protocol_name), load_predictor(method)
    collection = find_objects(protocol, names=names)

    def seen(scene: Scene) -> list[np.ndarray]:
        cameras = orbit(8, elevation_degrees=20.0, radius=2.6, size=256)
        chosen = [cameras[index] for index in (1, 3, 6)]
        return [to_uint8(render_scene(scene, camera).rgb[0].numpy()) for camera in chosen]

    rows = []
    for name in names:
        reference = make_reference(name, collection.load(name)[0], protocol)
        prediction = predictor.predict(reference.picture, name=name)
        assert prediction.scene is not None
        assert reference.scene is not None
        rows.append([reference.picture, *seen(prediction.scene), *seen(reference.scene)])
    return rows


def main() -> None:
    """Print the tables of the runs on the command line, and draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--cut", action="store_true")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png")
    arguments = parser.parse_args()
    if arguments.sheet is not None:
        first = arguments.runs[0]
        names = worst_of_each_kind(pd.read_parquet(first / "scores.parquet"))
        rows = failures(first.parent.name, first.name, names)
        columns = ["given", "mesh: 45°", "135°", "270°", "scan: 45°", "135°", "270°"]
        write_png(arguments.sheet, contact_sheet(rows, column_labels=columns, cell_size=128))
    for run in arguments.runs:
        scores = pd.read_parquet(run / "scores.parquet")
        tables = [errors_by_kind(scores)]
        if arguments.cut:
            cut = pictures_that_cut(run.parent.name, tuple(scores["object"]))
            tables.append(errors_by_picture(scores, cut))
        for table in tables:
            readable = table.map("{:.3f}".format).assign(objects=table["objects"])
            print(f"\n{run.name}\n\n{markdown_table(readable.reset_index())}", end="")


if __name__ == "__main__":
    main()
