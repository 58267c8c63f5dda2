"""The names of what can be evaluated, by what, and which settings each protocol reads: known without importing any of it."""

from __future__ import annotations

from collections.abc import Mapping

PROTOCOLS = ("equivariance", "retrieval", "probe", "geometry", "fairness")
# What ``evaluate all`` leaves out: asked for by name.
FURTHER_PROTOCOLS = ("erasure", "reading", "labels")
# Of rows of a table alone.
OF_TABLES = ("fairness",)
# Who is trained afresh to read a factor, or to predict a target, from rows of a table.
CLASSIFIERS = ("logistic", "mlp", "boosting")
# What stands beside a context: raw columns, linear erasure, SCARF.
BASELINES = ("raw", "erased", "scarf")
# Passes of trained heads over the training data, as published.
PUBLISHED_EPOCHS = {"equivariance": 200, "probe": 300}

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
    "accelerator",
    "progress",
)
# Settings that every protocol reads.
READ_BY_ALL = (
    *CHANGE_NOTHING,
    *("checkpoint", "n_head", "block_size", "image_mean", "image_std"),
    *("dataset", "resolution", "classes", "objects", "val_objects", "views", "supersample", "data_seed", "meshes"),
    *("factors", "data_factory", "encoder_factory", "own"),
    *("eval_ctxt", "environments", "contexts", "split", "items", "seed", "precision"),
)
_SINGLE_VIEWS = ("train_views", "train_items", "probe_views")
_TRAINED_HEADS = ("heads", "epochs", "learning_rate", "batch_size", "normalize", "pairs")
# Settings that a protocol reads beside those: others mean nothing to it.
READS: Mapping[str, tuple[str, ...]] = {
    "equivariance": (*_TRAINED_HEADS, *_SINGLE_VIEWS),
    "retrieval": ("sources", "queries", "normalize"),
    "probe": (*_TRAINED_HEADS, *_SINGLE_VIEWS, "bottleneck", "neighbours"),
    "geometry": (*_SINGLE_VIEWS, "bottleneck", "neighbours", "sensitivity_items", "sensitivity_views"),
    "fairness": ("train_items", "adversaries", "forget_bottleneck", "baselines", "scarf_epochs"),
    "erasure": ("heads", *_SINGLE_VIEWS, "bottleneck", "neighbours"),
    "reading": (*_SINGLE_VIEWS, "neighbours", "unseen_classes"),
    "labels": ("probe_views",),
}


def settings_read(protocol: str) -> tuple[str, ...]:
    """The names of all settings that a protocol reads; of ``"all"`` what any of :data:`PROTOCOLS` does."""
    own = [name for each in PROTOCOLS for name in READS[each]] if protocol == "all" else READS[protocol]
    return (*READ_BY_ALL, *dict.fromkeys(own))


def settings_that_count(protocol: str) -> tuple[str, ...]:
    """Those of them that change its numbers: two evaluations that agree in all of these can stand side by side."""
    return tuple(name for name in settings_read(protocol) if name not in CHANGE_NOTHING)


def rows_split(protocol: str, split: str, sources: str) -> str:
    """The split that a protocol's rows are of: the one that is asked for, but for retrieval as published, which is of the training split."""
    return "train" if protocol == "retrieval" and sources == "published" else split


def evaluation_name(protocol: str, split: str) -> str:
    """Under which name a results file keeps how a protocol's rows of a split were made."""
    return protocol if split == "val" else f"{protocol} ({split})"
