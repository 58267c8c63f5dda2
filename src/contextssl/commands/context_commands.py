"""``contextssl context make``, ``describe`` and ``compare``."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

from contextssl.commands.used_model import context_of, needed, used_context, used_model
from contextssl.config.use_settings import ContextCompareSettings, ContextDescribeSettings, ContextMakeSettings
from contextssl.errors import SettingsError
from contextssl.models.by_examples import ByExamples
from contextssl.models.contextssl import ContextSSL
from contextssl.models.predictor import Context
from contextssl.system.console import show


def run_make(settings: ContextMakeSettings) -> int:
    needed(settings, "context", "the examples", "context make MODEL pairs.csv")
    model = used_model(settings)
    context = used_context(model, settings)
    assert context is not None
    context.save(settings.out)
    if isinstance(model, ByExamples) and model.carried is not None:
        print(context.describe())
    print(f"{settings.out}: {context.pairs} pairs")
    return 0


def run_describe(settings: ContextDescribeSettings) -> int:
    needed(settings, "context", "the examples, or a context", "context describe MODEL pairs.csv")
    model = used_model(settings)
    context = used_context(model, settings)
    assert context is not None
    print(context.describe())
    return 0


def run_compare(settings: ContextCompareSettings) -> int:
    usage = "context compare MODEL FIRST SECOND"
    names = [needed(settings, name, "two lists of pairs, or contexts", usage) for name in ("first", "second")]
    model = used_model(settings)
    environments = (settings.environment, settings.second_environment or settings.environment)
    contexts = [context_of(model, name, environment) for name, environment in zip(names, environments, strict=True)]
    if not isinstance(model, ByExamples) or model.carried is None:
        raise SettingsError(
            "contexts are compared on views that a model of examples carries, and this one carries none: train with context=examples"
        )
    described = [context.describe() for context in contexts]
    table = Table(title="what is left of each factor's effect on distances", title_justify="left")
    table.add_column("factor")
    for name, context in zip(names, contexts, strict=True):
        table.add_column(f"{name} ({context.pairs} pairs)", overflow="fold", justify="right")
    for factor in described[0].factors:
        effects = [each.factors[factor] for each in described]
        table.add_row(factor, *(f"{effect.says}, {100 * effect.left:.0f} % ± {100 * effect.error:.0f}" for effect in effects))
    show(table, Console(highlight=False))
    print(f"mean cosine between the embeddings of a view in both contexts: {agreement(model, model.carried.items, contexts):.2f}")
    return 0


def agreement(model: ContextSSL, views: torch.Tensor, contexts: list[Context]) -> float:
    """Of the embeddings of the same views in two contexts: 1 where the contexts do the same. Each about its mean, which says nothing of the views."""
    embeddings = [model.embed_features(views.flatten(0, 1), context) for context in contexts]
    first, second = (F.normalize(z - z.mean(dim=0), dim=-1) for z in embeddings)
    return float((first * second).sum(dim=-1).mean())
