"""The settings of every command: typed, each with its meaning and unit, flat as in the published command lines.

The defaults of :class:`TrainSettings` are the paper's run on 3DIEBench.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contextssl.config.data_settings import AugmentationSettings as AugmentationSettings
from contextssl.config.data_settings import DataSettings as DataSettings
from contextssl.config.data_settings import PhotosSettings as PhotosSettings
from contextssl.config.data_settings import ShapesSettings as ShapesSettings
from contextssl.config.data_settings import TablesSettings as TablesSettings
from contextssl.config.setting import setting


@dataclass
class MethodSettings:
    """Method"""

    method: str = setting(
        "contextssl",
        "contextssl, or a rival to compare it with: simclr, vicreg, byol (invariance); simclr+, vicreg+ (the same losses on the in-context "
        "transformer, no actions); sen, equimod, augself, sie, seq-jepa (they follow one action); supervised, supervised-latents (ceilings), "
        "random (untrained)",
        choices=(
            "contextssl",
            "simclr",
            "vicreg",
            "byol",
            "simclr+",
            "vicreg+",
            "sen",
            "equimod",
            "augself",
            "sie",
            "seq-jepa",
            "supervised",
            "supervised-latents",
            "random",
        ),
    )
    condition: str | None = setting(
        None, "of methods that follow one action: what it tells, rotation, color or rotation+color; all factors where left out"
    )
    projector_width: int = setting(1024, "of rivals: hidden width of projectors, predictors and heads")
    equivariance_weight: float | None = setting(
        None, "of rivals that follow an action: weight of that term; where left out 1, of sie 0.45 (its other published value is 4.5)"
    )
    vicreg_coefficients: list[float] = setting(
        [10.0, 10.0, 1.0], "of vicreg, vicreg+ and sie: invariance, variance, covariance; those published for 3DIEBench"
    )
    momentum: float = setting(0.99, "of byol and seq-jepa: share of its old weights that the following network keeps at a step")
    sequence_layers: int = setting(3, "of seq-jepa: layers of the transformer that joins views")
    sequence_heads: int = setting(4, "of seq-jepa: its heads")


@dataclass
class ModelSettings:
    """Model"""

    backbone: str = setting(
        "resnet18", "encoder: any timm model, resnet_compact (ours, for minutes on a CPU), or of tables table_mlp or table_resnet"
    )
    pretrained: bool = setting(False, "start from timm's weights (needs a network)")
    stem: str = setting(
        "default", "'small' for images near 32 px: a 3×3 convolution of stride 1, no max-pooling", choices=("default", "small")
    )
    pool: str = setting("average", "the final map is averaged, or flattened through a linear layer", choices=("average", "flatten"))
    feature_norm: str = setting("none", "'batch' normalises features over the batch before the predictor", choices=("none", "batch"))
    encoder_width: int = setting(256, "of an encoder of tables: width of its hidden layers and features")
    encoder_depth: int = setting(2, "of an encoder of tables: hidden layers, or residual blocks")
    column_width: int = setting(16, "of an encoder of tables: numbers that each column is embedded in")
    projection_dim: int = setting(512, "width of the embeddings; need not be the backbone's")
    width: int = setting(2048, "width of the predictor")
    n_layer: int = setting(3, "layers of the predictor")
    n_head: int = setting(4, "attention heads of the predictor")
    block_size: int = setting(128, "tokens a sequence, two a pair", "tokens")
    random_mask: bool = setting(True, "hide context pairs at random while training")
    mask_prob: float = setting(0.9, "chance that a token does not see a context pair in a layer, where random_mask is on")
    init: str = setting("gpt2", "weights of the predictor: deviation 0.02, or 1/√fan-in (learns in minutes)", choices=("gpt2", "fan_in"))
    auxiliary_width: int = setting(1024, "hidden width of the auxiliary head; 0 for a linear map")
    auxiliary_scale: str = setting(
        "unit", "what the auxiliary head reads: the unit embedding, or √D times it", choices=("unit", "sqrt_width")
    )
    bottleneck: float = setting(
        0.0, "noise on the normalised embedding while training, its variance as a share of the embedding's; 0 is published"
    )


@dataclass
class ObjectiveSettings:
    """Objective"""

    temperature: float = setting(0.1, "of the contrastive loss")
    clamp_similarities: bool = setting(True, "floor cosines at 1e-7 as published, so that negatives of negative cosine give no gradient")
    weight_equiv_loss: float = setting(5.0, "weight of the auxiliary regression beside the contrastive loss")
    weight_untold: float = setting(
        0.0,
        "weight of the squared distance between the tokens of pairs that differ in untold factors alone (of tables, exact_chance of them); "
        "0 is published",
    )
    weight_labels: float = setting(
        0.0, "weight of a supervised head whose label depends on the context: the class with the told factor's bin; 0 has no such head"
    )
    label_bins: int = setting(2, "of those labels: bins of equal count that a factor is cut into")
    env_ratio: Any = setting(
        None,
        "chances of the environments: [rotation, color, both] for two factors, or a mapping such as {rotation:0.5,none:0.5} for any; "
        "where left out each factor alone (and none, where there is one factor or they are categories), with equal chances; for two the paper's "
        "[0.5,0.5,0.0]",
    )
    env_per: str = setting("batch", "an environment is drawn for each batch (the paper) or each sequence", choices=("batch", "sequence"))


@dataclass
class OptimiserSettings:
    """Optimisation"""

    epochs: int = setting(1000, "passes over the training items")
    batch_size: int = setting(512, "pairs a batch, over all devices", "pairs")
    pairs_per_item: int = setting(1, "pairs drawn of each item in a batch; more give negatives of the same object")
    optimizer: str = setting("adam", "'adam' (weight decay as an L2 term, published) or 'adamw'", choices=("adam", "adamw"))
    learning_rate: float = setting(5e-5, "peak learning rate for 256 pairs a batch; scaled in proportion to batch_size")
    weight_decay: float = setting(1e-3, "weight decay")
    warmup_epochs: float = setting(10.0, "epochs over which the learning rate rises; it then falls to 0 along a cosine", "epochs")
    gradient_clip: float = setting(0.0, "largest norm of the gradient; 0 does not clip")


@dataclass
class RunSettings:
    """Run"""

    seed: int = setting(0, "of weights, pairs, environments, masks and validation pairs")
    output_dir: str = setting("runs", "folder in which each run makes its own")
    run_dir: str | None = setting(None, "this run's folder; a new one in output_dir where left out")
    resume: str | None = setting(None, "run folder or checkpoint to go on with, exactly; its settings hold, other words given are an error")
    log_interval: int = setting(5, "epochs between two looks at the validation pairs", "epochs")
    log_every_steps: int = setting(20, "steps between two readings of the meters", "steps")
    save_interval: int = setting(0, "epochs between checkpoints that are kept; 0 keeps the last and the best", "epochs")
    save_minutes: float = setting(10.0, "minutes after which the last checkpoint is saved within an epoch", "minutes")
    max_minutes: float = setting(0.0, "stop after so many minutes of training; 0 does not", "minutes")
    eval_ctxt: list[int] = setting(
        [0, 2, 14, 126], "context lengths looked at on validation pairs; beyond the block, its longest", "tokens"
    )
    val_pairs: int = setting(1024, "validation pairs that each look takes", "pairs")
    accelerator: str = setting("auto", "cpu, gpu, mps, auto")
    devices: Any = setting("auto", "how many devices, or which")
    num_nodes: int = setting(1, "machines, under torchrun or Slurm")
    precision: str = setting(
        "auto", "bf16-mixed where the device gains from it, else 32-true", choices=("auto", "32-true", "bf16-mixed", "16-mixed")
    )
    compile: bool = setting(False, "compile the encoder with torch.compile (half a minute at the start)")
    workers: int = setting(-1, "processes that draw batches; -1 chooses: none on a CPU, four for a GPU")
    wandb: str | None = setting(None, "log to this Weights & Biases project too (pip install 'contextssl[wandb]')")
    progress: bool = setting(True, "show progress")


@dataclass
class TrainSettings(RunSettings, OptimiserSettings, ObjectiveSettings, ModelSettings, MethodSettings, DataSettings):
    """Train ContextSSL, or a rival method. The defaults are the paper's run on 3DIEBench (1000 epochs, 7 to 8 hours on one A6000)."""


