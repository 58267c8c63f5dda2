"""The names of what can be evaluated, and by what: known without importing any of it."""

from __future__ import annotations

PROTOCOLS = ("equivariance", "retrieval", "probe", "geometry", "fairness")
# What ``evaluate all`` leaves out: asked for by name.
FURTHER_PROTOCOLS = ("erasure", "reading", "labels")
# Of rows of a table alone.
OF_TABLES = ("fairness",)
# Who is trained afresh to read a factor, or to predict a target, from rows of a table.
CLASSIFIERS = ("logistic", "mlp", "boosting")
# What stands beside a context: raw columns, linear erasure, SCARF.
BASELINES = ("raw", "erased", "scarf")
