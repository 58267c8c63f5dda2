"""What the numbers of a latent file mean: the seven of 3DIEBench and 3DIEBench-OOD, and the ten of 3DIEBench-T.

Sources: the code of SIE (Garrido et al., ICML 2023), of EquiCaps (Konstantinou et al., 2025; 3DIEBench-T) and of seq-JEPA (Ghaemi et al., NeurIPS
2025; 3DIEBench-OOD), whose files were not at hand: what those of -T and -OOD hold is read as their code and cards describe it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contextssl.errors import DataError, SettingsError
from contextssl.factors import COLOR, FLOOR, LIGHT, OWN_TRANSLATION, ROTATION, FactorSpace
from contextssl.system.files import array_bytes, parse_array, read_regular, storage_error

FACTORS = FactorSpace((ROTATION, COLOR))
# The same six numbers as three factors: what a context of some of them does to the others, and to subsets that training never saw.
THREE_FACTORS = FactorSpace((ROTATION, FLOOR, LIGHT))
# Of 3DIEBench-T.
TRANSLATED_FACTORS = FactorSpace((*FACTORS.factors, OWN_TRANSLATION))
# Each set of factors that views are made with, and how else its numbers may be divided.
_DIVISIONS = {FACTORS: THREE_FACTORS, TRANSLATED_FACTORS: FactorSpace((*THREE_FACTORS.factors, OWN_TRANSLATION))}

# The order of the numbers in a latent file, and the range of each; 3DIEBench-T has three more, offsets along the object's own axes.
RAW_LATENTS = ("euler x", "euler y", "euler z", "floor hue", "light theta", "light phi", "light hue")
RAW_RANGES = (*3 * ((-np.pi / 2, np.pi / 2),), (0.0, 1.0), (0.0, np.pi / 4), (0.0, 2 * np.pi), (0.0, 1.0))
TRANSLATED_LATENTS = (*RAW_LATENTS, "translation x", "translation y", "translation z")
TRANSLATED_RANGES = (*RAW_RANGES, *3 * ((-0.5, 0.5),))
# How many numbers a file may hold, and the factors of each.
WIDTHS = {len(RAW_LATENTS): FACTORS, len(TRANSLATED_LATENTS): TRANSLATED_FACTORS}
ANGLES, OFFSETS = slice(0, 3), slice(len(RAW_LATENTS), len(TRANSLATED_LATENTS))
# How far beyond its range a number may be.
RANGE_TOLERANCE = 1e-4
_LOWEST, _HIGHEST = np.array(TRANSLATED_RANGES).T + np.array([[-RANGE_TOLERANCE], [RANGE_TOLERANCE]])
# The first 128 bytes of a file as NumPy writes it, by its size: parsing this header would take longer than reading the file.
_HEADER_BYTES = 128
_HEADERS = {_HEADER_BYTES + 8 * width: array_bytes(np.zeros(width))[:_HEADER_BYTES] for width in WIDTHS}


def absolute_latents(raw: np.ndarray) -> np.ndarray:
    """Factor values (..., 6) float32 from raw latents (..., 7), or (..., 9) from (..., 10): the pose as a quaternion (x, y, z, w; w ≥ 0), the two
    hues, and the three offsets as they are. Euler angles are extrinsic xyz. Relative poses are products of these, see
    :meth:`contextssl.factors.FactorSpace.relative`.
    """
    # Whoever needs the factors' names alone, as a published checkpoint does, does not wait for it.
    from scipy.spatial.transform import Rotation

    raw = np.asarray(raw, dtype=np.float64)
    quaternion = Rotation.from_euler("xyz", raw[..., ANGLES].reshape(-1, 3)).as_quat(canonical=True).reshape(*raw.shape[:-1], 4)
    return np.concatenate([quaternion, raw[..., [3, 6]], raw[..., OFFSETS]], axis=-1).astype(np.float32)


def unseen_rotations(raw: np.ndarray) -> np.ndarray:
    """The same raw latents (..., R) with every angle of [-π/2, π/2] moved outwards by a quarter turn, into ±[π/2, π]: the poses of 3DIEBench-OOD.
    Uniform angles stay uniform.
    """
    moved = np.array(raw, dtype=np.float64)
    moved[..., ANGLES] += np.where(moved[..., ANGLES] < 0, -np.pi / 2, np.pi / 2)
    return moved


def factors_named(names: Sequence[str] | None, made: FactorSpace = FACTORS) -> FactorSpace:
    """How the numbers that views were ``made`` with are divided into factors: as published where no names are given. Raises SettingsError for names
    that are no division of them.
    """
    known = [made, _DIVISIONS[made]]
    for space in known:
        if names is None or tuple(names) == space.names:
            return space
    either = " or ".join(f"[{','.join(space.names)}]" for space in known)
    raise SettingsError(f"factors=[{','.join(names or ())}] does not divide the latents of rendered objects: they are {either}")


def divides(made: FactorSpace) -> bool:
    """Whether factors are those of a latent file, which :func:`factors_named` divides."""
    return made in _DIVISIONS


def read_latent(path: Path, check_ranges: bool = True, width: int | None = None) -> np.ndarray:
    """The rendering latents of one view, (7,) or (10,) float64. Raises DataError where the file is missing or damaged, has another shape (another
    than ``width``, where that is given), or holds a number that is not finite or out of its range. All three angles of a pose may lie in ±[π/2, π]
    instead, as in 3DIEBench-OOD.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise storage_error(error, path, "read", "copy or render it again") from error
    header = _HEADERS.get(len(data))
    if header is not None and data.startswith(header):
        latent = np.frombuffer(data, np.float64, offset=_HEADER_BYTES)
    else:
        latent = parse_array(data, path)
        if latent.ndim != 1 or len(latent) not in WIDTHS or latent.dtype.kind != "f":
            raise DataError(
                f"{path} has shape {latent.shape} of {latent.dtype}, not (7,) of float64 ({', '.join(RAW_LATENTS)}), or (10,) with three offsets: "
                "render it again"
            )
        latent = latent.astype(np.float64)
    if width is not None and len(latent) != width:
        raise DataError(
            f"{path} holds {len(latent)} numbers and the first object's {width}: every view needs the same ones, so render it again"
        )

    for which in np.flatnonzero(~np.isfinite(latent)):
        raise DataError(f"{path}: {TRANSLATED_LATENTS[which]} is {latent[which]}, not a finite number; copy or render the view again")
    for which in _out_of_range(latent) if check_ranges else ():
        low, high = TRANSLATED_RANGES[which]
        raise DataError(
            f"{path}: {TRANSLATED_LATENTS[which]} is {latent[which]:.6g}, outside its range {low:.4g} to {high:.4g}; "
            "render the view again, or read with check_ranges=False if it is meant"
        )
    return latent


def _out_of_range(latent: np.ndarray) -> np.ndarray:
    """Which numbers are."""
    out = (latent < _LOWEST[: len(latent)]) | (latent > _HIGHEST[: len(latent)])
    turned = np.abs(latent[ANGLES])
    if ((turned >= np.pi / 2 - RANGE_TOLERANCE) & (turned <= np.pi + RANGE_TOLERANCE)).all():
        out[ANGLES] = False
    return np.flatnonzero(out)


def width_of(path: Path) -> int:
    """How many numbers a latent file holds; the published seven where it cannot be read, which reading it will tell."""
    try:
        return len(read_latent(path, check_ranges=False))
    except DataError:
        return len(RAW_LATENTS)
