"""An MLP, trained by Adam. Its widths are those of the paper's probe of rotations."""

from contextssl.head import Head

HEAD = Head("mlp", "fresh MLP", "MLP", "an MLP 1024-1024", hidden=(1024, 1024), trains=True, place=2)
