"""Prepare the meshes of the game 0 A.D. for training.

    python benchmarks/training_meshes_0ad.py OUT [--deb FILE] [--sheet SHEET.png]

The art of 0 A.D. (Debian package `0ad-data`; CC-BY-SA-3.0, Wildfire Games) becomes
OUT/SOURCE/NAME.glb like that of `training_meshes.py`: animals, props, weapons, rocks, engines,
ships, buildings and some people, with what their actors carry. OUT/manifest.csv names licence,
author and origin of each, for the attribution that CC-BY-SA asks for. Left out: what is flat,
scattered, of fewer than 60 faces or of leaf cards, parts of buildings, effects and decals, and all
but two of a mesh that differ in color only.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import trimesh
from pyrogenesis_models import Game
from scipy.ndimage import label
from training_meshes import (
    COPIES,
    LEAST_THICKNESS,
    MOST_FACES,
    Candidate,
    LeftOutError,
    read_arguments,
    small_material,
    write_meshes,
)

from lrm_core.errors import InputError
from lrm_core.geometry.scene_conversion import mesh_from_scene, normalize_scene
from lrm_core.structures.scene import Scene, ScenePart

PACKAGE = "0ad-data"
PACKAGE_SHA256 = "53745ae74d05bccf6783400fa98f3932b21729ab9d2e86151aa2c331c3455178"
ARCHIVE = "usr/share/games/0ad/mods/public/public.zip"
LICENCE = "CC-BY-SA-3.0"
LICENCE_PAGE = "creativecommons.org/licenses/by-sa/3.0/"  # that art/LICENSE.txt must name
AUTHOR = "Wildfire Games"
FEWEST_FACES = 60
LEAST_CLUSTER = 0.7  # share of the surface that hangs together; less are things around a building
MOST_CUT_OUT = 0.25  # share of the surface that alpha takes away
MOST_CUT_OUT_PLANT = 0.1  # more is leaf cards

SHIPS = r"ship|reme(_|\.|$)|pentekonter|boat|skiff|merchantman"
ENGINES = r"siege_|ram(_|\.)|wagon|catafalque|plane_grounded|fireraiser"
STANDING = (
    r"altar|amphora|anvil|armorstand|barrel|basket|bench|bixie|boat|box|bucket|cart|cauldron|chair"
    r"|chariot|chest|column_|crane|crate|donkey|fishing_boat|grinder|haystack|hay_|_hay|hoe|horse"
    r"|jar|ladder|lamp|lantern|lion|loom|megalith|mill_|oven|pelts|plank|pot(_|s|\.)|ram\.|ram_trunk"
    r"|sack|scaf_cart|sculpture|skull|sphinx|stall|standard|statue|stone(_|\.)|table|tavern|throne"
    r"|trunk|urn|vase|wagon|weapon|well|wheel|wood(\.|_pile)"
)
LEFT_OUT_NAMES = re.compile(
    r"decal|_detail|dirt|ground_|water(?!bin)|wave|found|rubble|destruct|field|plot|marker|label|mud"
    r"|runway|delimitator|_dummy|dummy_|forest_floor|road_|sail|shroud|cloth|flag|arrow|^units/.*_d\.xml|death"
    r"|preloader|impact|puddle|nature|hair_|strap|loaded|earrings|feather|rug_|_caps?\."
    r"|maur_bell_a|_decor|_door|_tiles|_roof|_trees|_plants|_projectile|_shoal|fauna/fish(_generic)?\.|_circle"
)
# kind, which actors, most of them; the first that fits counts
KINDS = (
    ("animals", re.compile(r"^fauna/"), 200),
    ("ships", re.compile(rf"^(structures|units|campaigns/structures)/.*/[^/]*({SHIPS})"), 80),
    ("engines", re.compile(rf"^units/.*({ENGINES})|^props/units/siege_artillery/"), 80),
    ("mounts", re.compile(r"^units/.*(_m|_m_[^/]*)\.xml"), 30),
    ("people", re.compile(r"^units/"), 30),
    ("buildings", re.compile(r"^structures/(?!special)[^/]+/"), 150),
    ("helmets", re.compile(r"^props/units/helmets/"), 110),
    ("shields", re.compile(r"^props/units/shields/"), 90),
    ("heads", re.compile(r"^props/units/heads/"), 20),
    ("weapons", re.compile(r"^props/units/(weapons|tools|armor|quivers|standards)/"), 130),
    ("carried", re.compile(r"^props/units/|^props/(fauna|camel|horse)/[^/]*$"), 60),
    ("props", re.compile(r"^props/special/(eyecandy/|[^/]*$)"), 300),
    ("props", re.compile(rf"^props/(structures|geology)/.*/[^/]*({STANDING})"), 250),
    ("rocks", re.compile(r"^(geology|props/geology)/"), 60),
    ("plants", re.compile(r"^(flora|fungi|props/flora)/"), 60),
)


def unpack_package(deb: Path | None, folder: Path) -> zipfile.ZipFile:
    """The archive of the package, its licence checked; downloads it where `deb` is None."""
    if deb is None:
        subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True)
        deb = next(folder.glob(f"{PACKAGE}_*.deb"))
    with deb.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != PACKAGE_SHA256:
            raise SystemExit(f"{deb.name} is not the version that this script knows")
    subprocess.run(["dpkg", "-x", str(deb.resolve()), str(folder / "package")], check=True)
    archive = zipfile.ZipFile(folder / "package" / ARCHIVE)
    if LICENCE_PAGE not in archive.read("art/LICENSE.txt").decode("utf-8"):
        raise SystemExit(f"{PACKAGE}: art/LICENSE.txt does not name {LICENCE_PAGE}")
    return archive


def choose_actors(game: Game) -> Iterator[tuple[str, str, str]]:
    """Kind, actor and mesh: up to two textures of each mesh, evenly chosen of every kind."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    textures: dict[str, set[str]] = defaultdict(set)
    for name in game.actors:
        index = next((i for i, (_, fits, _) in enumerate(KINDS) if fits.search(name)), None)
        if index is None or LEFT_OUT_NAMES.search(name):
            continue
        try:
            actor = game.actor(name)
        except InputError:
            continue
        known = textures[actor.mesh]
        if not actor.mesh or actor.texture in known or len(known) >= COPIES:
            continue
        known.add(actor.texture)
        found[index].append((name, actor.mesh))
    for index, actors in sorted(found.items()):
        kind, _, most = KINDS[index]
        step = max(1.0, len(actors) / most)
        for place in range(min(most, len(actors))):
            yield kind, *actors[int(place * step)]


