"""A folder of listed pairs: squares of four colours in four places, made by numpy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
from PIL import Image

PLACES, COLOURS, ITEMS = 3, 3, 6


def write_images(folder: Path, items: int = ITEMS, side: int = 16) -> list[tuple[str, int, int, int]]:
    """Images of each item in every place and colour: name, item, place, colour."""
    written = []
    for item in range(items):
        for place in range(PLACES):
            for colour in range(COLOURS):
                generator = np.random.default_rng([item, place, colour])
                pixels = generator.integers(0, 60, (side, side, 3)).astype(np.uint8)
                size = 3 + item % 3
                pixels[5 * place : 5 * place + size, item : item + size, colour] = 250
                name = f"item{item}/{place}{colour}.png"
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / name)
                written.append((name, item, place, colour))
    return written


def rows_of(images: Sequence[tuple[str, int, int, int]]) -> list[list[str]]:
    """The pairs of an item that share its place, and those that share its colour: first, second, environment, item."""
    found = []
    for (one, item, place, colour), (two, other, place2, colour2) in combinations(images, 2):
        if item == other and (place == place2) != (colour == colour2):
            found.append([one, two, "same_place" if place == place2 else "same_colour", f"item {item}"])
    return found


def write_list(folder: Path, rows: Sequence[Sequence[str]], header: str = "first,second,environment,item") -> Path:
    file = folder / "pairs.csv"
    file.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return file


def write_pairs(folder: Path, items: int = ITEMS) -> Path:
    """The whole folder; returns its list."""
    return write_list(folder, rows_of(write_images(folder, items)))


def pairs_of_names(items: int = ITEMS) -> tuple[list[list[str]], np.ndarray]:
    """The same pairs of rows of numbers that are called by their place, and the numbers (rows, 3): item, place, colour."""
    named = [(str(row), *numbers) for row, numbers in enumerate(product(range(items), range(PLACES), range(COLOURS)))]
    return rows_of(named), np.array([numbers for _, *numbers in named], np.float32)
