"""What decoding JPEG by other libraries would gain when images are packed: ``python benchmarks/decoders.py`` (pip install simplejpeg)

Images of 256 px, as those of 3DIEBench, to 128 px, in turns: by Pillow as ``contextssl data pack`` reads them (``resize=bilinear``, as published, and
``resize=fast``), by torchvision, whose decoder for NVIDIA cards is nvJPEG, and by simplejpeg (libjpeg-turbo without Pillow around it). All are
scaled by the same filter of Pillow's where they are decoded whole.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from contextssl.data.threediebench_folder import read_image

IMAGES, ROUNDS, SIZE, TO = 64, 7, 256, 128


def photos(folder: Path) -> list[Path]:
    """Smooth noise, which a JPEG of quality 90 holds in some 15 kB, as a rendered object."""
    generator = np.random.default_rng(0)
    made = []
    for number in range(IMAGES):
        coarse = Image.fromarray(generator.integers(0, 256, (24, 24, 3), dtype=np.uint8))
        made.append(folder / f"{number}.jpg")
        coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(made[-1], quality=90)
    return made


def scaled(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((TO, TO), Image.Resampling.BILINEAR))


def main() -> None:
    import simplejpeg
    from torchvision.io import decode_jpeg, read_file

    with tempfile.TemporaryDirectory() as folder:
        compare(
            photos(Path(folder)),
            {
                "Pillow, bilinear": lambda path: read_image(path, TO),
                "Pillow, fast": lambda path: read_image(path, TO, resize="fast"),
                "torchvision": lambda path: scaled(decode_jpeg(read_file(str(path))).permute(1, 2, 0).numpy()),
                "simplejpeg": lambda path: scaled(simplejpeg.decode_jpeg(path.read_bytes(), "RGB", fastdct=False)),
            },
        )


def compare(files: list[Path], ways: dict[str, Callable[[Path], np.ndarray]]) -> None:
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, read in ways.items():
            began = time.process_time()
            for path in files:
                read(path)
            seconds[name].append((time.process_time() - began) / len(files))
    first = [ways["Pillow, bilinear"](path).astype(int) for path in files]
    one = statistics.median(seconds["Pillow, bilinear"])
    print(
        f"{IMAGES} images of {sum(path.stat().st_size for path in files) / len(files) / 1000:.0f} kB, {SIZE} px to {TO}; ms of a processor each"
    )
    for name, times in seconds.items():
        apart = max(np.abs(ways[name](path).astype(int) - there).max() for path, there in zip(files, first, strict=True))
        taken = statistics.median(times)
        print(f"{name:20}{1000 * taken:6.2f} ms  {one / taken:5.2f} × as fast  pixels at most {apart} apart")


if __name__ == "__main__":
    main()
