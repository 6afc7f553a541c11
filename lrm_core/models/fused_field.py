"""One radiance field of several photos of an object.

Every photo has given a field of its own, in the frame of its own camera. A photo knows its outline
and the surface that it shows, and only guesses what lies behind. So raw densities are averaged with
weights that fall with the depth below the surface that a photo shows, as truncated signed distances
are (Curless and Levoy, 1996); what lies outside an outline is carved away whatever others say
(Laurentini's visual hull, 1994); where that would leave nothing of what a photo shows, a thin sheet
is put where no outline objects; and a color comes from the photos that show the place, the most
frontal one first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lrm_core.models.fine_ray_layers import spread_outward
from lrm_core.models.folded_field import fold
from lrm_core.models.nerf_mlp import DENSITY, NerfMLP, points_per_pass
from lrm_core.models.silhouette_distance import outline_distance
from lrm_core.models.triplane_field import FACE_TOLERANCE, RAW_DENSITY_OUTSIDE, TriplaneField
from lrm_core.structures.ray_layers import FIRST, LAST, NUM_DENSITY_MAPS, middle_and_half
from lrm_core.structures.triplane import Frustum, Triplane, ray_places

# Pixels and depths per ray at which the surface that a photo shows is looked for, where the field
# itself does not say.
_LOOKS = 64

# Below the surface that a photo shows, its word on density loses a factor e in this depth, down to
# the least weight; in world units.
_DENSITY_REACH = 0.1
_LEAST_WEIGHT = 0.05

# Half the thickness of a sheet, how far it may lie beyond the outlines of others (the cones of two
# photos may just miss each other) and from where its own photo sees the surface, and the rays per
# axis on which one may be needed.
_SHEET_HALF = 0.02
_SHEET_BEYOND = 0.04
_SHEET_AWAY = 0.3
_SHEET_LOOKS = 128

# A color is that of the surface as far below it, and beyond it, as this, in world units.
_COLOR_REACH = 0.06

# Beyond this distance from a surface a density says no more than inside or outside; world units.
_TRUNCATION = 0.12

# A photo that says inside counts by a factor e^4 more than one that says outside: depths are
# guesses, and where they disagree about a thin thing, their mean would leave nothing of it.
# Outlines carve what is too much.
_OPTIMISM = 2.0

# Frontality counts by this power.
_COLOR_SHARPNESS = 3.0

# the picture goes on beyond its frame for so many of its widths before distances to the outline
# are taken: what the frame cuts off is not known to be empty
_BEYOND_FRAME = 0.25


@dataclass(frozen=True, eq=False)
class PosedField:
    """The field of one photo, and how it lies in the world of all.

    Attributes:
        field: in the frame of the photo's own camera.
        frustum: what the photo's camera sees in that frame.
        to_own_frame: (4, 4) from the world to that frame: rotation, uniform scale and translation.
        maps: (1, 5, H, W) of the photo, rows upward: depth y of the surface that it shows, its
            frontality (cosine between normal and ray, 0 to 1), the signed distance to the outline
            (positive inside), depth y of the sheet, and whether there is one (above one half);
            lengths in units of its own frame.
        raw_level: raw density of the surface.
        steepness: raw density per unit of length, to turn distances to the outline into density.
        silent: whether the MLP adds no density, so that the rays' layers alone give it.
        tolerance: how far beyond the outline nothing is carved, in units of its own frame.
    """

    field: TriplaneField
    frustum: Frustum
    to_own_frame: Float[Tensor, "4 4"]
    maps: Float[Tensor, "1 5 H W"]
    raw_level: float
    steepness: float
    silent: bool
    tolerance: float

    def own(self, points: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
        """World points in the frame of the photo."""
        own: Tensor = points @ self.to_own_frame[:3, :3].T + self.to_own_frame[:3, 3]
        return own

    def world(self, own: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
        """Inverse of `own`."""
        inverse = torch.linalg.inv(self.to_own_frame[:3, :3])
        world: Tensor = (own - self.to_own_frame[:3, 3]) @ inverse.T
        return world

    def evidence(self, own: Float[Tensor, "P 3"]) -> Float[Tensor, "5 P"]:
        """Depth below the surface shown, frontality, distances into outline and sheet, in picture.

        Args:
            own: points in the frame of the photo.
        """
        places = self.frustum.normalize(own)
        sampled = F.grid_sample(
            self.maps,
            places[None, None][..., [0, 2]],
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )[0, :, 0]
        shown, frontality, outline, sheet, has_sheet = sampled
        into_sheet = torch.minimum(_SHEET_HALF - (own[:, 1] - sheet).abs(), outline)
        into_sheet = torch.minimum(into_sheet, has_sheet - 0.5)
        in_picture = places[:, [0, 2]].abs().amax(dim=-1) <= 1.0
        return torch.stack([own[:, 1] - shown, frontality, outline, into_sheet, in_picture.to(own)])

    def above_level(self, own: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """Raw density minus its level; `RAW_DENSITY_OUTSIDE` outside the field's region."""
        if not self.silent:
            return self.field.raw(own)[:, DENSITY] - self.raw_level
        triplane = self.field.triplane
        rays = triplane.rays
        assert rays is not None
        coordinates = triplane.normalize(own)
        maps = rays.sample(ray_places(triplane, coordinates)[None], NUM_DENSITY_MAPS)[0]
        raw = rays.density(maps, coordinates[:, 1] * triplane.extent) - self.raw_level
        return torch.where(coordinates.abs().amax(dim=-1) <= 1.0, raw, RAW_DENSITY_OUTSIDE)


