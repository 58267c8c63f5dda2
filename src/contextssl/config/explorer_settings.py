"""The settings of the explorer."""

from __future__ import annotations

from dataclasses import dataclass

from contextssl.config.setting import setting
from contextssl.data_set import DATA_SETS

LOOPBACK = "127.0.0.1"


@dataclass
class ExploreSettings:
    """Open a local page on which examples are chosen and the nearest views, the map and the description follow at once."""

    model: str = setting(
        "shapes", "a run of context=examples, its checkpoint, or a model that comes with contextssl: contextssl explore [MODEL]", path=True
    )
    images: str | None = setting(None, "your own images to explore instead of the model's data: a folder or an archive", path=True)
    views: int = setting(432, "about so many views are shown", least=12, most=2000)
    augmented: int = setting(
        0, "with images=, for a model that was trained with augmentations: so many augmentations of each are shown too", least=0, most=35
    )
    host: str = setting(
        LOOPBACK, "address to listen on; any other than this machine's own lets others in who can reach it: there is no password"
    )
    port: int = setting(8765, "port to listen on; 0 takes any that is free", least=0, most=65535)
    open: bool = setting(True, "open the page in the browser, where there is a desktop")
    checkpoint: str = setting("last", "which of a run's checkpoints: last, best, or the name of one")
    data_dir: str | None = setting(None, "the packed store of the run's data, where it has moved since training", path=True)
    seed: int = setting(0, "seed of the examples and views that are shown", least=0)
    accelerator: str = setting("auto", "device", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    factors: list[str] | None = setting(
        None, "for a run with your own augmentations: its factors again, since no code is imported because a file names it"
    )
    dataset: str | None = setting(None, "for a run on your own data: package.module:function that returns them", names=DATA_SETS)
    encoder_factory: str | None = setting(None, "for a run with your own encoder: package.module:function that returns it")
    method: str | None = setting(None, "for a run of your own method: package.module:Name")
    progress: bool = setting(True, "say what is done at the start")
