"""The settings of training and of the report: typed, each with its meaning and unit, flat as in the published command lines.

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
    condition: str | None = setting(
        None, "of methods that follow one action: what it tells, rotation, color or rotation+color; all factors where left out"
    )
    projector_width: int = setting(1024, "of rivals: hidden width of projectors, predictors and heads", least=1)
    equivariance_weight: float | None = setting(
        None,
        "of rivals that follow an action: multiplies the loss of sen, the action's term of equimod and augself (1 where left out), and of sie the "
        "first of vicreg_coefficients, so that its equivariance term weighs 10 × 0.45 where left out (10 × 4.5 is published too)",
        least=0,
    )
    vicreg_coefficients: list[float] = setting(
        [10.0, 10.0, 1.0], "of vicreg, vicreg+ and sie: invariance, variance, covariance; those published for 3DIEBench", least=0
    )
    ema_momentum: float | None = setting(
        None,
        "of byol and seq-jepa: share of its old weights that the following network keeps at the first step, rising to 1 along a cosine; 0.996, as "
        "published, where left out",
        least=0,
        below=1,
    )
    sequence_layers: int = setting(3, "of seq-jepa: layers of the transformer that joins views", least=1)
    sequence_heads: int = setting(4, "of seq-jepa: its heads", least=1)


@dataclass
class ModelSettings:
    """Model"""

    backbone: str = setting(
        "resnet18", "encoder: any timm model, resnet_compact (ours, for minutes on a CPU), or of tables table_mlp or table_resnet"
    )
    encoder_factory: str | None = setting(
        None, "an encoder of your own, in the place of backbone: package.module:function, called without arguments, that returns the module"
    )
    pretrained: bool = setting(False, "start from timm's weights (needs a network)")
    stem: str = setting(
        "default", "'small' for images near 32 px: a 3×3 convolution of stride 1, no max-pooling", choices=("default", "small")
    )
    pool: str = setting("average", "the final map is averaged, or flattened through a linear layer", choices=("average", "flatten"))
    feature_norm: str = setting("none", "'batch' normalises features over the batch before the predictor", choices=("none", "batch"))
    encoder_width: int = setting(256, "of an encoder of tables: width of its hidden layers and features", least=1)
    encoder_depth: int = setting(2, "of an encoder of tables: hidden layers, or residual blocks", least=0)
    column_width: int = setting(16, "of an encoder of tables: numbers that each column is embedded in", least=1)
    projection_dim: int = setting(512, "width of the embeddings; need not be the backbone's", least=1)
    width: int = setting(2048, "width of the predictor", least=1)
    n_layer: int = setting(3, "layers of the predictor", least=1)
    n_head: int = setting(4, "attention heads of the predictor", least=1)
    block_size: int = setting(128, "tokens a sequence, two a pair", "tokens", least=4)
    random_mask: bool = setting(True, "hide context pairs at random while training")
    mask_prob: float = setting(0.9, "chance that a token does not see a context pair in a layer, where random_mask is on", least=0, most=1)
    init: str = setting("gpt2", "weights of the predictor: deviation 0.02, or 1/√fan-in (learns in minutes)", choices=("gpt2", "fan_in"))
    auxiliary_width: int = setting(1024, "hidden width of the auxiliary head; 0 for a linear map", least=0)
    auxiliary_scale: str = setting(
        "unit", "what the auxiliary head reads: the unit embedding, or √D times it", choices=("unit", "sqrt_width")
    )
    bottleneck: float = setting(
        0.0, "noise on the normalised embedding while training, its variance as a share of the embedding's; 0 is published", least=0
    )


@dataclass
class ObjectiveSettings:
    """Objective"""

    temperature: float = setting(0.1, "of the contrastive loss", above=0)
    clamp_similarities: bool = setting(True, "floor cosines at 1e-7 as published, so that negatives of negative cosine give no gradient")
    weight_equiv_loss: float = setting(
        5.0,
        "multiplies the auxiliary regression, which is added to the contrastive loss: of each told factor the mean squared error over its numbers, "
        "summed over the told factors",
        least=0,
    )
    weight_inactive: float = setting(
        0.0,
        "weight of the squared distance between the tokens of pairs that differ in untold factors alone (of tables, exact_chance of them); "
        "0 is published",
        least=0,
    )
    weight_labels: float = setting(
        0.0,
        "weight of a supervised head whose label depends on the context: the class with the told factor's bin; 0 has no such head",
        least=0,
    )
    label_bins: int = setting(2, "of those labels: bins of equal count that a factor is cut into", least=2)
    env_ratio: list[float] | dict[str, float] | None = setting(
        None,
        "chances of the environments: [rotation, color, both] for two factors, or for any a mapping in quotes (bash takes braces apart), "
        "'env_ratio={rotation:0.5,none:0.5}'; "
        "where left out each factor alone (and none, where there is one factor or they are categories), with equal chances; for two the paper's "
        "[0.5,0.5,0.0]",
        least=0,
        most=1,
    )
    env_per: str = setting("batch", "an environment is drawn for each batch (the paper) or each sequence", choices=("batch", "sequence"))


@dataclass
class OptimiserSettings:
    """Optimisation"""

    epochs: int = setting(1000, "passes over the training items", least=1)
    batch_size: int = setting(512, "pairs a batch, over all devices", "pairs", least=1)
    pairs_per_item: int = setting(1, "pairs drawn of each item in a batch; more give negatives of the same object", least=1)
    optimizer: str = setting("adam", "'adam' (weight decay as an L2 term, published) or 'adamw'", choices=("adam", "adamw"))
    learning_rate: float = setting(5e-5, "peak learning rate for 256 pairs a batch; scaled in proportion to batch_size", above=0)
    weight_decay: float = setting(1e-3, "weight decay", least=0)
    warmup_epochs: float = setting(10.0, "epochs over which the learning rate rises; it then falls to 0 along a cosine", "epochs", least=0)
    gradient_clip: float = setting(0.0, "largest norm of the gradient; 0 does not clip", least=0)


@dataclass
class RunSettings:
    """Run"""

    seed: int = setting(0, "of weights, pairs, environments, masks and validation pairs", least=0, most=MOST_SEED)
    output_dir: str = setting("runs", "folder in which each run makes its own", path=True)
    run_dir: str | None = setting(None, "this run's folder; a new one in output_dir where left out", path=True)
    resume: str | None = setting(
        None, "run folder or checkpoint to go on with, exactly; its settings hold, other words given are an error", path=True
    )
    log_interval: int = setting(5, "epochs between two looks at the validation pairs", "epochs", least=1)
    log_every_steps: int = setting(20, "steps between two readings of the meters", "steps", least=1)
    save_interval: int = setting(0, "epochs between checkpoints that are kept; 0 keeps the last and the best", "epochs", least=0)
    save_minutes: float = setting(10.0, "minutes after which the last checkpoint is saved within an epoch", "minutes", least=0)
    max_minutes: float = setting(
        0.0, "stop after so many minutes of training, of this command alone: resume=RUN goes on without; 0 does not", "minutes", least=0
    )
    eval_ctxt: list[int] = setting(
        [0, 2, 14, 126], "context lengths looked at on validation pairs; beyond the block, its longest", "tokens", least=0
    )
    val_pairs: int = setting(1024, "validation pairs that each look takes", "pairs", least=1)
    accelerator: str = setting("auto", "what it runs on", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    devices: int | list[int] | str = setting("auto", "how many devices, or which")
    num_nodes: int = setting(1, "machines, under torchrun or Slurm", least=1)
    sync_batchnorm: bool = setting(
        False,
        "over several GPUs: batch normalisation in the encoder over the whole batch; where off, each process normalises its own share of it",
    )
    precision: str = setting(
        "auto", "bf16-mixed where the device gains from it, else 32-true", choices=("auto", "32-true", "bf16-mixed", "16-mixed")
    )
    compile: bool = setting(False, "compile the encoder with torch.compile (half a minute at the start)")
    workers: int = setting(
        -1,
        "processes that draw batches, and that pack or render images first (0: none beside this one); -1 chooses: for batches none on a CPU, "
        "four for a GPU",
        least=-1,
    )
    wandb: str | None = setting(None, "log to this Weights & Biases project too (pip install 'contextssl[wandb]')")
    progress: bool = setting(True, "show progress")
    own: dict[str, Any] = setting({}, "what a plug-in (a method, a data set) declares for itself; give each by its own name")


@dataclass
class TrainSettings(RunSettings, OptimiserSettings, ObjectiveSettings, ModelSettings, MethodSettings, DataSettings):
    """Train ContextSSL, or a rival method. The defaults are the paper's run on 3DIEBench (1000 epochs, 7 to 8 hours on one A6000)."""


