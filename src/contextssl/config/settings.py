"""The settings of training and of the report: typed, with meaning and unit, flat as in the published command lines.

The defaults of :class:`TrainSettings` are the paper's run on 3DIEBench.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contextssl.config.data_settings import DataSettings
from contextssl.config.setting import MOST_SEED, setting
from contextssl.data_set import DATA_SETS
from contextssl.method import METHODS, methods_by_aim


@dataclass
class MethodSettings:
    """Method"""

    method: str = setting("contextssl", methods_by_aim, names=METHODS)
    context: str = setting(
        "actions",
        "what a context is made of: pairs of views with the actions of the active factors between them, as in the paper (actions); pairs of "
        "views that count as the same, without any action (examples); or pairs whose actions are true in the active factors and decoys in the "
        "others, which the views tell apart (evidence)",
        choices=("actions", "examples", "evidence"),
    )
    condition: str | None = setting(
        None, "for methods that follow one action: its active factors, rotation, color or rotation+color; default: all factors"
    )
    projector_width: int = setting(1024, "for baselines: hidden width of projectors, predictors and heads", least=1)
    equivariance_weight: float | None = setting(
        None,
        "for baselines that follow an action: weight of the loss of sen and of the action's term of equimod and augself "
        "(default: 1); for sie a multiple of the first of vicreg_coefficients (default: 0.45, so that its equivariance term "
        "has the weight 10 × 0.45; 10 × 4.5 is published too)",
        least=0,
    )
    vicreg_coefficients: list[float] = setting(
        [10.0, 10.0, 1.0], "for vicreg, vicreg+ and sie: invariance, variance, covariance; the default is published for 3DIEBench", least=0
    )
    ema_momentum: float | None = setting(
        None,
        "for byol and seq-jepa: momentum of the exponential moving average (EMA) encoder at the first step, rising to 1 along "
        "a cosine; default: 0.996, as published",
        least=0,
        below=1,
    )
    sequence_layers: int = setting(3, "for seq-jepa: layers of the transformer over views", least=1)
    sequence_heads: int = setting(4, "for seq-jepa: attention heads of that transformer", least=1)


@dataclass
class ModelSettings:
    """Model"""

    backbone: str = setting(
        "resnet18", "encoder: any timm model, or resnet_compact (ours, trains in minutes on a CPU); for tables table_mlp or table_resnet"
    )
    encoder_factory: str | None = setting(
        None, "your own encoder instead of backbone: package.module:function, called without arguments, that returns the module"
    )
    pretrained: bool = setting(False, "start from timm's pretrained weights (needs a network)")
    encoder_from: str | None = setting(None, "start from the encoder of this run, or checkpoint of one, instead of backbone", path=True)
    freeze: bool = setting(
        False,
        "the encoder is not trained: every view is encoded once into a store of features, and the predictor alone is trained on those, in minutes "
        "on a CPU",
    )
    frozen_views: int | None = setting(
        None,
        "for photos with freeze=true: fixed augmentations of each, of which pairs are drawn: every combination of two values of each factor, so a "
        "multiple of 4 for two factors, of 8 for three (default: 8, or as many as one of each takes)",
        least=2,
    )
    stem: str = setting(
        "default", "small, for images near 32 px: a 3×3 convolution of stride 1, no max-pooling", choices=("default", "small")
    )
    pool: str = setting("average", "the final feature map is averaged, or flattened into a linear layer", choices=("average", "flatten"))
    feature_norm: str = setting("none", "batch: features are normalised over the batch before the predictor", choices=("none", "batch"))
    encoder_width: int = setting(256, "for tables: width of the encoder's hidden layers and features", least=1)
    encoder_depth: int = setting(2, "for tables: hidden layers, or residual blocks", least=0)
    column_width: int = setting(16, "for tables: width of each column's embedding", least=1)
    projection_dim: int = setting(512, "width of the embeddings; may differ from the backbone's", least=1)
    width: int = setting(2048, "width of the predictor", least=1)
    n_layer: int = setting(3, "layers of the predictor", least=1)
    n_head: int = setting(4, "attention heads of the predictor", least=1)
    block_size: int = setting(128, "tokens per sequence, two per pair", "tokens", least=4)
    random_mask: bool = setting(True, "mask context pairs at random during training")
    mask_prob: float = setting(
        0.9, "probability that a token does not attend to a context pair in a layer, with random_mask=true", least=0, most=1
    )
    init: str = setting(
        "gpt2", "standard deviation of the predictor's initial weights: 0.02, or 1/√fan-in (learns in minutes)", choices=("gpt2", "fan_in")
    )
    auxiliary_width: int = setting(1024, "hidden width of the auxiliary head; 0 is a linear map", least=0)
    auxiliary_scale: str = setting(
        "unit", "input of the auxiliary head: the unit embedding, or √D times it", choices=("unit", "sqrt_width")
    )
    bottleneck: float = setting(
        0.0, "variance of the noise on the normalised embedding during training, as a share of the embedding's; 0 is published", least=0
    )


@dataclass
class ObjectiveSettings:
    """Objective"""

    temperature: float = setting(0.1, "of the contrastive loss", above=0)
    negatives: str = setting(
        "batch",
        "the negatives of a pair: all other pairs of the batch (the paper), or those of its own sequence, in which the pairs of an item then stay "
        "together: harder, and without the other contexts",
        choices=("batch", "sequence"),
    )
    clamp_similarities: bool = setting(
        True, "clamp cosines from below at 1e-7, as published: negatives with a negative cosine have no gradient"
    )
    weight_equiv_loss: float = setting(
        5.0,
        "weight of the auxiliary regression, which is added to the contrastive loss: the mean squared error of each active "
        "factor, summed over the active factors",
        least=0,
    )
    weight_inactive: float = setting(
        0.0,
        "weight of the squared distance between the tokens of pairs that differ in inactive factors alone (in tables only "
        "those drawn with exact_chance); 0 is published",
        least=0,
    )
    weight_labels: float = setting(
        0.0,
        "weight of a supervised head whose label depends on the context: the class together with the bin of the active factor; 0 is no such head",
        least=0,
    )
    weight_items: float = setting(
        0.0,
        "weight of telling items apart in every context: a linear head on embeddings, whose outputs of an item's views are contrasted with those "
        "of other items; 0, as published, is no such head",
        least=0,
    )
    label_bins: int = setting(2, "for weight_labels: bins of equal count into which a factor is divided", least=2)
    env_ratio: list[float] | dict[str, float] | None = setting(
        None,
        "probabilities of the environments: [rotation, color, both] for two factors, or for any number a mapping in quotes "
        "(the shell expands braces), 'env_ratio={rotation:0.5,none:0.5}'; default: equal for each factor alone (and for "
        "none, if there is one factor or they are categorical), which for two factors is the paper's [0.5,0.5,0.0]; of three and more "
        "under context=examples, equal for all but each",
        least=0,
        most=1,
    )
    env_per: str = setting("batch", "draw an environment per batch (the paper) or per sequence", choices=("batch", "sequence"))


@dataclass
class OptimiserSettings:
    """Optimisation"""

    epochs: int = setting(1000, "passes over the training items", least=1)
    batch_size: int = setting(512, "pairs per batch, over all devices", "pairs", least=1)
    pairs_per_item: int = setting(1, "pairs of each item in a batch; with 2 or more there are negatives of the same object", least=1)
    optimizer: str = setting("adam", "adam has weight decay as an L2 term, as published", choices=("adam", "adamw"))
    learning_rate: float = setting(5e-5, "peak learning rate for 256 pairs per batch; scaled in proportion to batch_size", above=0)
    weight_decay: float = setting(1e-3, "weight decay", least=0)
    warmup_epochs: float = setting(10.0, "epochs over which the learning rate rises; it then falls to 0 along a cosine", "epochs", least=0)
    gradient_clip: float = setting(0.0, "maximum norm of the gradient; 0 does not clip", least=0)


@dataclass
class RunSettings:
    """Run"""

    seed: int = setting(0, "seed of weights, pairs, environments, masks and validation pairs", least=0, most=MOST_SEED)
    output_dir: str = setting("runs", "folder in which each run makes a folder of its own", path=True)
    run_dir: str | None = setting(None, "folder of this run; default: a new one in output_dir", path=True)
    start_from: str | None = setting(
        None,
        "also from=: run folder, checkpoint or model file whose weights this run starts from, and whose settings it has but for those given; epochs "
        "says how many more, epochs=+20",
        path=True,
    )
    resume: str | None = setting(
        None, "run folder or checkpoint to resume, exactly, with its own settings; other values of those are an error", path=True
    )
    log_interval: int = setting(5, "epochs between evaluations on the validation pairs", "epochs", least=1)
    log_every_steps: int = setting(20, "steps between logged training metrics", "steps", least=1)
    save_interval: int = setting(0, "epochs between checkpoints that are kept; 0 keeps the last and the best", "epochs", least=0)
    keep_previous: bool = setting(
        True,
        "while a run trains the last checkpoint but one is kept too, in case the last is damaged: the disk of one more checkpoint, 1.8 GB of 150 "
        "million weights",
    )
    save_minutes: float = setting(10.0, "minutes between saves of the last checkpoint within an epoch", "minutes", least=0)
    max_minutes: float = setting(
        0.0, "stop after this many minutes of training; resume=RUN does not inherit the limit; 0 is no limit", "minutes", least=0
    )
    eval_ctxt: list[int] = setting(
        [0, 2, 14, 126], "context lengths evaluated on validation pairs, at most the longest that block_size allows", "tokens", least=0
    )
    val_pairs: int = setting(1024, "validation pairs per evaluation", "pairs", least=1)
    accelerator: str = setting("auto", "device", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    devices: int | list[int] | str = setting("auto", "number of devices, or which")
    num_nodes: int = setting(1, "number of machines, under torchrun or Slurm", least=1)
    shard_optimizer: bool = setting(
        False,
        "with several processes: each keeps the optimiser's state of its share of the weights alone (ZeRO, stage 1), which for Adam is half of what "
        "a weight takes; the steps are the same",
    )
    sync_batchnorm: bool = setting(
        False, "with several GPUs: batch normalisation in the encoder over the whole batch; false: over each process's share of it"
    )
    precision: str = setting(
        "auto", "auto is bf16-mixed where the device gains from it, else 32-true", choices=("auto", "32-true", "bf16-mixed", "16-mixed")
    )
    compile: bool = setting(False, "compile encoder and predictor with torch.compile (a minute at the start)")
    keep_on_device: bool | None = setting(
        None,
        "the training images are held on the device, as 8-bit integers, and batches are drawn there; default: on a GPU of whose free memory they "
        "take at most 40 %",
    )
    workers: int = setting(
        -1,
        "processes that draw batches, and that pack or render images first; 0 uses this one alone; -1 uses for batches none "
        "on a CPU and four with a GPU",
        least=-1,
    )
    wandb: str | None = setting(None, "also log to this Weights & Biases project (pip install 'contextssl[wandb]')")
    progress: bool = setting(True, "show progress")
    own: dict[str, Any] = setting({}, "settings that a plug-in (a method, a data set) declares; each is given by its own name")


@dataclass
class TrainSettings(RunSettings, OptimiserSettings, ObjectiveSettings, ModelSettings, MethodSettings, DataSettings):
    """Train ContextSSL or a baseline. The defaults are the paper's run on 3DIEBench (1000 epochs, 7 to 8 hours on one A6000)."""


