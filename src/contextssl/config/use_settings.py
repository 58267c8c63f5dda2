"""The settings of using a trained model: embeddings, neighbours, contexts, an adapted model."""

from __future__ import annotations

from dataclasses import dataclass

from contextssl.config.evaluation_settings import LoadedModelSettings
from contextssl.config.setting import setting


@dataclass
class UsedModelSettings(LoadedModelSettings):
    """Model"""

    accelerator: str = setting("auto", "device", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    precision: str = setting(
        "32-true",
        "of what is computed: 32-true is float32; auto is bf16-mixed where the device gains from it, which changes embeddings a little",
        choices=("auto", "32-true", "bf16-mixed"),
    )
    progress: bool = setting(True, "show progress")


@dataclass
class ContextSettings:
    """Context"""

    context: str | None = setting(
        None, "examples: a list of pairs (pairs.csv), or a context that was made before (.safetensors); default: none", path=True
    )
    environment: str | None = setting(None, "of a list with pairs of several environments, the one")
    pairs: int | None = setting(None, "how many pairs of the context, the first ones; default: all", "pairs", least=1)


@dataclass
class EmbedSettings(ContextSettings, UsedModelSettings):
    """Embed images: a row of numbers for each, in the context of a few examples if you give some."""

    images: str | None = setting(None, "folder or archive of images, or one image; of a model of tables a CSV or Parquet file", path=True)
    actions: str | None = setting(
        None,
        "CSV file with an action for each image (columns such as rotation.x, and name where they are in another order): what is written is then "
        "what the action makes of each image, by a model that predicts",
        path=True,
    )
    out: str = setting("embeddings.parquet", "file: .parquet, .npy (with the names in .names.json beside it) or .csv", path=True)
    representation: str = setting(
        "embedding", "embedding, which depends on the context, or feature, the encoder's output", choices=("embedding", "feature")
    )
    unreadable: str = setting(
        "refuse",
        "images that cannot be read: stop at the first (refuse), or leave them out and name them (skip)",
        choices=("refuse", "skip"),
    )
    batch_size: int = setting(512, "images at once, and between two saves", "images", least=1)


@dataclass
class NeighboursSettings(ContextSettings, UsedModelSettings):
    """Find the images that are nearest to others, in the context of a few examples if you give some."""

    queries: str | None = setting(
        None, "image, folder or archive whose neighbours are wanted, or the .npy file that embed wrote", path=True
    )
    images: str | None = setting(
        None,
        "folder or archive of images to choose from, or the .npy file that embed wrote; default: those of queries, each beside the others",
        path=True,
    )
    k: int = setting(5, "neighbours of each", "images", least=1)
    out: str | None = setting(None, "file for all of them: CSV with the columns query, rank, image, similarity", path=True)
    show: int = setting(10, "queries whose neighbours are printed", least=0)


@dataclass
class ContextMakeSettings(ContextSettings, UsedModelSettings):
    """Encode examples once into a context, say what it does, and keep it in a file."""

    out: str = setting("context.safetensors", "file of the context", path=True)


@dataclass
class ContextDescribeSettings(ContextSettings, UsedModelSettings):
    """Say which factors examples keep and drop, how sure that is, and what is odd about them."""


@dataclass
class ContextCompareSettings(UsedModelSettings):
    """Say how two contexts differ: what each leaves of every factor, and how far apart the embeddings are."""

    first: str | None = setting(None, "a list of pairs, or a context that was made before", path=True)
    second: str | None = setting(None, "the other", path=True)
    environment: str | None = setting(None, "of a first list with pairs of several environments, the one")
    second_environment: str | None = setting(None, "of the second list; default: as the first")


@dataclass
class AdaptSettings(ContextSettings, UsedModelSettings):
    """Write a model with a context inside as one file: from images to embeddings, without contextssl."""

    out: str = setting(
        "adapted.onnx",
        "file: .onnx (any runtime of ONNX), .pt2 (torch.export.load), or .safetensors (contextssl.load, with the context in it)",
        path=True,
    )


@dataclass
class ImportSettings(UsedModelSettings):
    """Turn a published checkpoint into a model of contextssl, in a folder that every command and contextssl.load take."""

    out: str | None = setting(None, "folder; default: the checkpoint's name without its ending", path=True)