@dataclass
class ComparisonSettings:
    """Comparison"""

    methods: list[str] = setting(
        [
            *("simclr", "vicreg", "byol", "simclr+", "vicreg+", "sen", "equimod", "augself", "sie", "seq-jepa"),
            *("supervised", "supervised-latents", "random", "contextssl"),
        ],
        "what is compared; sie:rotation is SIE conditioned on rotation alone",
    )
    conditions: list[str] | None = setting(
        None, "environments that a method which follows one action is conditioned on, each in turn; where left out each factor alone"
    )
    vary: Any = setting(
        None, "settings that are varied, one at a time, over values: {mask_prob:[0,0.5,0.9]}; each method is run once for each value"
    )
    seeds: list[int] = setting([0, 1, 2], "each run is trained with each")
    compare_dir: str = setting("runs/compare", "folder of the runs, METHOD/seedN, and of the tables; what is there already is used again")
    evaluation: str = setting("quick", "the demo's probes, or the paper's, which take longer", choices=("quick", "published"))
    protocols: list[str] = setting(
        ["equivariance", "retrieval", "probe", "geometry", "erasure"], "what every run is evaluated by; reading and labels are further ones"
    )
    compare_environments: list[str] | None = setting(
        None, "what contexts tell in the evaluation, such as [rotation,color,rotation+color,none]; where left out, what each was trained on"
    )
    compare_lengths: list[int] | None = setting(
        None, "context lengths that are evaluated; where left out 0, 2, 14, 30, 126 as far as they fit, and the longest", "tokens"
    )
    job: int = setting(-1, "one run of the comparison by its number, as a launcher is told; -1 is all of them")


