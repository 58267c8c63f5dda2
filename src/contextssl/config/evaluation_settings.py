"""What an evaluation reads, by what probes, in which contexts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contextssl.config.setting import MOST_SEED, setting
from contextssl.data_set import DATA_SETS
from contextssl.head import HEADS
from contextssl.method import METHODS

# Who is trained afresh to read a factor, or to predict a target, from rows of a table.
CLASSIFIERS = ("logistic", "mlp", "boosting")
# What stands beside a context in fairness: raw columns, linear erasure, SCARF.
BASELINES = ("raw", "erased", "scarf")

# Settings that say where things are and how they are computed, but change no number beyond rounding.
CHANGE_NOTHING = (
    "load_model",
    "pretrained_model_dir",
    "data_dir",
    "output_dir",
    "run_dir",
    "cache",
    "cache_dir",
    "cache_gb",
    # Which of its methods a checkpoint is of the checkpoint says: it is named for its code.
    "method",
    "accelerator",
    "progress",
)
# Settings that every protocol reads.
READ_BY_ALL = (
    *CHANGE_NOTHING,
    *("checkpoint", "n_head", "block_size", "image_mean", "image_std"),
    *("dataset", "resolution", "classes", "objects", "val_objects", "views", "supersample", "data_seed", "meshes"),
    *("factors", "encoder_factory", "own"),
    *("eval_ctxt", "environments", "contexts", "split", "items", "seed", "precision"),
)
# Those that several protocols read: of single views, and of heads that are trained.
SINGLE_VIEWS = ("train_views", "train_items", "probe_views")
TRAINED_HEADS = ("heads", "epochs", "learning_rate", "batch_size", "normalize", "pairs")


@dataclass
class EvaluatedDataSettings:
    """Data; those of the run where left out"""

    dataset: str | None = setting(
        None,
        "what to evaluate on: 3diebench or shapes; a published checkpoint's is 3diebench; of a run on data of your own package.module:function, "
        "which returns them, a contextssl.Data",
        names=DATA_SETS,
    )
    data_dir: str | None = setting(None, "the folder of the data, where it has moved: 3DIEBench as published, or a packed store", path=True)
    resolution: int | None = setting(None, "height and width of the images; 128 for a published checkpoint", "pixels", least=1)
    classes: int | list[str] | None = setting(None, "of dataset=shapes: the first so many classes, or their names", least=1)
    objects: int | None = setting(None, "of dataset=shapes: training objects of each class", least=1)
    val_objects: int | None = setting(None, "of dataset=shapes: validation objects of each class", least=1)
    views: int | None = setting(None, "of dataset=shapes: views of each object", least=1)
    supersample: int | None = setting(None, "of dataset=shapes: rays along each side of a pixel", least=1)
    data_seed: int | None = setting(None, "of dataset=shapes: seed of the objects and their views", least=0, most=MOST_SEED)
    meshes: str | None = setting(None, "of dataset=shapes: folder of mesh files", path=True)
    factors: list[str] | None = setting(
        None, "of a run on augmentations of your own: its factors once more, since no code is imported because a checkpoint names it"
    )


@dataclass
class LoadedModelSettings:
    """Model"""

    load_model: str | None = setting(None, "a run's folder, a checkpoint of one, or a checkpoint in the published format (.pt)", path=True)
    pretrained_model_dir: str | None = setting(None, "folder that load_model is looked for in", path=True)
    checkpoint: str = setting("last", "which of a run's checkpoints: last, best (chosen on the val split), or a name in its folder")
    encoder_factory: str | None = setting(
        None, "of a run with an encoder of your own: package.module:function that returns it, freshly built"
    )
    method: str | None = setting(
        None, "of a run of a method of your own: package.module:Name; of others the checkpoint says it", names=METHODS
    )
    n_head: int | None = setting(None, "of a published checkpoint, whose tensors don't tell: attention heads; 4 where left out", least=1)
    block_size: int | None = setting(None, "of a published checkpoint: tokens a sequence; 128 where left out", "tokens", least=4)
    image_mean: list[float] | None = setting(
        None,
        "of a published checkpoint: each channel's mean, 0 to 1, that its images were normalised by; where left out the published code's, "
        "0.5016, 0.5037, 0.5060",
        least=0,
        most=1,
    )
    image_std: list[float] | None = setting(
        None,
        "of a published checkpoint: each channel's deviation; where left out the published code's, 0.1030, 0.0999, 0.0969",
        above=0,
        most=1,
    )


@dataclass
class ProbeSettings:
    """Probes"""

    heads: list[str] = setting(
        ["published", "ridge"],
        f"what reads: {'; '.join(f'{head.name} ({head.about})' for head in HEADS.built_in.values())}; or your own, package.module:NAME",
        names=HEADS,
    )
    epochs: int | None = setting(
        None, "passes of trained heads over the training data; where left out 200 for pairs, 300 for single views", least=1
    )
    learning_rate: float = setting(1e-3, "of Adam, for trained heads", above=0)
    batch_size: int | None = setting(None, "of trained heads; where left out 512, and 256 for heads=[published] and pairs=fresh", least=1)
    normalize: bool = setting(
        True,
        "read (and rank by) features and embeddings of unit length; false takes them as the model gives them. heads=[published] has a rule of "
        "its own",
    )
    pairs: str = setting(
        "fixed",
        "what mlp and linear learn from in an epoch: fixed takes every one of train_views; fresh a new random pair of them of each training "
        "item, the last partial batch dropped (published)",
        choices=("fixed", "fresh"),
    )
    train_views: int = setting(8, "views of each training item that heads are trained on, fixed by the seed; 0 takes all", least=0)
    train_items: int = setting(0, "training items at most; 0 takes all", least=0)
    probe_views: int = setting(10, "views of each evaluated item that heads read, fixed by the seed; 0 takes all", least=0)
    bottleneck: list[float] = setting([0.0, 0.3, 1.0], "noise shares that probes and kNN read under; 0 is no noise", least=0)
    neighbours: int = setting(20, "k of kNN", least=1)


@dataclass
class RetrievalSettings:
    """Retrieval"""

    sources: str = setting(
        "all",
        "which views are sources: all; the first alone; published: the first alone, of the training split whatever split says (compare "
        "…_with_identity with the paper)",
        choices=("all", "first", "published"),
    )
    queries: int = setting(50, "with sources=all: (source, target) drawn of each item's; 0 takes every one", least=0)


@dataclass
class SensitivitySettings:
    """Factor sensitivity, where the data are rendered shapes"""

    sensitivity_items: int = setting(250, "items whose views are rendered anew with one factor changed; 0 leaves it out", least=0)
    sensitivity_views: int = setting(4, "views of each of them", least=1)


@dataclass
class FairnessSettings:
    """Fairness, where the data are rows of a table"""

    adversaries: list[str] = setting(
        ["logistic", "mlp", "boosting"], "classifiers that are trained afresh to read each factor: logistic, mlp, boosting"
    )
    fairness_bottleneck: list[float] | None = setting(
        None,
        "noise shares beside none; where left out the least under which adversaries gain nothing over raw columns, by training rows",
        least=0,
    )
    baselines: list[str] = setting(
        ["raw", "erased", "scarf"],
        "what stands beside: raw (columns with and without the factors), erased (LEACE on embeddings without a context), scarf",
    )
    scarf_epochs: int = setting(12, "that SCARF is trained for", least=1)


@dataclass
class EvaluateSettings(FairnessSettings, SensitivitySettings, RetrievalSettings, ProbeSettings, EvaluatedDataSettings, LoadedModelSettings):
    """Evaluate a run, or a published checkpoint, and add the numbers to its results.json."""

    eval_ctxt: list[int] | None = setting(
        None,
        "context lengths, two tokens a pair; where left out 0, 2, 14, 30, 126 as far as they fit, and the longest that fits",
        "tokens",
        least=0,
    )
    environments: list[str] | None = setting(
        None,
        "what contexts tell, such as [rotation,color,rotation+color,none]; where left out, what the model was trained on, and none beside it for "
        "heads=[published]",
    )
    unseen_classes: list[str] | None = setting(
        None,
        "of evaluate context-sensitivity on rendered shapes: classes not seen in training, such as [mug,lamp], whose pairs make further contexts",
    )
    contexts: int = setting(3, "contexts drawn from the training split; numbers are means over them, with their deviation", least=1)
    split: str = setting("val", "what is evaluated; probes are always trained on the training split", choices=("val", "train", "test"))
    items: int = setting(0, "items of that split at most, drawn by the seed; 0 takes all", least=0)
    seed: int = setting(0, "of contexts, views, pairs, queries, noise and heads", least=0, most=MOST_SEED)
    output_dir: str = setting("runs", "for a published checkpoint: folder in which its results get one of their own", path=True)
    run_dir: str | None = setting(
        None, "a folder for the results themselves; where left out the run's own, which holds the numbers of one checkpoint", path=True
    )
    cache: bool = setting(
        True,
        "keep features and embeddings on disk, and read them back as long as nothing that made them changes; false keeps them in memory",
    )
    cache_dir: str | None = setting(None, "where; the folder cache in the results' folder where left out", path=True)
    cache_gb: float = setting(32.0, "that the cache may hold at most; what was not read for longest goes first", "GiB", above=0)
    accelerator: str = setting("auto", "cpu, gpu, mps, auto", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    precision: str = setting(
        "32-true",
        "of the frozen model: 32-true is float32; auto is bf16-mixed where the device gains from it, which moves ranks and R²",
        choices=("auto", "32-true", "bf16-mixed"),
    )
    progress: bool = setting(True, "show progress")
    own: dict[str, Any] = setting({}, "what a plug-in (a protocol, a head, a method) declares for itself; give each by its own name")
