"""Mesh formats: OBJ, glTF, PLY, STL and COLLADA read, and what is written for others."""
