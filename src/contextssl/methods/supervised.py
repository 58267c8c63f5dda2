"""Supervised by class labels: an upper bound for the class."""

from __future__ import annotations

from contextssl.method import Method, Parts, Terms


def terms(parts: Parts) -> Terms:
    from contextssl.models.baselines.supervision import ClassSupervision

    return [ClassSupervision(parts.feature_width, parts.classes)]


METHOD = Method("supervised", "ceiling", terms, title="supervised: class", place=11)
