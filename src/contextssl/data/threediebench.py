"""3DIEBench: its factors, and what its seven rendering latents say of them."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from contextssl.factors import COLOR, ROTATION, FactorSpace

FACTORS = FactorSpace((ROTATION, COLOR))

# The order of the seven numbers in a latent file, and the range of each.
RAW_LATENTS = ("euler x", "euler y", "euler z", "floor hue", "light theta", "light phi", "light hue")
RAW_RANGES = (
    (-np.pi / 2, np.pi / 2),
    (-np.pi / 2, np.pi / 2),
    (-np.pi / 2, np.pi / 2),
    (0.0, 1.0),
    (0.0, np.pi / 4),
    (0.0, 2 * np.pi),
    (0.0, 1.0),
)


def absolute_latents(raw: np.ndarray) -> np.ndarray:
    """Factor values (..., 6) float32 from raw latents (..., 7): the pose as a quaternion (x, y, z, w; w ≥ 0) and the two hues.

    Euler angles are extrinsic xyz. Relative poses are products of these, see :meth:`contextssl.factors.FactorSpace.relative`.
    """
    raw = np.asarray(raw, dtype=np.float64)
    quaternion = Rotation.from_euler("xyz", raw[..., :3].reshape(-1, 3)).as_quat(canonical=True).reshape(*raw.shape[:-1], 4)
    return np.concatenate([quaternion, raw[..., [3, 6]]], axis=-1).astype(np.float32)