@dataclass
class DemoSettings(TrainSettings):
    """See a model adapt to its context, in ten minutes: render shapes, train on them, evaluate by every protocol and write the report."""


@dataclass
class ReplaySettings:
    """Repeat the training step whose loss was not finite, and name the first tensor that is not."""

    run: str | None = setting(None, "folder of a run that stopped for it: contextssl replay RUN", path=True)
    accelerator: str = setting("auto", "device; the run's own gives the same numbers", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    encoder_factory: str | None = setting(None, "for a run with your own encoder: package.module:function that returns it")
    method: str | None = setting(None, "for a run of your own method: package.module:Name")


@dataclass
class ReportSettings:
    """Write one self-contained HTML page about a run, or several side by side, and its figures as PNG and SVG."""

    runs: list[str] = setting([], "run folders: contextssl report RUN [RUN …]", path=True)
    out: str | None = setting(None, "HTML file; default: RUN/report.html, for several runs ./report.html", path=True)
    split: str = setting("val", "split whose numbers are shown", choices=("val", "train", "test", "ood"))
    protocols: list[str] = setting([], "your own protocols, package.module:Name, whose sections are shown too")
    figures: bool = setting(True, "also write each figure as PNG and SVG, into the folder figures next to the page")
    gallery: bool = setting(True, "make a run's gallery of nearest neighbours if it is missing and its checkpoint and data are available")
    explorer: bool = setting(
        False,
        "also write the explorer of a run of context=examples as one file that needs no server, explorer.html next to the page: examples to choose, "
        "the nearest views, a map; takes a minute or two",
    )
    data_dir: str | None = setting(None, "for the gallery: the packed store of the data, where it has moved since training", path=True)
    factors: list[str] | None = setting(
        None, "for the gallery of a run with your own augmentations: its factors again, since no code is imported because a file names it"
    )
    dataset: str | None = setting(
        None, "for the gallery of a run on your own data: package.module:function that returns them", names=DATA_SETS
    )
    encoder_factory: str | None = setting(None, "for the gallery of a run with your own encoder: package.module:function that returns it")
    method: str | None = setting(None, "for the gallery of a run of your own method: package.module:Name")
