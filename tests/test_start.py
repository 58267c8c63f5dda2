"""What a command does not need, it does not wait for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

# Each takes as long to load as torch itself, or nearly.
HEAVY = ("timm", "torchvision", "torch._dynamo", "lightning", "scipy.spatial", "pandas", "matplotlib", "kornia", "trimesh", "sympy")


def test_embedding_with_a_model_that_comes_with_the_package_loads_torch_and_little_else(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "a.png")
    words = ["embed", "photos", str(tmp_path), f"out={tmp_path / 'e.npy'}", "accelerator=cpu", "progress=false"]
    code = f"""
import sys
from contextssl.cli import main
assert main({words!r}) == 0
print(",".join(name for name in {HEAVY!r} if name in sys.modules))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert run.stdout.splitlines()[-1] == ""
