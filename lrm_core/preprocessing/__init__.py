"""Photo to framed image; shapes and textures for training."""
