"""Embedding a folder: memory and speed beside a plain loop over the same encoder: python benchmarks/embedding.py [IMAGES] [MODEL] [SIDE]

Writes so many JPEGs of noise-free waves, SIDE pixels wide, into a temporary folder; then, twice in turn: `contextssl embed`'s loop, and the loop that
one writes with PIL, torchvision's transforms and batches, over the same encoder. Then embeds a tenth and all of them by the command, each in a
process of its own, and prints the peak memory of both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

import contextssl
from contextssl.models.contextssl import ContextSSL
from contextssl.records.provenance import commit, describe_machine

BATCH = 512
MEASURED = """
import sys
from contextssl.cli import main
from contextssl.system.memory import peak_memory_mib
code = main(sys.argv[1:])
print(peak_memory_mib())
sys.exit(code)
"""


def main(images: int = 10_000, name: str = "photos", side: int = 256) -> None:
    model = contextssl.load(name, device="cpu")
    machine = describe_machine()["machine"]
    print(f"{machine}, torch {torch.__version__}, commit {commit()}, {torch.get_num_threads()} threads; {images:,} JPEGs of {side} px")
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few", Path(folder) / "many"
        write(many, images, side)
        write(few, images // 10, side)
        rates: dict[str, list[float]] = {"contextssl": [], "plain loop": []}
        wanted = None
        for _ in range(2):
            for way, run in (("contextssl", ours), ("plain loop", plain)):
                began = time.monotonic()
                found = run(model, few)
                rates[way].append(images // 10 / (time.monotonic() - began))
                wanted = found if wanted is None else wanted
                assert (found - wanted).abs().mean() < 0.2 * wanted.abs().mean(), "the two loops embed other pixels"
        for way, measured in rates.items():
            print(f"{way}: {' and '.join(f'{rate:,.0f}' for rate in measured)} images/s")
        print(f"ratio: {np.mean(rates['contextssl']) / np.mean(rates['plain loop']):.2f}")
        for where in (few, many):
            began = time.monotonic()
            words = ["embed", name, str(where), f"out={folder}/out.npy", "accelerator=cpu", "progress=false"]
            run_of = subprocess.run([sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True)
            count, seconds = len(list(where.iterdir())), time.monotonic() - began
            print(f"contextssl embed, {count:,} images: peak {float(run_of.stdout.splitlines()[-1]):,.0f} MiB, {seconds:.1f} s in all")


def write(folder: Path, images: int, side: int) -> None:
    folder.mkdir()
    x, y = np.meshgrid(np.linspace(0, 6, side), np.linspace(0, 6, side))
    for number in range(images):
        phase = np.array([0.0, 1.0, 2.0]) + number
        waves = 127.5 + 127.5 * np.sin(x[..., None] * (1 + number % 7 / 3) + y[..., None] + phase)
        Image.fromarray(waves.astype(np.uint8)).save(folder / f"{number:06d}.jpg", quality=90)


def ours(model: ContextSSL, folder: Path) -> torch.Tensor:
    return model.embed(folder)


def plain(model: ContextSSL, folder: Path) -> torch.Tensor:
    """What one writes by hand."""
    assert model.view_shape is not None and model.image_mean is not None and model.image_std is not None
    size = model.view_shape[1]
    statistics = (model.image_mean.flatten().tolist(), model.image_std.flatten().tolist())
    made = transforms.Compose(
        [
            transforms.Resize(size, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(*statistics),
        ]
    )
    paths, found = sorted(folder.iterdir()), []
    with torch.no_grad():
        for first in range(0, len(paths), BATCH):
            batch = torch.stack([made(Image.open(path).convert("RGB")) for path in paths[first : first + BATCH]])
            found.append(model.embed_features(model.encoder(batch)))
    return torch.cat(found)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*(int(word) if word.isdigit() else word for word in given))  # type: ignore[arg-type]
