"""The class, learnt from its labels: what can be reached where it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.method import Method, Parts

if TYPE_CHECKING:
    from contextssl.models.baselines.term import Term


def terms(parts: Parts) -> list[Term]:
    from contextssl.models.baselines.supervision import ClassSupervision

    return [ClassSupervision(parts.feature_width, parts.classes)]


METHOD = Method("supervised", "ceiling", terms, title="supervised: class", place=11)
