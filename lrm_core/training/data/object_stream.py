"""The objects of layer training in an endless order, photographed as their turn comes.

Position p of the stream is an object and V new photos of it, both pure functions of (seed, p). A
window slides over the stream while samples are drawn from it, so that an object is seen some times
from the same photos, leaves, and comes back later with others: no photo is used for long, and no
more disk space is taken than the window needs. Files are only a cache: a process that misses one
makes it again, alone or beside others, before or after a stop.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np

from lrm_core.errors import TrainingError
from lrm_core.geometry.scene_conversion import normalize_scene
from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES, read_scene
from lrm_core.parallel import JobFailed, run_job
from lrm_core.procedural.household import procedural_household
from lrm_core.procedural.objects import procedural_object
from lrm_core.procedural.sets import lay_out, procedural_set
from lrm_core.structures.scene import Scene
from lrm_core.training.data.training_photos import LayeredPhotos, take_photos
from lrm_core.training.layer_config import ObjectStreamConfig, ViewSampling

_MOST_TRIES = 20


@dataclass(frozen=True)
class TrainingObject:
    """An object that can be loaded or made.

    Attributes:
        name: unique among the objects of a run.
        load: gives its mesh.
        weight: how often it comes, relative to the others.
        content: tells other contents of the same name apart: the size of its file.
    """

    name: str
    load: Callable[[], Scene]
    weight: float = 1.0
    content: str = ""


def training_objects(config: ObjectStreamConfig) -> list[TrainingObject]:
    """All objects of a run.

    Raises:
        TrainingError: a mesh folder does not exist, or there are no objects.
    """
    objects = []
    for source in config.meshes:
        folder = Path(os.path.expandvars(source.folder)).expanduser()
        if not folder.is_dir():
            raise TrainingError(
                f"layers.data.meshes: '{source.folder}' is not a folder",
                hint="set the variable, or train on procedural objects alone: "
                "layers.data.meshes=[]",
            )
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SCENE_SUFFIXES):
            parts = path.relative_to(folder).with_suffix("").parts
            weight = source.weights.get(parts[0], 1.0)
            if weight > 0.0:
                load = partial(read_scene, path, up=source.up)
                size = f"{path.stat().st_size} bytes"
                objects.append(TrainingObject("-".join(parts), load, weight, size))
    for kind, (make, count) in {
        "procedural": (procedural_object, config.num_procedural),
        "set": (procedural_set, config.num_sets),
        "household": (procedural_household, config.num_household),
    }.items():
        for index in range(count):
            name = f"{kind}-{config.seed}-{index:06d}"
            objects.append(TrainingObject(name, partial(make, config.seed, index)))
    if not objects:
        raise TrainingError("no training object was found", hint="check layers.data")
    groups = [
        TrainingObject(
            f"group-{config.seed}-{index:06d}", partial(_group, tuple(objects), config.seed, index)
        )
        for index in range(config.num_groups)
    ]
    return objects + groups


def _group(objects: Sequence[TrainingObject], seed: int, index: int) -> Scene:
    """Some of the objects side by side, z up."""
    rng = np.random.default_rng([seed, index, 2])
    shares = _shares_of(objects)

    def choose(rng: np.random.Generator) -> Scene:
        return normalize_scene(objects[int(rng.choice(len(objects), p=shares))].load(), 2.0)

    depth, largest = rng.uniform(0.3, 1.0), rng.uniform(0.35, 0.9)
    return lay_out(choose, rng, depth=depth, most=int(rng.integers(2, 8)), largest=largest)


def _shares_of(objects: Sequence[TrainingObject]) -> np.ndarray:
    weights = np.array([item.weight for item in objects])
    shares: np.ndarray = weights / weights.sum()
    return shares


@dataclass(frozen=True, eq=False)
class ObjectStream:
    """Photos by position.

    Attributes:
        objects: objects of the run, in any order.
        views: how they are photographed.
        seed: seed of the run.
        folder: folder of the cached files.
        keep: a file is removed when the one this many positions ahead of it is made.
    """

    objects: Sequence[TrainingObject]
    views: ViewSampling
    seed: int
    folder: Path
    keep: int

    @cached_property
    def round_length(self) -> int:
        """Positions in which an object of the largest weight comes once."""
        # rounded down: none can come twice; the little more is for rounding
        return max(1, int(1.0 / float(self._shares.max()) + 1e-6))

    def photos(self, position: int) -> tuple[LayeredPhotos, str]:
        """The photos of a position, and why objects were passed over for it; made if need be.

        An object that cannot be loaded is replaced by another drawn for the same position.

        Raises:
            TrainingError: one object after another cannot be used.
            MissingDependencyError: an object needs a package that is not installed.
        """
        path = self.folder / f"{position:09d}.npz"
        try:
            return LayeredPhotos.load(path), ""
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):  # absent, or damaged
            pass
        reason = ""
        for attempt in range(_MOST_TRIES):
            rng = np.random.default_rng([self.seed, position, attempt])
            chosen = self.objects[self._index(position) if attempt == 0 else self._any(rng)]
            photos = run_job(partial(_photograph, self.views, rng), chosen)
            if isinstance(photos, JobFailed):  # one bad asset must not stop the run
                reason = f"{chosen.name} was passed over: {photos.reason}"
                continue
            photos.save(path)
            (self.folder / f"{position - self.keep:09d}.npz").unlink(missing_ok=True)
            return photos, reason
        raise TrainingError(f"{_MOST_TRIES} objects in a row cannot be used; the last: {reason}")

    @cached_property
    def _shares(self) -> np.ndarray:
        return _shares_of(self.objects)

    def _any(self, rng: np.random.Generator) -> int:
        return int(rng.choice(len(self.objects), p=self._shares))

    def _index(self, position: int) -> int:
        order = _round_order(self, position // self.round_length)
        return int(order[position % self.round_length])


def _photograph(
    views: ViewSampling, rng: np.random.Generator, chosen: TrainingObject
) -> LayeredPhotos:
    return take_photos(normalize_scene(chosen.load(), 2.0), views, rng)


@lru_cache(maxsize=4)
def _round_order(stream: ObjectStream, number: int) -> np.ndarray:
    """The objects of one round, none twice, each as often over many rounds as its weight says.

    Systematic sampling: laid end to end in random order, each as long as it is probable, objects
    come where one of the round's positions falls on them.
    """
    rng = np.random.default_rng([stream.seed, number])
    mixed = rng.permutation(len(stream.objects))
    ends = np.cumsum(stream._shares[mixed]) * stream.round_length
    places = np.arange(stream.round_length) + rng.random()
    chosen = np.searchsorted(ends, places, side="right").clip(max=len(mixed) - 1)
    order: np.ndarray = mixed[chosen]
    return order
