"""sRGB transfer functions (IEC 61966-2-1), for numpy arrays."""

import numpy as np
from jaxtyping import Float


def srgb_to_linear(srgb: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Decode sRGB values in [0, 1] to linear light."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Encode linear light in [0, 1] as sRGB."""
    return np.where(
        linear <= 0.0031308,
        12.92 * linear,
        1.055 * np.maximum(linear, 0.0031308) ** (1.0 / 2.4) - 0.055,
    )
