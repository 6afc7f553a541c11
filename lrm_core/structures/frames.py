"""Coordinate frames of files, as rotations from and to the world frame (docs/conventions.md).

world: z up, front -y. gltf (`y`): y up, front +z, as the glTF 2.0 standard says (section 3.4).
"""

import numpy as np
from jaxtyping import Float

# (x, y, z) world -> (x, z, -y): up stays up, the front -y becomes +z.
WORLD_TO_GLTF = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])

# up axis of a file -> rotation from the world frame to that file's frame
WORLD_TO_FILE: dict[str, Float[np.ndarray, "3 3"]] = {"y": WORLD_TO_GLTF, "z": np.eye(3)}