@dataclass
class DemoSettings(TrainSettings):
    """See it adapt, in ten minutes: render shapes, train on them, evaluate by every protocol and write the report."""


@dataclass
class ReportSettings:
    """Write one self-contained HTML page about a run, or several side by side, and its figures as PNG and SVG."""

    runs: list[str] = setting([], "run folders: contextssl report RUN [RUN …]", path=True)
    out: str | None = setting(None, "the page; where left out RUN/report.html, for several runs ./report.html", path=True)
    split: str = setting("val", "which split's numbers to show", choices=("val", "train", "test"))
    protocols: list[str] = setting([], "protocols of your own, package.module:Name, whose sections are shown too")
    figures: bool = setting(True, "write each figure as PNG and SVG too, into the folder figures beside the page")
    gallery: bool = setting(True, "make a run's gallery of neighbours where it is missing and checkpoint and data are at hand")
    data_dir: str | None = setting(None, "the data's packed store, where it has moved since training; for the gallery", path=True)
    factors: list[str] | None = setting(
        None,
        "for the gallery of a run on augmentations of your own: its factors once more, since no code is imported because a file names it",
    )
    dataset: str | None = setting(
        None, "for the gallery of a run on data of your own: package.module:function that returns them", names=DATA_SETS
    )
    encoder_factory: str | None = setting(
        None, "for the gallery of a run with an encoder of your own: package.module:function that returns it"
    )
    method: str | None = setting(None, "for the gallery of a run of a method of your own: package.module:Name")
