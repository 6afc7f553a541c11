"""Names of the ways to find an object in a photo. Nothing heavy is imported here."""

from typing import Literal

BackgroundRemoval = Literal[
    "auto",
    "alpha",
    "border",
    "u2netp",
    "rembg",
    "rembg:u2net",
    "rembg:isnet-general-use",
    "rembg:birefnet-general",
    "rembg:birefnet-general-lite",
    "grabcut",
    "none",
]
"""How the object is found; `rembg` takes the first of its models that is on disk."""

KeepObjects = Literal["largest", "all"]
"""What is kept where several separate objects are found."""
