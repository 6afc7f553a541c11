"""lrm_core: photo to mesh with a Large Reconstruction Model."""

__version__ = "0.1.0"