@dataclass
class CompareSettings(ComparisonSettings, TrainSettings):
    """Train what is missing, evaluate all alike, and write the paper's table: methods side by side, over seeds."""


@dataclass
class ReproduceSettings(ComparisonSettings, TrainSettings):
    """An experiment of the paper by its name, on 3DIEBench where it is (data_dir=DIR), else on rendered shapes."""

    what: str | None = setting(None, "figure3, table1, masks, auxiliary, bottleneck, environments, reading, labels, single or subsets")


@dataclass
class DemoSettings(TrainSettings):
    """See it adapt, in ten minutes: render shapes, train on them, evaluate by every protocol and write the report."""


@dataclass
class RenderSettings(ShapesSettings):
    """Render objects as 3DIEBench does, into a packed store or the published folder layout."""

    out: str = setting("datasets/shapes", "folder to write")
    resolution: int = setting(64, "height and width of the images", "pixels")
    layout: str = setting(
        "packed", "'packed' store (trains at once), or the published 'folder' of images and latents", choices=("packed", "folder")
    )
    image_format: str = setting("png", "of layout=folder: png is lossless", choices=("png", "jpg"))
    workers: int = setting(0, "processes; 0 takes every core")
    progress: bool = setting(True, "show progress")


@dataclass
class PackSettings:
    """Pack a folder in 3DIEBench's published layout into one memory-mapped store."""

    data_dir: str | None = setting(None, "the folder: SYNSET/OBJECT/image_i.jpg and latent_i.npy, with meta/ beside them")
    out: str | None = setting(None, "folder of the store; DATA_DIR/packed-RESOLUTION where left out")
    resolution: int = setting(128, "height and width of the images", "pixels")
    check_ranges: bool = setting(True, "refuse latents outside 3DIEBench's published ranges")
    workers: int = setting(0, "processes; 0 takes every core")
    progress: bool = setting(True, "show progress")


@dataclass
class CheckSettings(AugmentationSettings):
    """Look a folder of data, a packed store, images or a table over: counts, damaged files, latents, labels, columns, a picture of sample views."""

    data_dir: str | None = setting(None, "the folder, store, tar or zip of images, or table to check")
    picture: str | None = setting(None, "PNG to write the sample views to; NAME-views.png where left out")
    workers: int = setting(0, "processes; 0 takes every core")
    progress: bool = setting(True, "show progress")