def load_actor(game: Game, name: str, kind: str) -> Scene:
    """The scene in our frame and of longest side 2.

    Raises:
        InputError: not readable.
        LeftOutError: not worth training on.
    """
    scene = game.scene(name)
    if scene.num_faces > MOST_FACES:
        raise LeftOutError("too many faces")
    if scene.num_faces < FEWEST_FACES:
        raise LeftOutError("few faces")
    scene = normalize_scene(scene, 2.0)
    if np.ptp(scene.bounds, axis=0).min() < 2.0 * LEAST_THICKNESS:
        raise LeftOutError("flat")
    if largest_cluster(scene) < LEAST_CLUSTER:
        raise LeftOutError("scattered")
    if cut_out(scene) > (MOST_CUT_OUT_PLANT if kind == "plants" else MOST_CUT_OUT):
        raise LeftOutError("leaf cards")
    return Scene(tuple(replace(part, material=small_material(part)) for part in scene.parts))


def largest_cluster(scene: Scene) -> float:
    """Share of the surface in the largest cluster of touching cells, an eighth of a unit wide."""
    mesh = mesh_from_scene(scene)
    mesh = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    points, _ = trimesh.sample.sample_surface(mesh, 4000, seed=0)
    cells = np.floor((points + 1.0) * 8.0).astype(int).clip(0, 15)
    taken = np.zeros((16, 16, 16), dtype=bool)
    taken[tuple(cells.T)] = True
    clusters, _ = label(taken, np.ones((3, 3, 3)))
    return float(np.bincount(clusters[tuple(cells.T)]).max()) / len(points)


def cut_out(scene: Scene) -> float:
    """Share of the surface that alpha takes away."""
    areas = [trimesh.triangles.area(part.vertices[part.faces]) for part in scene.parts]
    lost = sum(
        float((area * cut_out_of_faces(part)).sum())
        for area, part in zip(areas, scene.parts, strict=True)
    )
    return lost / max(sum(float(area.sum()) for area in areas), 1e-12)


def cut_out_of_faces(part: ScenePart) -> np.ndarray:
    """(F,) share of 16 random places of every triangle where the texture is transparent."""
    texture = part.material.texture
    if texture is None or part.uv is None or part.material.alpha_mode == "OPAQUE":
        return np.zeros(len(part.faces))
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 16)
    uv = np.einsum("sk,fkd->fsd", weights, part.uv[part.faces]) % 1.0
    height, width = texture.shape[:2]
    column = (uv[..., 0] * width).astype(int).clip(0, width - 1)
    row = ((1.0 - uv[..., 1]) * height).astype(int).clip(0, height - 1)
    return np.asarray((texture[row, column, 3] < 128).mean(axis=1))


def actors_of(game: Game) -> Iterator[Candidate]:
    """The chosen actors."""
    for kind, actor, mesh in choose_actors(game):
        yield Candidate(
            # two actors of one name live in different folders
            actor.removesuffix(".xml").replace("/", "_"),
            partial(load_actor, game, actor, kind),
            f"0ad_{kind}",
            LICENCE,
            f"{PACKAGE}/art/actors/{actor} (art/meshes/{mesh})",
            AUTHOR,
            Path(actor).stem.replace("_", " "),
        )


def main() -> None:
    """Convert every usable actor."""
    arguments = read_arguments(__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        game = Game(unpack_package(arguments.deb, Path(temporary)))
        write_meshes(arguments.out, actors_of(game), arguments.sheet)


if __name__ == "__main__":
    main()
