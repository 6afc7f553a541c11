"""Turning a prediction to its reference, for methods that do not promise the input camera's frame.

A brute-force search over rotations, then ICP from the best ones, as TripoSR's report describes:
methods use different frames, and some choose their azimuth anew at every run. The alignment that
gives the smallest Chamfer distance is taken, so an aligned number flatters the method: the row
NAME+aligned of `lrm evaluate --comparisons` says by how much (docs/evaluation.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import trimesh
from jaxtyping import Float
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from lrm_core.baselines.predictor import Alignment
from lrm_core.evaluation.reference import Reference
from lrm_core.geometry.scene_conversion import transform_scene
from lrm_core.geometry.surface_sampling import sample_surface
from lrm_core.structures.scene import Scene

Freedom = Literal["azimuth", "rotation"]

_SEARCH_POINTS, _ICP_POINTS = 500, 2000
_ICP_STARTS, _ICP_ITERATIONS = 4, 30


@dataclass(frozen=True)
class Fit:
    """What of a prediction's frame is fitted to its reference.

    Attributes:
        freedom: which rotations are searched: about the vertical, or all.
        translate: whether position is fitted.
        rescale: whether position and scale are.
    """

    freedom: Freedom
    translate: bool = False
    rescale: bool = False

    @property
    def description(self) -> str:
        """In words, for reports."""
        searched = {
            "azimuth": "rotation about the vertical (steps of 5 degrees)",
            "rotation": "rotation (six axes up, steps of 15 degrees)",
        }[self.freedom]
        fitted = ["rotation"]
        if self.translate or self.rescale:
            fitted.append("position")
        if self.rescale:
            fitted.append("scale")
        return f"search of the {searched}, then ICP of {', '.join(fitted)}"


def find_alignment(
    scene: Scene,
    reference_points: Float[np.ndarray, "P 3"],
    fit: Fit,
    *,
    up: tuple[float, float, float] = (0.0, 0.0, 1.0),
    seed: int,
) -> Float[np.ndarray, "4 4"]:
    """The transform that carries a prediction to where it fits the reference best.

    Args:
        scene: a prediction.
        reference_points: (P, 3) on the reference's surface.
        fit: what may be changed. Where scale is fitted, the prediction is first given the center
            and the spread of the reference.
        up: where the vertical of an upright object points, in the reference's frame: along z, but
            tilted where the input camera looks down.
        seed: draws the points sampled on the prediction.
    """
    rng = np.random.default_rng(seed)
    points, _, _ = sample_surface(scene, _ICP_POINTS, rng)
    target = reference_points[rng.permutation(len(reference_points))[:_ICP_POINTS]].astype(float)
    start, goal = np.eye(4), np.eye(4)
    if fit.rescale:  # rotations about the points' own center
        start = _normalizing(points, _spread(target))
        goal[:3, 3] = target.mean(axis=0)
    placed = trimesh.transform_points(points, start)
    best = _search(placed, target - goal[:3, 3], fit, tilt_to(up))
    matrix: np.ndarray = goal @ best @ start
    return matrix


def place(
    scene: Scene | None,
    alignment: Alignment,
    fit: Fit | None,
    reference: Reference,
    *,
    seed: int,
) -> Float[np.ndarray, "4 4"] | None:
    """What carries a prediction from the frame that its method answers in to its reference.

    Args:
        scene: the prediction; None for nothing.
        alignment: what its method promises about its frame.
        fit: what is fitted; None where nothing is. Photos have no surface to fit it to.
        reference: the object.
        seed: see `find_alignment`.

    Returns:
        the transform, or None where there is nothing to do.
    """
    scaling = None
    if alignment == "canonical" and reference.scale != 1.0:
        scaling = np.diag([reference.scale] * 3 + [1.0])
    if scene is None or fit is None or reference.scene is None:
        return scaling
    if scaling is None:
        scaling = np.eye(4)
    matrix: np.ndarray = (
        find_alignment(
            transform_scene(scene, scaling),
            reference.observation.points,
            fit,
            up=reference.up,
            seed=seed,
        )
        @ scaling
    )
    return matrix


def tilt_to(up: tuple[float, float, float]) -> Float[np.ndarray, "3 3"]:
    """The smallest rotation that carries the z axis to `up`, a unit vector."""
    rotation, _ = Rotation.align_vectors([up], [(0.0, 0.0, 1.0)])
    matrix: np.ndarray = rotation.as_matrix()
    return matrix


def candidate_rotations(freedom: Freedom) -> Float[np.ndarray, "N 3 3"]:
    """The rotations that are tried.

    About z in steps of 5 degrees, or in steps of 15 degrees with each of the six half-axes up.
    """
    angles = np.radians(np.arange(0.0, 360.0, 5.0 if freedom == "azimuth" else 15.0))
    turns = Rotation.from_rotvec(angles[:, None] * np.array([0.0, 0.0, 1.0])).as_matrix()
    poses = np.eye(3)[None]
    if freedom == "rotation":
        cube = Rotation.create_group("O").as_matrix()
        # the last row says which axis points up; the rest is a turn about z
        _, first = np.unique(cube[:, 2].round(), axis=0, return_index=True)
        poses = cube[first]
    rotations: np.ndarray = np.einsum("aij,bjk->abik", turns, poses).reshape(-1, 3, 3)
    return rotations


def _search(
    points: Float[np.ndarray, "N 3"],
    target: Float[np.ndarray, "M 3"],
    fit: Fit,
    tilt: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "4 4"]:
    few, few_target = points[:_SEARCH_POINTS], target[:_SEARCH_POINTS]
    tree = cKDTree(few_target)
    rotations = tilt @ candidate_rotations(fit.freedom)
    distances = [_chamfer(few @ rotation.T, few_target, tree) for rotation in rotations]
    tree = cKDTree(target)
    best, smallest = np.eye(4), np.inf
    for index in np.argsort(distances, kind="stable")[:_ICP_STARTS]:
        start = np.eye(4)
        start[:3, :3] = rotations[index]
        matrix, moved, _ = trimesh.registration.icp(  # type: ignore[no-untyped-call]
            points,
            target,
            initial=start,
            max_iterations=_ICP_ITERATIONS,
            reflection=False,
            translation=fit.translate or fit.rescale,
            scale=fit.rescale,
        )
        # ICP looks from one side only: it must not make things worse
        for candidate, placed in ((matrix, moved), (start, points @ start[:3, :3].T)):
            distance = _chamfer(placed, target, tree)
            if distance < smallest:
                best, smallest = candidate, distance
    return best


def _chamfer(
    points: Float[np.ndarray, "N 3"], target: Float[np.ndarray, "M 3"], tree: cKDTree
) -> float:
    to_target, _ = tree.query(points)
    to_points, _ = cKDTree(points).query(target)
    return float(to_target.mean() + to_points.mean())


def _normalizing(points: Float[np.ndarray, "N 3"], spread: float) -> Float[np.ndarray, "4 4"]:
    """Moves the points' mean to the origin and scales them to a spread."""
    scale = spread / max(_spread(points), 1e-9)
    matrix = np.eye(4)
    matrix[:3, :3] *= scale
    matrix[:3, 3] = -scale * points.mean(axis=0)
    return matrix


def _spread(points: Float[np.ndarray, "N 3"]) -> float:
    """Root mean square distance from the mean: the same however the points are turned."""
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean()))