@dataclass(frozen=True, eq=False)
class FusedField(TriplaneField):
    """The fields of several photos as one.

    Attributes:
        triplane: of the first photo, whose camera is the source camera; the grid of the surface
            is its grid.
        nerf_mlp: activates raw values.
        parts: fields of all photos.
    """

    is_fast: ClassVar[bool] = True

    parts: tuple[PosedField, ...]

    @torch.no_grad()
    def _raw(self, points: Tensor) -> Tensor:
        points = points.float()
        colors, color_weight = torch.zeros_like(points), points.new_zeros(len(points))
        densities, evidence = [], []
        for part in self.parts:
            own = part.own(points)
            raw = part.field.raw(own)
            known = part.evidence(own)
            weight = _color_weight(known)
            colors += weight[:, None] * raw[:, :3]
            color_weight += weight
            densities.append(raw[:, DENSITY] - part.raw_level)
            evidence.append(known)
        density = self._bounded(points, densities, evidence)
        return torch.cat([colors / color_weight[:, None], density[:, None]], dim=-1)

    @torch.no_grad()
    def raw_density(self, points: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """Raw density (P,) at points (P, 3) of the world frame; colors are not asked for."""
        own = [part.own(points) for part in self.parts]
        densities = [part.above_level(at) for part, at in zip(self.parts, own, strict=True)]
        evidence = [part.evidence(at) for part, at in zip(self.parts, own, strict=True)]
        return self._bounded(points, densities, evidence)

    def _bounded(
        self, points: Tensor, densities: Sequence[Tensor], evidence: Sequence[Tensor]
    ) -> Tensor:
        """Raw density of points, nothing outside the grid."""
        fused, carved, sheets = _fused_density(self.parts, densities, evidence)
        inside = self.triplane.normalize(points).abs().amax(dim=-1) <= 1.0 + FACE_TOLERANCE
        beyond = carved + self.parts[0].steepness * _SHEET_BEYOND
        solid = torch.maximum(torch.minimum(fused, carved), torch.minimum(sheets, beyond))
        raw = solid + self.parts[0].raw_level
        return torch.where(inside, raw, RAW_DENSITY_OUTSIDE)


def fused_field(parts: Sequence[PosedField], triplane: Triplane, nerf_mlp: NerfMLP) -> FusedField:
    """One field of those of several photos.

    Args:
        parts: from `posed_field`.
        triplane: see `FusedField`.
        nerf_mlp: see `FusedField`.
    """
    with_sheets = tuple(
        replace(part, maps=torch.cat([part.maps[:, :3], _sheets(part, parts)], dim=1))
        for part in parts
    )
    return FusedField(triplane, nerf_mlp, with_sheets)


@torch.no_grad()
def _sheets(part: PosedField, parts: Sequence[PosedField]) -> Float[Tensor, "1 2 H W"]:
    """Where a photo shows something of which fusion leaves nothing, a depth that no outline carves.

    Returns:
        depth, and 1 where there is such a sheet, at the size of the photo's maps.
    """
    device, extent = part.maps.device, part.field.triplane.extent
    looked = F.interpolate(part.maps[:, [0, 2]], size=(_SHEET_LOOKS,) * 2, mode="bilinear")
    shown, outline = looked[0]
    rows, columns = (outline > 0).nonzero(as_tuple=True)
    depth, has = torch.zeros_like(outline), torch.zeros_like(outline)
    if len(rows):
        across = (torch.arange(_SHEET_LOOKS, device=device) + 0.5) / _SHEET_LOOKS * 2.0 - 1.0
        depths = torch.linspace(-extent, extent, _LOOKS, device=device)
        shape = (len(rows), len(depths))
        places = [
            across[columns][:, None].expand(shape),
            depths.expand(shape),
            across[rows][:, None].expand(shape),
        ]
        own = part.frustum.denormalize(torch.stack(places, dim=-1))
        fused, carved, _ = _asked(parts, part.world(own.view(-1, 3)))
        solid = torch.minimum(fused, carved).view(len(rows), -1)
        free = carved.view(len(rows), -1)
        most = free.amax(dim=1)
        # of the depths that are clear of all outlines, the one nearest to where the photo sees it
        enough = torch.minimum(most, (0.7 * most).clamp(max=part.steepness * _SHEET_HALF))
        away = (depths - shown[rows, columns][:, None]).abs()
        nearest = torch.where(free >= enough[:, None], away, torch.inf).argmin(dim=1)
        depth[rows, columns] = depths[nearest]
        near_miss = most > -part.steepness * _SHEET_BEYOND
        # where cameras are only assumed, what lies far off is no surface but their disagreement
        most_away = _SHEET_AWAY if part.tolerance > 0.0 else torch.inf
        plausible = away.gather(1, nearest[:, None])[:, 0] < most_away
        has[rows, columns] = ((solid.amax(dim=1) <= 0.0) & near_miss & plausible).to(has)
    covered = outline[None, None] > 0
    has = spread_outward(has[None, None], covered)
    depth = spread_outward(depth[None, None], covered & (has > 0.5))
    maps = torch.cat([depth, has], dim=1)
    return F.interpolate(maps, size=part.maps.shape[-2:], mode="bilinear")


def _asked(parts: Sequence[PosedField], points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`_fused_density` of points, in passes."""
    answers = []
    for some in torch.split(points, points_per_pass(points.device)):
        own = [part.own(some) for part in parts]
        densities = [part.above_level(at) for part, at in zip(parts, own, strict=True)]
        evidence = [part.evidence(at) for part, at in zip(parts, own, strict=True)]
        answers.append(torch.stack(_fused_density(parts, densities, evidence)))
    fused, carved, sheets = torch.cat(answers, dim=1)
    return fused, carved, sheets


def _fused_density(
    parts: Sequence[PosedField], densities: Sequence[Tensor], evidence: Sequence[Tensor]
) -> tuple[Float[Tensor, "P"], Float[Tensor, "P"], Float[Tensor, "P"]]:
    """Of P points: raw density above the level, the outlines' bound on it, that of the sheets."""
    total, weights = torch.zeros_like(densities[0]), torch.zeros_like(densities[0])
    carved = torch.full_like(total, torch.inf)
    sheets = torch.full_like(total, RAW_DENSITY_OUTSIDE)
    for part, density, (below, _, outline, into_sheet, in_picture) in zip(
        parts, densities, evidence, strict=True
    ):
        weight = torch.exp(-below.clamp_min(0.0) / _DENSITY_REACH).clamp_min(_LEAST_WEIGHT)
        weight = weight * in_picture * (density > 0.5 * RAW_DENSITY_OUTSIDE)
        bound = part.steepness * _TRUNCATION
        density = density.clamp(-bound, bound)
        weight = weight * torch.exp(_OPTIMISM * density / bound)
        total += weight * density
        weights += weight
        sheets = torch.maximum(sheets, part.steepness * into_sheet)
        limit = part.steepness * (outline + part.tolerance)
        carved = torch.where(in_picture > 0, torch.minimum(carved, limit), carved)
    fused = torch.where(weights > 0, total / weights.clamp_min(1e-9), RAW_DENSITY_OUTSIDE)
    return fused, carved, sheets


def _color_weight(evidence: Tensor) -> Tensor:
    """How much a photo has to say about the color of points."""
    below, frontality, _, _, in_picture = evidence
    reach = torch.where(below > 0.0, _COLOR_REACH, 3.0 * _COLOR_REACH)  # in front nothing hides it
    near = torch.exp(-((below / reach) ** 2))
    # what no photo shows takes the guess of the photo that it lies least deep for
    guess = 1e-4 * torch.exp(-below.clamp_min(0.0) / _COLOR_REACH) + 1e-20
    weight: Tensor = near * frontality**_COLOR_SHARPNESS * in_picture + guess
    return weight


@torch.no_grad()
def posed_field(
    field: TriplaneField,
    frustum: Frustum,
    alpha: Float[Tensor, "1 1 H W"],
    to_own_frame: Float[Tensor, "4 4"],
    *,
    raw_level: float,
    steepness: float,
    tolerance: float,
) -> PosedField:
    """What fusion needs to know of one photo and its field.

    Args:
        field: of the photo alone.
        frustum: of the photo's camera.
        alpha: coverage of the photo's pixels in [0, 1].
        to_own_frame: see `PosedField`.
        raw_level: raw density of the surface.
        steepness: see `PosedField`.
        tolerance: see `PosedField`.
    """
    pixel = frustum.distance / (frustum.focal * alpha.shape[-1])
    beyond = round(_BEYOND_FRAME * alpha.shape[-1])
    padded = F.pad(alpha.float(), (beyond,) * 4, mode="replicate")
    outline = outline_distance(padded)[..., beyond:-beyond, beyond:-beyond].flip(-2) * pixel
    folded = fold(field)
    last_weight, last_bias = field.nerf_mlp.layers()[-1]
    has_rays = field.triplane.rays is not None
    silent = has_rays and not (last_weight[DENSITY].any() or last_bias[DENSITY].any())
    shown = _shown_by_layers(field) if has_rays else _shown(folded, frustum, raw_level)
    size = (outline.shape[-2], outline.shape[-1])
    shown = F.interpolate(shown, size=size, mode="bilinear")
    no_sheet = torch.zeros_like(shown)
    frontality = _frontality(shown, frustum)
    maps = torch.cat([shown, frontality, outline.to(shown), no_sheet, no_sheet], dim=1)
    return PosedField(
        folded, frustum, to_own_frame.to(maps), maps, raw_level, steepness, bool(silent), tolerance
    )


def _shown_by_layers(field: TriplaneField) -> Float[Tensor, "1 1 H W"]:
    """Depth of the surface that the photo shows, as the rays' layers say."""
    rays = field.triplane.rays
    assert rays is not None
    middle, half = middle_and_half(rays.maps[:, FIRST], rays.maps[:, LAST])
    return (middle - half)[:, None].float()


def _shown(field: TriplaneField, frustum: Frustum, raw_level: float) -> Float[Tensor, "1 1 S S"]:
    """The first crossing of the level along each ray; far behind where there is none."""
    extent = field.triplane.extent
    device = field.triplane.planes.device
    across = (torch.arange(_LOOKS, device=device) + 0.5) / _LOOKS * 2.0 - 1.0
    depths = torch.linspace(-extent, extent, _LOOKS, device=device)
    v, u, y = torch.meshgrid(across, across, depths, indexing="ij")
    points = frustum.denormalize(torch.stack([u, y, v], dim=-1))
    raw = field.raw(points.view(-1, 3))[:, DENSITY].view(v.shape) - raw_level
    crossing = (raw[..., 1:] > 0) & (raw[..., :-1] <= 0)
    found = crossing.any(dim=-1)
    at = crossing.float().argmax(dim=-1, keepdim=True)
    before, after = (raw.gather(-1, at + step)[..., 0] for step in (0, 1))
    share = (-before / (after - before).clamp_min(1e-6)).clamp(0.0, 1.0)
    depth = depths[at[..., 0]] + share * (depths[1] - depths[0])
    # a field that begins at the face of its region
    depth = torch.where(raw[..., 0] > 0, -extent, torch.where(found, depth, extent))
    return depth[None, None]


def _frontality(shown: Float[Tensor, "1 1 H W"], frustum: Frustum) -> Float[Tensor, "1 1 H W"]:
    """Cosine between the surface's normal and the viewing axis, from depth differences."""
    pixel = (shown + frustum.distance) * (2.0 / (2.0 * frustum.focal * shown.shape[-1]))
    padded = F.pad(shown, (1, 1, 1, 1), mode="replicate")
    along_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / (2.0 * pixel)
    along_z = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / (2.0 * pixel)
    return torch.rsqrt(1.0 + along_x**2 + along_z**2)
