"""The settings of an evaluation: model, data, probes and contexts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextssl.config.setting import MOST_SEED, setting
from contextssl.config.transformation_settings import TransformationSettings
from contextssl.data_set import DATA_SETS
from contextssl.errors import SettingsError
from contextssl.head import HEADS
from contextssl.method import METHODS

# Classifiers that are newly trained to predict a factor or a target from rows of a table.
CLASSIFIERS = ("logistic", "mlp", "boosting")
# Baselines of fairness: raw columns, linear concept erasure, SCARF.
BASELINES = ("raw", "erased", "scarf")

# Settings that say where things are and how they are computed, but change no number beyond rounding.
CHANGE_NOTHING = (
    *("load_model", "pretrained_model_dir", "data_dir", "ood_dir", "output_dir", "run_dir", "cache", "cache_dir", "cache_gb"),
    # The checkpoint holds the method; it is given to find the user's own code.
    *("method", "accelerator", "progress"),
)
# Settings that every protocol reads.
READ_BY_ALL = (
    *CHANGE_NOTHING,
    *("checkpoint", "n_head", "block_size", "image_mean", "image_std"),
    *("dataset", "resolution", "classes", "objects", "val_objects", "views", "supersample", "data_seed", "meshes"),
    *("factors", "encoder_factory", "own"),
    *("eval_ctxt", "environments", "contexts", "split", "items", "seed", "precision"),
)
# Those that several protocols read: of single views, and of trained probes.
SINGLE_VIEWS = ("train_views", "train_items", "probe_views")
TRAINED_HEADS = ("heads", "epochs", "learning_rate", "batch_size", "normalize", "pairs")


@dataclass
class EvaluatedDataSettings:
    """Data (default: the run's)"""

    dataset: str | None = setting(
        None,
        "3diebench or shapes; for a published checkpoint 3diebench; for a run on your own data package.module:function that "
        "returns them, a contextssl.Data",
        names=DATA_SETS,
    )
    data_dir: str | None = setting(None, "folder of the data, where it has moved: 3DIEBench as published, or a packed store", path=True)
    ood_dir: str | None = setting(None, "for dataset=3diebench and split=ood: folder of 3DIEBench-OOD", path=True)
    resolution: int | None = setting(None, "height and width of the images; for a published checkpoint 128", "pixels", least=1)
    classes: int | list[str] | None = setting(None, "for dataset=shapes: the first so many classes, or their names", least=1)
    objects: int | None = setting(None, "for dataset=shapes: training objects per class", least=1)
    val_objects: int | None = setting(None, "for dataset=shapes: validation objects per class", least=1)
    views: int | None = setting(None, "for dataset=shapes: views per object", least=1)
    supersample: int | None = setting(None, "for dataset=shapes: rays along each side of a pixel", least=1)
    data_seed: int | None = setting(None, "for dataset=shapes: seed of the objects and their views", least=0, most=MOST_SEED)
    meshes: str | None = setting(None, "for dataset=shapes: folder of mesh files", path=True)
    factors: list[str] | None = setting(
        None, "for a run with your own augmentations: its factors again, since no code is imported because a checkpoint names it"
    )


@dataclass
class LoadedModelSettings:
    """Evaluated model"""

    load_model: str | None = setting(
        None,
        "run folder, checkpoint of a run, model file (.safetensors), checkpoint in the published format (.pt), or the name of a model that comes "
        "with contextssl",
        path=True,
    )
    pretrained_model_dir: str | None = setting(None, "folder in which load_model is looked for", path=True)
    checkpoint: str = setting("last", "which of a run's checkpoints: last, best (chosen on the val split), or the name of one")
    encoder_factory: str | None = setting(None, "for a run with your own encoder: package.module:function that returns it, newly built")
    method: str | None = setting(
        None, "for a run of your own method: package.module:Name; other checkpoints hold their method", names=METHODS
    )
    n_head: int | None = setting(None, "for a published checkpoint, which does not hold it: attention heads; default: 4", least=1)
    block_size: int | None = setting(None, "for a published checkpoint: tokens per sequence; default: 128", "tokens", least=4)
    image_mean: list[float] | None = setting(
        None,
        "for a published checkpoint: mean of each channel, 0 to 1, by which its images were normalised; default: the "
        "published code's, 0.5016, 0.5037, 0.5060",
        least=0,
        most=1,
    )
    image_std: list[float] | None = setting(
        None,
        "for a published checkpoint: standard deviation of each channel; default: the published code's, 0.1030, 0.0999, 0.0969",
        above=0,
        most=1,
    )

    def named_model(self, why: str) -> Path:
        """Where the model is looked for. Raises SettingsError, which says ``why`` one is needed, where none is named."""
        if self.load_model is None:
            raise SettingsError(why)
        return Path(self.load_model) if self.pretrained_model_dir is None else Path(self.pretrained_model_dir) / self.load_model


@dataclass
class ProbeSettings:
    """Probes"""

    heads: list[str] = setting(
        ["published", "ridge"],
        f"probes: {'; '.join(f'{head.name} ({head.about})' for head in HEADS.built_in.values())}; or your own, package.module:NAME",
        names=HEADS,
    )
    epochs: int | None = setting(None, "training epochs of probes; default: 200 for pairs, 300 for single views", least=1)
    learning_rate: float = setting(1e-3, "of Adam, for trained probes", above=0)
    batch_size: int | None = setting(None, "of trained probes; default: 512, but 256 for heads=[published] and for pairs=fresh", least=1)
    normalize: bool = setting(
        True,
        "probe (and rank) features and embeddings of unit length; false: as the model gives them. heads=[published] normalises by a rule of its own",
    )
    pairs: str = setting(
        "fixed",
        "pairs of train_views that mlp and linear are trained on in an epoch: all (fixed), or a new random one per training "
        "item, without the last partial batch, as published (fresh)",
        choices=("fixed", "fresh"),
    )
    train_views: int = setting(8, "views of each training item that probes are trained on, fixed by the seed; 0 uses all", least=0)
    train_items: int = setting(0, "maximum number of training items; 0 uses all", least=0)
    probe_views: int = setting(10, "views of each evaluated item that are probed, fixed by the seed; 0 uses all", least=0)
    bottleneck: list[float] = setting(
        [0.0, 0.3, 1.0], "noise shares under which probes (and kNN) are trained and tested; 0 is no noise", least=0
    )
    neighbours: int = setting(20, "k of kNN", least=1)


@dataclass
class RetrievalSettings:
    """Retrieval"""

    sources: str = setting(
        "all",
        "views that are sources: all; the first of each item; published: the first, of the training split whatever split is "
        "(compare …_with_identity with the paper)",
        choices=("all", "first", "published"),
    )
    queries: int = setting(50, "for sources=all: (source, target) queries drawn per item; 0 uses all", least=0)


@dataclass
class SensitivitySettings:
    """Factor sensitivity (rendered shapes)"""

    sensitivity_items: int = setting(250, "items whose views are rendered again with one factor changed; 0 skips it", least=0)
    sensitivity_views: int = setting(4, "views per item", least=1)


@dataclass
class FairnessSettings:
    """Fairness (tables)"""

    adversaries: list[str] = setting(
        ["logistic", "mlp", "boosting"], "classifiers that are newly trained to predict each factor: logistic, mlp, boosting"
    )
    fairness_bottleneck: list[float] | None = setting(
        None,
        "noise shares to evaluate in addition to none; default: the smallest at which adversaries gain nothing over raw "
        "columns, chosen on training rows",
        least=0,
    )
    baselines: list[str] = setting(
        ["raw", "erased", "scarf"],
        "baselines to evaluate too: raw (columns with and without the factors), erased (LEACE on embeddings without a context), scarf",
    )
    scarf_epochs: int = setting(12, "training epochs of SCARF", least=1)


@dataclass
class MeasurementSettings:
    """Evaluation"""

    eval_ctxt: list[int] | None = setting(
        None,
        "context lengths, two tokens per pair; default: those of 0, 2, 14, 30, 126 that fit, and the longest that fits",
        "tokens",
        least=0,
    )
    environments: list[str] | None = setting(
        None,
        "environments of the contexts, such as [rotation,color,rotation+color,none]; default: those that the model was "
        "trained on, and for heads=[published] also none",
    )
    unseen_classes: list[str] | None = setting(
        None, "for context sensitivity on rendered shapes: classes that training never saw, [mug,lamp], whose pairs make further contexts"
    )
    foreign: dict[str, Any] | None = setting(
        None,
        "for context sensitivity of a model trained with context=examples (or evidence): other data whose pairs make further contexts, by the "
        "name that their rows get: a packed store of rendered views, {meshes:datasets/meshes}, or images with the augmentation that stands for "
        "each factor, {photos:{data_dir:DIR,factors:{rotation:rotate,color:color}}}",
    )
    contexts: int = setting(
        3, "contexts drawn from the training split; numbers are means over them, with their standard deviation", least=1
    )
    split: str = setting(
        "val",
        "split to evaluate; probes are always trained on the training split; ood is the validation objects in poses that training never saw",
        choices=("val", "train", "test", "ood"),
    )
    items: int = setting(0, "maximum number of items of that split, drawn by the seed; 0 uses all", least=0)
    seed: int = setting(0, "seed of contexts, views, pairs, queries, noise and probes", least=0, most=MOST_SEED)
    output_dir: str = setting(
        "runs", "for a model that is of no run folder: folder in which its results get a folder of their own", path=True
    )
    run_dir: str | None = setting(
        None, "folder of the results; default: the run's own, which holds the numbers of one checkpoint", path=True
    )
    cache: bool = setting(
        True,
        "keep features and embeddings on disk, and use them again while nothing that they depend on changes; false keeps them in memory",
    )
    cache_dir: str | None = setting(None, "folder of that cache; default: cache in the folder of the results", path=True)
    cache_gb: float = setting(32.0, "maximum size of that cache; the least recently used is removed first", "GiB", above=0)
    accelerator: str = setting("auto", "device", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    precision: str = setting(
        "32-true",
        "of the frozen model: 32-true is float32; auto is bf16-mixed where the device gains from it, which changes ranks and R²",
        choices=("auto", "32-true", "bf16-mixed"),
    )
    progress: bool = setting(True, "show progress")
    own: dict[str, Any] = setting({}, "settings that a plug-in (a protocol, a head, a method) declares; each is given by its own name")


@dataclass
class EvaluateSettings(
    MeasurementSettings,
    TransformationSettings,
    FairnessSettings,
    SensitivitySettings,
    RetrievalSettings,
    ProbeSettings,
    EvaluatedDataSettings,
    LoadedModelSettings,
):
    """Evaluate a run or a published checkpoint, and add the numbers to its results.json."""
