"""Files: images, meshes, cameras, videos, checkpoints."""
