"""Labels that depend on the context, by the head that was trained on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from contextssl.errors import SettingsError
from contextssl.protocol import Column, Protocol

if TYPE_CHECKING:
    from contextssl.protocol import Plan, ResultRow


class Labels(Protocol):
    name = "labels"
    intro = "Labels that depend on the context, by the head that was trained on them (weight_labels)."
    title = "Labels that depend on the context"
    place = 7
    reads_values = True
    reads = ("probe_views",)
    definitions: ClassVar[Mapping[str, str]] = {
        "accuracy_bound": "of labels that depend on the context: the highest accuracy over all environments without knowing the environment"
    }
    columns = (Column("accuracy", "label", "accuracy"),)

    def rows(self, plan: Plan) -> Iterable[ResultRow]:
        from contextssl.evaluation.context_labels import context_label_rows
        from contextssl.models.contextssl import ContextSSL

        model = plan.embedder.model
        if not isinstance(model, ContextSSL) or model.label_head is None or model.label_space is None:
            raise SettingsError("this model has no head for labels that depend on the context: train one with weight_labels=1")
        return context_label_rows(plan.single_views, plan.points, model.label_head, model.label_space)

    def is_of(self, settings: Any) -> bool:
        return bool(settings.weight_labels)


PROTOCOL = Labels()
