"""Settings of training on datasets of views."""

from __future__ import annotations

from dataclasses import dataclass

from lrm_core.config import Normalization


@dataclass(frozen=True, kw_only=True)
class ViewSource:
    """One dataset of views, as `lrm preprocess` writes it."""

    url: str
    """Folder or fsspec URL; environment variables are expanded."""
    repeats: int = 1
    """Copies per epoch (section 4.2: Objaverse 1, MVImgNet 3)."""
    distance: float | None = 2.0
    """Distance of the input camera after normalization; null keeps each capture's (section 4.2)."""

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats {self.repeats} must be 1 or more")


@dataclass(frozen=True, kw_only=True)
class ViewDataConfig:
    """What rendering losses are trained on."""

    sources: tuple[ViewSource, ...] = ()
    split: str = "train"
    validation_split: str = "val"
    num_side_views: int = 3
    """Supervised views besides the input view (section 4.2; table 9)."""
    max_views: int | None = None
    """Train on a fixed random subset of each object's views (table 4); null for all."""
    camera_poses: Normalization = "normalized"
    """Frame of the world: the input camera's, a random one, or the data's own (table 8)."""
    target_resolution: tuple[int, int] = (128, 384)
    """Smallest and largest side to which supervised views are resized (appendix B)."""
    crop: int = 128
    """Side of the window that is rendered and supervised (appendix B)."""
    background: float = 1.0
    """Gray level behind the object in supervised views (section 4.1: white)."""

    def __post_init__(self) -> None:
        low, high = self.target_resolution
        if not 1 <= low <= high:
            raise ValueError(f"target_resolution {low} to {high} is not a range of image sides")
        if low < self.crop and low != high:
            raise ValueError(
                f"crop {self.crop} is larger than the smallest target_resolution {low}: "
                "the views of a batch would differ in size"
            )
        if self.crop < 1 or self.num_side_views < 0:
            raise ValueError("crop must be 1 or more, num_side_views 0 or more")
        if self.max_views is not None and self.max_views < 1:
            raise ValueError(f"max_views {self.max_views} must be 1 or more")