@dataclass
class EvaluatedDataSettings:
    """Data; those of the run where left out"""

    dataset: str | None = setting(None, "what to evaluate on: 3diebench or shapes; a published checkpoint's is 3diebench")
    data_dir: str | None = setting(None, "the folder of the data, where it has moved: 3DIEBench as published, or a packed store")
    resolution: int | None = setting(None, "height and width of the images; 128 for a published checkpoint", "pixels")
    classes: Any = setting(None, "of dataset=shapes: the first so many classes, or their names")
    objects: int | None = setting(None, "of dataset=shapes: training objects of each class")
    val_objects: int | None = setting(None, "of dataset=shapes: validation objects of each class")
    views: int | None = setting(None, "of dataset=shapes: views of each object")
    supersample: int | None = setting(None, "of dataset=shapes: rays along each side of a pixel")
    data_seed: int | None = setting(None, "of dataset=shapes: seed of the objects and their views")
    meshes: str | None = setting(None, "of dataset=shapes: folder of mesh files")


@dataclass
class LoadedModelSettings:
    """Model"""

    load_model: str | None = setting(None, "a run's folder, a checkpoint of one, or a checkpoint in the published format (.pt)")
    pretrained_model_dir: str | None = setting(None, "folder that load_model is looked for in")
    checkpoint: str = setting("last", "which of a run's checkpoints: last, best, or a name in its folder")
    n_head: int | None = setting(None, "of a published checkpoint, whose tensors don't tell: attention heads; 4 where left out")
    block_size: int | None = setting(None, "of a published checkpoint: tokens a sequence; 128 where left out", "tokens")
    image_mean: list[float] | None = setting(
        None, "of a published checkpoint: each channel's mean, 0 to 1, that its images were normalised by; the data's own where left out"
    )
    image_std: list[float] | None = setting(None, "of a published checkpoint: each channel's deviation; the data's own where left out")


@dataclass
class ProbeSettings:
    """Probes"""

    heads: list[str] = setting(
        ["published", "ridge"],
        "what reads: published (rotations by an MLP 1024-1024, colour and class by a linear map), mlp or linear (everything), ridge, knn",
    )
    epochs: int | None = setting(
        None, "passes of trained heads over the training views; where left out 200 for pairs, 300 for single views"
    )
    learning_rate: float = setting(1e-3, "of Adam, for trained heads")
    batch_size: int = setting(512, "of trained heads")
    train_views: int = setting(8, "views of each training item that heads are trained on, fixed by the seed; 0 takes all")
    train_items: int = setting(0, "training items at most; 0 takes all")
    probe_views: int = setting(10, "views of each evaluated item that heads read, fixed by the seed; 0 takes all")
    bottleneck: list[float] = setting([0.0, 0.3, 1.0], "noise shares that probes and kNN read under; 0 is no noise")
    neighbours: int = setting(20, "k of kNN")


@dataclass
class RetrievalSettings:
    """Retrieval"""

    sources: str = setting("all", "which views are sources: all, or the first alone (published)", choices=("all", "first"))
    queries: int = setting(50, "with sources=all: (source, target) drawn of each item's; 0 takes every one")


@dataclass
class SensitivitySettings:
    """Factor sensitivity, where the data are rendered shapes"""

    sensitivity_items: int = setting(250, "items whose views are rendered anew with one factor changed; 0 leaves it out")
    sensitivity_views: int = setting(4, "views of each of them")


@dataclass
class FairnessSettings:
    """Fairness, where the data are rows of a table"""

    adversaries: list[str] = setting(
        ["logistic", "mlp", "boosting"], "classifiers that are trained afresh to read each factor: logistic, mlp, boosting"
    )
    forget_bottleneck: list[float] | None = setting(
        None, "noise shares beside none; where left out the least under which adversaries gain nothing over raw columns, by training rows"
    )
    baselines: list[str] = setting(
        ["raw", "erased", "scarf"],
        "what stands beside: raw (columns with and without the factors), erased (LEACE on embeddings without a context), scarf",
    )
    scarf_epochs: int = setting(12, "that SCARF is trained for")


