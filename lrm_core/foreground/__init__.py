"""A photo to the object in it, without its background."""
