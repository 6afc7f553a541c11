"""How methods are scored: each way is a row of the tables, and a report of its own.

The protocol's own way comes first. Where it leaves something out that readers need to judge the
number, another way stands beside it: the renderer that was not chosen, the same meshes without
colors from the photo, free methods as they answered before they were aligned, and the others
aligned as free methods are, which says how much that flatters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lrm_core.baselines.loading import PredictorOptions
from lrm_core.baselines.predictor import Alignment, Predictor
from lrm_core.evaluation.alignment import Fit
from lrm_core.evaluation.protocol import GeometryConfig, Protocol


@dataclass(frozen=True)
class Setup:
    """A method and how it is scored.

    Attributes:
        method: name of the predictor.
        views: what is rendered: its mesh or its radiance field.
        fit: how its predictions are aligned to their references; None where they are not.
        photo_colors: whether its meshes may take colors from the photo.
        num_views: pictures that it is given.
        suffix: tells the row from that of the protocol's own way; empty for that one.
    """

    method: str
    views: Literal["mesh", "field"] = "mesh"
    fit: Fit | None = None
    photo_colors: bool = True
    num_views: int = 1
    suffix: str = ""

    @property
    def label(self) -> str:
        """Name of the row."""
        return f"{self.method}{self.suffix}"

    def options(self, options: PredictorOptions) -> PredictorOptions:
        """What the predictor is loaded with."""
        return replace(
            options,
            photo_colors=options.photo_colors and self.photo_colors,
            num_views=self.num_views,
        )


def setups_of(
    method: str,
    predictor: Predictor,
    protocol: Protocol,
    *,
    comparisons: bool = True,
    num_views: int = 1,
) -> tuple[Setup, ...]:
    """The ways in which a method is scored under a protocol, the protocol's own first.

    Args:
        method: name of the predictor.
        predictor: the predictor, loaded.
        protocol: names renderer and alignment.
        comparisons: whether the other ways are wanted too.
        num_views: pictures that it is given.
    """
    has_field = predictor.iso_level is not None
    several = f"+{num_views}-views" if num_views > 1 else ""
    own = Setup(
        method,
        num_views=num_views,
        suffix=several,
        views="field" if has_field and protocol.render == "field" else "mesh",
        fit=fit_of(protocol.geometry, predictor.alignment),
    )
    others = []
    if has_field:
        other: Literal["mesh", "field"] = "mesh" if own.views == "field" else "field"
        others.append(replace(own, views=other, suffix=f"{several}+{other}"))
    if predictor.photo_colors:
        others.append(
            replace(own, views="mesh", photo_colors=False, suffix=f"{several}+no-photo-colors")
        )
    if own.fit is not None and predictor.alignment != "canonical":
        others.append(replace(own, fit=None, suffix=f"{several}+unaligned"))
    flattered = fit_of(protocol.geometry, "free_azimuth")
    if own.fit is None and flattered is not None:
        others.append(replace(own, fit=flattered, suffix=f"{several}+aligned"))
    return (own, *others) if comparisons else (own,)


def fit_of(geometry: GeometryConfig, alignment: Alignment) -> Fit | None:
    """How a protocol aligns predictions of methods that promise so much about their frame."""
    promised = alignment == "canonical"
    if geometry.alignment == "none" or (promised and geometry.alignment == "free_methods"):
        return None
    return Fit(
        "azimuth" if alignment == "free_azimuth" else "rotation",
        translate=geometry.translate,
        rescale=geometry.rescale,
    )