@dataclass
class EvaluateSettings(FairnessSettings, SensitivitySettings, RetrievalSettings, ProbeSettings, EvaluatedDataSettings, LoadedModelSettings):
    """Evaluate a run, or a published checkpoint, and add the numbers to its results.json."""

    eval_ctxt: list[int] | None = setting(
        None, "context lengths, two tokens a pair; where left out 0, 2, 14, 30, 126 as far as they fit, and the longest that fits", "tokens"
    )
    environments: list[str] | None = setting(
        None, "what contexts tell, such as [rotation,color,rotation+color,none]; where left out, what the model was trained on"
    )
    unseen_classes: Any = setting(
        None, "of evaluate reading on rendered shapes: names of classes that training never saw, [mug,lamp], whose pairs make contexts too"
    )
    contexts: int = setting(3, "contexts drawn from the training split; numbers are means over them, with their deviation")
    split: str = setting("val", "what is evaluated; probes are always trained on the training split", choices=("val", "train", "test"))
    items: int = setting(0, "items of that split at most, drawn by the seed; 0 takes all")
    seed: int = setting(0, "of contexts, views, pairs, queries, noise and heads")
    output_dir: str = setting("runs", "for a published checkpoint: folder in which its results get one of their own")
    run_dir: str | None = setting(None, "for a published checkpoint: the folder for its results itself")
    cache: bool = setting(
        True,
        "keep features and embeddings on disk, and read them back as long as nothing that made them changes; false keeps them in memory",
    )
    cache_dir: str | None = setting(None, "where; the folder cache in the results' folder where left out")
    accelerator: str = setting("auto", "cpu, gpu, mps, auto", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    precision: str = setting(
        "auto", "of the frozen model: bf16-mixed where the device gains from it, else 32-true", choices=("auto", "32-true", "bf16-mixed")
    )
    progress: bool = setting(True, "show progress")


@dataclass
class EvaluateEquivarianceSettings(EvaluateSettings):
    """Read the action between two views from their embeddings, in contexts of every kind and length."""


@dataclass
class EvaluateRetrievalSettings(EvaluateSettings):
    """Find the predicted view among an object's views: MRR, H@k, prediction error."""


@dataclass
class EvaluateProbeSettings(EvaluateSettings):
    """Read class and factor values from single views: trained probes, ridge, the model's own head, under noise."""


@dataclass
class EvaluateGeometrySettings(EvaluateSettings):
    """What distances see: variance share, factor sensitivity and kNN read-outs of every factor."""


@dataclass
class EvaluateFairnessSettings(EvaluateSettings):
    """Of rows of a table: who can read a factor, what tasks lose, how differently groups fare, what a flipped factor changes."""


@dataclass
class EvaluateErasureSettings(EvaluateSettings):
    """Erase factors from frozen features after the fact (LEACE), and read what is left: the rival that needs no context."""


@dataclass
class EvaluateReadingSettings(EvaluateSettings):
    """Does it read the context, or guess? Contexts that are shuffled, wrong, random, of unseen classes, too long."""


@dataclass
class EvaluateLabelsSettings(EvaluateSettings):
    """Labels that depend on the context, by the head that was trained on them (weight_labels)."""


@dataclass
class EvaluateAllSettings(EvaluateSettings):
    """Evaluate by all of these protocols that the data allow, with one encoding."""


@dataclass
class ReportSettings:
    """Write one self-contained HTML page about a run, or several side by side, and its figures as PNG and SVG."""

    runs: list[str] = setting([], "run folders: contextssl report RUN [RUN …]")
    out: str | None = setting(None, "the page; where left out RUN/report.html, for several runs ./report.html")
    split: str = setting("val", "which split's numbers to show", choices=("val", "train", "test"))
    figures: bool = setting(True, "write each figure as PNG and SVG too, into the folder figures beside the page")
    gallery: bool = setting(True, "make a run's gallery of neighbours where it is missing and checkpoint and data are at hand")
    data_dir: str | None = setting(None, "the data's packed store, where it has moved since training; for the gallery")
