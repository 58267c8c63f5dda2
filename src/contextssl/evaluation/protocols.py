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

_SINGLE_VIEWS = ("train_views", "train_items", "probe_views")
_TRAINED_HEADS = ("heads", "epochs", "learning_rate", "batch_size")
# Settings that a protocol reads beside those that every one reads.
READS: Mapping[str, tuple[str, ...]] = {
    "equivariance": (*_TRAINED_HEADS, *_SINGLE_VIEWS),
    "retrieval": ("sources", "queries"),
    "probe": (*_TRAINED_HEADS, *_SINGLE_VIEWS, "bottleneck", "neighbours"),
    "geometry": (*_SINGLE_VIEWS, "bottleneck", "neighbours", "sensitivity_items", "sensitivity_views"),
    "fairness": ("train_views", "train_items", "adversaries", "forget_bottleneck", "baselines", "scarf_epochs"),
    "erasure": ("heads", *_SINGLE_VIEWS, "bottleneck", "neighbours"),
    "reading": (*_SINGLE_VIEWS, "neighbours", "unseen_classes"),
    "labels": ("probe_views",),
}
