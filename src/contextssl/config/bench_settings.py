"""The settings of ``contextssl bench``: those of the training that is measured, and how it is measured."""

from __future__ import annotations

from dataclasses import dataclass

from contextssl.config.setting import setting
from contextssl.config.settings import TrainSettings


@dataclass
class RulerSettings:
    """Measuring"""

    rounds: int = setting(5, "how often each way is timed, turn and turn about; medians count", least=1)
    out: str | None = setting(
        None, "JSON file for all numbers, with machine, versions and commit; default: they are printed alone", path=True
    )


@dataclass
class BenchSettings(RulerSettings, TrainSettings):
    """Time a training step, part by part, beside the published code's way of doing it and the machine's own limit."""

    batch_size: int = setting(64, "pairs per batch", "pairs", least=2)


@dataclass
class BenchGpuSettings:
    """Measure a card in the paper's setting in under ten minutes, and write one report; on a CPU the same at toy size."""

    out: str = setting("gpu", "folder of report.md and results.json", path=True)
    batch_size: int = setting(512, "pairs per batch", "pairs", least=64)
    rounds: int = setting(5, "how often each way is timed, turn and turn about; medians count", least=1)
    accelerator: str = setting("auto", "device", choices=("auto", "cpu", "gpu", "cuda", "mps"))


@dataclass
class BenchEvaluateSettings(BenchSettings):
    """Time an evaluation that encodes each view once, beside one that encodes it in every epoch of every probe."""

    items: int = setting(64, "items of noise, two views each", least=2)
    probe_epochs: int = setting(2, "epochs of a linear probe", "epochs", least=1)


@dataclass
class BenchDataSettings(RulerSettings):
    """Time drawing pairs of views from a packed store, beside reading them one at a time from image and latent files."""

    resolution: int = setting(128, "height and width of the images that are drawn; the files' are 256", "pixels", least=1)
    batch_size: int = setting(64, "pairs per batch", "pairs", least=1)
    objects: int = setting(32, "objects that are rendered", least=4)
    views: int = setting(8, "views of each", least=2)
    progress: bool = setting(True, "show progress")


@dataclass
class BenchContextSettings(RulerSettings):
    """Time queries in a context of 1, 2, 4, … pairs, beside copying the context for each of them."""

    pairs: int = setting(4096, "pairs of the longest context", least=1)
    queries: int = setting(256, "queries at once", least=1)
    copied_gb: float = setting(1.0, "copies are timed as far as they take no more memory than this", "GiB", above=0)
    width: int = setting(2048, "width of the predictor", least=1)
    n_layer: int = setting(3, "layers of the predictor", least=1)
    n_head: int = setting(4, "attention heads of the predictor", least=1)
    projection_dim: int = setting(512, "width of the embeddings", least=1)
    accelerator: str = setting("auto", "device", choices=("auto", "cpu", "gpu", "cuda", "mps"))
