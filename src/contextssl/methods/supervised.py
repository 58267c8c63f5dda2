"""The class, learnt from its labels: what can be reached where it is told."""

from __future__ import annotations

from contextssl.method import Method, Parts, Terms


def terms(parts: Parts) -> Terms:
    from contextssl.models.baselines.supervision import ClassSupervision

    return [ClassSupervision(parts.feature_width, parts.classes)]


METHOD = Method("supervised", "ceiling", terms, title="supervised: class", place=11)
